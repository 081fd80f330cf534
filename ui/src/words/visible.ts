/** Is a stretch of text as it may be shown: as it is, or the name of a character that nobody would see. */
export interface Stretch {
  text: string;
  hidden: boolean;
}

/** What moves the pen, turns the writing around, or takes no room: a command could pretend to be another with these. */
const HIDDEN = /[\p{Cc}\p{Cf}\p{Zl}\p{Zp}\u00a0\u115f\u1160\u2000-\u200a\u202f\u205f\u2800\u3000\u3164\uffa0]/u;

function name(character: string): string {
  const code = character.codePointAt(0) ?? 0;
  if (character === "\n") return "↵\n";
  if (character === "\t") return "⇥\t";
  // Unicode has a picture of each of the first control characters: ␛.
  if (code < 0x20) return String.fromCodePoint(0x2400 + code);
  if (code === 0x7f) return "␡";
  return `⟨U+${code.toString(16).toUpperCase().padStart(4, "0")}⟩`;
}

/** Takes a text apart so that everything in it can be seen. */
export function visible(text: string): Stretch[] {
  const stretches: Stretch[] = [];
  for (const character of text) {
    const hidden = HIDDEN.test(character);
    const shown = hidden ? name(character) : character;
    const last = stretches.at(-1);
    if (last !== undefined && last.hidden === hidden) last.text += shown;
    else stretches.push({ text: shown, hidden });
  }
  return stretches;
}

/** Writes a text in one line in which everything can be seen. */
export function oneLine(text: string): string {
  return visible(text.trim())
    .map((stretch) => stretch.text.replace(/[\n\t]/g, " "))
    .join("")
    .replace(/ +/g, " ");
}
