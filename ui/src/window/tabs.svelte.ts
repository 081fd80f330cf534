/** Remembers small things about the window from one opening to the next. */
export interface Memory {
  read(key: string): string | null;
  write(key: string, value: string): void;
}

/** Keeps them in the webview's own storage, where there is one. */
export const storage: Memory = {
  read(key) {
    try {
      return localStorage.getItem(key);
    } catch {
      return null;
    }
  },
  write(key, value) {
    try {
      localStorage.setItem(key, value);
    } catch {
      // Without storage the window opens afresh.
    }
  },
};

/** Holds which terminals have a tab and which one is shown. */
export class Tabs {
  ids = $state.raw<string[]>([]);
  shown = $state<string | null>(null);

  readonly #memory: Memory;
  #key: string | null = null;

  constructor(memory: Memory = storage) {
    this.#memory = memory;
  }

  /** Brings back the tabs of this instance whose runners are still known. */
  restore(instance: string, known: (id: string) => boolean): void {
    this.#key = `tabs ${instance}`;
    try {
      const saved = JSON.parse(this.#memory.read(this.#key) ?? "null") as { ids?: unknown; shown?: unknown } | null;
      const ids = Array.isArray(saved?.ids) ? saved.ids.filter((id) => typeof id === "string" && known(id)) : [];
      this.ids = [...new Set([...ids, ...this.ids])];
      if (typeof saved?.shown === "string" && this.ids.includes(saved.shown)) this.shown ??= saved.shown;
      this.#save();
    } catch {
      // What cannot be read is not worth a word: the tabs start empty.
    }
  }

  show(id: string): void {
    if (!this.ids.includes(id)) this.ids = [...this.ids, id];
    this.shown = id;
    this.#save();
  }

  close(id: string): void {
    const at = this.ids.indexOf(id);
    if (at === -1) return;
    this.ids = this.ids.filter((other) => other !== id);
    if (this.shown === id) this.shown = this.ids[Math.min(at, this.ids.length - 1)] ?? null;
    this.#save();
  }

  #save(): void {
    if (this.#key !== null) this.#memory.write(this.#key, JSON.stringify({ ids: this.ids, shown: this.shown }));
  }
}
