/** Tells an amount of memory: `640 KB`, `246 MB`, `1.4 GB`. */
export function bytes(count: number): string {
  const units = ["KB", "MB", "GB", "TB"];
  let value = count / 1024;
  let unit = 0;
  while (value >= 999.5 && unit < units.length - 1) {
    value /= 1024;
    unit += 1;
  }
  return `${value < 9.95 && unit > 1 ? value.toFixed(1) : Math.round(value)} ${units[unit]}`;
}

/** Tells a share of one core: `0.3 %`, `84 %`, `210 %`. */
export function percent(value: number): string {
  return `${value < 9.95 ? value.toFixed(1) : Math.round(value)} %`;
}

/** Counts things: `1 runner`, `3 runners`. */
export function count(number: number, one: string, many = `${one}s`): string {
  return `${number} ${number === 1 ? one : many}`;
}
