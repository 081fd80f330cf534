import { svelte } from "@sveltejs/vite-plugin-svelte";
import { defineConfig } from "vitest/config";

export default defineConfig({
  plugins: [svelte()],
  clearScreen: false,
  server: { host: "localhost", port: 1420, strictPort: true },
  preview: { host: "localhost" },
  // The oldest WebKitGTK that a supported distribution carries with its security updates.
  build: { target: "safari16.4", chunkSizeWarningLimit: 900 },
  resolve: process.env["VITEST"] ? { conditions: ["browser"] } : {},
  test: { include: ["test/**/*.test.ts"], environment: "node", testTimeout: 30_000 },
});
