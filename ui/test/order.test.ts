import { describe, expect, it } from "vitest";
import { attention, runner } from "../src/backend/fake/cast";
import type { Runner } from "../src/backend/types/Runner";
import { neighbour, nextInNeed, order, settle, type Group } from "../src/fleet/order";

const NOON = new Date(2026, 4, 20, 12, 0, 0).getTime();
const at = (minutesBefore: number): string => new Date(NOON - minutesBefore * 60_000).toISOString();

function made(id: string, said: Partial<Runner>): Runner {
  return runner({ name: id, project: "p", id, created_at: at(600), started_at: at(60), ...said });
}

const shape = (groups: Group[]): Record<string, string[]> =>
  Object.fromEntries(groups.map(({ key, ids }) => [key, ids]));

describe("order", () => {
  it("puts first who needs a person, the longest waiting first", () => {
    const groups = order(
      [
        made("asks", { attention: attention("needs-answer", 5) }),
        made("works", { attention: attention("working", 1) }),
        made("stuck", { attention: attention("stalled", 9) }),
        made("wants", { attention: attention("needs-permission", 20) }),
        made("wrong", { attention: attention("errored", 1) }),
      ],
      NOON,
    );
    expect(shape(groups)).toEqual({ needs: ["wants", "stuck", "asks", "wrong"], working: ["works"] });
  });

  it("groups the others by what they do, the latest first", () => {
    const groups = order(
      [
        made("old", { started_at: at(90), attention: attention("working", 0) }),
        made("new", { started_at: at(5), attention: attention("working", 4) }),
        made("held", { attention: attention("rate-limited", 4) }),
        made("rests", { attention: attention("idle", 7) }),
        made("rested", { attention: attention("idle", 2) }),
        made("begins", { started_at: at(2), attention: attention("starting", 0) }),
        made("waits", { state: "queued", started_at: null, created_at: at(1) }),
        made("again", { state: "backoff", started_at: at(3) }),
        made("still", { state: "paused", attention: attention("needs-permission", 4) }),
        made("dark", { attention: attention("unknown", 4) }),
        made("mute", { unreachable: true, attention: attention("needs-permission", 4) }),
        made("own", { program: "command", attention: attention("unknown", 4) }),
        made("odd", { state: "hibernating" }),
        made("going", { state: "stopping" }),
        made("good", { state: "terminated", ended_at: at(30) }),
        made("bad", { state: "failed", ended_at: at(10) }),
      ],
      NOON,
    );
    expect(shape(groups)).toEqual({
      working: ["new", "old"],
      limited: ["held"],
      idle: ["rested", "rests"],
      paused: ["still"],
      starting: ["waits", "begins", "again"],
      running: ["own"],
      unknown: ["odd", "mute", "dark"],
      stopping: ["going"],
      ended: ["bad", "good"],
    });
    expect(groups.map((group) => group.key)).toEqual([
      "working",
      "limited",
      "idle",
      "paused",
      "starting",
      "running",
      "unknown",
      "stopping",
      "ended",
    ]);
  });

  it("leaves out what ended before today", () => {
    const yesterday = made("gone", { state: "terminated", ended_at: at(12 * 60 + 1) });
    const justToday = made("here", { state: "terminated", ended_at: at(12 * 60) });
    expect(shape(order([yesterday, justToday], NOON))).toEqual({ ended: ["here"] });
  });

  it("never swaps runners of equal age", () => {
    const twins = [made("a", {}), made("b", {})];
    expect(order(twins, NOON)).toEqual(order([...twins].reverse(), NOON));
  });
});

describe("settle", () => {
  const shown: Group[] = [
    { key: "running", title: "Running", ids: ["a", "b"] },
    { key: "ended", title: "Ended today", ids: ["c"] },
  ];

  it("takes the wanted order when nobody reads", () => {
    const wanted: Group[] = [{ key: "ended", title: "Ended today", ids: ["c", "b", "a"] }];
    expect(settle(shown, wanted, false)).toEqual(wanted);
  });

  it("moves no row while somebody reads", () => {
    const wanted: Group[] = [
      { key: "running", title: "Running", ids: ["b"] },
      { key: "ended", title: "Ended today", ids: ["a", "c"] },
    ];
    expect(settle(shown, wanted, true)).toEqual(shown);
  });

  it("puts new rows below all others while somebody reads, and keeps them there", () => {
    const first = settle(shown, [{ key: "running", title: "Running", ids: ["x", "a", "b"] }, shown[1] as Group], true);
    expect(first.flatMap((group) => group.ids)).toEqual(["a", "b", "c", "x"]);
    const second = settle(
      first,
      [{ key: "running", title: "Running", ids: ["y", "x", "a", "b"] }, shown[1] as Group],
      true,
    );
    expect(second.flatMap((group) => group.ids)).toEqual(["a", "b", "c", "x", "y"]);
    expect(second.filter((group) => group.key === "fresh")).toHaveLength(1);
  });

  it("lets rows go while somebody reads", () => {
    expect(shape(settle(shown, [{ key: "running", title: "Running", ids: ["b"] }], true))).toEqual({ running: ["b"] });
  });
});

describe("neighbour", () => {
  const groups: Group[] = [
    { key: "running", title: "", ids: ["a", "b"] },
    { key: "ended", title: "", ids: ["c"] },
  ];
  it("walks through all groups and around the ends", () => {
    expect(neighbour(groups, "b", 1)).toBe("c");
    expect(neighbour(groups, "c", 1)).toBe("a");
    expect(neighbour(groups, "a", -1)).toBe("c");
  });
  it("begins at an end when nothing listed is shown", () => {
    expect(neighbour(groups, null, 1)).toBe("a");
    expect(neighbour(groups, "elsewhere", -1)).toBe("c");
    expect(neighbour([], null, 1)).toBeNull();
  });
});

describe("the next who needs a person", () => {
  const groups: Group[] = [
    { key: "needs", title: "", ids: ["a", "b"] },
    { key: "working", title: "", ids: ["c", "d"] },
    // While somebody reads, one that has come to need a person stands below.
    { key: "fresh", title: "", ids: ["e"] },
  ];
  const needs = (id: string): boolean => ["a", "b", "e"].includes(id);

  it("passes over all who do not", () => {
    expect(nextInNeed(groups, needs, "c", 1)).toBe("a");
    expect(nextInNeed(groups, needs, "b", 1)).toBe("e");
    expect(nextInNeed(groups, needs, "a", -1)).toBe("e");
    expect(nextInNeed(groups, needs, null, 1)).toBe("a");
  });

  it("is the next of all while nobody does", () => {
    expect(nextInNeed(groups, () => false, "c", 1)).toBe("d");
    expect(nextInNeed([], () => false, null, 1)).toBeNull();
  });
});
