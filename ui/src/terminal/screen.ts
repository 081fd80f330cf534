import type { Terminal } from "@xterm/xterm";
import type { Point } from "../backend/backend";
import type { Size } from "./fit";
import { linksShown, type Link } from "./links-shown";

/** Is a terminal on screen. */
export interface Screen {
  terminal: Terminal;
  /** What fits where it is shown. */
  fits: () => Size | null;
  /** Pastes a text, after asking where that is wise. */
  paste: (text: string) => void;
  /** What else can be done with it now, for those who use no mouse. */
  commands: () => { title: string; run: () => void }[];
}

const screens = new Map<string, Screen>();
let front: string | null = null;

/** Enters the terminal of a runner; the returned function takes it out. */
export function enter(runner: string, screen: Screen): () => void {
  screens.set(runner, screen);
  return () => {
    if (screens.get(runner) === screen) screens.delete(runner);
  };
}

/** Names the runner whose terminal takes the keys; null when none does. */
export function setFront(runner: string | null): void {
  front = runner;
}

/** Gives a runner's terminal, when it is on screen. */
export function screenOf(runner: string): Screen | undefined {
  return screens.get(runner);
}

/** Names the runner whose terminal is at a place of the window. */
export function screenAt({ x, y }: Point): string | null {
  return document.elementFromPoint(x, y)?.closest<HTMLElement>("[data-screen]")?.dataset["screen"] ?? null;
}

function shown(): Screen | undefined {
  return front === null ? undefined : screens.get(front);
}

/** Tells the size that the terminal on screen could have, for a runner that is about to get one. */
export function shownSize(): Size | null {
  return shown()?.fits() ?? null;
}

/** Reads what the terminal that takes the keys shows, line by line. */
export function visibleText(): string {
  const terminal = shown()?.terminal;
  if (terminal === undefined) return "";
  const { active } = terminal.buffer;
  return Array.from(
    { length: terminal.rows },
    (_, row) => active.getLine(active.viewportY + row)?.translateToString(true) ?? "",
  ).join("\n");
}

/** Lists the links that the terminal that takes the keys shows. */
export function visibleLinks(): Link[] {
  const terminal = shown()?.terminal;
  return terminal === undefined ? [] : linksShown(terminal);
}

/** Tells the text that is selected in the terminal that takes the keys. */
export function selection(): string {
  return shown()?.terminal.getSelection() ?? "";
}

declare global {
  interface Window {
    /** Read by tests that drive the window: the visible text of the terminal that takes the keys. */
    readonly __stratavore_terminal_text: () => string;
  }
}

/** Lets a test that drives the window read the terminal. */
export function exposeText(): void {
  Object.defineProperty(window, "__stratavore_terminal_text", { value: visibleText, writable: false });
}
