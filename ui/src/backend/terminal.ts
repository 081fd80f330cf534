import type { Exit } from "./types/Exit";

/** Is one viewer of a terminal. */
export interface Attached {
  /** Where it is: `window`, `pts/3`; empty when it did not say. */
  place: string;
  columns: number;
  rows: number;
  readOnly: boolean;
  /** The terminal has its size. */
  decides: boolean;
  /** It is this one. */
  you: boolean;
}

/** What a program asks of whoever looks on. */
export type Asked =
  /** Put this into the clipboard, or into the primary selection. */
  | { kind: "clipboard"; primary: boolean; text: string }
  | { kind: "notify"; title: string; body: string };

/** What is told about a terminal beside what it shows. */
export type Control =
  | { kind: "viewers"; attached: Attached[] }
  | { kind: "asked"; asked: Asked }
  | { kind: "ended"; exit: Exit | null }
  | { kind: "resized"; columns: number; rows: number }
  | { kind: "lost"; reason: string }
  /** The agent did not do what was asked; the terminal goes on. */
  | { kind: "refused"; reason: string }
  | { kind: "unknown" };

export type TerminalMessage =
  | { kind: "snapshot"; columns: number; rows: number; bytes: Uint8Array }
  | { kind: "output"; bytes: Uint8Array }
  | { kind: "control"; control: Control };

const SNAPSHOT = 0;
const OUTPUT = 1;
const CONTROL = 2;

/** A control message as the desktop writes it: one of these. */
interface Written {
  ended?: { exit?: Exit | null };
  resized?: { columns: number; rows: number };
  viewers?: { attached?: (Partial<Omit<Attached, "readOnly">> & { read_only?: boolean })[] };
  asked?: { clipboard?: { selection: string; text: string }; notify?: { title: string; body: string } };
  lost?: string;
  refused?: string;
}

function asked({ clipboard, notify }: NonNullable<Written["asked"]>): Control {
  if (clipboard !== undefined)
    return { kind: "asked", asked: { kind: "clipboard", primary: clipboard.selection === "p", text: clipboard.text } };
  if (notify !== undefined)
    return { kind: "asked", asked: { kind: "notify", title: notify.title, body: notify.body } };
  return { kind: "unknown" };
}

function control(json: string): Control {
  const value = JSON.parse(json) as Written;
  if (value.ended !== undefined) return { kind: "ended", exit: value.ended?.exit ?? null };
  if (value.resized !== undefined) return { kind: "resized", columns: value.resized.columns, rows: value.resized.rows };
  if (value.viewers !== undefined) {
    const attached = (value.viewers.attached ?? []).map((viewer) => ({
      place: viewer.place ?? "",
      columns: viewer.columns ?? 0,
      rows: viewer.rows ?? 0,
      readOnly: viewer.read_only === true,
      decides: viewer.decides === true,
      you: viewer.you === true,
    }));
    return { kind: "viewers", attached };
  }
  if (value.asked !== undefined) return asked(value.asked);
  if (value.lost !== undefined) return { kind: "lost", reason: value.lost };
  if (value.refused !== undefined) return { kind: "refused", reason: value.refused };
  return { kind: "unknown" };
}

/** Reads one message of a terminal's channel: a tag byte, then what the tag says. */
export function decode(frame: Uint8Array): TerminalMessage {
  const rest = frame.subarray(1);
  switch (frame[0]) {
    case SNAPSHOT: {
      if (rest.length < 4) throw new Error(`terminal snapshot too short: ${frame.length} bytes`);
      const size = new DataView(rest.buffer, rest.byteOffset, 4);
      return {
        kind: "snapshot",
        columns: size.getUint16(0, true),
        rows: size.getUint16(2, true),
        bytes: rest.subarray(4),
      };
    }
    case OUTPUT:
      return { kind: "output", bytes: rest };
    case CONTROL:
      return { kind: "control", control: control(new TextDecoder().decode(rest)) };
    default:
      throw new Error(`terminal message of unknown tag ${String(frame[0])}`);
  }
}
