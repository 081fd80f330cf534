import { MediaQuery } from "svelte/reactivity";
import type { Preferences } from "../settings/preferences.svelte";

/** Tells whether the window is dark: as a person prefers, or as the desktop is. */
export class Theme {
  readonly #system = new MediaQuery("prefers-color-scheme: dark");

  constructor(private readonly preferences: Preferences) {}

  get dark(): boolean {
    const { theme } = this.preferences.now;
    return theme === "system" ? this.#system.current : theme === "dark";
  }
}
