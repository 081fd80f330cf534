/** Counts the cells of a terminal. */
export interface Size {
  columns: number;
  rows: number;
}

/** Measures something on screen, in CSS pixels. */
export interface Extent {
  width: number;
  height: number;
}

/** What xterm keeps free for its scrollbar. */
export const SCROLLBAR = 14;
/** Nothing smaller can be read, nor does every font get smaller. */
const SMALLEST = 5;

/** Counts the cells that have room; null when the space or the cell is not on screen. */
export function fitting(space: Extent, cell: Extent): Size | null {
  if (!(cell.width > 0 && cell.height > 0) || space.width <= SCROLLBAR || space.height <= 0) return null;
  return {
    columns: Math.max(2, Math.floor((space.width - SCROLLBAR) / cell.width)),
    rows: Math.max(1, Math.floor(space.height / cell.height)),
  };
}

/**
 * Gives the font size at which a terminal of another's size has room, never above the one preferred, whose cell this is. The
 * text is drawn smaller rather than the picture scaled: it stays sharp, and the mouse points where it seems to.
 */
export function shrunk(preferred: number, cell: Extent, size: Size, space: Extent): number {
  const needed = Math.min(
    (space.width - SCROLLBAR) / (size.columns * cell.width),
    space.height / (size.rows * cell.height),
  );
  if (!(needed > 0) || needed >= 1) return preferred;
  return Math.max(Math.min(SMALLEST, preferred), Math.floor(preferred * needed * 4) / 4);
}
