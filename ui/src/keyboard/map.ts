import type { Along, Way } from "../panes/layout";

/** What the window does with a key, wherever the focus is. */
export type Act =
  | { kind: "palette" }
  | { kind: "launch" }
  | { kind: "runner"; index: number }
  | { kind: "need"; step: 1 | -1 }
  | { kind: "decision" }
  | { kind: "tab"; step: 1 | -1 }
  | { kind: "pane"; way: Way }
  | { kind: "split"; along: Along }
  | { kind: "link" }
  | { kind: "close" }
  | { kind: "zoom"; step: 1 | -1 | 0 }
  | { kind: "find" }
  | { kind: "copy" }
  | { kind: "paste" };

/** Where the focus is: the terminal has keys of its own, and a text field keeps those for selecting words. */
export type Place = "terminal" | "field" | "elsewhere";

export type Key = Pick<KeyboardEvent, "key" | "code" | "ctrlKey" | "shiftKey" | "altKey" | "metaKey">;

const WAYS: Record<string, Way> = { ArrowLeft: "left", ArrowRight: "right", ArrowUp: "up", ArrowDown: "down" };

/**
 * Tells what a key does; null: it is the terminal's, or whatever has the focus. Digits go by their place on the keyboard,
 * for some layouts write other characters there.
 */
export function act(key: Key, place: Place): Act | null {
  if (key.metaKey) return null;
  if (key.altKey) {
    const way = WAYS[key.key];
    return key.shiftKey && !key.ctrlKey && way !== undefined && place !== "field" ? { kind: "pane", way } : null;
  }
  if (!key.ctrlKey) return null;
  return key.shiftKey ? withShift(key, place) : plain(key);
}

function plain(key: Key): Act | null {
  switch (key.key) {
    case "k":
      return { kind: "palette" };
    case "n":
      return { kind: "launch" };
    case "PageDown":
      return { kind: "tab", step: 1 };
    case "PageUp":
      return { kind: "tab", step: -1 };
    case "+":
    case "=":
      return { kind: "zoom", step: 1 };
    case "-":
      return { kind: "zoom", step: -1 };
  }
  if (key.code === "Digit0" || key.code === "Numpad0") return { kind: "zoom", step: 0 };
  const digit = /^Digit([1-9])$/.exec(key.code);
  return digit === null ? null : { kind: "runner", index: Number(digit[1]) - 1 };
}

function withShift(key: Key, place: Place): Act | null {
  switch (key.key) {
    case "ArrowDown":
      return { kind: "need", step: 1 };
    case "ArrowUp":
      return { kind: "need", step: -1 };
    case "ArrowRight":
      return place === "field" ? null : { kind: "need", step: 1 };
    case "ArrowLeft":
      return place === "field" ? null : { kind: "need", step: -1 };
    case "+":
      return { kind: "zoom", step: 1 };
  }
  if (place === "field") return null;
  switch (key.key.toLowerCase()) {
    case "e":
      return { kind: "split", along: "row" };
    case "o":
      return { kind: "split", along: "column" };
    case "d":
      return { kind: "decision" };
    case "l":
      return { kind: "link" };
    case "w":
      return { kind: "close" };
  }
  if (place !== "terminal") return null;
  switch (key.key.toLowerCase()) {
    case "f":
      return { kind: "find" };
    case "c":
      return { kind: "copy" };
    case "v":
      return { kind: "paste" };
    default:
      return null;
  }
}
