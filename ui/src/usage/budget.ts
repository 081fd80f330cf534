import type { Budget } from "../backend/types/Budget";
import type { SetBudgetRequest } from "../backend/types/SetBudgetRequest";
import { clock, dayAndClock, duration, instant, sameDay } from "../words/time";
import { money, tokens } from "./words";

export const SCOPES = ["global", "project", "runner", "session"] as const;
export const PERIODS = ["hour", "day", "week", "month"] as const;

/** What can happen at the limit, from the mildest on, and what that means. */
export const AT_LIMIT = [
  { word: "warn", title: "Warn", says: "warns, and lets everything go on" },
  { word: "refuse", title: "Refuse launches", says: "refuses further launches; what runs goes on" },
  { word: "deny", title: "Deny tools and prompts", says: "denies further tools and prompts, with the reason" },
  { word: "pause", title: "Pause", says: "pauses the runners it counts" },
  { word: "stop", title: "Stop", says: "stops the runners it counts" },
] as const;

/** Tells what a budget bounds: `All`, `api-gateway`, `the runner auth refactor`. */
export function scopeWords(budget: Pick<Budget, "scope" | "of">): string {
  const of = budget.of ?? "one that is gone";
  switch (budget.scope) {
    case "global":
      return "Everything";
    case "project":
      return of;
    case "runner":
      return `Runner ${of}`;
    case "session":
      return `Session ${of.slice(0, 8)}`;
    default:
      return `${budget.scope} ${of}`;
  }
}

/** Tells how much is spent of how much: `$15.72 of $20.00`. */
export function spentWords(budget: Budget): string {
  return budget.usd == null
    ? `${tokens(budget.spent_tokens)} of ${tokens(budget.tokens ?? 0)} tokens`
    : `${money(budget.spent_usd)} of ${money(budget.usd)}`;
}

/** Tells where the figures of a budget are from. */
export function spentLabel(budget: Budget): string {
  return budget.usd == null ? "measured" : "estimated";
}

/** Tells how a budget stands. */
export function standing(budget: Budget): "well" | "near" | "spent" {
  return budget.percent >= 100 ? "spent" : budget.percent >= 75 ? "near" : "well";
}

function moment(at: number, now: number): string {
  return sameDay(at, now) ? `${clock(at)} today` : dayAndClock(at);
}

/** Tells how long it lasts, at the pace of the period so far. */
export function outlook(budget: Budget, now: number): string {
  if (budget.percent >= 100) return "all of it is spent";
  const exhausted = instant(budget.exhausted_at);
  if (exhausted === null) return "lasts at this pace";
  return `at this pace spent ${moment(exhausted, now)}, in ${duration(exhausted - now)}`;
}

/** Tells when its period ends. */
export function anew(budget: Budget, now: number): string {
  const ends = instant(budget.ends_at);
  return ends === null ? "" : `begins anew ${moment(ends, now)}`;
}

/** Tells what happens at the limit. */
export function limitWords(word: string): string {
  return AT_LIMIT.find((known) => known.word === word)?.says ?? word;
}

/** Is what the budget dialog holds, as typed. */
export interface BudgetDraft {
  scope: string;
  of: string;
  period: string;
  unit: "usd" | "tokens";
  /** Dollars, or millions of tokens. */
  amount: number | null;
  atLimit: string;
}

/** Begins a draft anew, or with what is set. */
export function budgetDraft(budget: Budget | null): BudgetDraft {
  if (budget === null) return { scope: "global", of: "", period: "week", unit: "usd", amount: null, atLimit: "warn" };
  const unit = budget.usd == null ? "tokens" : "usd";
  return {
    scope: budget.scope,
    of: budget.of ?? "",
    period: budget.period,
    unit,
    amount: unit === "usd" ? (budget.usd ?? null) : (budget.tokens ?? 0) / 1e6,
    atLimit: budget.at_limit,
  };
}

export type BudgetFault = { field: "of" | "amount"; message: string };

/** Makes the request a draft asks for, or tells what has to be mended first. */
export function budgetRequest(draft: BudgetDraft): SetBudgetRequest | BudgetFault {
  const of = draft.of.trim();
  if (draft.scope !== "global" && of === "") return { field: "of", message: `choose the ${draft.scope}` };
  const { amount } = draft;
  if (amount === null || !Number.isFinite(amount) || amount <= 0)
    return { field: "amount", message: "enter an amount above zero" };
  const whole = Math.round(amount * 1e6);
  if (draft.unit === "tokens" && (whole < 1 || whole > Number.MAX_SAFE_INTEGER))
    return { field: "amount", message: "enter an amount between 1 token and 9,000,000,000 million" };
  return {
    scope: draft.scope,
    of: draft.scope === "global" ? null : of,
    period: draft.period,
    tokens: draft.unit === "tokens" ? whole : null,
    usd: draft.unit === "usd" ? amount : null,
    at_limit: draft.atLimit,
  };
}
