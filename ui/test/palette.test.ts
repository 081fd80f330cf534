import { describe, expect, it } from "vitest";
import { matching, score } from "../src/palette/match";

describe("the palette's match", () => {
  it("wants all letters in order", () => {
    expect(score("agr", "api-gateway · auth refactor")).not.toBeNull();
    expect(score("xyz", "api-gateway")).toBeNull();
    expect(score("ba", "ab")).toBeNull();
  });
  it("prefers whole phrases, then beginnings of words", () => {
    const all = ["wait a tick, charlie", "Swap all", "docs-site · watch", "Start watching"];
    expect(
      matching("watch", all, (text) => text)
        .slice(0, 2)
        .sort(),
    ).toEqual(["Start watching", "docs-site · watch"]);
    expect(matching("st wa", all, (text) => text)[0]).toBe("Start watching");
  });
  it("keeps the given order when nothing is asked", () =>
    expect(matching(" ", ["b", "a"], (text) => text)).toEqual(["b", "a"]));
});
