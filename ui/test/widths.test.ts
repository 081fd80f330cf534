import { Terminal } from "@xterm/headless";
import { describe, expect, it } from "vitest";
import { agentWidths } from "../src/terminal/widths";

function terminal(): Terminal {
  const built = new Terminal({ cols: 40, rows: 4, allowProposedApi: true });
  built.unicode.register(agentWidths);
  built.unicode.activeVersion = agentWidths.version;
  return built;
}

/** Writes and tells in which column the cursor stands. */
async function columns(text: string): Promise<number> {
  const built = terminal();
  await new Promise<void>((done) => built.write(text, done));
  return built.buffer.active.cursorX;
}

describe("widths", () => {
  it.each([
    ["a", 1],
    ["é", 1],
    ["e\u0301", 1],
    ["漢字", 4],
    ["한글", 4],
    ["🙂", 2],
    ["🫨", 2],
    ["a\u00adb", 2],
    ["e\x1b[1m\u0301x", 2],
    ["a\u200db", 2],
    ["─│", 2],
    ["①", 1],
    // One code point at a time: the agent's engine joins no emoji.
    ["👩‍🚀", 4],
    ["🇩🇪", 2],
  ])("of %j is %i", async (text, width) => expect(await columns(text)).toBe(width));

  it("keep a combining mark in the cell of its letter", async () => {
    const built = terminal();
    await new Promise<void>((done) => built.write("xe\u0301\u0302y漢\u0301z", done));
    const line = built.buffer.active.getLine(0);
    expect(line?.getCell(1)?.getChars()).toBe("e\u0301\u0302");
    expect(line?.getCell(2)?.getChars()).toBe("y");
    expect(line?.getCell(3)?.getChars()).toBe("漢\u0301");
    expect(line?.getCell(5)?.getChars()).toBe("z");
  });
});
