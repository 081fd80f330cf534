import { storage } from "../window/tabs.svelte";

/**
 * Marks in the performance timeline what happens to a terminal's bytes, for `docs/benchmarks.md`: `terminal:typed` when a key
 * leaves, `terminal:arrived` and `terminal:drawn` with the bytes of each piece, `terminal:frame` at the frame that shows it.
 * Only when `measure` was put into the webview's storage before the page was loaded: the timeline is kept for good.
 */
const measuring = storage.read("measure") !== null;

export type Happening = "typed" | "arrived" | "drawn" | "frame";

export function mark(what: Happening, bytes = 0): void {
  if (measuring) performance.mark(`terminal:${what}`, { detail: bytes });
}

/** Marks that bytes were drawn, and the frame that shows them. */
export function markDrawn(bytes: number): void {
  if (!measuring) return;
  mark("drawn", bytes);
  requestAnimationFrame(() => mark("frame", bytes));
}
