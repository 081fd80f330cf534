/** Is thrown for a command whose quotes do not close. */
export class Unclosed extends Error {}

/** Splits a command line into words as a POSIX shell does, without expanding anything. */
export function split(line: string): string[] {
  const words: string[] = [];
  let word: string | null = null;
  let quote: '"' | "'" | null = null;
  for (let at = 0; at < line.length; at += 1) {
    const character = line.charAt(at);
    if (quote === "'") {
      if (character === "'") quote = null;
      else word += character;
    } else if (character === "\\") {
      const next = line.charAt(at + 1);
      if (next === "") throw new Unclosed("the command ends in a backslash");
      at += 1;
      // Inside double quotes a backslash is itself, but before these.
      if (quote === '"' && !'"\\$`\n'.includes(next)) word = (word ?? "") + character;
      if (next !== "\n") word = (word ?? "") + next;
    } else if (quote === '"') {
      if (character === '"') quote = null;
      else word += character;
    } else if (character === '"' || character === "'") {
      quote = character;
      word ??= "";
    } else if (/\s/.test(character)) {
      if (word !== null) words.push(word);
      word = null;
    } else {
      word = (word ?? "") + character;
    }
  }
  if (quote !== null) throw new Unclosed(`a ${quote} is not closed`);
  if (word !== null) words.push(word);
  return words;
}
