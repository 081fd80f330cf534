import { vi } from "vitest";

/** Waits until something holds, as long as a busy machine may take. */
export function soon<T>(holds: () => T | Promise<T>): Promise<T> {
  return vi.waitFor(holds, { timeout: 15_000 });
}
