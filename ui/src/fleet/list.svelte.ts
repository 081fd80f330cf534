import type { Fleet } from "./fleet.svelte";
import { order, settle, type Group } from "./order";

/** A pointer or key that rests this long, in milliseconds, reads no more. */
const REST = 10_000;

/** Is the list as shown: it follows the fleet, but holds still while somebody reads it. */
export class List {
  groups = $state.raw<Group[]>([]);
  reading = $state(false);

  #rest: ReturnType<typeof setTimeout> | null = null;

  /** Says that somebody points at the list or walks through it. */
  read(): void {
    this.reading = true;
    if (this.#rest !== null) clearTimeout(this.#rest);
    this.#rest = setTimeout(() => this.leave(), REST);
  }

  /** Says that nobody does any more. */
  leave(): void {
    if (this.#rest !== null) clearTimeout(this.#rest);
    this.#rest = null;
    this.reading = false;
  }

  /** Follows the fleet; called from an effect. */
  follow(fleet: Fleet, now: number): void {
    const next = settle(this.groups, order(fleet.runners, now), this.reading);
    if (JSON.stringify(next) !== JSON.stringify(this.groups)) this.groups = next;
  }

  get ids(): string[] {
    return this.groups.flatMap((group) => group.ids);
  }
}
