import type { Ask } from "../backend/types/Ask";
import type { Attention } from "../backend/types/Attention";
import type { Runner } from "../backend/types/Runner";
import { ago, clock, dayAndClock, duration, instant, sameDay } from "../words/time";
import { oneLine } from "../words/visible";

/** What nothing goes on without a person for. */
const NEEDS: readonly string[] = ["needs-permission", "needs-answer", "errored", "stalled"];

/** Tells what a running runner needs of a person; null while it does not run or nobody can say. */
export function attention(runner: Runner): Attention | null {
  return runner.state === "running" && !runner.unreachable ? (runner.attention ?? null) : null;
}

/** Says whether it runs on a machine that answers, and alone knows what it does. */
export function isElsewhere(runner: Runner): boolean {
  return !runner.here && runner.state === "running" && !runner.unreachable && attention(runner) === null;
}

/** Says whether a person is waited for. */
export function needsYou(runner: Runner): boolean {
  return NEEDS.includes(attention(runner)?.state ?? "");
}

/** Tells the permission that can be given from here. */
export function ask(runner: Runner): Ask | null {
  return attention(runner)?.ask ?? null;
}

const SOURCES: Record<string, string> = {
  terminal: "its terminal",
  "pid-file": "the file it keeps of its process",
  hook: "a hook it ran",
  transcript: "its transcript",
  process: "its process",
};

/** Tells from where a state is known. */
export function sourceWords(source: string): string {
  return SOURCES[source] ?? source;
}

/** What tools do, as one says it; their subject follows. */
const VERBS: Record<string, string> = {
  Bash: "run",
  Edit: "change",
  MultiEdit: "change",
  NotebookEdit: "change",
  Write: "write",
  Read: "read",
  WebFetch: "fetch",
  WebSearch: "search the web for",
};

/** Tells what a tool is wanted for, without its subject: `run`, `use deploy`. */
export function verb(tool: string): string {
  const known = VERBS[tool];
  if (known !== undefined) return known;
  const [, server, name] = /^mcp__(.+?)__(.+)$/.exec(tool) ?? [];
  return server === undefined ? `use ${oneLine(tool)}` : `use ${oneLine(name ?? "")} of ${oneLine(server)}`;
}

function wish(asked: Ask, runner: Runner): string {
  const subject = oneLine(asked.subject);
  const near = subject.startsWith(`${runner.cwd}/`) ? subject.slice(runner.cwd.length + 1) : subject;
  const colon = VERBS[asked.tool] === undefined && near !== "" ? ":" : "";
  return `wants to ${verb(asked.tool)}${colon}${near === "" ? "" : ` ${near}`}`;
}

/** Tells until when a limit holds; the day too when that is not today. */
export function untilWords(until: number, now: number): string {
  return sameDay(until, now) ? clock(until) : dayAndClock(until);
}

/**
 * Tells in one line what a runner needs, in words a person would use. `told`: what its title says, where that says
 * anything; `program`: as people call it.
 */
export function attentionLine(runner: Runner, said: Attention, told: string | null, program: string, now: number): string {
  const detail = said.detail == null || said.detail.trim() === "" ? null : oneLine(said.detail);
  const since = instant(said.since) ?? now;
  switch (said.state) {
    case "needs-permission":
      if (said.ask != null) return wish(said.ask, runner);
      return detail === null ? "wants a permission" : `wants a permission: ${detail}`;
    case "needs-answer":
      return detail === null ? "asks a question" : `asks: ${detail}`;
    case "errored":
      return detail === null ? "its last turn ended in an error" : `error: ${detail}`;
    case "stalled":
      return `nothing moves for ${duration(now - since)}, yet it says working`;
    case "rate-limited": {
      const until = instant(said.until);
      return until === null ? "at a limit; until when is not told" : `limit until ${untilWords(until, now)}`;
    }
    case "idle":
      return detail === null ? `done ${ago(since, now)}` : `done ${ago(since, now)}: ${detail}`;
    case "working":
      return detail ?? told ?? `${program} is working`;
    case "starting":
      return "starting";
    case "unknown":
      return detail ?? told ?? `${program} is running`;
    default:
      return detail === null ? said.state : `${said.state}: ${detail}`;
  }
}
