import { describe, expect, it } from "vitest";
import { areas, beside, grown, lines, moved, read, runners, split, without, type Pane } from "../src/panes/layout";

/** a beside (b above c) */
const three: Pane = split(split({ runner: "a" }, "a", "row", "b"), "b", "column", "c");

describe("a divided tab", () => {
  it("gives each terminal its place, and fills the room", () => {
    expect([...areas(three)]).toEqual([
      ["a", { left: 0, top: 0, width: 0.5, height: 1 }],
      ["b", { left: 0.5, top: 0, width: 0.5, height: 0.5 }],
      ["c", { left: 0.5, top: 0.5, width: 0.5, height: 0.5 }],
    ]);
    const filled = [...areas(moved(moved(three, ".", 0.3), ".2", 0.8)).values()];
    expect(filled.reduce((sum, { width, height }) => sum + width * height, 0)).toBeCloseTo(1);
  });

  it("moves the line that is meant, and leaves each part some room", () => {
    expect(lines(three).map(({ path, along }) => [path, along])).toEqual([
      [".", "row"],
      [".2", "column"],
    ]);
    const other = moved(three, ".2", 0.25);
    expect(areas(other).get("b")).toMatchObject({ top: 0, height: 0.25 });
    expect(areas(other).get("a")).toEqual(areas(three).get("a"));
    expect(lines(moved(three, ".", -3))[0]?.share).toBe(0.1);
    expect(lines(moved(three, ".", 7))[0]?.share).toBe(0.9);
  });

  it("gives one terminal more room by the nearest line, or less", () => {
    expect(areas(grown(three, "b", "column", 0.1)).get("b")?.height).toBeCloseTo(0.6);
    expect(areas(grown(three, "c", "column", 0.1)).get("c")?.height).toBeCloseTo(0.6);
    expect(areas(grown(three, "c", "row", -0.2)).get("a")?.width).toBeCloseTo(0.7);
    expect(areas(grown(three, "a", "row", 9)).get("a")?.width).toBeCloseTo(0.9);
    expect(grown(three, "a", "column", 0.1)).toBe(three);
    expect(grown(three, "nobody", "row", 0.1)).toBe(three);
  });

  it("gives the room of one that leaves to its neighbour", () => {
    expect(without(three, "b")).toEqual({ along: "row", share: 0.5, first: { runner: "a" }, second: { runner: "c" } });
    expect(without(three, "a")).toMatchObject({ along: "column" });
    expect(without({ runner: "a" }, "a")).toBeNull();
    expect(without(three, "nobody")).toEqual(three);
  });

  it.each([
    ["a", "right", "b"],
    ["b", "left", "a"],
    ["c", "left", "a"],
    ["b", "down", "c"],
    ["c", "up", "b"],
    ["a", "left", null],
    ["a", "down", null],
    ["b", "right", null],
  ] as const)("from %s %s is %s", (from, way, to) => expect(beside(three, from, way)).toBe(to));

  it("is read back, without what is gone, twice there or nonsense", () => {
    const all = (): boolean => true;
    expect(read(JSON.parse(JSON.stringify(three)), all)).toEqual(three);
    expect(runners(read(three, (id) => id !== "a") ?? { runner: "?" })).toEqual(["b", "c"]);
    expect(read(three, () => false)).toBeNull();
    for (const nonsense of [null, 7, "a", {}, { along: "round", first: { runner: "a" }, second: { runner: "b" } }]) {
      expect(read(nonsense, all)).toBeNull();
    }
    expect(read({ along: "row", share: "wide", first: { runner: "a" }, second: { runner: "b" } }, all)).toMatchObject({
      share: 0.5,
    });
  });
});
