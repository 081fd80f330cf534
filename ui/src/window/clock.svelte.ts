/** How old an age may be, in milliseconds: nothing that is shown counts seconds, but what is about to start again. */
const SLOW = 10_000;

/** Tells the time to whoever shows ages; stands still while nobody can see them. */
export class Clock {
  now = $state(Date.now());

  /** Ticks until the returned function is called: every second while seconds count, for all ages are drawn anew. */
  start(secondsCount: () => boolean): () => void {
    const tick = (): void => {
      if (!document.hidden && (secondsCount() || Math.abs(Date.now() - this.now) >= SLOW)) this.now = Date.now();
    };
    const timer = setInterval(tick, 1000);
    document.addEventListener("visibilitychange", tick);
    return () => {
      clearInterval(timer);
      document.removeEventListener("visibilitychange", tick);
    };
  }
}
