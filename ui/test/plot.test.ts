// @vitest-environment happy-dom
import { expect, it } from "vitest";
import { plot } from "../src/usage/plot";

it("is loaded where the browser's language is none", async () => {
  Object.defineProperty(navigator, "language", { value: "C", configurable: true });
  expect(() => new Intl.NumberFormat(navigator.language)).toThrow(RangeError);
  expect(await plot()).toBeTypeOf("function");
});
