import { describe, expect, it } from "vitest";
import { failure, sentence } from "../src/backend/failure";

describe("failures", () => {
  it("keep what the host said", () => {
    const said = { code: "quota-full", message: "all 5 places are taken", hint: "stop one of them" };
    expect(failure(said)).toEqual(said);
  });
  it.each([
    ["plain text", "plain text"],
    [new Error("thrown"), "thrown"],
    [{ message: "no code" }, "no code"],
    [undefined, "the host gave no reason"],
    [{ code: 7 }, "the host gave no reason"],
    [{ message: "  " }, "the host gave no reason"],
    [null, "the host gave no reason"],
  ])("are made of %j", (cause, message) => expect(failure(cause)).toEqual({ code: "internal", message, hint: null }));
  it("drop an empty hint", () => expect(failure({ code: "invalid", message: "m", hint: "" }).hint).toBeNull());
  it("read as sentences", () => {
    expect(sentence("stop runner x: it has ended")).toBe("Stop runner x: it has ended.");
    expect(sentence("Really?")).toBe("Really?");
  });
});
