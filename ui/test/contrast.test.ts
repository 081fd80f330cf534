import { readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { theme } from "../src/terminal/theme";

const css = readFileSync(new URL("../src/app.css", import.meta.url), "utf8");

/** The tokens of the first and the second `:root` block: dark, then light. */
const [dark, light] = [...css.matchAll(/:root(?:\[[^\]]*\])? \{([^}]*)\}/g)].map(
  ([, block = ""]) =>
    new Map([...block.matchAll(/--([\w-]+): (#[0-9a-f]{6});/g)].map(([, name = "", value = ""]) => [name, value])),
);

function luminance(colour: string): number {
  const [r = 0, g = 0, b = 0] = [1, 3, 5].map((at) => {
    const channel = Number.parseInt(colour.slice(at, at + 2), 16) / 255;
    return channel <= 0.04045 ? channel / 12.92 : ((channel + 0.055) / 1.055) ** 2.4;
  });
  return 0.2126 * r + 0.7152 * g + 0.0722 * b;
}

function contrast(a: string, b: string): number {
  const [high = 0, low = 0] = [luminance(a), luminance(b)].sort((x, y) => y - x);
  return (high + 0.05) / (low + 0.05);
}

describe.each([
  ["dark", dark],
  ["light", light],
])("the %s theme", (name, tokens) => {
  const colour = (token: string): string => tokens?.get(token) ?? expect.fail(`no token ${token}`);

  const grounds = ["bg", "side", "panel", "chip", "term"];
  const texts = ["text", "dim", "faint", "need", "work", "ok", "bad"];
  it.each(texts.flatMap((text) => grounds.map((ground) => [text, ground] as const)))(
    "%s on %s is readable",
    (text, ground) => {
      expect(contrast(colour(text), colour(ground))).toBeGreaterThanOrEqual(4.5);
    },
  );
  it.each([
    ["on-accent", "accent"],
    ["panel", "bad"],
    ["accent", "bg"],
    ["text", "chip-hover"],
  ])("%s on %s is readable", (text, ground) =>
    expect(contrast(colour(text), colour(ground))).toBeGreaterThanOrEqual(4.5),
  );

  /** As CSS mixes them: `share` of the first. */
  const mixed = (a: string, b: string, share: number): string =>
    `#${[1, 3, 5]
      .map((at) => Number.parseInt(a.slice(at, at + 2), 16) * share + Number.parseInt(b.slice(at, at + 2), 16) * (1 - share))
      .map((channel) => Math.round(channel).toString(16).padStart(2, "0"))
      .join("")}`;

  it.each(["text", "dim", "need"])("%s is readable on the bar that asks for a decision", (text) =>
    expect(contrast(colour(text), mixed(colour("panel"), colour("need"), 0.88))).toBeGreaterThanOrEqual(4.5),
  );
  it.each(["bg", "panel", "term"])("what was found is readable when marked on %s", (ground) =>
    expect(contrast(colour("text"), mixed(colour("need"), colour(ground), 0.3))).toBeGreaterThanOrEqual(4.5),
  );

  it("gives the terminal its own ground", () => expect(theme(name === "dark").background).toBe(colour("term")));
});
