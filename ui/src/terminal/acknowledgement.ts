/** Gathers what has been drawn and tells it in batches: at 32 KiB, and else after 50 ms. */
export class Acknowledgement {
  #drawn = 0;
  #timer: ReturnType<typeof setTimeout> | null = null;

  constructor(
    private readonly tell: (bytes: number) => void,
    private readonly batch = 32 * 1024,
    private readonly delay = 50,
  ) {}

  add(bytes: number): void {
    this.#drawn += bytes;
    if (this.#drawn >= this.batch) this.#flush();
    else if (this.#drawn > 0) this.#timer ??= setTimeout(() => this.#flush(), this.delay);
  }

  /** Tells nothing more. */
  stop(): void {
    if (this.#timer !== null) clearTimeout(this.#timer);
    this.#timer = null;
    this.#drawn = 0;
  }

  #flush(): void {
    const drawn = this.#drawn;
    this.stop();
    this.tell(drawn);
  }
}
