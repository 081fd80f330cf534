/** Proposes a project's name: its directory's, and a number where that is taken. */
export function proposeName(path: string, taken: readonly string[]): string {
  const base = path.replace(/\/+$/, "").split("/").pop()?.trim() ?? "";
  if (base === "" || !taken.includes(base)) return base;
  let number = 2;
  while (taken.includes(`${base}-${number}`)) number += 1;
  return `${base}-${number}`;
}
