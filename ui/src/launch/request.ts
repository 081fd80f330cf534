import type { LaunchRequest } from "../backend/types/LaunchRequest";
import { split, Unclosed } from "./split";

/** Is what the launch dialog holds, as typed. */
export interface Draft {
  project: string;
  /** A known program's name; null: the custom command. */
  program: string | null;
  command: string;
  args: string;
  name: string;
  env: { key: string; value: string }[];
  restart: boolean;
  attempts: number;
  queue: boolean;
  /** A ceiling for memory, in MB; null: none but the configured. */
  memory: number | null;
  /** A ceiling for the processor, in percent of a core. */
  cpu: number | null;
  /** What happens at a ceiling. */
  action: "notify" | "pause" | "stop";
  keepDescendants: boolean;
  record: boolean;
  /** The machine to run it on, by its node's id, or `least-loaded`; null: this one. */
  node: string | null;
  /** A preset, by name; null: none. */
  preset: string | null;
  /** With which conversation it begins; `new` with a preset: as that says. */
  mode: "new" | "continue" | "resume" | "fork";
  /** The session that is resumed or copied, by its id. */
  session: string;
  /** Into a git worktree of its own. */
  worktree: boolean;
  /** That one's name; empty: the runner's. */
  worktreeName: string;
}

export type Fault = { field: "project" | "command" | "args" | "env" | "attempts" | "memory" | "cpu" | "session"; message: string };

function words(line: string, field: "command" | "args"): string[] | Fault {
  try {
    return split(line);
  } catch (cause) {
    if (cause instanceof Unclosed) return { field, message: cause.message };
    throw cause;
  }
}

/** Is a draft of nothing but where it is launched, and what. */
export function blank(project: string, program: string | null): Draft {
  return {
    project,
    program,
    command: "",
    args: "",
    name: "",
    env: [],
    restart: false,
    attempts: 5,
    queue: false,
    memory: null,
    cpu: null,
    action: "notify",
    keepDescendants: false,
    record: false,
    node: null,
    preset: null,
    mode: "new",
    session: "",
    worktree: false,
    worktreeName: "",
  };
}

/** Makes the request a draft asks for, or tells what has to be mended first. */
export function request(
  draft: Draft,
  size: { columns: number; rows: number } | null,
  id: string,
): LaunchRequest | Fault {
  if (draft.project === "") return { field: "project", message: "choose a project" };
  // A preset says what is launched.
  const own = draft.preset === null && draft.program === null;
  const command = own ? words(draft.command, "command") : [];
  if ("field" in command) return command;
  if (own && command.length === 0) return { field: "command", message: "enter the command to run" };
  const args = words(draft.args, "args");
  if ("field" in args) return args;
  const env = draft.env
    .map(({ key, value }) => ({ key: key.trim(), value }))
    .filter(({ key, value }) => key !== "" || value !== "");
  for (const { key } of env) {
    if (key === "") return { field: "env", message: "a value has no name" };
    if (!/^[^=\0\s]+$/.test(key))
      return { field: "env", message: `${key} is no name for a variable: spaces and = are not allowed` };
  }
  if (draft.restart && !(Number.isInteger(draft.attempts) && draft.attempts > 0)) {
    return { field: "attempts", message: "enter how often it may start again, at least 1" };
  }
  for (const [field, value, what] of [
    ["memory", draft.memory, "how many MB it may take"],
    ["cpu", draft.cpu, "how many percent of a core it may take"],
  ] as const) {
    if (value !== null && !(Number.isInteger(value) && value > 0)) return { field, message: `enter ${what}, at least 1` };
  }
  const session = draft.session.trim();
  if ((draft.mode === "resume" || draft.mode === "fork") && session === "")
    return { field: "session", message: `choose the session to ${draft.mode === "fork" ? "copy" : "resume"}` };
  const bounded = draft.memory !== null || draft.cpu !== null;
  return {
    project: draft.project,
    program: draft.preset === null ? draft.program : null,
    command,
    args,
    name: draft.name.trim() === "" ? null : draft.name.trim(),
    env,
    restart: draft.restart
      ? { policy: "on-failure", max_attempts: draft.attempts }
      : draft.preset === null
        ? { policy: "never", max_attempts: null }
        : null,
    columns: size?.columns ?? null,
    rows: size?.rows ?? null,
    keep_descendants: draft.keepDescendants,
    ceiling: bounded
      ? {
          memory_bytes: draft.memory === null ? null : draft.memory * 1024 * 1024,
          cpu_percent: draft.cpu,
          action: draft.action,
        }
      : null,
    record: draft.record,
    queue: draft.queue,
    node: draft.node,
    continue_last: draft.mode === "continue",
    resume: draft.mode === "resume" ? session : null,
    fork: draft.mode === "fork" ? session : null,
    preset: draft.preset,
    worktree: draft.worktree ? draft.worktreeName.trim() : null,
    request_id: id,
  };
}
