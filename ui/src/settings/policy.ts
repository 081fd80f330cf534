import type { Backend } from "../backend/backend";

/** What the configuration says of terminals, for windows and the command line alike. */
export interface Policy {
  /** What becomes of a program's wish to write the clipboard. */
  clipboard: "ask" | "allow" | "refuse";
  notifications: "show" | "ignore";
  /** Lines of history that a terminal is given. */
  historyLines: number;
}

export const CAREFUL: Policy = { clipboard: "ask", notifications: "show", historyLines: 10_000 };

/** Reads the policy for a project's runners from the host's settings; what they do not say is as by default. */
export async function policy(backend: Pick<Backend, "config">, project: string): Promise<Policy> {
  const settings = new Map((await backend.config(project)).map(({ key, value }) => [key, value.replace(/^"(.*)"$/, "$1")]));
  const clipboard = settings.get("terminal.clipboard");
  const lines = Number(settings.get("history.lines") ?? Number.NaN);
  return {
    clipboard: clipboard === "allow" || clipboard === "refuse" ? clipboard : CAREFUL.clipboard,
    notifications: settings.get("terminal.notifications") === "ignore" ? "ignore" : CAREFUL.notifications,
    historyLines: Number.isInteger(lines) && lines >= 0 ? lines : CAREFUL.historyLines,
  };
}
