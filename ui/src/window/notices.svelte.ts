import { failure, type Failure } from "../backend/failure";

/** Is something to tell that belongs to no dialog. */
export interface Notice {
  id: number;
  tone: "bad" | "info";
  /** What failed or happened. */
  title: string;
  /** Why. */
  detail: string | null;
  /** What to do. */
  hint: string | null;
  act: { label: string; run: () => void } | null;
}

/** How long what is only worth knowing stays, in milliseconds. */
const READ = 12_000;

/** Keeps what has been told and not yet put away. Failures stay until a person puts them away. */
export class Notices {
  all = $state.raw<Notice[]>([]);
  #next = 1;

  /** Tells of a failure; `what` names what was attempted: "could not stop auth refactor". */
  failed(what: string, cause: unknown, act: Notice["act"] = null): void {
    const { message, hint }: Failure = failure(cause);
    this.#add({ tone: "bad", title: what, detail: message, hint, act });
  }

  problem(text: string): void {
    this.#add({ tone: "bad", title: text, detail: null, hint: null, act: null });
  }

  info(title: string, detail: string | null = null): void {
    const id = this.#add({ tone: "info", title, detail, hint: null, act: null });
    setTimeout(() => this.dismiss(id), READ);
  }

  dismiss(id: number): void {
    this.all = this.all.filter((notice) => notice.id !== id);
  }

  #add(notice: Omit<Notice, "id">): number {
    // The same words twice say nothing more than once.
    const others = this.all.filter((other) => other.title !== notice.title || other.detail !== notice.detail);
    const id = this.#next++;
    this.all = [...others, { ...notice, id }].slice(-4);
    return id;
  }
}
