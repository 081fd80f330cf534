// Feeds streams to @xterm/headless and tells what state each leaves it in: one JSON line in, one out.
//
// In:  { "columns": 80, "rows": 24, "scrollback": 1000, "feeds": ["<base64>", …] }, the feeds going into one terminal one after the other
// Out: what a person and a program could notice of that terminal, as text; with "past": true only the lines that scrolled off; or what
//      was thrown
//
// It reads what xterm.js keeps to itself: the version is pinned, and a name that went missing ends this program.

import { createRequire } from "node:module";
import { createInterface } from "node:readline";
import { readFileSync } from "node:fs";

const [modules, widths] = process.argv.slice(2);
const require = createRequire(modules);
const { Terminal } = require("@xterm/headless");

/** The widths of the agent's screen, as the window has them. */
class Widths {
  version = "agent";
  #widths = new Uint8Array(0x110000).fill(1);

  constructor({ zero, wide }) {
    for (let at = 0; at < zero.length; at += 2) this.#widths.fill(0, zero[at], zero[at + 1] + 1);
    for (let at = 0; at < wide.length; at += 2) this.#widths.fill(2, wide[at], wide[at + 1] + 1);
    this.#widths.fill(0, 0, 0x20);
    this.#widths.fill(0, 0x7f, 0xa0);
  }

  wcwidth(codepoint) {
    return this.#widths[codepoint] ?? 0;
  }

  /** Bits: 0 joins the character before it, 1 and 2 the width of both. */
  charProperties(codepoint, preceding) {
    const width = this.wcwidth(codepoint);
    return width > 0 ? width << 1 : (preceding & 6) | 1;
  }
}

const provider = new Widths(JSON.parse(readFileSync(widths, "utf8")));

function known(value, name) {
  if (value === undefined) throw new Error(`xterm.js has no ${name} any more`);
  return value;
}

function color(mode, value) {
  switch (mode) {
    case 0:
      return "-";
    case 0x1000000:
    case 0x2000000:
      return `${value & 0xff}`;
    default:
      return `#${(value & 0xffffff).toString(16).padStart(6, "0")}`;
  }
}

/** How a cell or a pen looks; a colour of the sixteen is the same however it was set. */
function look(attributes, links) {
  const flags = [
    ["bold", attributes.isBold()],
    ["dim", attributes.isDim()],
    ["italic", attributes.isItalic()],
    ["blink", attributes.isBlink()],
    ["inverse", attributes.isInverse()],
    ["hidden", attributes.isInvisible()],
    ["struck", attributes.isStrikethrough()],
    ["overlined", attributes.isOverline()],
  ].filter(([, set]) => set);
  const parts = flags.map(([name]) => name);
  const foreground = color(attributes.getFgColorMode(), attributes.getFgColor());
  const background = color(attributes.getBgColorMode(), attributes.getBgColor());
  if (foreground !== "-") parts.push(`fg ${foreground}`);
  if (background !== "-") parts.push(`bg ${background}`);
  // The bits themselves: xterm.js says of every link that it is underlined.
  const bits = attributes.hasExtendedAttrs() ? known(attributes.extended._ext, "_ext") : 0;
  const style = (bits >>> 26) & 7;
  if (attributes.fg & 0x10000000) parts.push(`underline ${style || 1}`);
  // After SGR 59 xterm.js has all of them set.
  if (bits & 0x3000000 && (bits & 0x3ffffff) !== 0x3ffffff) parts.push(`underline ${color(bits & 0x3000000, bits)}`);
  if (attributes.hasExtendedAttrs() && attributes.extended.urlId !== 0) {
    const link = links.getLinkData(attributes.extended.urlId);
    const id = link?.id ?? "";
    parts.push(`link ${id.startsWith("stratavore-") ? "" : id} ${link?.uri}`);
  }
  return parts.join(" ");
}

function lines(buffer, core, rows, columns) {
  const cell = core.buffer.getNullCell();
  const links = known(core._oscLinkService, "_oscLinkService");
  const told = [];
  for (let row = 0; row < rows; row++) {
    const line = buffer.lines.get(buffer.ybase + row);
    for (let column = 0; column < columns; column++) {
      // The second half of a wide character; what xterm.js leaves of one that lost its first half is blank.
      const half = column > 0 && line.getWidth(column - 1) === 2;
      line.loadCell(column, cell);
      const chars = half ? "half" : cell.getChars() || " ";
      const looks = look(cell, links);
      if (chars !== " " || looks !== "") told.push(`${row},${column} ${JSON.stringify(chars)} ${looks}`.trimEnd());
    }
  }
  return told;
}

const CHARSET_CODES = new Map();
function charset(set) {
  if (set === undefined || set === null) return "ascii";
  if (set.q === "─") return "drawing";
  if (!CHARSET_CODES.has(set)) CHARSET_CODES.set(set, `other ${CHARSET_CODES.size}`);
  return CHARSET_CODES.get(set);
}

function text(terminal) {
  const buffer = terminal.buffer.active;
  const rows = [];
  for (let row = 0; row < terminal.rows; row++) {
    rows.push(buffer.getLine(buffer.baseY + row).translateToString(true).replace(/ +$/, ""));
  }
  return `${rows.join("\n").replace(/\n+$/, "")}\n`.replace(/^\n$/, "");
}

/** The lines that scrolled off the normal screen, each whole however often it was wrapped. */
function past({ buffer: { normal } }) {
  const told = [];
  for (let row = 0; row < normal.baseY; row++) {
    const line = normal.getLine(row);
    const next = row + 1 < normal.length ? normal.getLine(row + 1) : undefined;
    const goesOn = next?.isWrapped ?? false;
    // Before a wide character that did not fit there is a cell that holds nothing.
    const short = goesOn && next.getCell(0).getWidth() === 2 && line.getCell(line.length - 1).getChars() === "";
    const words = line.translateToString(!goesOn, 0, short ? line.length - 1 : line.length);
    if (line.isWrapped && told.length > 0) told.push(told.pop() + words);
    else told.push(words);
  }
  return told.map((line) => line.replace(/ +$/, ""));
}

function tell({ columns, rows, scrollback, feeds, past: onlyPast }) {
  const terminal = new Terminal({ cols: columns, rows, scrollback, allowProposedApi: true, windowOptions: { pushTitle: true, popTitle: true }, logLevel: "off" });
  terminal.unicode.register(provider);
  terminal.unicode.activeVersion = provider.version;
  const core = known(terminal._core, "_core");
  const colors = new Map();
  const pristine = core._inputHandler._curAttrData.clone();
  core._inputHandler.onColor((events) => {
    for (const { type, index, color } of events) {
      if (type === 1) colors.set(index, color.join(","));
      if (type === 2 && index === undefined) for (let i = 0; i < 256; i++) colors.delete(i);
      if (type === 2 && index !== undefined) colors.delete(index);
    }
  });
  core._bufferService.buffers.onBufferActivate(({ activeBuffer, inactiveBuffer }) => {
    // A cursor that another program saved on the alternate screen is not brought back: `apart.rs`, `LEFT`.
    const alternate = core._bufferService.buffers.alt;
    if (activeBuffer !== alternate || inactiveBuffer === alternate) return;
    activeBuffer.savedX = 0;
    activeBuffer.savedY = 0;
    activeBuffer.savedCurAttrData = pristine.clone();
    activeBuffer.savedCharset = undefined;
  });
  for (const feed of feeds) core.writeSync(Buffer.from(feed, "base64"));
  if (onlyPast) {
    const told = { past: past(terminal) };
    terminal.dispose();
    return told;
  }

  const { buffers } = core._bufferService;
  const input = known(core._inputHandler, "_inputHandler");
  const pen = known(input._curAttrData, "_curAttrData");
  const links = core._oscLinkService;
  const modes = core.coreService.decPrivateModes;
  const charsets = known(core._charsetService, "_charsetService");
  const cursor = (x, y) => `${y},${Math.min(x, columns - 1)}${x >= columns ? " wraps" : ""}`;
  const saved = (buffer) => {
    const attributes = known(buffer.savedCurAttrData, "savedCurAttrData");
    const looks = look(Object.assign(attributes.clone(), { extended: pen.extended.clone() }), links)
      .replace(/ ?underline \S+| ?link .*$/g, "");
    return `${cursor(Math.min(buffer.savedX, columns - 1), Math.max(buffer.savedY - buffer.ybase, 0))} ${charset(buffer.savedCharset)} ${looks}`.trimEnd();
  };
  const alternate = buffers.active === buffers.alt;
  const state = {
    cells: lines(buffers.active, core, rows, columns),
    cursor: cursor(buffers.active.x, buffers.active.y),
    saved: saved(buffers.active),
    pen: look(pen, links),
    hidden: alternate ? lines(buffers.normal, core, rows, columns) : [],
    hiddenSaved: alternate ? saved(buffers.normal) : "",
    alternate,
    region: `${buffers.active.scrollTop},${buffers.active.scrollBottom}`,
    tabs: [...new Set(Object.keys(buffers.active.tabs).map((stop) => Math.min(stop, columns - 1)))].sort((a, b) => a - b).join(" "),
    charsets: `${charsets.glevel}: ${[0, 1, 2, 3].map((slot) => charset(charsets._charsets[slot])).join(" ")}`,
    modes: {
      insert: core.coreService.modes.insertMode,
      newLine: core.optionsService.options.convertEol,
      wraparound: modes.wraparound,
      origin: modes.origin,
      applicationCursor: modes.applicationCursorKeys,
      applicationKeypad: modes.applicationKeypad,
      bracketedPaste: modes.bracketedPasteMode,
      focus: modes.sendFocus,
      cursorHidden: known(core.coreService.isCursorHidden, "isCursorHidden"),
      cursorStyle: `${modes.cursorStyle ?? "-"} ${modes.cursorBlink ?? "-"}`,
      blink: core.optionsService.options.cursorBlink,
      mouse: core.coreMouseService.activeProtocol,
      encoding: core.coreMouseService.activeEncoding,
    },
    title: known(input._windowTitle, "_windowTitle"),
    titles: known(input._windowTitleStack, "_windowTitleStack").join("|"),
    colors: [...colors].sort(([a], [b]) => a - b).map(([index, color]) => `${index} ${color}`),
    text: text(terminal),
  };
  terminal.dispose();
  return state;
}

for await (const line of createInterface({ input: process.stdin })) {
  let told;
  try {
    told = tell(JSON.parse(line));
  } catch (error) {
    told = { thrown: String(error.stack) };
  }
  process.stdout.write(`${JSON.stringify(told)}\n`);
}
