import type { IUnicodeVersionProvider } from "@xterm/xterm";
import table from "./widths.json";

/** First and last code points of ranges, in order. */
type Ranges = readonly number[];

function within(ranges: Ranges, codepoint: number): boolean {
  let low = 0;
  let high = ranges.length / 2 - 1;
  while (low <= high) {
    const middle = (low + high) >> 1;
    if (codepoint < (ranges[2 * middle] ?? 0)) high = middle - 1;
    else if (codepoint > (ranges[2 * middle + 1] ?? 0)) low = middle + 1;
    else return true;
  }
  return false;
}

/** What xterm keeps of one character for the next: its width, and whether it shares the cell of the one before. */
const properties = (width: number, joins: boolean): number => (width << 1) | Number(joins);
const widthOf = (kept: number): number => (kept >> 1) & 3;

/**
 * Counts cells as the agent's own screen does, one code point at a time; `src-tauri/tests/handlers/widths.rs` compares the
 * table with it. Another count would put every character behind a disputed one into another cell.
 */
export const agentWidths: IUnicodeVersionProvider = {
  version: "agent",
  wcwidth(codepoint) {
    if (codepoint < 0x20 || (codepoint >= 0x7f && codepoint < 0xa0)) return 0;
    if (codepoint < 0x7f) return 1;
    if (within(table.zero, codepoint)) return 0;
    return within(table.wide, codepoint) ? 2 : 1;
  },
  charProperties(codepoint, preceding) {
    const width = this.wcwidth(codepoint);
    // A mark shares the cell before it whatever came between, a sequence too; xterm forgets what that cell was then.
    return width > 0 ? properties(width, false) : properties(widthOf(preceding), true);
  },
};
