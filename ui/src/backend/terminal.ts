import type { Exit } from "./types/Exit";

/** What is told about a terminal beside what it shows. */
export type Control =
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

function control(json: string): Control {
  const value = JSON.parse(json) as {
    ended?: { exit?: Exit | null };
    resized?: { columns: number; rows: number };
    lost?: string;
    refused?: string;
  };
  if (value.ended !== undefined) return { kind: "ended", exit: value.ended?.exit ?? null };
  if (value.resized !== undefined) return { kind: "resized", columns: value.resized.columns, rows: value.resized.rows };
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
