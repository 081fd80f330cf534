import type { Usage } from "../backend/types/Usage";

const UNITS = ["", " k", " M", " G", " T"] as const;

/** Tells a number of tokens: `812`, `14.2 k`, `1.84 M`. */
export function tokens(count: number): string {
  let value = count;
  let unit = 0;
  while (value >= 999.5 && unit < UNITS.length - 1) {
    value /= 1000;
    unit += 1;
  }
  if (unit === 0) return String(Math.round(value));
  const digits = value < 9.995 ? 2 : value < 99.95 ? 1 : 0;
  return `${value.toFixed(digits)}${UNITS[unit]}`;
}

/** Tells an amount of money: `$4.12`, `$1,204`, `under $0.01`. */
export function money(usd: number): string {
  if (usd > 0 && usd < 0.01) return "under $0.01";
  const whole = usd >= 1000;
  const digits = whole ? 0 : 2;
  return `$${usd.toLocaleString("en-US", { minimumFractionDigits: digits, maximumFractionDigits: digits })}`;
}

/** Counts tokens of every kind. */
export function total(usage: Usage): number {
  return (
    usage.input_tokens + usage.output_tokens + usage.cache_creation_input_tokens + usage.cache_read_input_tokens
  );
}

/** Is a figure and where it is from. Nothing is shown without the latter. */
export interface Figure {
  value: string;
  label: string;
}

const LABELS: Record<string, string> = {
  estimated: "estimated",
  program: "program's own",
};

/** Tells how a cost was found. */
export function costLabel(usage: Usage): string {
  return LABELS[usage.label] ?? usage.label;
}

/** Tells how many tokens were used: those are always measured. */
export function tokenFigure(usage: Usage): Figure {
  return { value: `${tokens(total(usage))} tokens`, label: "measured" };
}

/** Tells what it costs, with what that leaves out; null where no message had a price. */
export function costFigure(usage: Usage): Figure | null {
  if (usage.cost_usd == null) return null;
  const without = usage.unpriced_tokens > 0 ? `, without ${tokens(usage.unpriced_tokens)} tokens that have no price` : "";
  return { value: money(usage.cost_usd), label: `${costLabel(usage)}${without}` };
}

/** Tells what the program itself says that it cost, where it does and that is not shown already. */
export function ownFigure(usage: Usage): Figure | null {
  if (usage.program_cost_usd == null || usage.label === "program") return null;
  const by = usage.cost_usd == null ? 0 : usage.program_cost_usd - usage.cost_usd;
  const more = by === 0 ? "" : `, ${money(Math.abs(by))} ${by > 0 ? "more" : "less"}`;
  return { value: money(usage.program_cost_usd), label: `program's own${more}` };
}

/** Tells cost and tokens in few words, both labelled: `$4.12 estimated · 1.84 M tokens`. */
export function short(usage: Usage | null | undefined): string {
  if (usage == null || total(usage) === 0) return "no usage";
  const cost = usage.cost_usd == null ? "no price" : `${money(usage.cost_usd)} ${costLabel(usage)}`;
  return `${cost} · ${tokens(total(usage))} tokens`;
}

/** Is one kind of tokens. */
export interface Part {
  key: string;
  title: string;
  tokens: number;
}

/** Takes a usage apart into the kinds of tokens, which differ much in price. */
export function kinds(usage: Usage): Part[] {
  const hour = usage.cache_creation_1h_input_tokens;
  return [
    { key: "input", title: "Input", tokens: usage.input_tokens },
    { key: "output", title: "Output", tokens: usage.output_tokens },
    { key: "cache-5m", title: "Cache write, 5 min", tokens: usage.cache_creation_input_tokens - hour },
    { key: "cache-1h", title: "Cache write, 1 h", tokens: hour },
    { key: "cache-read", title: "Cache read", tokens: usage.cache_read_input_tokens },
  ];
}

/** Writes a day of a report (`2026-05-20`) as a person does. */
export function dayWords(key: string): string {
  const at = Date.parse(`${key}T12:00:00`);
  if (Number.isNaN(at)) return key;
  return new Date(at).toLocaleDateString(undefined, { weekday: "short", day: "numeric", month: "short" });
}
