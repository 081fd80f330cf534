// @vitest-environment happy-dom
import { describe, expect, it } from "vitest";
import { CAREFUL, policy } from "../src/settings/policy";
import { DEFAULTS, Preferences } from "../src/settings/preferences.svelte";
import { fitting, shrunk } from "../src/terminal/fit";
import type { Memory } from "../src/window/tabs.svelte";

function memory(said: Record<string, string> = {}): Memory {
  return { read: (key) => said[key] ?? null, write: (key, value) => void (said[key] = value) };
}

describe("preferences", () => {
  it("are kept for the next window", () => {
    const kept = memory();
    new Preferences(kept).set("bell", "both");
    new Preferences(kept).set("fontFamily", "Fira Code");
    expect(new Preferences(kept).now).toEqual({ ...DEFAULTS, bell: "both", fontFamily: "Fira Code" });
  });

  it("that make no sense are as by default", () => {
    for (const junk of ["{", "null", "7", '{"theme":"pink","fontSize":"big","bell":7,"fontFamily":" ","ligatures":"yes"}']) {
      expect(new Preferences(memory({ preferences: junk })).now).toEqual(DEFAULTS);
    }
  });

  it("zoom by a pixel, within reason, and back", () => {
    const preferences = new Preferences(memory());
    preferences.zoom(1);
    expect(preferences.now.fontSize).toBe(DEFAULTS.fontSize + 1);
    for (let n = 0; n < 100; n += 1) preferences.zoom(-1);
    expect(preferences.now.fontSize).toBe(6);
    preferences.set("fontSize", Number.NaN);
    expect(preferences.now.fontSize).toBe(DEFAULTS.fontSize);
    preferences.zoom(-1);
    preferences.zoom(0);
    expect(preferences.now.fontSize).toBe(DEFAULTS.fontSize);
  });

  it("let one runner copy, and no other", () => {
    const kept = memory();
    const preferences = new Preferences(kept);
    preferences.letCopy("a");
    expect([preferences.mayCopy("a"), preferences.mayCopy("b")]).toEqual([true, false]);
    for (let n = 0; n < 200; n += 1) preferences.letCopy(`r${n}`);
    expect(new Preferences(kept).mayCopy("a")).toBe(false);
    expect(new Preferences(kept).mayCopy("r199")).toBe(true);
  });
});

describe("the policy", () => {
  const of = (settings: Record<string, string>) =>
    policy(
      {
        config: async (project) =>
          project === "atlas"
            ? Object.entries(settings).map(([key, value]) => ({ key, value, source: "default" }))
            : expect.fail("another project's settings"),
      },
      "atlas",
    );

  it("is what the configuration says", async () => {
    expect(
      await of({ "terminal.clipboard": "allow", "terminal.notifications": '"ignore"', "history.lines": "500" }),
    ).toEqual({ clipboard: "allow", notifications: "ignore", historyLines: 500 });
  });

  it("is careful where that says nothing, or nonsense", async () => {
    expect(await of({})).toEqual(CAREFUL);
    expect(await of({ "terminal.clipboard": "sure", "history.lines": "many" })).toEqual(CAREFUL);
  });
});

describe("the size of a terminal", () => {
  const cell = { width: 8, height: 16 };
  it("is what has room beside the scrollbar", () => {
    expect(fitting({ width: 8 * 80 + 14, height: 16 * 24 + 15 }, cell)).toEqual({ columns: 80, rows: 24 });
    expect(fitting({ width: 20, height: 3 }, cell)).toEqual({ columns: 2, rows: 1 });
    expect(fitting({ width: 0, height: 0 }, cell)).toBeNull();
    expect(fitting({ width: 500, height: 500 }, { width: 0, height: 0 })).toBeNull();
  });
  it("of another's terminal is drawn smaller when it is larger than the room, never larger", () => {
    const space = { width: 8 * 80 + 14, height: 16 * 24 };
    expect(shrunk(13, cell, { columns: 40, rows: 10 }, space)).toBe(13);
    expect(shrunk(12, cell, { columns: 160, rows: 24 }, space)).toBe(6);
    expect(shrunk(12, cell, { columns: 80, rows: 32 }, space)).toBe(9);
    expect(shrunk(13, cell, { columns: 10_000, rows: 10_000 }, space)).toBe(5);
  });
});
