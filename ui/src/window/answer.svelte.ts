import { failure, type Failure } from "../backend/failure";

/**
 * Holds the answer to a question that is asked again whenever it may have changed. One is under way at a time; of those
 * asked meanwhile only the last is asked, so that the last question is always the one that is answered.
 */
export class Answer<T> {
  value = $state.raw<T | null>(null);
  /** Why the last question was not answered; null once one is. */
  failure = $state.raw<Failure | null>(null);

  // Not for drawing by: an effect that asks must not run again because it asked.
  #asking = false;
  #next: (() => Promise<T>) | null = null;
  #forgotten = 0;

  /** Asks; what was answered before stays until this is. */
  async ask(question: () => Promise<T>): Promise<void> {
    this.#next = question;
    if (this.#asking) return;
    this.#asking = true;
    while (this.#next !== null) {
      const asked = this.#next;
      this.#next = null;
      const forgotten = this.#forgotten;
      const stale = (): boolean => this.#next !== null || this.#forgotten !== forgotten;
      try {
        const value = await asked();
        if (stale()) continue;
        this.value = value;
        this.failure = null;
      } catch (cause) {
        if (!stale()) this.failure = failure(cause);
      }
    }
    this.#asking = false;
  }

  /** Forgets what was answered, and what is being asked. */
  forget(): void {
    this.#next = null;
    this.#forgotten += 1;
    this.value = null;
    this.failure = null;
  }
}
