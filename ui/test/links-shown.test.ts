import { Terminal } from "@xterm/headless";
import { describe, expect, it } from "vitest";
import { linksShown } from "../src/terminal/links-shown";

const osc8 = (target: string, text: string, id = ""): string => `\x1b]8;${id};${target}\x1b\\${text}\x1b]8;;\x1b\\`;

async function shown(text: string, columns = 40): Promise<string[]> {
  const terminal = new Terminal({ cols: columns, rows: 6, allowProposedApi: true });
  await new Promise<void>((done) => terminal.write(text, done));
  return linksShown(terminal).map(({ text, target }) => (text === target ? text : `${text} -> ${target}`));
}

describe("the links on a screen", () => {
  it("are listed each once, the lowest first", async () => {
    const text = "see https://a.example/x, (http://b.example/y).\r\nhttps://a.example/x and ftp://no";
    expect(await shown(text, 60)).toEqual(["https://a.example/x", "http://b.example/y"]);
  });
  it("are whole where the terminal broke them", async () =>
    expect(await shown("go to https://a.example/a/long/path/to/somewhere now", 20)).toEqual([
      "https://a.example/a/long/path/to/somewhere",
    ]));
  it("tell where they lead when their text says something else", async () => {
    const text = `${osc8("file:///etc/hosts", "the hosts")}\r\n${osc8("https://evil.example/", "https://bank.example/")}`;
    expect(await shown(text)).toEqual([
      "https://bank.example/ -> https://evil.example/",
      "the hosts -> file:///etc/hosts",
    ]);
  });
  it("are one where the program wrote the parts of one", async () => {
    const text = `${osc8("https://a.example/", "the first", "id=1")}\r\n${osc8("https://a.example/", " part", "id=1")}`;
    expect(await shown(text)).toEqual(["the first part -> https://a.example/"]);
  });
  it("are those of the screen, not of what scrolled off", async () =>
    expect(await shown(`https://gone.example/\r\n${"\r\n".repeat(6)}https://here.example/`)).toEqual([
      "https://here.example/",
    ]));
});
