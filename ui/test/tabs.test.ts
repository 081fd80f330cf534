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

  it("are divided and put together again, each runner in one place", () => {
    const tabs = new Tabs(memory());
    for (const id of ["a", "b"]) tabs.show(id);
    tabs.split("row", "c");
    tabs.split("column", "a");
    expect(tabs.all).toHaveLength(1);
    expect([tabs.ids, tabs.shown]).toEqual([["b", "c", "a"], "a"]);
    expect(tabs.beside("up")).toBe("c");
    expect(tabs.beside("left")).toBe("b");
    expect(tabs.beside("down")).toBeNull();
    tabs.moveLine(".", 0.7);
    expect(tabs.front?.root).toMatchObject({ along: "row", share: 0.7 });
    tabs.close("c");
    expect([tabs.ids, tabs.shown]).toEqual([["b", "a"], "a"]);
    tabs.show("b");
    expect(tabs.all).toHaveLength(1);
    tabs.split("row", "b");
    expect(tabs.ids).toEqual(["b", "a"]);
    tabs.show("d");
    tabs.step(1);
    expect(tabs.shown).toBe("b");
    if (tabs.front !== undefined) tabs.closeTab(tabs.front);
    expect([tabs.ids, tabs.shown]).toEqual([["d"], "d"]);
    tabs.close("d");
    tabs.split("row", "e");
    expect([tabs.ids, tabs.shown]).toEqual([["e"], "e"]);
  });

  it("come back divided as they were", () => {
    const kept = memory();
    const before = new Tabs(kept);
    before.restore("i1", () => true);
    before.show("a");
    before.show("b");
    before.split("row", "c");
    before.moveLine(".", 0.25);
    before.split("column", "d");
    const after = new Tabs(kept);
    after.restore("i1", (id) => id !== "c");
    expect(after.ids).toEqual(["a", "b", "d"]);
    expect(after.shown).toBe("d");
    expect(after.front?.root).toEqual({ along: "row", share: 0.25, first: { runner: "b" }, second: { runner: "d" } });
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
    for (const junk of ["{", "null", "[]", '{"tabs":7,"front":{}}', '{"tabs":[7,null,{"root":{"along":"row"}}],"front":0}']) {
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
