/** A program that marks pastes by itself still gets a question for more than this; it is rarely meant. */
const HUGE = 64 * 1024;

/** Says what is to be done with a text before it is pasted. */
export type Judgement =
  | { kind: "paste"; text: string }
  /** Each line runs as it arrives, or there is very much of it: a person should see it before. */
  | { kind: "ask"; text: string; lines: number; why: "lines" | "huge" };

/**
 * Takes out what no paste should carry: control characters type commands, and the mark of a paste's end would let the rest
 * pass as typed.
 */
export function clean(text: string): string {
  return text.replace(/\r\n?/g, "\n").replace(/[\0-\x08\x0b-\x1f\x7f\x80-\x9f]/g, "");
}

/** Judges a paste; a program that marks pastes (`?2004`) takes lines as text and runs none of them. */
export function judge(raw: string, bracketed: boolean): Judgement {
  const text = clean(raw);
  const lines = text.replace(/\n$/, "").split("\n").length;
  if (text.length > HUGE) return { kind: "ask", text, lines, why: "huge" };
  if (!bracketed && text.includes("\n")) return { kind: "ask", text, lines, why: "lines" };
  return { kind: "paste", text };
}

/** Joins the lines into one that runs only when Enter is pressed. */
export function oneLine(text: string): string {
  return text
    .split("\n")
    .map((line) => line.trim())
    .filter((line) => line !== "")
    .join(" ");
}
