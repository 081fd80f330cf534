import type { Terminal } from "@xterm/xterm";

interface Color {
  rgba: number;
}
interface Contrasts {
  setColor?: (ground: number, text: number, instead: null) => void;
}
/** What xterm keeps of its colours and does not publish. */
interface Inside {
  _core?: {
    _themeService?: {
      colors?: { foreground: Color; contrastCache?: Contrasts };
      onChangeColors?: (changed: () => void) => void;
    };
  };
}

/**
 * Keeps reversed text as clear as the rest. Where a least contrast is asked for, xterm's DOM renderer takes the colour of
 * plain text for that of reversed text too, finds it on a ground of the same colour, and makes it grey; an answer that
 * stands already in its memory keeps it from that.
 */
export function keepReverse(terminal: Terminal): void {
  const theme = (terminal as Inside)._core?._themeService;
  const keep = (): void => {
    const plain = theme?.colors?.foreground.rgba;
    if (plain !== undefined) theme?.colors?.contrastCache?.setColor?.(plain, plain, null);
  };
  keep();
  // Its memory is empty after each change.
  theme?.onChangeColors?.(keep);
}
