import type { Runner } from "../backend/types/Runner";
import { dayStart, instant } from "../words/time";
import { since } from "./words";

/** Is one heading of the list and the runners under it, by id. */
export interface Group {
  key: string;
  title: string;
  ids: string[];
}

const GROUPS: readonly { key: string; title: string; states: readonly string[] }[] = [
  { key: "running", title: "Running", states: ["running"] },
  { key: "starting", title: "Starting", states: ["queued", "starting", "backoff"] },
  { key: "paused", title: "Paused", states: ["paused"] },
  { key: "stopping", title: "Stopping", states: ["stopping"] },
  { key: "ended", title: "Ended today", states: ["terminated", "failed", "cancelled"] },
];

function belongs(runner: Runner, states: readonly string[], today: number): boolean {
  if (!states.includes(runner.state)) return false;
  const ended = instant(runner.ended_at);
  return ended === null || ended >= today;
}

/** Orders runners as they should be read: by group, the latest first, ties by id so that equal times never swap. */
export function order(runners: readonly Runner[], now: number): Group[] {
  const today = dayStart(now);
  return GROUPS.map(({ key, title, states }) => ({
    key,
    title,
    ids: runners
      .filter((runner) => belongs(runner, states, today))
      .sort((a, b) => since(b) - since(a) || (a.id < b.id ? 1 : -1))
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

/** Tells the runner `step` rows away in the shown order, around its ends. */
export function neighbour(groups: readonly Group[], from: string | null, step: 1 | -1): string | null {
  const ids = groups.flatMap((group) => group.ids);
  if (ids.length === 0) return null;
  const at = from === null ? -1 : ids.indexOf(from);
  if (at === -1) return (step === 1 ? ids[0] : ids.at(-1)) ?? null;
  return ids[(at + step + ids.length) % ids.length] ?? null;
}
