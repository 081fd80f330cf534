import type { ITerminalInitOnlyOptions, ITerminalOptions, Terminal } from "@xterm/xterm";
import type { Attachment, Backend } from "../backend/backend";
import { failure, type Failure } from "../backend/failure";
import type { TerminalMessage } from "../backend/terminal";
import type { Exit } from "../backend/types/Exit";
import { Acknowledgement } from "./acknowledgement";
import { Keystrokes } from "./keystrokes";
import { swallowQueries } from "./queries";

/** How the connection to a terminal stands. */
export type Standing =
  | { kind: "opening" }
  | { kind: "ready" }
  | { kind: "lost"; reason: string; again: number }
  | { kind: "ended"; exit: Exit | null }
  | { kind: "refused"; failure: Failure };

/** Is told how a viewer fares. */
export interface Listener {
  stands: (standing: Standing) => void;
  /** Something that was asked was not done; the terminal goes on. */
  troubled: (failure: Failure) => void;
}

/** What a viewer needs of xterm; its headless build serves the tests. */
export type Emulator = Pick<
  Terminal,
  "cols" | "rows" | "write" | "resize" | "reset" | "onData" | "onBinary" | "parser"
>;

export const OPTIONS: ITerminalOptions & ITerminalInitOnlyOptions = {
  allowProposedApi: true,
  cursorBlink: false,
  fontFamily: '"JetBrains Mono", "DejaVu Sans Mono", monospace',
  fontSize: 13,
  lineHeight: 1.2,
  macOptionIsMeta: true,
  minimumContrastRatio: 4.5,
  scrollback: 10_000,
};

/** Waits before each new attempt after a loss, in milliseconds; the last one repeats. */
const RETRIES = [250, 500, 1000, 2000, 5000];

/** Shows one runner's terminal in an emulator and carries what is typed back. */
export class Viewer {
  #attachment: Attachment | null = null;
  #restoring = true;
  #closed = false;
  #over = false;
  #attempt = 0;
  #opening = 0;
  #retry: ReturnType<typeof setTimeout> | null = null;
  /** What fits on screen; the terminal itself may have been sized by another viewer. */
  #fit: { columns: number; rows: number };
  readonly #acknowledgement = new Acknowledgement((bytes) => {
    // The connection's own end tells of a failure; nobody waits for this.
    this.#attachment?.acknowledge(bytes).catch(() => undefined);
  });
  readonly #keystrokes = new Keystrokes(
    async (bytes) => this.#attachment?.input(bytes),
    (cause) => {
      const refused = failure(cause);
      // No such attachment any more; any other reason is one for not having typed, not for letting go.
      if (refused.code === "not-found") this.#lost(refused.message);
      else this.to.troubled(refused);
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
    swallowQueries(emulator.parser);
    const encoder = new TextEncoder();
    emulator.onData((data) => this.#type(encoder.encode(data)));
    emulator.onBinary((data) => this.#type(Uint8Array.from(data, (character) => character.charCodeAt(0))));
  }

  async open(): Promise<void> {
    const opening = ++this.#opening;
    this.#cancelRetry();
    this.#restoring = true;
    this.to.stands({ kind: "opening" });
    // Messages may come before the attachment that acknowledges them is known.
    let early: TerminalMessage[] | null = [];
    const current = (): boolean => opening === this.#opening && !this.#closed;
    try {
      const attachment = await this.backend.openTerminal(
        { runner: this.runner, ...this.#fit, readOnly: this.readOnly },
        (message) => {
          if (early !== null) early.push(message);
          else if (current()) this.#receive(message);
        },
      );
      if (!current()) return await attachment.close();
      this.#attachment = attachment;
      const waiting = early;
      early = null;
      for (const message of waiting) if (current()) this.#receive(message);
    } catch (cause) {
      if (!current()) return;
      const refused = failure(cause);
      if (this.#attempt > 0 && refused.code === "unavailable") this.#lost(refused.message);
      else this.to.stands({ kind: "refused", failure: refused });
    }
  }

  /** Tells what fits on screen now. */
  fit(columns: number, rows: number): void {
    if (columns === this.#fit.columns && rows === this.#fit.rows) return;
    this.#fit = { columns, rows };
    this.#claim();
  }

  /** Takes the terminal back to this window's size when another viewer had given it another. */
  focus(): void {
    if (this.emulator.cols !== this.#fit.columns || this.emulator.rows !== this.#fit.rows) this.#claim();
  }

  close(): void {
    this.#closed = true;
    this.#cancelRetry();
    this.#acknowledgement.stop();
    this.#attachment?.close().catch(() => undefined);
    this.#attachment = null;
  }

  #claim(): void {
    const { columns, rows } = this.#fit;
    // What has ended has no size but this window's; what is only read keeps that of its program.
    if (this.readOnly && !this.#over) return;
    this.emulator.resize(columns, rows);
    if (!this.#over) this.#attachment?.resize(columns, rows).catch(() => undefined);
  }

  #type(bytes: Uint8Array): void {
    if (!this.#restoring && !this.readOnly && this.#attachment !== null) this.#keystrokes.type(bytes);
  }

  #receive(message: TerminalMessage): void {
    switch (message.kind) {
      case "snapshot": {
        this.#restoring = true;
        this.emulator.reset();
        this.emulator.resize(message.columns, message.rows);
        this.emulator.write(message.bytes, () => {
          this.#acknowledgement.add(message.bytes.length);
          this.#restoring = false;
          this.#attempt = 0;
          if (this.#closed) return;
          this.to.stands({ kind: "ready" });
          this.focus();
        });
        break;
      }
      case "output":
        this.emulator.write(message.bytes, () => this.#acknowledgement.add(message.bytes.length));
        break;
      case "control": {
        const { control } = message;
        // After what was written before it has been drawn.
        if (control.kind === "resized")
          this.emulator.write("", () => this.emulator.resize(control.columns, control.rows));
        if (control.kind === "refused") this.to.troubled({ code: "refused", message: control.reason, hint: null });
        if (control.kind === "lost") this.#lost(control.reason);
        if (control.kind === "ended") this.emulator.write("", () => this.#ended(control.exit));
        break;
      }
    }
  }

  #ended(exit: Exit | null): void {
    this.#restoring = true;
    this.#over = true;
    if (this.#closed) return;
    this.focus();
    this.to.stands({ kind: "ended", exit });
  }

  #lost(reason: string): void {
    if (this.#closed) return;
    this.#opening += 1;
    this.#restoring = true;
    this.#attachment?.close().catch(() => undefined);
    this.#attachment = null;
    this.#acknowledgement.stop();
    const again = RETRIES[Math.min(this.#attempt, RETRIES.length - 1)] ?? 0;
    this.#attempt += 1;
    this.to.stands({ kind: "lost", reason, again });
    this.#cancelRetry();
    this.#retry = setTimeout(() => void this.open(), again);
  }

  #cancelRetry(): void {
    if (this.#retry !== null) clearTimeout(this.#retry);
    this.#retry = null;
  }
}
