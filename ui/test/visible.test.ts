import { expect, it } from "vitest";
import { oneLine, visible } from "../src/words/visible";

it("leaves what can be seen as it is", () => {
  expect(visible("cargo test -p größe 🦀")).toEqual([{ text: "cargo test -p größe 🦀", hidden: false }]);
  expect(visible("")).toEqual([]);
});

it.each([
  ["\u001b", "␛"],
  ["\u0000", "␀"],
  ["\u007f", "␡"],
  ["\r", "␍"],
  ["\n", "↵\n"],
  ["\t", "⇥\t"],
  ["\u009b", "⟨U+009B⟩"],
  ["\u202e", "⟨U+202E⟩"],
  ["\u2066", "⟨U+2066⟩"],
  ["\u200b", "⟨U+200B⟩"],
  ["\u00ad", "⟨U+00AD⟩"],
  ["\u2028", "⟨U+2028⟩"],
  ["\u00a0", "⟨U+00A0⟩"],
  ["\u3164", "⟨U+3164⟩"],
  ["\ufeff", "⟨U+FEFF⟩"],
  ["\u{e0041}", "⟨U+E0041⟩"],
])("shows %j", (character, shown) => {
  expect(visible(`a${character}b`)).toEqual([
    { text: "a", hidden: false },
    { text: shown, hidden: true },
    { text: "b", hidden: false },
  ]);
});

it("writes it in one line", () => {
  expect(oneLine("  a\n\n\tb\u202e ")).toBe("a↵ ↵ ⇥ b⟨U+202E⟩");
});
