import type { Exit } from "../backend/types/Exit";
import type { Runner } from "../backend/types/Runner";
import { PROGRAMS } from "../words/programs";
import { age, clock, instant, sameDay, until } from "../words/time";
import { attention, attentionLine } from "./attention";
import { look } from "./state";

/** Tells a runner's program as people call it; a custom command by its first word. */
export function programTitle(runner: Runner): string {
  return PROGRAMS[runner.program] ?? runner.command[0]?.split("/").pop() ?? runner.program;
}

/** Tells how a program ended: its reason, else its code or signal. */
export function exitWords(exit: Exit | null | undefined): string {
  if (exit == null) return "no exit was recorded";
  if (exit.reason !== "") return exit.reason;
  if (exit.signal != null) return `ended by ${exit.signal}`;
  return exit.code == null ? "no exit was recorded" : `exit ${exit.code}`;
}

/** Writes a command so that a shell would read the same words. */
export function commandLine(words: readonly string[]): string {
  return words.map((word) => (/^[\w@%+=:,./-]+$/.test(word) ? word : `'${word.replaceAll("'", "'\\''")}'`)).join(" ");
}

/** A title that only repeats the program or the directory says nothing. */
function title(runner: Runner): string | null {
  const said = runner.title?.trim() ?? "";
  return said === "" || said === programTitle(runner) || said === runner.cwd ? null : said;
}

/** Tells in one line what is happening, in words a person would use. */
export function line(runner: Runner, now: number): string {
  if (runner.here) return doing(runner, now);
  if (look(runner).word !== "not answering") return `on ${runner.node}: ${doing(runner, now)}`;
  const heard = instant(runner.unreachable_since);
  return heard === null ? `${runner.node} is silent` : `${runner.node} not heard from since ${clock(heard)}`;
}

/** Tells in one line what is happening, wherever that is. */
export function doing(runner: Runner, now: number): string {
  if (look(runner).word === "not answering") {
    const heard = instant(runner.unreachable_since ?? runner.last_heartbeat);
    return heard === null ? "not answering, may well be alive" : `not heard from since ${clock(heard)}`;
  }
  switch (runner.state) {
    case "queued":
      return "waits for a free place";
    case "starting":
      return runner.attempt > 1 ? `starting, attempt ${runner.attempt}` : "starting";
    case "running":
      return running(runner, now);
    case "paused": {
      const was = title(runner);
      return was === null ? "paused" : `paused: ${was}`;
    }
    case "stopping":
      return "stopping";
    case "backoff": {
      const retry = instant(runner.retry_at);
      const again = retry === null ? "starts again soon" : `starts again in ${until(retry, now)}`;
      return `${exitWords(runner.exit)}, ${again}`;
    }
    case "terminated":
      return exitWords(runner.exit);
    case "failed":
      return `failed: ${exitWords(runner.exit)}`;
    case "cancelled":
      return "cancelled before it started";
    default:
      return runner.state;
  }
}

function running(runner: Runner, now: number): string {
  const said = attention(runner);
  const own = runner.program === "command";
  if (own && (said === null || ["unknown", "starting"].includes(said.state)))
    return title(runner) ?? commandLine(runner.command);
  if (said !== null) return attentionLine(runner, said, title(runner), programTitle(runner), now);
  return title(runner) ?? `${programTitle(runner)} is running`;
}

/** Tells since when things are as they are: what a running one does, else what it is. */
export function asSince(runner: Runner): number {
  return instant(attention(runner)?.since) ?? since(runner);
}

/** Tells the instant the runner's age counts from: its end, its start, else when it was asked for. */
export function since(runner: Runner): number {
  return instant(runner.ended_at) ?? instant(runner.started_at) ?? instant(runner.created_at) ?? 0;
}

/** Tells how long it has been as it is, or the time of day at which it ended. */
export function when(runner: Runner, now: number): string {
  const ended = instant(runner.ended_at);
  if (ended === null) return age(asSince(runner), now);
  return sameDay(ended, now) ? clock(ended) : age(ended, now);
}
