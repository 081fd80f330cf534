import type { ITheme } from "@xterm/xterm";

const DARK: ITheme = {
  background: "#0b0d10",
  foreground: "#dfe3ea",
  cursor: "#7aa2ff",
  cursorAccent: "#0b0d10",
  selectionBackground: "#33467c",
  black: "#20242c",
  red: "#ff6b6b",
  green: "#6bcf8f",
  yellow: "#ffb454",
  blue: "#7aa2ff",
  magenta: "#c792ea",
  cyan: "#5ccfe6",
  white: "#c5cad3",
  brightBlack: "#7f8897",
  brightRed: "#ff8f8f",
  brightGreen: "#95e6b2",
  brightYellow: "#ffd08a",
  brightBlue: "#a5c0ff",
  brightMagenta: "#ddb6f5",
  brightCyan: "#95e6f5",
  brightWhite: "#ffffff",
};

const LIGHT: ITheme = {
  background: "#ffffff",
  foreground: "#1b2028",
  cursor: "#2f62e6",
  cursorAccent: "#ffffff",
  selectionBackground: "#c3d4fb",
  black: "#1b2028",
  red: "#c62828",
  green: "#1a7a43",
  yellow: "#935200",
  blue: "#2456d6",
  magenta: "#8c2fb3",
  cyan: "#0b7285",
  white: "#5d6675",
  brightBlack: "#6b7482",
  brightRed: "#d43a3a",
  brightGreen: "#1f8a4d",
  brightYellow: "#a66000",
  brightBlue: "#2f62e6",
  brightMagenta: "#a044c7",
  brightCyan: "#0e7f95",
  brightWhite: "#30363f",
};

/** The terminal's colours for the system's theme. */
export function theme(dark: boolean): ITheme {
  return dark ? DARK : LIGHT;
}
