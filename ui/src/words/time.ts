const SECOND = 1000;
const MINUTE = 60 * SECOND;
const HOUR = 60 * MINUTE;
const DAY = 24 * HOUR;

/** Tells an instant that the host gave, in milliseconds; null where it gave none. */
export function instant(at: string | null | undefined): number | null {
  if (at == null) return null;
  const ms = Date.parse(at);
  return Number.isNaN(ms) ? null : ms;
}

/** Tells how long ago in one short word: `now`, `4m`, `3h`, `2d`. A clock set back counts as now. */
export function age(since: number, now: number): string {
  const passed = now - since;
  if (passed < MINUTE) return "now";
  if (passed < HOUR) return `${Math.floor(passed / MINUTE)}m`;
  if (passed < DAY) return `${Math.floor(passed / HOUR)}h`;
  return `${Math.floor(passed / DAY)}d`;
}

/** Tells a length of time in at most two units: `8 s`, `4 min`, `1 h 12 min`, `2 d 3 h`. */
export function duration(ms: number): string {
  const length = Math.max(0, ms);
  if (length < MINUTE) return `${Math.floor(length / SECOND)} s`;
  if (length < HOUR) return `${Math.floor(length / MINUTE)} min`;
  const [big, small, bigUnit, smallUnit] =
    length < DAY ? ([HOUR, MINUTE, "h", "min"] as const) : ([DAY, HOUR, "d", "h"] as const);
  const rest = Math.floor((length % big) / small);
  const head = `${Math.floor(length / big)} ${bigUnit}`;
  return rest === 0 ? head : `${head} ${rest} ${smallUnit}`;
}

/** Tells when, seen from now: `just now`, `4 min ago`, `1 h 12 min ago`. */
export function ago(at: number, now: number): string {
  return now - at < MINUTE ? "just now" : `${duration(now - at)} ago`;
}

/** Tells how long until then, never less than a second. */
export function until(at: number, now: number): string {
  return duration(Math.max(SECOND, Math.ceil((at - now) / SECOND) * SECOND));
}

/** Tells the time of day: `09:12`. */
export function clock(at: number): string {
  const date = new Date(at);
  return `${String(date.getHours()).padStart(2, "0")}:${String(date.getMinutes()).padStart(2, "0")}`;
}

/** Tells a day of about now and the time: `Fri 22 May, 09:12`. */
export function dayAndClock(at: number): string {
  const day = new Date(at).toLocaleDateString(undefined, { weekday: "short", day: "numeric", month: "short" });
  return `${day}, ${clock(at)}`;
}

/** Tells date and time to the second, as a person here writes it. */
export function exact(at: number): string {
  return new Date(at).toLocaleString(undefined, { dateStyle: "medium", timeStyle: "medium" });
}

/** Tells when the day of an instant began here. */
export function dayStart(at: number): number {
  return new Date(at).setHours(0, 0, 0, 0);
}

/** Says whether both instants fall on one day here. */
export function sameDay(a: number, b: number): boolean {
  return new Date(a).toDateString() === new Date(b).toDateString();
}
