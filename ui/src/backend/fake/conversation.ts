import type { Preset } from "../types/Preset";
import type { SearchHit } from "../types/SearchHit";
import type { Session } from "../types/Session";
import { minutesAgo } from "./cast";
import { used } from "./spending";

let serial = 0;

/** Makes a session of Claude Code that ended and can be resumed, with whatever is said otherwise. */
export function session(said: Partial<Session> & Pick<Session, "title">): Session {
  serial += 1;
  const project = said.project === undefined ? "api-gateway" : said.project;
  const id = said.id ?? `${(0x57180ccb + serial * 7919).toString(16)}-1c1a-4f09-9d2e-${String(serial).padStart(12, "0")}`;
  const cwd = said.cwd ?? `/home/ada/code/${project}`;
  return {
    id,
    program: "claude",
    project,
    cwd,
    model: "claude-opus-4-5",
    began_at: minutesAgo(60 * 26),
    updated_at: minutesAgo(60 * 25),
    requests: 8,
    parent: null,
    runner: null,
    runner_id: null,
    held: false,
    resumable: true,
    obstacle: null,
    usage: used(420_000),
    transcript: `/home/ada/.claude/projects/${cwd.replaceAll("/", "-")}/${id}.jsonl`,
    archive: null,
    node: "desk",
    ...said,
  };
}

/** What was talked about lately: some goes on, some ended, some was held elsewhere. */
export const sessions = (): Session[] => [
  session({
    id: "57180ccb-1c1a-4f09-9d2e-000000000001",
    title: "split the token check out of the middleware",
    began_at: minutesAgo(72),
    updated_at: minutesAgo(4),
    requests: 6,
    runner: "auth refactor",
    held: true,
    resumable: false,
    obstacle: "auth refactor holds it",
    usage: used(1_840_000),
  }),
  session({
    id: "6a02c1de-1c1a-4f09-9d2e-000000000002",
    title: "Reject requests beyond the limit with a Retry-After",
    began_at: minutesAgo(41),
    updated_at: minutesAgo(1),
    requests: 3,
    runner: "rate limits",
    held: true,
    resumable: false,
    obstacle: "rate limits holds it",
    usage: used(610_000),
  }),
  session({
    id: "7b13d2ef-1c1a-4f09-9d2e-000000000003",
    title: "Tax rules for the Nordic countries, with tests for each rate",
    project: "billing",
    began_at: minutesAgo(200),
    updated_at: minutesAgo(21),
    requests: 14,
    runner: "tax rules",
    usage: used(2_960_000),
    archive: "/home/ada/.local/share/stratavore/archive/7b13d2ef.jsonl.zst",
  }),
  session({
    title: "Why does the invoice PDF lose its last line?",
    project: "billing",
    model: "claude-sonnet-4-5",
    updated_at: minutesAgo(60 * 5),
    began_at: minutesAgo(60 * 6),
    requests: 5,
    usage: used(388_000, { program_cost_usd: 1.31 }),
  }),
  session({
    title: "Drop the v1 endpoints nobody calls any more",
    updated_at: minutesAgo(60 * 23),
    requests: 11,
    runner: "drop old endpoints",
    parent: "57180ccb-1c1a-4f09-9d2e-000000000001",
    usage: used(1_120_000),
  }),
  session({
    title: "Move the network module to for_each",
    project: "infra",
    program: "codex",
    model: "gpt-5-codex",
    updated_at: minutesAgo(60 * 27),
    requests: 4,
    resumable: false,
    obstacle: "Codex has deleted its transcript",
    transcript: null,
    usage: used(240_000, { cost_usd: null, unpriced_tokens: 240_000 }),
  }),
  session({
    title: null,
    project: null,
    cwd: "/home/ada/notes",
    model: "claude-haiku-4-5",
    updated_at: minutesAgo(60 * 24 * 3),
    began_at: minutesAgo(60 * 24 * 3 + 9),
    requests: 1,
    usage: used(18_000),
  }),
];

/** What a search finds, as marked by the host. */
export function hits(query: string, among: readonly Session[]): SearchHit[] {
  const words = query.toLowerCase().replaceAll('"', "").split(/\s+/).filter((word) => word !== "");
  const said: [number, string, string][] = [
    [0, "user", "split the token check out of the middleware and test it; keep the middleware thin"],
    [0, "assistant", "The token is checked twice today: once in the middleware, once in the handler. I'll make one function of it."],
    [0, "tool", "pub fn verify(token: &str, now: Timestamp) -> Result<Claims, Refused> {\n    let claims = decode(token)?;"],
    [1, "assistant", "A bucket for each token, refilled each second; beyond it the answer is 429 with Retry-After."],
    [2, "user", "Finland has a reduced rate of 14 % for food, and a test for each rate please"],
    [4, "assistant", "Nothing has asked for /v1/token since March, so it can go; the test for it goes too."],
  ];
  if (words.length === 0) return [];
  return said.flatMap(([at, role, text], index) => {
    const session = among[at];
    if (session === undefined || !words.every((word) => text.toLowerCase().includes(word))) return [];
    const split = text.split(new RegExp(`(${words.map((word) => word.replace(/[^\p{L}\p{N}]/gu, "\\$&")).join("|")})`, "iu"));
    const snippet = split
      .map((part, part_at) => ({ text: part, found: part_at % 2 === 1 }))
      .filter((part) => part.text !== "");
    return [{ session, role, at: minutesAgo(30 + index * 90), snippet, offset: index * 1000 }];
  });
}

export const transcript = `# split the token check out of the middleware

## You, 14:02

split the token check out of the middleware and test it; keep the middleware thin

## Claude, 14:02

The token is checked twice today: once in the middleware, once in the handler. I'll make one function of it.

### Update src/auth/token.rs

pub fn verify(token: &str, now: Timestamp) -> Result<Claims, Refused> {
    let claims = decode(token)?;

## Claude, 14:09

The check is one function now, with its own tests.
`;

function preset(said: Partial<Preset> & Pick<Preset, "name" | "toml">): Preset {
  return {
    of: "person",
    program: "claude",
    command: [],
    args: [],
    mode: null,
    worktree: false,
    description: null,
    inherits: null,
    problem: null,
    ...said,
  };
}

export const presets = (): Preset[] => [
  preset({
    name: "review",
    description: "Reads the branch and says what is wrong",
    args: ["--model", "opus", "--permission-mode", "plan"],
    toml: 'description = "Reads the branch and says what is wrong"\nprogram = "claude"\nargs = ["--model", "opus", "--permission-mode", "plan"]\n',
  }),
  preset({
    name: "feature",
    description: "A fresh worktree, so that nothing else is touched",
    worktree: true,
    args: ["--model", "opus"],
    inherits: "review",
    toml: 'inherits = "review"\ndescription = "A fresh worktree, so that nothing else is touched"\nargs = ["--model", "opus"]\nworktree = true\n',
  }),
  preset({
    name: "nightly",
    program: null,
    inherits: "nightlies",
    toml: 'inherits = "nightlies"\nmode = "continue"\n',
    problem: 'there is no preset "nightlies"; there are feature, nightly, review',
  }),
];

/** What the file of one project has. */
export const projectPresets = (): Preset[] => [
  preset({
    name: "watch",
    of: "project",
    program: null,
    command: ["make", "watch"],
    description: "Builds and tests at every change",
    toml: 'description = "Builds and tests at every change"\ncommand = ["make", "watch"]\n',
  }),
];
