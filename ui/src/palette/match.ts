/** Scores how well a query fits a text: null not at all, more is better. All characters must occur in order. */
export function score(query: string, text: string): number | null {
  const wanted = query.toLowerCase().replace(/\s+/g, "");
  const given = text.toLowerCase();
  let total = 0;
  let at = -1;
  for (const character of wanted) {
    const next = given.indexOf(character, at + 1);
    if (next === -1) return null;
    const startsWord = next === 0 || !/[\p{L}\p{N}]/u.test(given.charAt(next - 1));
    total += next === at + 1 && at !== -1 ? 4 : startsWord ? 3 : 0;
    total -= Math.min(next - at - 1, 20) / 20;
    at = next;
  }
  // A whole phrase beats letters strewn about.
  return given.includes(query.trim().toLowerCase()) ? total + 10 : total;
}

/** Keeps what fits, best first; what fits equally well keeps its order. */
export function matching<T>(query: string, items: readonly T[], text: (item: T) => string): T[] {
  if (query.trim() === "") return [...items];
  return items
    .map((item) => ({ item, score: score(query, text(item)) }))
    .filter((entry): entry is { item: T; score: number } => entry.score !== null)
    .sort((a, b) => b.score - a.score)
    .map(({ item }) => item);
}
