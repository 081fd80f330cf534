import type { Terminal } from "@xterm/xterm";

/** Is a link that a terminal shows. */
export interface Link {
  /** What is read on the screen. */
  text: string;
  /** Where it leads, which may be elsewhere than its text says. */
  target: string;
}

const WEB = /https?:\/\/[^\s"'<>`(){}[\]]+[^\s"'<>`(){}[\].,;:!?]/g;

/** What xterm knows of OSC 8 and does not publish; where it is called otherwise, such links are for the mouse alone. */
interface Inside {
  _core?: { _oscLinkService?: { getLinkData?: (id: number) => { uri: string } | undefined } };
}
interface CellInside {
  hasExtendedAttrs?: () => number;
  extended?: { urlId?: number };
}

/** Lists the links on a terminal's screen, the lowest first, each once. */
export function linksShown(terminal: Pick<Terminal, "buffer" | "rows" | "cols">): Link[] {
  const links = (terminal as Inside)._core?._oscLinkService;
  const { active } = terminal.buffer;
  const named = new Map<number, Link>();
  const found: Link[] = [];
  let plain = "";
  for (let row = active.viewportY; row < active.viewportY + terminal.rows; row += 1) {
    const line = active.getLine(row);
    if (line === undefined) break;
    if (!line.isWrapped) {
      found.push(...webLinks(plain));
      plain = "";
    }
    for (let column = 0; column < line.length; column += 1) {
      const cell = line.getCell(column);
      if (cell === undefined || cell.getWidth() === 0) continue;
      const { hasExtendedAttrs, extended } = cell as CellInside;
      const id = hasExtendedAttrs?.call(cell) ? (extended?.urlId ?? 0) : 0;
      const target = id === 0 ? undefined : links?.getLinkData?.(id)?.uri;
      const characters = cell.getChars() || " ";
      // What is written over a link is no link of its own.
      plain += target === undefined ? characters : " ";
      if (target === undefined) continue;
      const known = named.get(id);
      if (known !== undefined) known.text += characters;
      else {
        const link = { text: characters, target };
        named.set(id, link);
        found.push(link);
      }
    }
  }
  found.push(...webLinks(plain));
  for (const link of named.values()) link.text = link.text.trim().replace(/\s+/g, " ");
  const each = new Map(found.reverse().map((link) => [`${link.text}\n${link.target}`, link]));
  return [...each.values()];
}

function webLinks(text: string): Link[] {
  return (text.match(WEB) ?? []).map((link) => ({ text: link, target: link }));
}
