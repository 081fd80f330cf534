import type { UsageRow } from "../backend/types/UsageRow";

const NOON = 12 * 60 * 60_000;

/** Writes the day of an instant here as reports do: `2026-05-20`. */
export function dayKey(at: number): string {
  const date = new Date(at);
  return [date.getFullYear(), date.getMonth() + 1, date.getDate()]
    .map((part) => String(part).padStart(2, "0"))
    .join("-");
}

/** Tells the key of the day so many days before another. A day is not always 24 hours long. */
export function daysBefore(key: string, days: number): string {
  const date = new Date(Date.parse(`${key}T00:00:00`) + NOON);
  date.setDate(date.getDate() - days);
  return dayKey(date.getTime());
}

/** Lays rows over all days of a time, so that a day without any use is seen as one. */
export function everyDay(rows: readonly UsageRow[], from: string, to: string): UsageRow[] {
  const known = new Map(rows.map((row) => [row.key, row]));
  const all: UsageRow[] = [];
  for (let key = from; key <= to; key = daysBefore(key, -1)) all.push(known.get(key) ?? { key, usage: null });
  return all;
}
