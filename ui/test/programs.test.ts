import { readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { runner } from "../src/backend/fake/cast";
import { program } from "../src/history/words";
import { programTitle } from "../src/fleet/words";
import { PROGRAMS } from "../src/words/programs";
import { session } from "../src/backend/fake/conversation";

/** The list that hosts have. */
function known(): [string, string][] {
  const source = readFileSync(new URL("../../crates/core/src/program.rs", import.meta.url), "utf8");
  return [...source.matchAll(/^ {4}program!\(\s*"([^"]+)",\s*"([^"]+)"/gm)].map((found) => [found[1] ?? "", found[2] ?? ""]);
}

describe("programs", () => {
  it("are those of the hosts, called as they call them", () => {
    expect(known().length).toBeGreaterThan(3);
    expect(Object.entries(PROGRAMS)).toEqual(known());
  });

  it("are called alike in every view", () => {
    for (const [name, title] of known()) {
      expect(programTitle({ ...runner({ name: "r", project: "p" }), program: name })).toBe(title);
      expect(program({ ...session({ title: "t" }), program: name })).toBe(title);
    }
  });
});
