/** What the window does with a key, wherever the focus is. */
export type Act =
  | { kind: "palette" }
  | { kind: "launch" }
  | { kind: "runner"; index: number }
  | { kind: "neighbour"; step: 1 | -1 }
  | { kind: "find" }
  | { kind: "copy" }
  | { kind: "paste" };

/** Where the focus is: the terminal has keys of its own, and a text field keeps those for selecting words. */
export type Place = "terminal" | "field" | "elsewhere";

export type Key = Pick<KeyboardEvent, "key" | "code" | "ctrlKey" | "shiftKey" | "altKey" | "metaKey">;

/**
 * Tells what a key does; null: it is the terminal's, or whatever has the focus. Digits go by their place on the keyboard,
 * for some layouts write other characters there.
 */
export function act(key: Key, place: Place): Act | null {
  if (!key.ctrlKey || key.altKey || key.metaKey) return null;
  if (!key.shiftKey) {
    if (key.key === "k") return { kind: "palette" };
    if (key.key === "n") return { kind: "launch" };
    const digit = /^Digit([1-9])$/.exec(key.code);
    return digit === null ? null : { kind: "runner", index: Number(digit[1]) - 1 };
  }
  switch (key.key) {
    case "ArrowDown":
      return { kind: "neighbour", step: 1 };
    case "ArrowUp":
      return { kind: "neighbour", step: -1 };
    case "ArrowRight":
      return place === "field" ? null : { kind: "neighbour", step: 1 };
    case "ArrowLeft":
      return place === "field" ? null : { kind: "neighbour", step: -1 };
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
