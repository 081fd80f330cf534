import type { Budget } from "../types/Budget";
import type { Usage } from "../types/Usage";
import type { UsageReport } from "../types/UsageReport";
import type { UsageRequest } from "../types/UsageRequest";

const DAY = 24 * 60 * 60_000;

/** Makes a usage of so many tokens, in believable parts, with whatever is said otherwise. */
export function used(tokens: number, said: Partial<Usage> = {}): Usage {
  const part = (share: number): number => Math.round(tokens * share);
  return {
    input_tokens: part(0.006),
    output_tokens: part(0.018),
    cache_creation_input_tokens: part(0.086),
    cache_read_input_tokens: tokens - part(0.006) - part(0.018) - part(0.086),
    cost_usd: Math.round(tokens * 0.00000224 * 100) / 100,
    cache_creation_1h_input_tokens: part(0.031),
    unpriced_tokens: 0,
    messages: Math.ceil(tokens / 21_000),
    label: "estimated",
    program_cost_usd: null,
    tokens_label: "measured",
    ...said,
  };
}

function dayKey(at: number): string {
  const date = new Date(at);
  return [date.getFullYear(), date.getMonth() + 1, date.getDate()].map((part) => String(part).padStart(2, "0")).join("-");
}

/** A month of work: little at weekends, more of late. */
function days(): { key: string; tokens: number }[] {
  return Array.from({ length: 30 }, (_, back) => 29 - back).map((back) => {
    const at = Date.now() - back * DAY;
    const weekend = [0, 6].includes(new Date(at).getDay());
    const wave = 0.6 + 0.4 * Math.sin(back * 1.7) + (30 - back) / 40;
    return { key: dayKey(at), tokens: weekend ? Math.round(90_000 * wave) : Math.round(2_300_000 * wave) };
  });
}

const MODELS: readonly [string, number][] = [
  ["claude-opus-4-5", 0.64],
  ["claude-sonnet-4-5", 0.25],
  ["claude-haiku-4-5", 0.06],
  ["gpt-5-codex", 0.05],
];
const PROJECTS: readonly [string, number][] = [
  ["api-gateway", 0.46],
  ["billing", 0.31],
  ["mobile", 0.12],
  ["infra", 0.08],
  ["", 0.03],
];

/** Reports a month of usage, or the part of it that is asked for. */
export function report(request: UsageRequest): UsageReport {
  const since = request.since ?? "";
  const share = request.project == null ? 1 : (PROJECTS.find(([name]) => name === request.project)?.[1] ?? 0);
  const spent = days()
    .filter(({ key }) => key >= since)
    .map(({ key, tokens }) => ({ key, tokens: Math.round(tokens * share) }));
  const sum = spent.reduce((all, { tokens }) => all + tokens, 0);
  const shared = (parts: readonly [string, number][]) =>
    parts.map(([key, part]) => {
      const tokens = Math.round(sum * part);
      return { key, usage: used(tokens, key === "gpt-5-codex" ? { cost_usd: null, unpriced_tokens: tokens } : {}) };
    });
  const rows =
    request.by === "day"
      ? spent.map(({ key, tokens }) => ({ key, usage: used(tokens) }))
      : request.by === "model"
        ? shared(MODELS)
        : request.by === "project"
          ? shared(PROJECTS)
          : [];
  return {
    total: used(sum, { unpriced_tokens: Math.round(sum * 0.05) }),
    rows,
    prices_date: "2026-04-28",
    prices_source: "built in",
    time_zone: "Europe/Helsinki",
    unpriced_models: ["gpt-5-codex"],
  };
}

function budget(said: Partial<Budget> & Pick<Budget, "id" | "scope" | "period">): Budget {
  return {
    of: null,
    tokens: null,
    usd: null,
    at_limit: "warn",
    spent_tokens: 0,
    spent_usd: 0,
    percent: 0,
    began_at: new Date(Date.now() - 2 * DAY).toISOString(),
    ends_at: new Date(Date.now() + 3 * DAY).toISOString(),
    exhausted_at: null,
    overshoot: "up to $0.90 more by the 3 turns under way",
    ...said,
  };
}

export const budgets = (): Budget[] => [
  budget({
    id: "budget-1",
    scope: "global",
    period: "month",
    usd: 200,
    spent_usd: 118.4,
    percent: 59,
    at_limit: "refuse",
    ends_at: new Date(Date.now() + 11 * DAY).toISOString(),
  }),
  budget({
    id: "budget-2",
    scope: "project",
    of: "api-gateway",
    period: "week",
    usd: 20,
    spent_usd: 15.72,
    percent: 78,
    at_limit: "deny",
    exhausted_at: new Date(Date.now() + 1.1 * DAY).toISOString(),
  }),
  budget({
    id: "budget-3",
    scope: "project",
    of: "mobile",
    period: "day",
    tokens: 2_000_000,
    spent_tokens: 2_064_000,
    percent: 103,
    at_limit: "pause",
    ends_at: new Date(Date.now() + 0.3 * DAY).toISOString(),
    overshoot: "up to 180 k tokens more by the 1 turn under way",
  }),
];

export { budget };
