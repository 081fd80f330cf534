import type { Runner } from "../backend/types/Runner";

/** One shape each, so that colour is never the only sign. */
export type Shape = "disc" | "ring" | "arc" | "bars" | "square" | "tick" | "cross" | "dash" | "hollow";
export type Tone = "work" | "quiet" | "ok" | "bad" | "unknown";

export interface Look {
  word: string;
  shape: Shape;
  tone: Tone;
}

const LOOKS: Record<string, Look> = {
  queued: { word: "waiting in line", shape: "ring", tone: "work" },
  starting: { word: "starting", shape: "ring", tone: "work" },
  running: { word: "running", shape: "disc", tone: "work" },
  paused: { word: "paused", shape: "bars", tone: "quiet" },
  stopping: { word: "stopping", shape: "square", tone: "quiet" },
  backoff: { word: "starting again soon", shape: "arc", tone: "bad" },
  terminated: { word: "ended", shape: "tick", tone: "ok" },
  failed: { word: "failed", shape: "cross", tone: "bad" },
  cancelled: { word: "cancelled", shape: "dash", tone: "quiet" },
};

const UNKNOWN: Look = { word: "unknown", shape: "hollow", tone: "unknown" };
const UNREACHABLE: Look = { word: "not answering", shape: "hollow", tone: "unknown" };

/** Tells how a runner's state looks, alike in list, tabs and facts. */
export function look(runner: Runner): Look {
  if (runner.unreachable && isLive(runner)) return UNREACHABLE;
  return LOOKS[runner.state] ?? UNKNOWN;
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
