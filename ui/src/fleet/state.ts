import type { Runner } from "../backend/types/Runner";
import { attention, isElsewhere } from "./attention";

/** One shape each, so that colour is never the only sign. */
export type Shape =
  | "halo"
  | "question"
  | "bang"
  | "dots"
  | "hourglass"
  | "disc"
  | "ring"
  | "arc"
  | "bars"
  | "square"
  | "frame"
  | "tick"
  | "cross"
  | "dash"
  | "hollow";
export type Tone = "need" | "work" | "quiet" | "ok" | "bad" | "unknown";

export interface Look {
  word: string;
  shape: Shape;
  tone: Tone;
}

const LOOKS: Record<string, Look> = {
  queued: { word: "waiting in line", shape: "ring", tone: "work" },
  starting: { word: "starting", shape: "ring", tone: "work" },
  paused: { word: "paused", shape: "bars", tone: "quiet" },
  stopping: { word: "stopping", shape: "square", tone: "quiet" },
  backoff: { word: "starting again soon", shape: "arc", tone: "bad" },
  terminated: { word: "ended", shape: "frame", tone: "quiet" },
  failed: { word: "failed", shape: "cross", tone: "bad" },
  cancelled: { word: "cancelled", shape: "dash", tone: "quiet" },
};

/** How a running one looks, by what it needs of a person. */
const NEEDS: Record<string, Look> = {
  "needs-permission": { word: "needs permission", shape: "halo", tone: "need" },
  "needs-answer": { word: "needs an answer", shape: "question", tone: "need" },
  errored: { word: "stopped at an error", shape: "bang", tone: "bad" },
  stalled: { word: "stalled", shape: "dots", tone: "need" },
  "rate-limited": { word: "rate-limited", shape: "hourglass", tone: "need" },
  idle: { word: "idle", shape: "tick", tone: "ok" },
  working: { word: "working", shape: "disc", tone: "work" },
  starting: { word: "starting", shape: "ring", tone: "work" },
};

const UNKNOWN: Look = { word: "unknown", shape: "hollow", tone: "unknown" };
/** A command of one's own tells nothing of itself, another machine's agent nothing here, and nobody expects them to. */
const RUNNING: Look = { word: "running", shape: "disc", tone: "quiet" };
const UNREACHABLE: Look = { word: "not answering", shape: "hollow", tone: "unknown" };

/** Tells how what a running one needs of a person looks. */
export function needLook(need: string): Look {
  return NEEDS[need] ?? UNKNOWN;
}

/** Tells how a runner's state looks, alike in list, tabs and facts. */
export function look(runner: Runner): Look {
  if (runner.unreachable && isLive(runner)) return UNREACHABLE;
  if (runner.state !== "running") return LOOKS[runner.state] ?? UNKNOWN;
  return NEEDS[attention(runner)?.state ?? ""] ?? (runner.program === "command" || isElsewhere(runner) ? RUNNING : UNKNOWN);
}

/** Says whether the runner has not ended. */
export function isLive(runner: Runner): boolean {
  return !["terminated", "failed", "cancelled"].includes(runner.state);
}

/** Says whether an agent holds the runner's terminal, or held it to the end, on this machine: others are reached there. */
export function hasTerminal(runner: Runner): boolean {
  return runner.here && !["queued", "starting", "cancelled"].includes(runner.state) && runner.started_at != null;
}

/** Says whether a program runs behind the terminal; else it only shows what was last on it. */
export function isAttended(runner: Runner): boolean {
  return runner.here && isLive(runner) && runner.state !== "backoff";
}

/** Says which acts make sense now; the host decides all the same. */
export function acts(runner: Runner): { pause: boolean; resume: boolean; restart: boolean; stop: boolean } {
  return {
    pause: runner.state === "running",
    resume: runner.state === "paused",
    restart: ["running", "paused", "terminated", "failed"].includes(runner.state),
    stop: isLive(runner) && runner.state !== "stopping",
  };
}
