import { execFileSync } from "node:child_process";
import { describe, expect, it } from "vitest";
import { following } from "../src/terminal/links";
import { ligatures } from "../src/terminal/ligatures";
import { clean, judge, oneLine } from "../src/terminal/pasting";
import { quoted } from "../src/terminal/quote";

describe("a paste", () => {
  it("of one line is pasted", () => {
    expect(judge("ls -l", false)).toEqual({ kind: "paste", text: "ls -l" });
  });
  it("of lines asks, unless the program tells pastes from typing", () => {
    expect(judge("a\nb\n", false)).toEqual({ kind: "ask", text: "a\nb\n", lines: 2, why: "lines" });
    expect(judge("rm -r x\n", false)).toMatchObject({ kind: "ask", lines: 1 });
    expect(judge("a\r\nb\rc", true)).toEqual({ kind: "paste", text: "a\nb\nc" });
  });
  it("of very much asks always", () => {
    expect(judge("x".repeat(64 * 1024), true).kind).toBe("paste");
    expect(judge("x".repeat(64 * 1024 + 1), true)).toMatchObject({ kind: "ask", why: "huge", lines: 1 });
  });
  it("carries no control character: none ends the paste early or types a command", () => {
    expect(clean("a\x1b[201~b\x03\x04\x00c\td\x7f\x9b0m")).toBe("a[201~bc\td0m");
  });
  it("becomes one line that waits for Enter", () => {
    expect(oneLine("  cd x \n\n make \\\n  all\n")).toBe("cd x make \\ all");
  });
});

describe("dropped files", () => {
  it("are written so that a shell reads them as they are", () => {
    const paths = ["/a/b.txt", "/with blank", "/it's", "/$HOME`x`", "/new\nline", "/~", "*", "", "/ünï"];
    const read = execFileSync("/bin/sh", ["-c", `printf '%s\\0' ${quoted(paths)}`], { encoding: "utf8" });
    expect(read.split("\0").slice(0, -1)).toEqual(paths);
    expect(quoted(["/a/b.txt", "/c d"])).toBe("/a/b.txt '/c d' ");
  });
});

describe("links", () => {
  it.each([
    ["https://docs.rs/x", "open"],
    ["HTTP://docs.rs", "open"],
    ["https://bank.example@evil.example/", "ask"],
    ["mailto:ada@example.org", "ask"],
    ["file:///home/ada/code/x", "ask"],
    ["javascript:alert(1)", "refuse"],
    ["data:text/html,x", "refuse"],
    ["ssh://host", "refuse"],
    ["vscode://x", "refuse"],
    ["no link", "refuse"],
  ])("%s: %s", (link, kind) => expect(following(link).kind).toBe(kind));
  it("say whose host it really is", () => {
    expect(following("https://bank.example@evil.example/")).toEqual({
      kind: "ask",
      what: "opens evil.example in the browser",
    });
  });
});

it("ligatures are found where the font has them", () => {
  const joined = (text: string): string[] => ligatures(text).map(([from, to]) => text.slice(from, to));
  expect(joined("a => b !== c -> d")).toEqual(["=>", "!==", "->"]);
  expect(joined("plain words")).toEqual([]);
});
