import { storage, type Memory } from "../window/tabs.svelte";

/** What one person prefers, on this machine; kept in the webview's own storage, for all instances alike. */
export interface Preferred {
  theme: "system" | "dark" | "light";
  /** A CSS list of font families. */
  fontFamily: string;
  /** In CSS pixels. */
  fontSize: number;
  ligatures: boolean;
  copyOnSelect: boolean;
  bell: "none" | "flash" | "sound" | "both";
  /** Tells a screen reader what the terminal shows, at some cost. */
  screenReader: boolean;
  /** What draws the terminal; `auto` is what was measured to be fastest. */
  renderer: "auto" | "dom" | "webgl";
}

export const DEFAULTS: Preferred = {
  theme: "system",
  fontFamily: '"JetBrains Mono", "DejaVu Sans Mono", monospace',
  fontSize: 13,
  ligatures: false,
  copyOnSelect: false,
  bell: "flash",
  screenReader: false,
  renderer: "auto",
};

/** What a choice may be. */
export const CHOICES = {
  theme: ["system", "dark", "light"],
  bell: ["none", "flash", "sound", "both"],
  renderer: ["auto", "dom", "webgl"],
} as const;

export const FONT_SIZES = { least: 6, most: 40 } as const;

const KEY = "preferences";
const ALWAYS = "clipboard allowed";
/** Runners come and go; the permissions of long gone ones are forgotten. */
const REMEMBERED = 200;

function choice<K extends keyof typeof CHOICES>(key: K, value: unknown): Preferred[K] {
  const allowed: readonly unknown[] = CHOICES[key];
  return (allowed.includes(value) ? value : DEFAULTS[key]) as Preferred[K];
}

const size = (value: unknown): number =>
  typeof value === "number" && Number.isFinite(value)
    ? Math.min(FONT_SIZES.most, Math.max(FONT_SIZES.least, Math.round(value)))
    : DEFAULTS.fontSize;

/** Makes preferences of whatever was kept; what makes no sense is as by default. */
function sound(kept: Record<string, unknown>): Preferred {
  const flag = (key: "ligatures" | "copyOnSelect" | "screenReader"): boolean => kept[key] === true;
  const family = typeof kept["fontFamily"] === "string" ? kept["fontFamily"].trim() : "";
  return {
    theme: choice("theme", kept["theme"]),
    fontFamily: family === "" ? DEFAULTS.fontFamily : family,
    fontSize: size(kept["fontSize"]),
    ligatures: flag("ligatures"),
    copyOnSelect: flag("copyOnSelect"),
    bell: choice("bell", kept["bell"]),
    screenReader: flag("screenReader"),
    renderer: choice("renderer", kept["renderer"]),
  };
}

function read(memory: Memory, key: string): unknown {
  try {
    return JSON.parse(memory.read(key) ?? "null");
  } catch {
    return null;
  }
}

/** Holds what a person prefers, from one opening of the window to the next. */
export class Preferences {
  #held = $state.raw<Preferred>(DEFAULTS);
  readonly #memory: Memory;

  constructor(memory: Memory = storage) {
    this.#memory = memory;
    const kept = read(memory, KEY);
    if (typeof kept === "object" && kept !== null) this.#held = sound(kept as Record<string, unknown>);
  }

  get now(): Preferred {
    return this.#held;
  }

  set<K extends keyof Preferred>(key: K, value: Preferred[K]): void {
    this.#held = sound({ ...this.#held, [key]: value });
    this.#memory.write(KEY, JSON.stringify(this.#held));
  }

  /** Makes the terminal's text larger or smaller by a pixel; 0: as by default. */
  zoom(step: 1 | -1 | 0): void {
    this.set("fontSize", step === 0 ? DEFAULTS.fontSize : this.#held.fontSize + step);
  }

  /** Says whether a person let this runner's program write the clipboard for good. */
  mayCopy(runner: string): boolean {
    const kept = read(this.#memory, ALWAYS);
    return Array.isArray(kept) && kept.includes(runner);
  }

  /** Lets this runner's program write the clipboard from now on. */
  letCopy(runner: string): void {
    const kept = read(this.#memory, ALWAYS);
    const others = Array.isArray(kept) ? kept.filter((id) => typeof id === "string" && id !== runner) : [];
    this.#memory.write(ALWAYS, JSON.stringify([...others, runner].slice(-REMEMBERED)));
  }
}
