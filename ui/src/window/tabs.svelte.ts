import {
  beside,
  grown,
  moved,
  read as readPane,
  runners,
  split,
  without,
  type Along,
  type Pane,
  type Way,
} from "../panes/layout";

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

/** Is one tab: a runner's terminal, or several that share its room. */
export interface Tab {
  id: number;
  root: Pane;
  /** The runner whose terminal takes the keys. */
  active: string;
}

/** Holds which terminals have a tab, how a tab is divided, and which is shown. A runner is in one place only. */
export class Tabs {
  all = $state.raw<Tab[]>([]);
  #front = $state<number | null>(null);

  readonly #memory: Memory;
  #key: string | null = null;
  #next = 1;

  constructor(memory: Memory = storage) {
    this.#memory = memory;
  }

  /** The tab on screen. */
  get front(): Tab | undefined {
    return this.all.find((tab) => tab.id === this.#front);
  }

  /** The runner whose terminal is on screen and takes the keys. */
  get shown(): string | null {
    return this.front?.active ?? null;
  }

  /** Every runner that has a place. */
  get ids(): string[] {
    return this.all.flatMap((tab) => runners(tab.root));
  }

  /** Brings back the tabs of this instance whose runners are still known. */
  restore(instance: string, known: (id: string) => boolean): void {
    this.#key = `tabs ${instance}`;
    try {
      const saved = JSON.parse(this.#memory.read(this.#key) ?? "null") as { tabs?: unknown; front?: unknown } | null;
      const opened = this.ids;
      const seen = new Set(opened);
      const keep = (id: string): boolean => known(id) && !seen.has(id) && seen.add(id) !== undefined;
      const back: Tab[] = [];
      let front: number | null = null;
      for (const [at, kept] of (Array.isArray(saved?.tabs) ? saved.tabs : []).entries()) {
        const { root, active } = (kept ?? {}) as { root?: unknown; active?: unknown };
        const read = readPane(root, keep);
        const first = read === null ? undefined : runners(read)[0];
        if (read === null || first === undefined) continue;
        const held = typeof active === "string" && runners(read).includes(active) ? active : first;
        const tab = { id: this.#next++, root: read, active: held };
        if (saved?.front === at) front = tab.id;
        back.push(tab);
      }
      this.all = [...back, ...this.all];
      this.#front ??= front;
      this.#save();
    } catch {
      // What cannot be read is not worth a word: the tabs start empty.
    }
  }

  /** Brings a runner's terminal to the front, in a tab of its own when it has no place yet. */
  show(id: string): void {
    const tab = this.#of(id);
    if (tab === undefined) {
      const made = { id: this.#next++, root: { runner: id }, active: id };
      this.all = [...this.all, made];
      this.#front = made.id;
    } else {
      this.#replace({ ...tab, active: id });
      this.#front = tab.id;
    }
    this.#save();
  }

  /** Puts a runner's terminal beside or below the one that takes the keys; a place it had elsewhere is given up. */
  split(along: Along, id: string): void {
    const { front } = this;
    if (front === undefined) return this.show(id);
    if (id === front.active) return;
    this.#remove(id);
    const still = this.front;
    if (still === undefined) return this.show(id);
    this.#replace({ ...still, root: split(still.root, still.active, along, id), active: id });
    this.#save();
  }

  /** Moves the line between two parts of the tab on screen. */
  moveLine(path: string, share: number): void {
    const { front } = this;
    if (front === undefined) return;
    this.#replace({ ...front, root: moved(front.root, path, share) });
    this.#save();
  }

  /** Gives the terminal that takes the keys more room along one way, or less. */
  grow(along: Along, by: number): void {
    const { front } = this;
    if (front === undefined) return;
    this.#replace({ ...front, root: grown(front.root, front.active, along, by) });
    this.#save();
  }

  /** Names the runner on that side of the one that takes the keys. */
  beside(way: Way): string | null {
    const { front } = this;
    return front === undefined ? null : beside(front.root, front.active, way);
  }

  /** Steps to the next tab or the one before. */
  step(by: 1 | -1): void {
    const at = this.all.findIndex((tab) => tab.id === this.#front);
    const to = this.all[(at + by + this.all.length) % this.all.length];
    if (to !== undefined) this.show(to.active);
  }

  /** Gives up a runner's place. */
  close(id: string): void {
    this.#remove(id);
    this.#save();
  }

  /** Gives up the places of all runners in a tab. */
  closeTab(tab: Tab): void {
    for (const id of runners(tab.root)) this.#remove(id);
    this.#save();
  }

  #of(id: string): Tab | undefined {
    return this.all.find((tab) => runners(tab.root).includes(id));
  }

  #replace(tab: Tab): void {
    this.all = this.all.map((other) => (other.id === tab.id ? tab : other));
  }

  #remove(id: string): void {
    const tab = this.#of(id);
    if (tab === undefined) return;
    const root = without(tab.root, id);
    if (root !== null) {
      const before = runners(tab.root);
      const left = runners(root);
      const active = tab.active === id ? (left[Math.min(before.indexOf(id), left.length - 1)] ?? id) : tab.active;
      return this.#replace({ ...tab, root, active });
    }
    const at = this.all.indexOf(tab);
    this.all = this.all.filter((other) => other !== tab);
    if (this.#front === tab.id) this.#front = this.all[Math.min(at, this.all.length - 1)]?.id ?? null;
  }

  #save(): void {
    if (this.#key === null) return;
    const front = this.all.findIndex((tab) => tab.id === this.#front);
    const tabs = this.all.map(({ root, active }) => ({ root, active }));
    this.#memory.write(this.#key, JSON.stringify({ tabs, front }));
  }
}
