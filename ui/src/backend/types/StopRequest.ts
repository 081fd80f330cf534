import type { Target } from "./Target";

export type StopRequest = { 
target?: Target | null,
/**
 * Seconds between TERM and KILL; absent: the configured grace.
 */
grace_seconds?: number | null,
/**
 * Return when they have ended rather than when the stop is recorded.
 */
wait: boolean,
};
