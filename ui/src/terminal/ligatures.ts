/** What programmers' fonts draw as one glyph, longest first. */
const SEQUENCES =
  /<!--|-->|<==>|<=>|===|!==|>>>|<<<|\|\|=|&&=|\?\?=|\.\.\.|::=|<-{1,2}>?|-{1,2}>|=>|<=|>=|==|!=|:=|\|>|<\||&&|\|\||\?\?|\?\.|\.\.|::|\/\/|\/\*|\*\/|\+\+|--|>>|<<|~>|#\{|\*\*/g;

/** Finds where cells are to be drawn together, so that the font may join them. */
export function ligatures(text: string): [number, number][] {
  return [...text.matchAll(SEQUENCES)].map(({ index, 0: sequence }) => [index, index + sequence.length]);
}
