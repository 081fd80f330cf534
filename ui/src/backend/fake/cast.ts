import type { Attention } from "../types/Attention";
import type { Check } from "../types/Check";
import type { Program } from "../types/Program";
import type { Project } from "../types/Project";
import type { Runner } from "../types/Runner";
import type { Setting } from "../types/Setting";
import type { Status } from "../types/Status";
import { used } from "./spending";

const MINUTE = 60_000;

/** Writes an instant some minutes ago as the host would. */
export function minutesAgo(minutes: number): string {
  return new Date(Date.now() - minutes * MINUTE).toISOString();
}

/** Writes such an instant, but none before today: what ended yesterday is not listed, whatever the time is. */
function today(minutes: number): string {
  const at = Math.max(Date.now() - minutes * MINUTE, new Date().setHours(0, 0, 0, 0));
  return new Date(at).toISOString();
}

let serial = 0;

/** Makes a runner that has just been asked for, with whatever is said otherwise. */
export function runner(said: Partial<Runner> & Pick<Runner, "name" | "project">): Runner {
  serial += 1;
  const cwd = `/home/ada/code/${said.project}`;
  return {
    id: `0198c0de-0000-7000-8000-${String(serial).padStart(12, "0")}`,
    program: "claude",
    state: "running",
    pid: 41_000 + serial * 37,
    exit: null,
    created_at: said.started_at ?? minutesAgo(0),
    started_at: minutesAgo(0),
    ended_at: null,
    cpu_percent: 0.3,
    memory_bytes: 246 * 1024 * 1024,
    last_heartbeat: minutesAgo(0),
    project_id: `project-${said.project}`,
    attempt: 1,
    command: ["/home/ada/.local/bin/claude"],
    cwd,
    node_id: "0a0b0c0d",
    node: "desk",
    here: true,
    person: "ada",
    unreachable: false,
    restart: { policy: "never", max_attempts: null },
    ceiling: null,
    retry_at: null,
    viewers: 0,
    attachments: [],
    title: null,
    revision: 1,
    mode: "new",
    session_id: null,
    attention: null,
    usage: null,
    worktree: null,
    ...said,
  };
}

/** Makes what a runner needs of a person since some minutes ago, with whatever is said otherwise. */
export function attention(state: string, minutes: number, said: Partial<Attention> = {}): Attention {
  return { state, source: "terminal", since: minutesAgo(minutes), detail: null, until: null, ask: null, ...said };
}

export function project(name: string, max: number | null): Project {
  return {
    id: `project-${name}`,
    name,
    path: `/home/ada/code/${name}`,
    max_runners: max,
    active_runners: 0,
    created_at: minutesAgo(60 * 24 * 12),
    archived_at: null,
    revision: 1,
  };
}

/** A working day: some run, one waits to start again, some have ended. */
export function day(): Runner[] {
  return [
    runner({
      name: "auth refactor",
      project: "api-gateway",
      started_at: minutesAgo(72),
      title: "split the token check out of the middleware",
      viewers: 1,
      session_id: "57180ccb-1c1a-4f09-9d2e-000000000001",
      usage: used(1_840_000),
      attention: attention("needs-permission", 4, {
        detail: "cargo test -p auth --all-features",
        ask: {
          id: "17",
          tool: "Bash",
          subject: "cargo test -p auth --all-features",
          reason: "Run the tests of the new check",
          at: minutesAgo(4),
          until: minutesAgo(-26),
        },
      }),
    }),
    runner({
      name: "rate limits",
      project: "api-gateway",
      started_at: minutesAgo(2),
      title: "editing src/limits.rs",
      cpu_percent: 12.4,
      session_id: "6a02c1de-1c1a-4f09-9d2e-000000000002",
      usage: used(610_000),
      attention: attention("working", 1),
    }),
    runner({
      name: "invoices",
      project: "billing",
      started_at: minutesAgo(18),
      cpu_percent: 3.1,
      memory_bytes: 1.4 * 1024 ** 3,
      restart: { policy: "on-failure", max_attempts: 5 },
      attempt: 2,
      ceiling: { memory_bytes: 2 * 1024 ** 3, cpu_percent: 200, action: "pause" },
      usage: used(930_000, { program_cost_usd: 2.31 }),
      attention: attention("working", 9, { source: "hook", detail: "3 subagents" }),
    }),
    runner({
      name: "rewrite intro",
      project: "docs-site",
      started_at: minutesAgo(38),
      usage: used(310_000),
      attention: attention("needs-answer", 11, { source: "hook", detail: "Keep the old URLs, or redirect them?" }),
    }),
    runner({
      name: "provider bump",
      project: "infra",
      started_at: minutesAgo(55),
      attention: attention("stalled", 12, { source: "process", detail: "it says that it works, but nothing moves" }),
    }),
    runner({
      name: "push tokens",
      project: "mobile",
      started_at: minutesAgo(90),
      attention: attention("rate-limited", 17, {
        source: "transcript",
        until: new Date(Math.ceil((Date.now() + 30 * MINUTE) / (30 * MINUTE)) * 30 * MINUTE).toISOString(),
      }),
    }),
    runner({
      name: "drift report",
      project: "infra",
      started_at: minutesAgo(62),
      worktree: "/home/ada/code/infra",
      usage: used(74_000),
      attention: attention("idle", 6),
    }),
    runner({
      name: "watch",
      project: "docs-site",
      program: "command",
      started_at: minutesAgo(41),
      command: ["make", "watch", "PORT=8080"],
      memory_bytes: 88 * 1024 * 1024,
    }),
    runner({
      name: "flaky test",
      project: "mobile",
      program: "codex",
      state: "backoff",
      started_at: minutesAgo(6),
      pid: null,
      command: ["codex"],
      attempt: 3,
      retry_at: new Date(Date.now() + 48_000).toISOString(),
      exit: { code: 1, signal: null, reason: "exit 1" },
      restart: { policy: "on-failure", max_attempts: 5 },
    }),
    runner({
      name: "upgrade RN",
      project: "mobile",
      state: "starting",
      started_at: null,
      created_at: minutesAgo(0),
      pid: null,
    }),
    runner({
      name: "terraform plan",
      project: "infra",
      state: "paused",
      started_at: minutesAgo(64),
      title: "reading modules/network",
      attention: attention("working", 20),
    }),
    runner({
      name: "tax rules",
      project: "billing",
      state: "terminated",
      started_at: minutesAgo(200),
      ended_at: today(21),
      exit: { code: 0, signal: null, reason: "ended by itself" },
      pid: null,
      session_id: "7b13d2ef-1c1a-4f09-9d2e-000000000003",
      usage: used(2_960_000),
    }),
    runner({
      name: "drop old endpoints",
      project: "api-gateway",
      state: "failed",
      started_at: minutesAgo(150),
      ended_at: today(35),
      exit: { code: null, signal: "KILL", reason: "killed (KILL), not by Stratavore" },
      pid: null,
    }),
    runner({
      name: "cleanup",
      project: "infra",
      state: "failed",
      started_at: null,
      created_at: minutesAgo(90),
      ended_at: today(90),
      pid: null,
      program: "gemini",
      command: ["gemini"],
      exit: { code: null, signal: null, reason: "gemini is not executable" },
    }),
  ];
}

export const projects = (): Project[] => [
  project("api-gateway", 5),
  project("billing", 2),
  project("docs-site", null),
  project("infra", 3),
  project("mobile", 4),
];

export const programs: Program[] = [
  {
    name: "claude",
    title: "Claude Code",
    path: "/home/ada/.local/bin/claude",
    version: "2.1.37",
    install: "npm install -g @anthropic-ai/claude-code",
  },
  {
    name: "codex",
    title: "Codex",
    path: "/home/ada/.nvm/versions/node/v22.12.0/bin/codex",
    version: "0.58.0",
    install: "npm install -g @openai/codex",
  },
  { name: "gemini", title: "Gemini CLI", path: null, version: null, install: "npm install -g @google/gemini-cli" },
  { name: "opencode", title: "OpenCode", path: null, version: null, install: "npm install -g opencode-ai" },
];

export const status = (): Status => ({
  version: "0.1.0",
  instance_id: "0198c0de-1111-7000-8000-000000000001",
  node_id: "0198c0de-2222-7000-8000-000000000001",
  host: "desktop",
  host_pid: 4021,
  started_at: minutesAgo(320),
  data_dir: "/home/ada/.local/share/stratavore",
  runtime_dir: "/run/user/1000/stratavore",
  runners: {},
  projects: 5,
  outbox_waiting: 0,
  dead_letters: [],
  interrupted: [],
  problems: [],
  max_runners: 20,
  store: { address: "/home/ada/.local/share/stratavore/stratavore.db", away_since: null, reason: null },
  broker: null,
  nodes: [],
  person: "ada",
});

export const checks: Check[] = [
  { name: "data directory", outcome: "ok", detail: "/home/ada/.local/share/stratavore, 0700, 48 GB free", mend: null, supports: [] },
  {
    name: "Claude Code",
    outcome: "ok",
    detail: "2.1.37 at /home/ada/.local/bin/claude",
    mend: null,
    supports: [
      { what: "resume", supported: true, detail: "continue, resume ID, fork ID" },
      { what: "hooks", supported: true, detail: "given by --settings; your own stay in force" },
      { what: "pid file", supported: false, detail: "recorded from 2.1.330 on; read where it is there" },
    ],
  },
  {
    name: "Gemini CLI",
    outcome: "warning",
    detail: "not found in the login environment",
    mend: "npm install -g @google/gemini-cli",
    supports: [],
  },
  { name: "tray", outcome: "ok", detail: "a StatusNotifier host is there", mend: null, supports: [] },
  { name: "notifications", outcome: "ok", detail: "gnome-shell 43.9, with actions", mend: null, supports: [] },
  { name: "lingering", outcome: "problem", detail: "runners end when you log out", mend: "let them go on with `loginctl enable-linger ada`", supports: [] },
];

export const settings: Setting[] = [
  { key: "default_program", value: "claude", source: "default" },
  { key: "stop.grace_seconds", value: "10", source: "/home/ada/.config/stratavore/stratavore.toml:4" },
  { key: "quota.max_runners", value: "20", source: "STRATAVORE_QUOTA__MAX_RUNNERS" },
  { key: "history.lines", value: "10000", source: "default" },
  { key: "terminal.clipboard", value: "ask", source: "default" },
  { key: "terminal.notifications", value: "show", source: "default" },
  { key: "log.level", value: "info", source: "default" },
];
