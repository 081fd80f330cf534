import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { Nudges } from "../src/fleet/nudges";

describe("nudges", () => {
  beforeEach(() => void vi.useFakeTimers());
  afterEach(() => void vi.useRealTimers());

  function recorder(): {
    asked: string[][];
    finish: () => void;
    query: (nudged: ReadonlySet<string>) => Promise<void>;
  } {
    const asked: string[][] = [];
    let resolve: () => void = () => undefined;
    return {
      asked,
      finish: () => resolve(),
      query: (nudged) => {
        asked.push([...nudged]);
        return new Promise((done) => (resolve = done));
      },
    };
  }

  it("asks once for a burst", async () => {
    const { asked, query } = recorder();
    const nudges = new Nudges<string>(query, 100, () => Date.now());
    for (const id of ["a", "b", "a", "a"]) nudges.add(id);
    await vi.advanceTimersByTimeAsync(0);
    expect(asked).toEqual([["a", "b"]]);
  });

  it("gathers what comes while a query runs into the next one", async () => {
    const { asked, query, finish } = recorder();
    const nudges = new Nudges<string>(query, 100, () => Date.now());
    nudges.add("a");
    await vi.advanceTimersByTimeAsync(0);
    nudges.add("b");
    nudges.add("c");
    await vi.advanceTimersByTimeAsync(1000);
    expect(asked).toEqual([["a"]]);
    finish();
    await vi.advanceTimersByTimeAsync(0);
    expect(asked).toEqual([["a"], ["b", "c"]]);
  });

  it("passes an edge on at once, and one right behind another as soon as it says", async () => {
    const started: number[] = [];
    const query = async (): Promise<void> => void started.push(Date.now());
    const nudges = new Nudges<string>(query, undefined, () => Date.now());
    const began = Date.now();
    nudges.add("a");
    await vi.advanceTimersByTimeAsync(0);
    expect(started).toEqual([began]);
    await vi.advanceTimersByTimeAsync(1);
    nudges.add("b", 30);
    await vi.advanceTimersByTimeAsync(30);
    expect(started.length).toBe(2);
    // After a silence it is the first again.
    await vi.advanceTimersByTimeAsync(1000);
    nudges.add("c");
    await vi.advanceTimersByTimeAsync(0);
    expect(started).toEqual([began, began + 30, began + 1031]);
  });

  it("keeps the gap between two starts", async () => {
    const { asked, query, finish } = recorder();
    const nudges = new Nudges<string>(query, 100, () => Date.now());
    nudges.add("a");
    await vi.advanceTimersByTimeAsync(0);
    finish();
    await vi.advanceTimersByTimeAsync(10);
    nudges.add("b");
    await vi.advanceTimersByTimeAsync(89);
    expect(asked).toHaveLength(1);
    await vi.advanceTimersByTimeAsync(1);
    expect(asked).toHaveLength(2);
  });

  it("waits no longer than what is nudged says", async () => {
    const { asked, query, finish } = recorder();
    const nudges = new Nudges<string>(query, 100, () => Date.now());
    nudges.add("a");
    await vi.advanceTimersByTimeAsync(0);
    finish();
    nudges.add("b");
    await vi.advanceTimersByTimeAsync(10);
    nudges.add("c", 30);
    nudges.add("d");
    await vi.advanceTimersByTimeAsync(19);
    expect(asked).toHaveLength(1);
    await vi.advanceTimersByTimeAsync(1);
    expect(asked).toEqual([["a"], ["b", "c", "d"]]);
    finish();
    // That was for once.
    nudges.add("e");
    await vi.advanceTimersByTimeAsync(99);
    expect(asked).toHaveLength(2);
    await vi.advanceTimersByTimeAsync(1);
    expect(asked).toHaveLength(3);
  });

  it("goes on after a query that failed", async () => {
    let calls = 0;
    const nudges = new Nudges<string>(
      () => {
        calls += 1;
        return calls === 1 ? Promise.reject(new Error("away")).catch(() => undefined) : Promise.resolve();
      },
      0,
      () => Date.now(),
    );
    nudges.add("a");
    await vi.advanceTimersByTimeAsync(0);
    nudges.add("a");
    await vi.advanceTimersByTimeAsync(0);
    expect(calls).toBe(2);
  });

  it("asks nothing more once stopped", async () => {
    const { asked, query } = recorder();
    const nudges = new Nudges<string>(query, 100, () => Date.now());
    nudges.add("a");
    nudges.stop();
    await vi.advanceTimersByTimeAsync(1000);
    expect(asked).toEqual([]);
  });
});
