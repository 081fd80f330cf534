import type { Runner } from "../types/Runner";
import type { Status } from "../types/Status";
import { minutesAgo } from "./cast";

export const SCENES = ["day", "new", "quiet", "interrupted", "trouble", "away", "asks"] as const;

/**
 * What the window opens on: a working `day`, `new` (nothing yet), `quiet` (projects only), `interrupted`, `trouble`,
 * `away`, `asks` (for something that hides what it does).
 */
export type Scene = (typeof SCENES)[number];

/** A command that is long, and hides in it what it does. */
export const SLY = [
  "cat > notes.txt <<'END'",
  ...Array.from({ length: 9 }, (_, line) => `  ${line + 1}. what the check does, and where it is called from`),
  "END",
  "cargo test -p auth\u202e yrd--\u202c;\u200b rm -rf ~/.ssh\u001b[8m",
].join("\n");

function named(runners: readonly Runner[], name: string): Runner {
  const found = runners.find((one) => one.name === name);
  if (found === undefined) throw new Error(`no runner is cast as ${name}`);
  return found;
}

/** Sets a scene: makes of the runners what it tells of, and returns the status that goes with it. */
export function staged(scene: Scene, runners: readonly Runner[], told: Status): Status {
  switch (scene) {
    case "interrupted": {
      const lost = ["invoices", "rate limits", "auth refactor", "watch"].map((name) => named(runners, name));
      for (const one of lost)
        Object.assign(one, {
          state: "failed",
          ended_at: minutesAgo(9),
          pid: null,
          exit: { code: null, signal: null, reason: "the machine was restarted" },
        });
      return { ...told, interrupted: lost };
    }
    case "asks": {
      const { attention } = named(runners, "auth refactor");
      if (attention?.ask != null) attention.ask.subject = SLY;
      return told;
    }
    case "trouble":
      Object.assign(named(runners, "rate limits"), { unreachable: true, last_heartbeat: minutesAgo(4) });
      return {
        ...told,
        outbox_waiting: 14,
        problems: [
          "the notification service went away",
          "the event runner.backoff 7 of invoices could not be delivered after 12 attempts, and holds back those after it: the sink refused it: payload too large; try it again with `stratavore outbox retry`, or give it up with `stratavore outbox drop 7`",
        ],
        dead_letters: [
          {
            aggregate_id: named(runners, "invoices").id,
            seq: 7,
            event: "runner.backoff",
            attempts: 12,
            error: "the sink refused it: payload too large",
            number: 7,
            of: "invoices",
          },
        ],
      };
    default:
      return told;
  }
}
