import type { Event } from "../backend/types/Event";
import { needLook, type Tone } from "../fleet/state";

const WORDS: Record<string, { words: string; tone: Tone }> = {
  "runner.queued": { words: "waits in line", tone: "work" },
  "runner.starting": { words: "is starting", tone: "work" },
  "runner.started": { words: "runs", tone: "work" },
  "runner.paused": { words: "was paused", tone: "quiet" },
  "runner.continued": { words: "was continued", tone: "work" },
  "runner.stopping": { words: "is being stopped", tone: "quiet" },
  "runner.terminated": { words: "ended", tone: "ok" },
  "runner.failed": { words: "failed", tone: "bad" },
  "runner.backoff": { words: "failed, starts again", tone: "bad" },
  "runner.cancelled": { words: "was cancelled", tone: "quiet" },
  "runner.over_ceiling": { words: "went over its ceiling", tone: "bad" },
  "runner.attention": { words: "changed its state", tone: "quiet" },
  "project.added": { words: "was added", tone: "quiet" },
  "project.archived": { words: "was archived", tone: "quiet" },
  "project.quota_refused": { words: "refused a launch: quota full", tone: "bad" },
  "project.budget_refused": { words: "refused a launch: budget spent", tone: "bad" },
  "project.budget_reached": { words: "used a share of a budget", tone: "need" },
};

/** Tells what happened; an event this version does not know by its own name. */
export function happening(event: Event): { words: string; tone: Tone } {
  const { need, percent } = data(event);
  if (event.type === "runner.attention" && need !== undefined) {
    const { word, tone } = needLook(need);
    return { words: need.startsWith("needs-") || need === "errored" ? word : `is ${word}`, tone };
  }
  if (event.type === "project.budget_reached" && percent !== undefined)
    return { words: `used ${percent} % of a budget`, tone: percent >= 100 ? "bad" : "need" };
  const known = WORDS[event.type] ?? { words: event.type, tone: "quiet" };
  const how = outcome(data(event));
  return how === null ? known : { ...known, words: known.words.replace(/,|$/, `: ${how}$&`) };
}

interface Data {
  name?: unknown;
  need?: string;
  percent?: number;
  exit?: { code?: number; signal?: string };
  failure?: { why?: string; exit?: Data["exit"] };
}

function data(event: Event): Data {
  try {
    return (JSON.parse(event.data) as Data | null) ?? {};
  } catch {
    return {};
  }
}

/** Tells how a program ended, as far as the event says. */
function outcome({ exit, failure }: Data): string | null {
  const ended = exit ?? failure?.exit;
  if (ended?.code !== undefined) return `exit ${ended.code}`;
  if (ended?.signal !== undefined) return `killed by SIG${ended.signal}`;
  return failure?.why?.replaceAll("-", " ") ?? null;
}

/** Writes an event's payload for reading. */
export function payload(event: Event): string {
  try {
    return JSON.stringify(JSON.parse(event.data), null, 2);
  } catch {
    return event.data;
  }
}

/** Names what the event happened to, as far as it or the fleet can say. */
export function subject(event: Event, runnerName: string | undefined): string {
  const said = data(event).name;
  const name = runnerName ?? (typeof said === "string" ? said : null);
  if (event.aggregate === "project") return event.project ?? name ?? event.aggregate_id;
  return [event.project, name ?? event.aggregate_id.slice(0, 8)].filter((part) => part != null).join(" · ");
}
