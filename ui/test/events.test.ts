import { readFileSync } from "node:fs";
import { describe, expect, it, vi } from "vitest";
import type { Event } from "../src/backend/types/Event";
import { Log } from "../src/events/log.svelte";
import { happening, payload, subject } from "../src/events/words";

function event(cursor: number, said: Partial<Event> = {}): Event {
  return {
    cursor: String(cursor),
    id: `e${cursor}`,
    aggregate: "runner",
    aggregate_id: "0198c0de-0000",
    seq: cursor,
    type: "runner.started",
    at: "2026-05-20T10:00:00.000Z",
    data: "{}",
    project: "p",
    ...said,
  };
}

function store(count: number) {
  const all = Array.from({ length: count }, (_, n) => event(n + 1));
  const events = vi.fn(async ({ since, limit }: { since: string | null; limit: number }) =>
    all.slice(Number(since ?? 0), Number(since ?? 0) + limit),
  );
  return { all, events };
}

describe("the event log", () => {
  it("reads all pages, then only what is new", async () => {
    const backend = store(1200);
    const log = new Log(backend);
    await log.read();
    expect(log.events).toHaveLength(1200);
    backend.all.push(event(1201));
    await log.read();
    expect(log.events.at(-1)?.cursor).toBe("1201");
    expect(backend.events.mock.calls.map(([{ since }]) => since)).toEqual([null, "500", "1000", "1200"]);
  });
  it("keeps the latest and says that older ones exist", async () => {
    const log = new Log(store(2600));
    await log.read();
    expect([log.events.length, log.events[0]?.cursor, log.cut]).toEqual([2000, "601", true]);
  });
  it("misses nothing that comes while it reads", async () => {
    const backend = store(3);
    const log = new Log(backend);
    const reading = log.read();
    backend.all.push(event(4));
    await log.read();
    await reading;
    expect(log.events).toHaveLength(4);
  });
  it("says why it could not read, and goes on from where it stopped", async () => {
    const backend = store(2);
    const log = new Log(backend);
    backend.events.mockRejectedValueOnce({ code: "unavailable", message: "no host", hint: null });
    await log.read();
    expect(log.failure?.message).toBe("no host");
    await log.read();
    expect([log.failure, log.events.length]).toEqual([null, 2]);
  });
});

describe("an event in words", () => {
  it("is told by its own name when it is new to us", () =>
    expect(happening(event(1, { type: "node.joined" })).words).toBe("node.joined"));
  it("tells how a program ended", () => {
    const words = (type: string, data: object) => happening(event(1, { type, data: JSON.stringify(data) })).words;
    expect(words("runner.terminated", { exit: { code: 0 } })).toBe("ended: exit 0");
    expect(words("runner.failed", { failure: { why: "exited", exit: { signal: "KILL" } } })).toBe(
      "failed: killed by SIGKILL",
    );
    expect(words("runner.failed", { failure: { why: "agent-lost" } })).toBe("failed: agent lost");
    expect(words("runner.backoff", { failure: { why: "exited", exit: { code: 3 } } })).toBe(
      "failed: exit 3, starts again",
    );
    expect(words("runner.terminated", { exit: "not_started" })).toBe("ended");
    expect(words("runner.failed", [])).toBe("failed");
  });
  it("has words for every event that the documentation lists", () => {
    const rows = readFileSync("../docs/events.md", "utf8").split("\n").filter((line) => line.startsWith("| `"));
    const listed = rows.flatMap((row) => [...(row.split("|")[1] ?? "").matchAll(/`((?:runner|project)\.[a-z_]+)`/g)].map(([, type]) => type ?? ""));
    expect(listed.length).toBeGreaterThan(15);
    expect(listed.filter((type) => happening(event(1, { type })).words === type)).toEqual([]);
  });
  it("tells what a runner needs, and how much of a budget was used", () => {
    const told = (type: string, data: object) => happening(event(1, { type, data: JSON.stringify(data) }));
    expect(told("runner.attention", { need: "needs-answer" })).toEqual({ words: "needs an answer", tone: "need" });
    expect(told("runner.attention", { need: "working" }).words).toBe("is working");
    expect(told("runner.attention", { need: "errored" }).words).toBe("stopped at an error");
    expect(told("project.budget_reached", { percent: 90 })).toEqual({ words: "used 90 % of a budget", tone: "need" });
  });
  it("names its subject by what is known best", () => {
    expect(subject(event(1), "auth")).toBe("p · auth");
    expect(subject(event(1, { data: '{"name":"old"}' }), undefined)).toBe("p · old");
    expect(subject(event(1, { project: null, data: "no json" }), undefined)).toBe("0198c0de");
    expect(subject(event(1, { aggregate: "project" }), undefined)).toBe("p");
  });
  it("shows a payload even when it is no JSON", () => {
    expect(payload(event(1, { data: '{"a":1}' }))).toBe('{\n  "a": 1\n}');
    expect(payload(event(1, { data: "raw" }))).toBe("raw");
  });
});
