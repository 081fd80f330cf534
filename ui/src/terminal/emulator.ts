import { SearchAddon } from "@xterm/addon-search";
import { WebLinksAddon } from "@xterm/addon-web-links";
import { Terminal, type ITerminalInitOnlyOptions, type ITerminalOptions } from "@xterm/xterm";
import "@xterm/xterm/css/xterm.css";
import type { Preferred } from "../settings/preferences.svelte";
import { ligatures } from "./ligatures";
import { theme } from "./theme";
import { agentWidths } from "./widths";

const FIXED: ITerminalOptions & ITerminalInitOnlyOptions = {
  allowProposedApi: true,
  cursorBlink: false,
  lineHeight: 1.2,
  macOptionIsMeta: true,
  minimumContrastRatio: 4.5,
};

/** Is told what the mouse does with links. */
export interface Links {
  follow: (event: MouseEvent, link: string) => void;
  hover: (link: string | null) => void;
}

/** Builds an emulator as a person prefers it; it is not on screen yet. */
export function build(
  preferred: Preferred,
  dark: boolean,
  { follow, hover }: Links,
): { terminal: Terminal; search: SearchAddon } {
  const entered = (_: MouseEvent, link: string): void => hover(link);
  const left = (): void => hover(null);
  const terminal = new Terminal({
    ...FIXED,
    theme: theme(dark),
    fontFamily: preferred.fontFamily,
    fontSize: preferred.fontSize,
    screenReaderMode: preferred.screenReader,
    // Other schemes are judged where they are followed.
    linkHandler: { activate: follow, hover: entered, leave: left, allowNonHttpProtocols: true },
  });
  const search = new SearchAddon();
  terminal.loadAddon(search);
  terminal.loadAddon(new WebLinksAddon(follow, { hover: entered, leave: left }));
  terminal.unicode.register(agentWidths);
  terminal.unicode.activeVersion = agentWidths.version;
  return { terminal, search };
}

/** Draws ligatures; the returned function ends that. */
export function joinLigatures(terminal: Terminal): () => void {
  const joiner = terminal.registerCharacterJoiner(ligatures);
  return () => terminal.deregisterCharacterJoiner(joiner);
}
