import { describe, expect, it } from "vitest";
import { runner } from "../src/backend/fake/cast";
import type { Runner } from "../src/backend/types/Runner";
import { acts, hasTerminal, look } from "../src/fleet/state";
import { commandLine, exitWords, line, programTitle, when } from "../src/fleet/words";
import { bytes, count, percent } from "../src/words/size";
import { age, ago, dayStart, duration, until } from "../src/words/time";

const NOW = new Date(2026, 4, 20, 12, 0, 0).getTime();
const S = 1000;
const M = 60 * S;
const H = 60 * M;

describe("times", () => {
  it.each([
    [0, "now"],
    [59 * S, "now"],
    [M, "1m"],
    [59 * M + 59 * S, "59m"],
    [H, "1h"],
    [23 * H, "23h"],
    [49 * H, "2d"],
    [-5 * M, "now"],
  ])("an age of %i ms is %s", (passed, words) => expect(age(NOW - passed, NOW)).toBe(words));

  it.each([
    [8 * S, "8 s"],
    [4 * M + 10 * S, "4 min"],
    [H + 12 * M, "1 h 12 min"],
    [2 * H, "2 h"],
    [51 * H, "2 d 3 h"],
    [-1, "0 s"],
  ])("a length of %i ms is %s", (ms, words) => expect(duration(ms)).toBe(words));

  it("tells past and coming", () => {
    expect(ago(NOW - 20 * S, NOW)).toBe("just now");
    expect(ago(NOW - 90 * M, NOW)).toBe("1 h 30 min ago");
    expect(until(NOW + 7_200, NOW)).toBe("8 s");
    expect(until(NOW - 5 * S, NOW)).toBe("1 s");
  });

  it("finds the beginning of the day", () => expect(new Date(dayStart(NOW)).toTimeString()).toMatch(/^00:00:00/));
});

describe("sizes", () => {
  it.each([
    [640 * 1024, "640 KB"],
    [246 * 1024 ** 2, "246 MB"],
    [1023 * 1024 ** 2, "1.0 GB"],
    [1.4 * 1024 ** 3, "1.4 GB"],
    [16 * 1024 ** 3, "16 GB"],
  ])("%i bytes are %s", (number, words) => expect(bytes(number)).toBe(words));

  it("tells shares and counts", () => {
    expect(percent(0.34)).toBe("0.3 %");
    expect(percent(9.96)).toBe("10 %");
    expect(percent(210)).toBe("210 %");
    expect(count(1, "runner")).toBe("1 runner");
    expect(count(0, "runner")).toBe("0 runners");
  });
});

describe("a runner in words", () => {
  const made = (said: Partial<Runner>): Runner => runner({ name: "n", project: "p", ...said });
  const exit = (code: number | null, signal: string | null, reason: string) => ({ code, signal, reason });

  it.each<[string, Partial<Runner>, string]>([
    ["its title", { title: "editing src/limits.rs" }, "editing src/limits.rs"],
    ["its program, without a title", {}, "Claude Code is running"],
    ["its program, when the title says no more", { title: "Claude Code" }, "Claude Code is running"],
    ["its command, for a custom one", { program: "command", command: ["make", "a b"] }, "make 'a b'"],
    ["what it did when paused", { state: "paused", title: "reading" }, "paused: reading"],
    ["a wait", { state: "queued" }, "waits for a free place"],
    ["a later attempt", { state: "starting", attempt: 2 }, "starting, attempt 2"],
    ["a failure", { state: "failed", exit: exit(1, null, "exit 1") }, "failed: exit 1"],
    ["an end", { state: "terminated", exit: exit(0, null, "ended by itself") }, "ended by itself"],
    ["a failure without an exit", { state: "failed", exit: null }, "failed: no exit was recorded"],
    ["a state of a newer host", { state: "hibernating" }, "hibernating"],
    ["silence", { unreachable: true, last_heartbeat: null }, "not answering, may well be alive"],
  ])("tells %s", (_, said, words) => expect(line(made(said), NOW)).toBe(words));

  it("counts down to the next attempt", () => {
    const waits = made({
      state: "backoff",
      exit: exit(1, null, "exit 1"),
      retry_at: new Date(NOW + 8 * S).toISOString(),
    });
    expect(line(waits, NOW)).toBe("exit 1, starts again in 8 s");
  });

  it("says on which machine, and since when that is silent", () => {
    const there = runner({ name: "r", project: "p", here: false, node: "attic", title: "counting" });
    expect(line(there, NOW)).toBe("on attic: counting");
    const silent = { ...there, unreachable: true, unreachable_since: new Date(NOW).toISOString() };
    expect(line(silent, NOW)).toMatch(/^attic not heard from since \d/);
    expect(hasTerminal(there)).toBe(false);
    expect(acts(silent).stop).toBe(true);
  });

  it("does not call an ended runner unreachable", () => {
    expect(look(made({ state: "failed", unreachable: true })).word).toBe("failed");
    expect(look(made({ state: "running", unreachable: true })).word).toBe("not answering");
    expect(look(made({ state: "hibernating" })).shape).toBe("hollow");
  });

  it("gives every state a shape of its own, but for the two that wait to run", () => {
    const states = ["starting", "paused", "stopping", "backoff", "terminated", "failed", "cancelled"];
    const shapes = states.map((state) => look(made({ state })).shape);
    expect(new Set(shapes).size).toBe(states.length);
    expect(look(made({ state: "queued" })).shape).toBe(look(made({ state: "starting" })).shape);
  });

  it("tells age, and the time of day of an end", () => {
    expect(when(made({ started_at: new Date(NOW - 4 * M).toISOString() }), NOW)).toBe("4m");
    expect(when(made({ ended_at: new Date(2026, 4, 20, 9, 12).toISOString() }), NOW)).toBe("09:12");
    expect(when(made({ ended_at: new Date(2026, 4, 18, 9, 12).toISOString() }), NOW)).toBe("2d");
  });

  it("names programs, exits and commands", () => {
    expect(programTitle(made({ program: "command", command: ["/usr/bin/make"] }))).toBe("make");
    expect(programTitle(made({ program: "opencode" }))).toBe("OpenCode");
    expect(exitWords(exit(null, "KILL", ""))).toBe("ended by KILL");
    expect(exitWords(exit(3, null, ""))).toBe("exit 3");
    expect(commandLine(["sh", "-c", "it's"])).toBe(`sh -c 'it'\\''s'`);
    expect(commandLine([""])).toBe("''");
  });
});
