import type { Terminal } from "@xterm/xterm";

let shown: Terminal | null = null;

/** Names the terminal on screen; null when none is. */
export function show(terminal: Terminal | null): void {
  shown = terminal;
}

/** Tells the size of the terminal on screen, for a runner that is about to get one. */
export function shownSize(): { columns: number; rows: number } | null {
  return shown === null ? null : { columns: shown.cols, rows: shown.rows };
}

/** Reads what the terminal on screen shows, line by line. */
export function visibleText(): string {
  if (shown === null) return "";
  const { active } = shown.buffer;
  return Array.from(
    { length: shown.rows },
    (_, row) => active.getLine(active.viewportY + row)?.translateToString(true) ?? "",
  ).join("\n");
}

/** Tells the text that is selected in the terminal on screen. */
export function selection(): string {
  return shown?.getSelection() ?? "";
}

declare global {
  interface Window {
    /** Read by tests that drive the window: the visible text of the terminal on screen. */
    readonly __stratavore_terminal_text: () => string;
  }
}

/** Lets a test that drives the window read the terminal. */
export function exposeText(): void {
  Object.defineProperty(window, "__stratavore_terminal_text", { value: visibleText, writable: false });
}
