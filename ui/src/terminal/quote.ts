/** Writes words so that a shell reads them back as they are, with a blank behind the last. */
export function quoted(words: readonly string[]): string {
  return words
    .map((word) => (/^[\w@%+=:,./-]+$/.test(word) ? word : `'${word.replaceAll("'", `'\\''`)}'`))
    .map((word) => `${word} `)
    .join("");
}
