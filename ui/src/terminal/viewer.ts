import type { Terminal } from "@xterm/xterm";
import type { Attachment, Backend } from "../backend/backend";
import { failure, type Failure } from "../backend/failure";
import type { Asked, Attached, TerminalMessage } from "../backend/terminal";
import type { Exit } from "../backend/types/Exit";
import { Acknowledgement } from "./acknowledgement";
import type { Size } from "./fit";
import { Keystrokes } from "./keystrokes";
import { mark, markDrawn } from "./measure";

/** How the connection to a terminal stands. */
export type Standing =
  | { kind: "opening" }
  | { kind: "ready" }
  | { kind: "lost"; reason: string }
  | { kind: "ended"; exit: Exit | null }
  | { kind: "refused"; failure: Failure };

/** Is told how a viewer fares. */
export interface Listener {
  stands: (standing: Standing) => void;
  /** Something that was asked was not done; the terminal goes on. */
  troubled: (failure: Failure) => void;
  /** The terminal has this size now, which may not be the one that fits here. */
  sized: (size: Size) => void;
  /** These look on now. */
  attached: (viewers: Attached[]) => void;
  /** The program asks for something that feeding a terminal must not do by itself. */
  asked: (asked: Asked) => void;
  /** Something was typed that reaches nobody. */
  unheard: () => void;
}

/** What a viewer needs of xterm; its headless build serves the tests. */
export type Emulator = Pick<
  Terminal,
  "cols" | "rows" | "write" | "resize" | "reset" | "onData" | "onBinary" | "buffer" | "scrollToLine"
>;

/** Waits before each new attempt after a loss, in milliseconds; the last one repeats. */
const RETRIES = [250, 500, 1000, 2000, 5000];
/** Nothing is painted between the two: a person never sees a screen half restored. */
const HOLD = "\x1b[?2026h";
const RELEASE = "\x1b[?2026l";
/** That the window got or lost the focus: the one thing that xterm says by itself while it is fed a snapshot. */
const FOCUS = /^\x1b\[[IO]$/;
/** What a moving mouse says; nobody thinks of that as typing. */
const MOUSE = /^\x1b\[[<M]/;

/** Shows one runner's terminal in an emulator and carries what is typed back. */
export class Viewer {
  #attachment: Attachment | null = null;
  #closed = false;
  #over = false;
  #attempt = 0;
  /** It was on screen once: what is there now is old, not absent. */
  #shown = false;
  #opening = 0;
  #retry: ReturnType<typeof setTimeout> | null = null;
  /** Snapshots that are being drawn, and what was typed meanwhile. */
  #restoring = 0;
  #held: Uint8Array[] = [];
  /** Lines that scrolled off come only when somebody looks for them. */
  #history: "none" | "asked" | "there" = "none";
  /** How far above the screen a person reads, in lines; kept while the lines are drawn anew. */
  #reading = 0;
  /** What fits on screen, and what the agent was told of it; the terminal itself has the size of who decides. */
  #fit: Size;
  #told: Size;
  #telling = false;
  readonly #acknowledgement = new Acknowledgement((bytes) => {
    // The connection's own end tells of a failure; nobody waits for this.
    this.#attachment?.acknowledge(bytes).catch(() => undefined);
  });
  readonly #keystrokes = new Keystrokes(
    async (bytes) => this.#attachment?.input(bytes),
    (cause) => {
      const refused = failure(cause);
      // No such attachment any more; any other reason is one for not having typed, not for letting go.
      if (refused.code !== "not-found") return this.to.troubled(refused);
      this.#lost(refused.message);
      this.to.unheard();
    },
  );

  constructor(
    private readonly backend: Pick<Backend, "openTerminal">,
    private readonly runner: string,
    private readonly emulator: Emulator,
    private readonly to: Listener,
    private readonly readOnly = false,
  ) {
    this.#fit = { columns: emulator.cols, rows: emulator.rows };
    this.#told = this.#fit;
    const encoder = new TextEncoder();
    emulator.onData((data) => {
      if (!FOCUS.test(data)) this.#type(encoder.encode(data), !MOUSE.test(data));
      else if (this.#hears && this.#restoring === 0) this.#type(encoder.encode(data), false);
    });
    emulator.onBinary((data) => this.#type(Uint8Array.from(data, (character) => character.charCodeAt(0)), false));
  }

  async open(): Promise<void> {
    const opening = ++this.#opening;
    this.#cancelRetry();
    // While it is tried again, what went wrong stays to be read.
    if (this.#attempt === 0) this.to.stands({ kind: "opening" });
    // Messages may come before the attachment that acknowledges them is known.
    let early: TerminalMessage[] | null = [];
    const current = (): boolean => opening === this.#opening && !this.#closed;
    try {
      this.#told = this.#fit;
      const attachment = await this.backend.openTerminal(
        { runner: this.runner, ...this.#fit, readOnly: this.readOnly },
        (message) => {
          if (early !== null) early.push(message);
          else if (current()) this.#receive(message);
        },
      );
      if (!current()) return await attachment.close();
      this.#attachment = attachment;
      this.#history = "none";
      const waiting = early;
      early = null;
      for (const message of waiting) if (current()) this.#receive(message);
      void this.#tellSize();
    } catch (cause) {
      if (!current()) return;
      const refused = failure(cause);
      if (this.#shown && refused.code === "unavailable") return this.#lost(refused.message);
      this.to.stands({ kind: "refused", failure: refused });
      // Nothing else gets better by waiting.
      if (refused.code === "unavailable") this.#tryAgain();
    }
  }

  /** Tells what fits on screen now. */
  fit(size: Size): void {
    this.#fit = size;
    // What has ended has no size but this window's.
    if (this.#over) this.#resize(size);
    else void this.#tellSize();
  }

  /** Makes this window's size the terminal's. */
  takeOver(): void {
    this.#attachment?.takeOver().catch((cause: unknown) => this.to.troubled(failure(cause)));
  }

  /** Asks for the lines that scrolled off before this viewer came, once; then a person reads `above` lines further up. */
  history(lines: number, above = 0): void {
    if (this.#history !== "none" || this.#attachment === null || this.#over || lines === 0) return;
    if (this.emulator.buffer.active.type === "alternate") return;
    this.#history = "asked";
    this.#reading = Math.max(this.#reading, above);
    this.#attachment.redraw(lines).catch(() => (this.#history = "none"));
  }

  close(): void {
    this.#closed = true;
    this.#cancelRetry();
    this.#acknowledgement.stop();
    this.#attachment?.close().catch(() => undefined);
    this.#attachment = null;
  }

  /** One size at a time, the last one last: while a window is dragged there are hundreds. */
  async #tellSize(): Promise<void> {
    if (this.#telling || this.readOnly) return;
    this.#telling = true;
    try {
      while (this.#attachment !== null && !same(this.#told, this.#fit)) {
        const size = this.#fit;
        this.#told = size;
        await this.#attachment.resize(size.columns, size.rows);
      }
    } catch {
      // The connection's own end tells of a failure; the next attachment is told the size on opening.
    } finally {
      this.#telling = false;
    }
  }

  get #hears(): boolean {
    return this.#attachment !== null && !this.readOnly && !this.#over;
  }

  #type(bytes: Uint8Array, byHand: boolean): void {
    if (this.#hears && this.#restoring === 0) {
      mark("typed", bytes.length);
      this.#keystrokes.type(bytes);
    } else if (this.#hears || (this.#attempt === 0 && this.#opening > 0 && !this.readOnly && !this.#over)) {
      this.#held.push(bytes);
    } else if (byHand && !this.#over) this.to.unheard();
  }

  #receive(message: TerminalMessage): void {
    switch (message.kind) {
      case "snapshot":
        this.#restore(message);
        break;
      case "output":
        mark("arrived", message.bytes.length);
        this.emulator.write(message.bytes, () => this.#drawn(message.bytes.length));
        break;
      case "control": {
        const { control } = message;
        // After what was written before it has been drawn.
        if (control.kind === "resized") this.emulator.write("", () => this.#resize(control));
        if (control.kind === "viewers") this.to.attached(control.attached);
        if (control.kind === "asked") this.to.asked(control.asked);
        if (control.kind === "refused") this.to.troubled({ code: "refused", message: control.reason, hint: null });
        if (control.kind === "lost") this.#lost(control.reason);
        if (control.kind === "ended") this.emulator.write("", () => this.#ended(control.exit));
        break;
      }
    }
  }

  #drawn(bytes: number): void {
    this.#acknowledgement.add(bytes);
    markDrawn(bytes);
  }

  #restore({ columns, rows, bytes }: Size & { bytes: Uint8Array }): void {
    const { emulator } = this;
    this.#restoring += 1;
    const opening = this.#opening;
    if (this.#history === "asked") this.#history = "there";
    else if (this.#history === "there") this.#history = "none";
    mark("arrived", bytes.length);
    emulator.write("", () => {
      if (this.#closed) return;
      const { baseY, viewportY } = emulator.buffer.active;
      this.#reading = Math.max(this.#reading, baseY - viewportY);
      emulator.reset();
      this.#resize({ columns, rows });
    });
    emulator.write(HOLD);
    emulator.write(bytes);
    emulator.write(RELEASE, () => {
      this.#restoring -= 1;
      this.#drawn(bytes.length);
      if (this.#closed || opening !== this.#opening) return;
      this.#attempt = 0;
      this.#shown = true;
      this.#readOn();
      this.to.stands({ kind: "ready" });
      if (this.#restoring > 0) return;
      const held = this.#held;
      this.#held = [];
      for (const typed of held) this.#type(typed, true);
    });
  }

  /** Takes a person back to the line that they read. */
  #readOn(): void {
    if (this.#reading === 0) return;
    const { baseY } = this.emulator.buffer.active;
    this.emulator.scrollToLine(Math.max(0, baseY - this.#reading));
    // The screen alone came, for this viewer was too slow: what they read has to be asked for again.
    if (this.#history === "none" && baseY < this.#reading) this.history(this.#reading + this.emulator.rows);
    else this.#reading = 0;
  }

  #resize({ columns, rows }: Size): void {
    if (this.#closed) return;
    this.emulator.resize(columns, rows);
    this.to.sized({ columns, rows });
  }

  #ended(exit: Exit | null): void {
    this.#over = true;
    this.#history = "there";
    if (this.#closed) return;
    this.#resize(this.#fit);
    this.to.attached([]);
    this.to.stands({ kind: "ended", exit });
  }

  #lost(reason: string): void {
    if (this.#closed) return;
    this.#opening += 1;
    this.#attachment?.close().catch(() => undefined);
    this.#attachment = null;
    this.#acknowledgement.stop();
    this.to.attached([]);
    this.to.stands({ kind: "lost", reason });
    this.#tryAgain();
  }

  #tryAgain(): void {
    const again = RETRIES[Math.min(this.#attempt, RETRIES.length - 1)] ?? 0;
    this.#attempt += 1;
    if (this.#held.length > 0) this.to.unheard();
    this.#held = [];
    this.#cancelRetry();
    this.#retry = setTimeout(() => void this.open(), again);
  }

  #cancelRetry(): void {
    if (this.#retry !== null) clearTimeout(this.#retry);
    this.#retry = null;
  }
}

const same = (a: Size, b: Size): boolean => a.columns === b.columns && a.rows === b.rows;
