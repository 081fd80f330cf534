/**
 * Turns a burst of nudges into few queries: the first asks at once, one query at a time, whatever was nudged while it ran goes
 * into the next, and between two starts at least `gap` milliseconds pass, or fewer where something nudged says so.
 */
export class Nudges<T> {
  #waiting = new Set<T>();
  /** The shortest gap of those that wait. */
  #least = Infinity;
  #running = false;
  #timer: ReturnType<typeof setTimeout> | null = null;
  #last = -Infinity;

  constructor(
    private readonly query: (nudged: ReadonlySet<T>) => Promise<void>,
    private readonly gap = 100,
    private readonly now: () => number = () => performance.now(),
  ) {}

  add(subject: T, gap: number = this.gap): void {
    this.#waiting.add(subject);
    if (gap < this.#least) {
      this.#least = gap;
      this.#forgetTimer();
    }
    this.#schedule();
  }

  /** Forgets what waits; a query under way ends by itself. */
  stop(): void {
    this.#waiting.clear();
    this.#forgetTimer();
  }

  #forgetTimer(): void {
    if (this.#timer !== null) clearTimeout(this.#timer);
    this.#timer = null;
  }

  #schedule(): void {
    if (this.#running || this.#timer !== null || this.#waiting.size === 0) return;
    const wait = Math.max(0, this.#last + this.#least - this.now());
    this.#timer = setTimeout(() => void this.#run(), wait);
  }

  async #run(): Promise<void> {
    this.#timer = null;
    this.#running = true;
    this.#last = this.now();
    const nudged = this.#waiting;
    this.#waiting = new Set();
    this.#least = Infinity;
    try {
      await this.query(nudged);
    } finally {
      this.#running = false;
      this.#schedule();
    }
  }
}
