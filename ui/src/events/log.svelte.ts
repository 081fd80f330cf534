import type { Backend } from "../backend/backend";
import { failure, type Failure } from "../backend/failure";
import type { Event } from "../backend/types/Event";

const PAGE = 500;
/** No more than this many are kept for reading; the store keeps all. */
const KEPT = 2000;

/** Reads events on from where it stopped; the latest come last. */
export class Log {
  events = $state.raw<Event[]>([]);
  loading = $state(false);
  loaded = $state(false);
  failure = $state.raw<Failure | null>(null);
  /** Older ones exist that are not kept here. */
  cut = $state(false);

  readonly #backend: Pick<Backend, "events">;
  #again = false;

  constructor(backend: Pick<Backend, "events">) {
    this.#backend = backend;
  }

  /** Reads what has come since; a call during a reading makes it read once more. */
  async read(): Promise<void> {
    if (this.loading) {
      this.#again = true;
      return;
    }
    this.loading = true;
    try {
      let page: Event[];
      do {
        this.#again = false;
        page = await this.#backend.events({ since: this.events.at(-1)?.cursor ?? null, limit: PAGE });
        if (page.length > 0) {
          const all = [...this.events, ...page];
          this.cut ||= all.length > KEPT;
          this.events = all.slice(-KEPT);
        }
      } while (page.length === PAGE || this.#again);
      this.failure = null;
      this.loaded = true;
    } catch (cause) {
      this.failure = failure(cause);
    } finally {
      this.loading = false;
    }
  }
}
