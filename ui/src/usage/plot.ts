import type uPlot from "uplot";

/**
 * Loads what draws charts. It makes a number format of the browser's language as soon as it is loaded, and cannot be where
 * that is none: WebKit calls the locale C.UTF-8 `C`, which is no language.
 */
export async function plot(): Promise<typeof uPlot> {
  try {
    Intl.getCanonicalLocales(navigator.language);
  } catch {
    Object.defineProperty(navigator, "language", { value: "en", configurable: true });
  }
  return (await import("uplot")).default;
}
