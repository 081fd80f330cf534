import { describe, expect, it } from "vitest";
import { budget, used } from "../src/backend/fake/spending";
import {
  anew,
  budgetDraft,
  budgetRequest,
  limitWords,
  outlook,
  scopeWords,
  spentLabel,
  spentWords,
  standing,
  type BudgetDraft,
} from "../src/usage/budget";
import { dayKey, daysBefore, everyDay } from "../src/usage/days";
import { costFigure, kinds, money, ownFigure, short, tokenFigure, tokens, total } from "../src/usage/words";

describe("figures", () => {
  it.each([
    [0, "0"],
    [812, "812"],
    [999, "999"],
    [1_000, "1.00 k"],
    [14_240, "14.2 k"],
    [999_400, "999 k"],
    [999_600, "1.00 M"],
    [1_840_000, "1.84 M"],
    [250_000_000, "250 M"],
    [7_000_000_000_000_000, "7000 T"],
  ])("%i tokens are %s", (count, words) => expect(tokens(count)).toBe(words));

  it.each([
    [0, "$0.00"],
    [0.004, "under $0.01"],
    [4.119, "$4.12"],
    [1204.4, "$1,204"],
  ])("%f dollars are %s", (usd, words) => expect(money(usd)).toBe(words));

  it("say where they are from", () => {
    const usage = used(1_000_000, { cost_usd: 2.5 });
    expect(tokenFigure(usage)).toEqual({ value: "1.00 M tokens", label: "measured" });
    expect(costFigure(usage)).toEqual({ value: "$2.50", label: "estimated" });
    expect(costFigure({ ...usage, label: "program" })?.label).toBe("program's own");
    expect(costFigure({ ...usage, unpriced_tokens: 20_000 })?.label).toBe(
      "estimated, without 20.0 k tokens that have no price",
    );
    expect(costFigure({ ...usage, cost_usd: null })).toBeNull();
    expect(short(usage)).toBe("$2.50 estimated · 1.00 M tokens");
    expect(short({ ...usage, cost_usd: null })).toBe("no price · 1.00 M tokens");
    expect(short(used(0))).toBe("no usage");
    expect(short(null)).toBe("no usage");
  });

  it("show what the program says beside the estimate, and by how much they differ", () => {
    const usage = used(1_000_000, { cost_usd: 2.5 });
    expect(ownFigure(usage)).toBeNull();
    expect(ownFigure({ ...usage, program_cost_usd: 2.75 })).toEqual({
      value: "$2.75",
      label: "program's own, $0.25 more",
    });
    expect(ownFigure({ ...usage, program_cost_usd: 2 })?.label).toBe("program's own, $0.50 less");
    expect(ownFigure({ ...usage, label: "program", program_cost_usd: 2.5 })).toBeNull();
  });

  it("take the kinds apart so that they add up", () => {
    const usage = used(1_234_567);
    expect(kinds(usage).reduce((sum, part) => sum + part.tokens, 0)).toBe(1_234_567);
    expect(total(usage)).toBe(1_234_567);
    expect(kinds(usage).map(({ key }) => key)).toEqual(["input", "output", "cache-5m", "cache-1h", "cache-read"]);
  });
});

describe("days", () => {
  it("go back over months, and over days that are not 24 hours long", () => {
    expect(dayKey(new Date(2026, 2, 9, 23, 59).getTime())).toBe("2026-03-09");
    expect(daysBefore("2026-03-01", 1)).toBe("2026-02-28");
    expect(daysBefore("2026-03-30", 2)).toBe("2026-03-28");
    expect(daysBefore("2026-12-31", -1)).toBe("2027-01-01");
  });
  it("without any use are seen", () => {
    const rows = [{ key: "2026-05-02", usage: used(5) }];
    const all = everyDay(rows, "2026-05-01", "2026-05-04");
    expect(all.map(({ key, usage }) => [key, usage === null ? 0 : 1])).toEqual([
      ["2026-05-01", 0],
      ["2026-05-02", 1],
      ["2026-05-03", 0],
      ["2026-05-04", 0],
    ]);
  });
});

describe("a budget", () => {
  const NOW = new Date(2026, 4, 20, 12).getTime();
  const instant = (day: number, hour: number): string => new Date(2026, 4, day, hour).toISOString();
  const of = (said: Partial<Parameters<typeof budget>[0]>) =>
    budget({ id: "b", scope: "project", of: "api", period: "week", usd: 20, ends_at: instant(25, 0), ...said });

  it("tells what it bounds and what is spent", () => {
    expect(scopeWords(of({ scope: "global", of: null }))).toBe("Everything");
    expect(scopeWords(of({}))).toBe("api");
    expect(scopeWords(of({ scope: "session", of: "0123456789" }))).toBe("Session 01234567");
    expect(scopeWords(of({ scope: "runner", of: null }))).toBe("Runner one that is gone");
    expect(spentWords(of({ spent_usd: 4 }))).toBe("$4.00 of $20.00");
    expect(spentLabel(of({}))).toBe("estimated");
    const bytokens = of({ usd: null, tokens: 2_000_000, spent_tokens: 500_000 });
    expect(spentWords(bytokens)).toBe("500 k of 2.00 M tokens");
    expect(spentLabel(bytokens)).toBe("measured");
    expect(limitWords("deny")).toBe("denies further tools and prompts, with the reason");
    expect(limitWords("sing")).toBe("sing");
  });

  it.each([
    [0, "well"],
    [74, "well"],
    [75, "near"],
    [99, "near"],
    [100, "spent"],
    [240, "spent"],
  ])("at %i %% stands %s", (percent, how) => expect(standing(of({ percent }))).toBe(how));

  it("tells how long it lasts", () => {
    expect(outlook(of({}), NOW)).toBe("lasts at this pace");
    expect(outlook(of({ percent: 78, exhausted_at: instant(20, 15) }), NOW)).toBe(
      "at this pace spent 15:00 today, in 3 h",
    );
    expect(outlook(of({ percent: 101, exhausted_at: instant(20, 11) }), NOW)).toBe("all of it is spent");
    expect(anew(of({}), NOW)).toMatch(/^begins anew .*25.*00:00$/);
  });

  const draft = (said: Partial<BudgetDraft>): BudgetDraft => ({ ...budgetDraft(null), amount: 5, ...said });

  it("is asked for in its own unit", () => {
    expect(budgetRequest(draft({}))).toEqual({
      scope: "global",
      of: null,
      period: "week",
      tokens: null,
      usd: 5,
      at_limit: "warn",
    });
    expect(budgetRequest(draft({ scope: "project", of: " api ", unit: "tokens", amount: 1.5 }))).toMatchObject({
      of: "api",
      tokens: 1_500_000,
      usd: null,
    });
  });

  it("comes back from what is set as it was", () => {
    const set = of({ usd: null, tokens: 2_500_000, at_limit: "pause" });
    expect(budgetRequest(budgetDraft(set))).toEqual({
      scope: "project",
      of: "api",
      period: "week",
      tokens: 2_500_000,
      usd: null,
      at_limit: "pause",
    });
  });

  it.each<[Partial<BudgetDraft>, string]>([
    [{ scope: "project", of: " " }, "of"],
    [{ amount: null }, "amount"],
    [{ amount: 0 }, "amount"],
    [{ amount: -1 }, "amount"],
    [{ amount: Number.NaN }, "amount"],
    [{ unit: "tokens", amount: 1e-7 }, "amount"],
    [{ unit: "tokens", amount: 1e300 }, "amount"],
  ])("%j names the field to mend", (said, field) => expect(budgetRequest(draft(said))).toMatchObject({ field }));
});
