import type { Extent } from "./fit";

/** Measures the room inside of an element's padding. */
export function extent(element: Element): Extent {
  const style = getComputedStyle(element);
  const inner = (whole: number, ...edges: string[]): number =>
    edges.reduce((rest, edge) => rest - (Number.parseFloat(edge) || 0), whole);
  return {
    width: inner(element.clientWidth, style.paddingLeft, style.paddingRight),
    height: inner(element.clientHeight, style.paddingTop, style.paddingBottom),
  };
}
