/**
 * Sends what is typed in the order in which it was typed: one message at a time, for two under way at once may overtake
 * each other. What is typed meanwhile goes together in the next.
 */
export class Keystrokes {
  #waiting: Uint8Array[] = [];
  #sending = false;

  constructor(
    private readonly send: (bytes: Uint8Array) => Promise<void>,
    private readonly failed: (cause: unknown) => void,
  ) {}

  type(bytes: Uint8Array): void {
    this.#waiting.push(bytes);
    if (!this.#sending) void this.#drain();
  }

  async #drain(): Promise<void> {
    this.#sending = true;
    try {
      while (this.#waiting.length > 0) {
        const next = join(this.#waiting);
        this.#waiting = [];
        await this.send(next);
      }
    } catch (cause) {
      this.#waiting = [];
      this.failed(cause);
    } finally {
      this.#sending = false;
    }
  }
}

function join(parts: readonly Uint8Array[]): Uint8Array {
  const first = parts[0];
  if (parts.length === 1 && first !== undefined) return first;
  const whole = new Uint8Array(parts.reduce((length, part) => length + part.length, 0));
  let at = 0;
  for (const part of parts) {
    whole.set(part, at);
    at += part.length;
  }
  return whole;
}
