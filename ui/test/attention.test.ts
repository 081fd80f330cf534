import { describe, expect, it } from "vitest";
import { attention, runner } from "../src/backend/fake/cast";
import type { Attention } from "../src/backend/types/Attention";
import type { Runner } from "../src/backend/types/Runner";
import { ask, needsYou, sourceWords, untilWords, verb } from "../src/fleet/attention";
import { look } from "../src/fleet/state";
import { asSince, line, when } from "../src/fleet/words";

const NOW = new Date(2026, 4, 20, 12, 0, 0).getTime();
const M = 60_000;
const at = (minutesBefore: number): string => new Date(NOW - minutesBefore * M).toISOString();

const said = (state: string, minutes: number, more: Partial<Attention> = {}): Attention => ({
  ...attention(state, 0, more),
  since: at(minutes),
});
const made = (says: Attention | null, more: Partial<Runner> = {}): Runner =>
  runner({ name: "n", project: "p", started_at: at(60), attention: says, ...more });
const wants = (tool: string, subject: string): Attention =>
  said("needs-permission", 4, {
    detail: subject,
    ask: { id: "1", tool, subject, reason: null, at: at(4), until: at(-4) },
  });

describe("what a runner needs, in words", () => {
  it.each<[Attention, string]>([
    [wants("Bash", "cargo test"), "wants to run cargo test"],
    [wants("Bash", "cat <<E\n  x\nE"), "wants to run cat <<E↵ x↵ E"],
    [wants("Edit", "/home/ada/code/p/src/a.rs"), "wants to change src/a.rs"],
    [wants("Write", "/etc/hosts"), "wants to write /etc/hosts"],
    [wants("WebFetch", "https://x.example"), "wants to fetch https://x.example"],
    [wants("mcp__linear__create_issue", "T-1"), "wants to use create_issue of linear: T-1"],
    [wants("Deploy", ""), "wants to use Deploy"],
    [said("needs-permission", 1), "wants a permission"],
    [said("needs-permission", 1, { detail: "make deploy" }), "wants a permission: make deploy"],
    [said("needs-answer", 1, { detail: "Which database?" }), "asks: Which database?"],
    [said("needs-answer", 1), "asks a question"],
    [said("errored", 1, { detail: "overloaded" }), "error: overloaded"],
    [said("errored", 1), "its last turn ended in an error"],
    [said("stalled", 12, { detail: "it says so" }), "nothing moves for 12 min, yet it says working"],
    [said("rate-limited", 1, { until: new Date(2026, 4, 20, 15).toISOString() }), "limit until 15:00"],
    [said("rate-limited", 1), "at a limit; until when is not told"],
    [said("idle", 4), "done 4 min ago"],
    [said("idle", 0, { detail: "the limit has ended" }), "done just now: the limit has ended"],
    [said("working", 4, { detail: "3 subagents" }), "3 subagents"],
    [said("working", 4), "Claude Code is working"],
    [said("starting", 0), "starting"],
    [said("unknown", 1, { detail: "the hook says idle" }), "the hook says idle"],
    [said("dreaming", 1), "dreaming"],
  ])("%o is “%s”", (says, words) => expect(line(made(says), NOW)).toBe(words));

  it("takes what it does from its title, where nothing better is told", () => {
    expect(line(made(said("working", 1), { title: "editing a.rs" }), NOW)).toBe("editing a.rs");
    expect(line(made(null, { title: "editing a.rs" }), NOW)).toBe("editing a.rs");
    expect(line(made(said("unknown", 1)), NOW)).toBe("Claude Code is running");
  });

  it("says of a command of one's own only what it is, until that says more of itself", () => {
    const own = { program: "command", command: ["make", "watch"] };
    expect(line(made(said("unknown", 1), own), NOW)).toBe("make watch");
    expect(look(made(said("unknown", 1), own))).toMatchObject({ word: "running", tone: "quiet" });
    expect(line(made(said("needs-answer", 1, { detail: "Go on?" }), own), NOW)).toBe("asks: Go on?");
    expect(needsYou(made(said("needs-answer", 1), own))).toBe(true);
  });

  it("shows nothing that a program hides in what it wants", () => {
    expect(line(made(wants("Bash", "ls\u202e;\u001b[8m")), NOW)).toBe("wants to run ls⟨U+202E⟩;␛[8m");
  });

  it("tells the day of a limit that is not today's", () => {
    const tomorrow = new Date(2026, 4, 21, 9, 30).getTime();
    expect(untilWords(tomorrow, NOW)).toMatch(/21.*, 09:30$/);
  });

  it("tells how long it has been so", () => {
    expect(when(made(said("idle", 4)), NOW)).toBe("4m");
    expect(asSince(made(null))).toBe(NOW - 60 * M);
    expect(sourceWords("hook")).toBe("a hook it ran");
    expect(sourceWords("oracle")).toBe("oracle");
    expect(verb("Bash")).toBe("run");
  });
});

describe("who needs a person", () => {
  it.each(["needs-permission", "needs-answer", "errored", "stalled"])("%s does", (state) => {
    expect(needsYou(made(said(state, 1)))).toBe(true);
  });
  it.each(["rate-limited", "idle", "working", "starting", "unknown"])("%s does not", (state) => {
    expect(needsYou(made(said(state, 1)))).toBe(false);
  });
  it("is nobody who is paused, has ended, or cannot be reached", () => {
    for (const more of [{ state: "paused" }, { state: "terminated" }, { unreachable: true }]) {
      expect(needsYou(made(said("needs-permission", 1), more))).toBe(false);
      expect(ask(made(wants("Bash", "ls"), more))).toBeNull();
    }
    expect(ask(made(wants("Bash", "ls")))?.subject).toBe("ls");
  });
});

it("gives each state one shape of its own, also beside those of runners that do not run", () => {
  const states = [
    "needs-permission",
    "needs-answer",
    "errored",
    "stalled",
    "rate-limited",
    "idle",
    "working",
    "starting",
    "unknown",
  ];
  const running = states.map((state) => look(made(said(state, 1))));
  const others = ["paused", "stopping", "backoff", "terminated", "failed", "cancelled"].map((state) =>
    look(made(null, { state })),
  );
  const shapes = [...running, ...others].map(({ shape }) => shape);
  expect(new Set(shapes).size).toBe(shapes.length);
  const tones = Object.fromEntries(running.map(({ word, tone }) => [word, tone]));
  expect(tones).toMatchObject({
    "needs permission": "need",
    "needs an answer": "need",
    "rate-limited": "need",
    working: "work",
    idle: "ok",
    unknown: "unknown",
  });
});
