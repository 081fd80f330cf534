import { describe, expect, it } from "vitest";
import { Notices } from "../src/window/notices.svelte";
import { Tabs, type Memory } from "../src/window/tabs.svelte";

function memory(said: Record<string, string> = {}): Memory & { said: Record<string, string> } {
  return { said, read: (key) => said[key] ?? null, write: (key, value) => void (said[key] = value) };
}

describe("tabs", () => {
  it("show each runner once and pass on to a neighbour when closed", () => {
    const tabs = new Tabs(memory());
    for (const id of ["a", "b", "c", "b"]) tabs.show(id);
    expect(tabs.ids).toEqual(["a", "b", "c"]);
    tabs.close("b");
    expect(tabs.shown).toBe("c");
    tabs.close("c");
    expect(tabs.shown).toBe("a");
    tabs.close("a");
    expect(tabs.shown).toBeNull();
  });

  it("come back in the next window, without those that are gone", () => {
    const kept = memory();
    const before = new Tabs(kept);
    before.restore("i1", () => true);
    before.show("a");
    before.show("b");
    const after = new Tabs(kept);
    after.restore("i1", (id) => id !== "a");
    expect([after.ids, after.shown]).toEqual([["b"], "b"]);
    const elsewhere = new Tabs(kept);
    elsewhere.restore("i2", () => true);
    expect(elsewhere.ids).toEqual([]);
  });

  it("open empty when what was kept cannot be read", () => {
    for (const junk of ["{", "null", "[]", '{"ids":7,"shown":{}}']) {
      const tabs = new Tabs(memory({ "tabs i1": junk }));
      tabs.restore("i1", () => true);
      expect([tabs.ids, tabs.shown]).toEqual([[], null]);
    }
  });
});

describe("notices", () => {
  it("say the same thing once and no more than four things", () => {
    const notices = new Notices();
    const cause = { code: "conflict", message: "it has ended", hint: "restart it" };
    notices.failed("Could not stop x", cause);
    notices.failed("Could not stop x", cause);
    expect(notices.all).toMatchObject([
      { tone: "bad", title: "Could not stop x", detail: "it has ended", hint: "restart it" },
    ]);
    for (let n = 0; n < 6; n += 1) notices.problem(`problem ${n}`);
    expect(notices.all.map((notice) => notice.title)).toEqual(["problem 2", "problem 3", "problem 4", "problem 5"]);
    notices.dismiss(notices.all[0]?.id ?? 0);
    expect(notices.all).toHaveLength(3);
  });
});
