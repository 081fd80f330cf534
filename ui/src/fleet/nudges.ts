/**
 * Turns a burst of nudges into few queries: the first asks at once, one query at a time, whatever was nudged while it ran goes
 * into the next, and between two starts at least `gap` milliseconds pass. What a runner needs is to be seen within 100 ms: the
 * gap leaves half of that for the host and the question.
 */
export class Nudges<T> {
  #waiting = new Set<T>();
  #running = false;
  #timer: ReturnType<typeof setTimeout> | null = null;
  #last = -Infinity;

  constructor(
    private readonly query: (nudged: ReadonlySet<T>) => Promise<void>,
    private readonly gap = 50,
    private readonly now: () => number = () => performance.now(),
  ) {}

  add(subject: T): void {
    this.#waiting.add(subject);
    this.#schedule();
  }

  /** Forgets what waits; a query under way ends by itself. */
  stop(): void {
    this.#waiting.clear();
    if (this.#timer !== null) clearTimeout(this.#timer);
    this.#timer = null;
  }

  #schedule(): void {
    if (this.#running || this.#timer !== null || this.#waiting.size === 0) return;
    const wait = Math.max(0, this.#last + this.gap - this.now());
    this.#timer = setTimeout(() => void this.#run(), wait);
  }

  async #run(): Promise<void> {
    this.#timer = null;
    this.#running = true;
    this.#last = this.now();
    const nudged = this.#waiting;
    this.#waiting = new Set();
    try {
      await this.query(nudged);
    } finally {
      this.#running = false;
      this.#schedule();
    }
  }
}
