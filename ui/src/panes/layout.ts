/** Divides a tab: one runner's terminal, or two parts beside or above each other. */
export type Pane = { runner: string } | Split;

export interface Split {
  /** `row`: side by side; `column`: one above the other. */
  along: Along;
  /** What the first part has of the whole. */
  share: number;
  first: Pane;
  second: Pane;
}

export type Along = "row" | "column";
export type Way = "left" | "right" | "up" | "down";

/** Where something is in its tab, in parts of the whole. */
export interface Area {
  left: number;
  top: number;
  width: number;
  height: number;
}

/** Is the line between the two parts of a split, named by the turns that lead to it. */
export interface Line {
  path: string;
  along: Along;
  share: number;
  /** Of both parts together. */
  area: Area;
}

const WHOLE: Area = { left: 0, top: 0, width: 1, height: 1 };
/** Neither part gets smaller than this. */
const LEAST = 0.1;

const bounded = (share: number): number => Math.min(1 - LEAST, Math.max(LEAST, share));
const isSplit = (pane: Pane): pane is Split => "along" in pane;

/** Lists the runners of a tab, as one reads. */
export function runners(pane: Pane): string[] {
  return isSplit(pane) ? [...runners(pane.first), ...runners(pane.second)] : [pane.runner];
}

/** Puts a runner beside or below the one at `at`, half and half. */
export function split(pane: Pane, at: string, along: Along, runner: string): Pane {
  if (isSplit(pane)) {
    return { ...pane, first: split(pane.first, at, along, runner), second: split(pane.second, at, along, runner) };
  }
  return pane.runner === at ? { along, share: 0.5, first: pane, second: { runner } } : pane;
}

/** Takes a runner out; its neighbour gets the room. Null: nothing is left. */
export function without(pane: Pane, runner: string): Pane | null {
  if (!isSplit(pane)) return pane.runner === runner ? null : pane;
  const first = without(pane.first, runner);
  const second = without(pane.second, runner);
  if (first === null) return second;
  return second === null ? first : { ...pane, first, second };
}

function parts({ along, share }: Split, area: Area): [Area, Area] {
  const { left, top, width, height } = area;
  return along === "row"
    ? [
        { left, top, width: width * share, height },
        { left: left + width * share, top, width: width * (1 - share), height },
      ]
    : [
        { left, top, width, height: height * share },
        { left, top: top + height * share, width, height: height * (1 - share) },
      ];
}

/** Tells where each runner's terminal is. */
export function areas(pane: Pane, area: Area = WHOLE): Map<string, Area> {
  if (!isSplit(pane)) return new Map([[pane.runner, area]]);
  const [first, second] = parts(pane, area);
  return new Map([...areas(pane.first, first), ...areas(pane.second, second)]);
}

/** Lists the lines between the parts. */
export function lines(pane: Pane, area: Area = WHOLE, path = "."): Line[] {
  if (!isSplit(pane)) return [];
  const [first, second] = parts(pane, area);
  return [
    { path, along: pane.along, share: pane.share, area },
    ...lines(pane.first, first, `${path}1`),
    ...lines(pane.second, second, `${path}2`),
  ];
}

/** Moves the line of this path. */
export function moved(pane: Pane, path: string, share: number, at = "."): Pane {
  if (!isSplit(pane) || !path.startsWith(at)) return pane;
  if (path === at) return { ...pane, share: bounded(share) };
  return {
    ...pane,
    first: moved(pane.first, path, share, `${at}1`),
    second: moved(pane.second, path, share, `${at}2`),
  };
}

/** Gives a runner's part more room along one way, or less; as it was where nothing stands that way. */
export function grown(pane: Pane, runner: string, along: Along, by: number): Pane {
  if (!isSplit(pane)) return pane;
  const inFirst = runners(pane.first).includes(runner);
  if (!inFirst && !runners(pane.second).includes(runner)) return pane;
  // The innermost line first: it is the nearest.
  const part = inFirst ? grown(pane.first, runner, along, by) : grown(pane.second, runner, along, by);
  if (part !== (inFirst ? pane.first : pane.second)) return inFirst ? { ...pane, first: part } : { ...pane, second: part };
  return pane.along === along ? { ...pane, share: bounded(pane.share + (inFirst ? by : -by)) } : pane;
}

const NEAR = 1e-6;

/** Names the runner on that side of another, the one nearest in line; null at the edge. */
export function beside(pane: Pane, from: string, way: Way): string | null {
  const all = areas(pane);
  const here = all.get(from);
  if (here === undefined) return null;
  const across = way === "left" || way === "right";
  const middle = (area: Area): number => (across ? area.top + area.height / 2 : area.left + area.width / 2);
  const touches = (area: Area): boolean => {
    if (way === "left") return Math.abs(area.left + area.width - here.left) < NEAR;
    if (way === "right") return Math.abs(here.left + here.width - area.left) < NEAR;
    if (way === "up") return Math.abs(area.top + area.height - here.top) < NEAR;
    return Math.abs(here.top + here.height - area.top) < NEAR;
  };
  const overlaps = (area: Area): boolean =>
    across
      ? area.top < here.top + here.height - NEAR && here.top < area.top + area.height - NEAR
      : area.left < here.left + here.width - NEAR && here.left < area.left + area.width - NEAR;
  const near = [...all].filter(([, area]) => touches(area) && overlaps(area));
  near.sort(([, a], [, b]) => Math.abs(middle(a) - middle(here)) - Math.abs(middle(b) - middle(here)));
  return near[0]?.[0] ?? null;
}

/** Reads what was kept of a tab; runners that are unknown or seen before are left out. */
export function read(kept: unknown, keep: (runner: string) => boolean): Pane | null {
  if (typeof kept !== "object" || kept === null) return null;
  const { runner, along, share, first, second } = kept as Record<string, unknown>;
  if (typeof runner === "string") return keep(runner) ? { runner } : null;
  if (along !== "row" && along !== "column") return null;
  const one = read(first, keep);
  const other = read(second, keep);
  if (one === null || other === null) return one ?? other;
  return { along, share: typeof share === "number" ? bounded(share) : 0.5, first: one, second: other };
}
