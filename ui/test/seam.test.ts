import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { expect, it } from "vitest";

const src = fileURLToPath(new URL("../src", import.meta.url));
const sources = readdirSync(src, { recursive: true, encoding: "utf8" }).filter((file) => /\.(ts|svelte)$/.test(file));
const importing = (what: RegExp): string[] =>
  sources.filter((file) => what.test(readFileSync(join(src, file), "utf8"))).sort();

it("only one file knows that there is Tauri", () => {
  expect(importing(/from "@tauri-apps\//)).toEqual(["backend/tauri.ts"]);
});

it("nothing that is shown reaches a backend's implementation", () => {
  expect(importing(/["/]backend\/(tauri|fake)/)).toEqual(["main.ts"]);
});
