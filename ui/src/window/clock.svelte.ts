/** Tells the time to whoever shows ages; stands still while nobody can see them. */
export class Clock {
  now = $state(Date.now());

  /** Ticks until the returned function is called. */
  start(): () => void {
    const tick = (): void => {
      if (!document.hidden) this.now = Date.now();
    };
    const timer = setInterval(tick, 1000);
    document.addEventListener("visibilitychange", tick);
    return () => {
      clearInterval(timer);
      document.removeEventListener("visibilitychange", tick);
    };
  }
}
