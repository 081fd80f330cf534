import { describe, expect, it } from "vitest";
import { act, type Key } from "../src/keyboard/map";

const key = (name: string, held: Partial<Key> = {}, code = ""): Key => ({
  key: name,
  code,
  ctrlKey: false,
  shiftKey: false,
  altKey: false,
  metaKey: false,
  ...held,
});
const ctrl = { ctrlKey: true };
const both = { ctrlKey: true, shiftKey: true };

describe("the keyboard", () => {
  it.each([
    [key("k", ctrl), { kind: "palette" }],
    [key("n", ctrl), { kind: "launch" }],
    [key("1", ctrl, "Digit1"), { kind: "runner", index: 0 }],
    [key("ç", ctrl, "Digit9"), { kind: "runner", index: 8 }],
    [key("ArrowDown", both), { kind: "need", step: 1 }],
    [key("ArrowUp", both), { kind: "need", step: -1 }],
    [key("PageDown", ctrl), { kind: "tab", step: 1 }],
    [key("PageUp", ctrl), { kind: "tab", step: -1 }],
    [key("=", ctrl), { kind: "zoom", step: 1 }],
    [key("+", both), { kind: "zoom", step: 1 }],
    [key("-", ctrl), { kind: "zoom", step: -1 }],
    [key("0", ctrl, "Digit0"), { kind: "zoom", step: 0 }],
  ])("%j acts everywhere", (pressed, what) => {
    for (const place of ["terminal", "field", "elsewhere"] as const) expect(act(pressed, place)).toEqual(what);
  });

  it.each([
    [key("F", both), { kind: "find" }],
    [key("C", both), { kind: "copy" }],
    [key("v", both), { kind: "paste" }],
  ])("%j acts only in the terminal", (pressed, what) => {
    expect(act(pressed, "terminal")).toEqual(what);
    expect(act(pressed, "field")).toBeNull();
    expect(act(pressed, "elsewhere")).toBeNull();
  });

  it.each([
    [key("E", both), { kind: "split", along: "row" }],
    [key("O", both), { kind: "split", along: "column" }],
    [key("L", both), { kind: "link" }],
    [key("W", both), { kind: "close" }],
    [key("ArrowLeft", { altKey: true, shiftKey: true }), { kind: "pane", way: "left" }],
    [key("ArrowDown", { altKey: true, shiftKey: true }), { kind: "pane", way: "down" }],
  ])("%j acts everywhere but in a text field", (pressed, what) => {
    expect(act(pressed, "terminal")).toEqual(what);
    expect(act(pressed, "elsewhere")).toEqual(what);
    expect(act(pressed, "field")).toBeNull();
  });

  it.each([
    [key("ArrowRight", both), { kind: "need", step: 1 }],
    [key("ArrowLeft", both), { kind: "need", step: -1 }],
  ])("%j selects words in a text field", (pressed, what) => {
    expect(act(pressed, "terminal")).toEqual(what);
    expect(act(pressed, "elsewhere")).toEqual(what);
    expect(act(pressed, "field")).toBeNull();
  });

  it.each([
    key("c", ctrl),
    key("v", ctrl),
    key("w", ctrl),
    key("r", ctrl),
    key("l", ctrl),
    key("_", both),
    key("ArrowLeft", { altKey: true }),
    key("ArrowLeft", { altKey: true, shiftKey: true, ctrlKey: true }),
    key("e", { altKey: true, shiftKey: true }),
    key("1", both, "Digit1"),
    key("k", { ctrlKey: true, altKey: true }),
    key("n", { metaKey: true }),
    key("k"),
    key("Escape"),
    key("Tab"),
    key("F5"),
    key("ArrowDown", ctrl),
    key("ArrowDown", { shiftKey: true }),
    key("K", both),
    key("N", both),
  ])("%j is the terminal's", (pressed) => expect(act(pressed, "terminal")).toBeNull());
});
