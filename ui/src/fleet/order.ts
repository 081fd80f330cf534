import type { Runner } from "../backend/types/Runner";
import { dayStart, instant } from "../words/time";
import { attention, isElsewhere, needsYou } from "./attention";
import { asSince, since } from "./words";

/** Is one heading of the list and the runners under it, by id. */
export interface Group {
  key: string;
  title: string;
  ids: string[];
}

interface Kind {
  key: string;
  title: string;
  holds: (runner: Runner) => boolean;
  /** The moment that orders its runners; the latest first, unless `oldest`. */
  by: (runner: Runner) => number;
  oldest?: boolean;
}

const says =
  (...states: string[]) =>
  (runner: Runner): boolean =>
    states.includes(attention(runner)?.state ?? "");
const is =
  (...states: string[]) =>
  (runner: Runner): boolean =>
    states.includes(runner.state);
const own = (runner: Runner): boolean => runner.state === "running" && !runner.unreachable && runner.program === "command";

/** The first that holds a runner is its place. */
const KINDS: readonly Kind[] = [
  { key: "needs", title: "Needs you", holds: needsYou, by: asSince, oldest: true },
  // By their start: what they do changes too often to be an order.
  { key: "working", title: "Working", holds: says("working"), by: since },
  { key: "limited", title: "Held by a limit", holds: says("rate-limited"), by: asSince },
  { key: "idle", title: "Idle", holds: says("idle"), by: asSince },
  { key: "paused", title: "Paused", holds: is("paused"), by: since },
  {
    key: "starting",
    title: "Starting",
    holds: (runner) => is("queued", "starting", "backoff")(runner) || (says("starting")(runner) && !own(runner)),
    by: since,
  },
  { key: "running", title: "Running", holds: own, by: since },
  { key: "elsewhere", title: "On other machines", holds: isElsewhere, by: since },
  {
    key: "unknown",
    title: "Unknown",
    holds: (runner) => !is("stopping", "terminated", "failed", "cancelled")(runner),
    by: since,
  },
  { key: "stopping", title: "Stopping", holds: is("stopping"), by: since },
  { key: "ended", title: "Ended today", holds: is("terminated", "failed", "cancelled"), by: since },
];

function listed(runner: Runner, today: number): boolean {
  const ended = instant(runner.ended_at);
  return ended === null || ended >= today;
}

/**
 * Orders runners as they should be read: first those that need a person, the longest waiting first; ties by id, so that
 * equal times never swap.
 */
export function order(runners: readonly Runner[], now: number): Group[] {
  const today = dayStart(now);
  const placed = runners
    .filter((runner) => listed(runner, today))
    .map((runner) => ({ runner, kind: KINDS.find(({ holds }) => holds(runner)) }));
  return KINDS.map((kind) => ({
    key: kind.key,
    title: kind.title,
    ids: placed
      .filter((place) => place.kind === kind)
      .map(({ runner }) => runner)
      .sort((a, b) => {
        const later = kind.by(b) - kind.by(a);
        return (kind.oldest === true ? -later : later) || (a.id < b.id ? 1 : -1);
      })
      .map((runner) => runner.id),
  })).filter((group) => group.ids.length > 0);
}

/**
 * Keeps every row where it is while somebody reads: rows may go, new ones come only below all others, under a heading of
 * their own. The wanted order takes effect once nobody does.
 */
export function settle(shown: readonly Group[], wanted: readonly Group[], reading: boolean): Group[] {
  if (!reading) return [...wanted];
  const wantedIds = new Set(wanted.flatMap((group) => group.ids));
  const kept = shown
    .map((group) => ({ ...group, ids: group.ids.filter((id) => wantedIds.has(id)) }))
    .filter((group) => group.ids.length > 0);
  const keptIds = new Set(kept.flatMap((group) => group.ids));
  const fresh = [...wantedIds].filter((id) => !keptIds.has(id));
  if (fresh.length === 0) return kept;
  const last = kept.at(-1);
  if (last?.key === "fresh") return [...kept.slice(0, -1), { ...last, ids: [...last.ids, ...fresh] }];
  return [...kept, { key: "fresh", title: "Just now", ids: fresh }];
}

/** Tells the next that needs a person, the longest waiting first; while nobody does, the next of all. */
export function nextInNeed(
  groups: readonly Group[],
  needs: (id: string) => boolean,
  from: string | null,
  step: 1 | -1,
): string | null {
  const inNeed = groups.map((group) => ({ ...group, ids: group.ids.filter(needs) }));
  return neighbour(inNeed, from, step) ?? neighbour(groups, from, step);
}

/** Tells the runner `step` rows away in the shown order, around its ends. */
export function neighbour(groups: readonly Group[], from: string | null, step: 1 | -1): string | null {
  const ids = groups.flatMap((group) => group.ids);
  if (ids.length === 0) return null;
  const at = from === null ? -1 : ids.indexOf(from);
  if (at === -1) return (step === 1 ? ids[0] : ids.at(-1)) ?? null;
  return ids[(at + step + ids.length) % ids.length] ?? null;
}
