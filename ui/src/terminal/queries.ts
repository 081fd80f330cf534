import type { IParser } from "@xterm/xterm";

/** Window reports among the `CSI … t` operations; the others only change something. */
const REPORTS = new Set([11, 13, 14, 15, 16, 18, 19, 20, 21]);

/**
 * Swallows every question that a program asks its terminal. The agent answers them, exactly once, viewer or none: an answer
 * from here would be typed into the program a second time, and one to a replayed question out of nowhere.
 */
export function swallowQueries(parser: IParser): void {
  const swallow = (): boolean => true;
  const asks = (data: string): boolean => data.split(";").includes("?");

  // Device attributes: primary, secondary, tertiary.
  for (const prefix of ["", ">", "="])
    parser.registerCsiHandler(prefix === "" ? { final: "c" } : { prefix, final: "c" }, swallow);
  // Device status and cursor position, ANSI and private.
  parser.registerCsiHandler({ final: "n" }, swallow);
  parser.registerCsiHandler({ prefix: "?", final: "n" }, swallow);
  // Modes: DECRQM, ANSI and private.
  parser.registerCsiHandler({ intermediates: "$", final: "p" }, swallow);
  parser.registerCsiHandler({ prefix: "?", intermediates: "$", final: "p" }, swallow);
  // Name and version, keyboard flags, terminal parameters, checksums.
  parser.registerCsiHandler({ prefix: ">", final: "q" }, swallow);
  parser.registerCsiHandler({ prefix: "?", final: "u" }, swallow);
  parser.registerCsiHandler({ final: "x" }, swallow);
  parser.registerCsiHandler({ intermediates: "*", final: "y" }, swallow);
  parser.registerCsiHandler({ final: "t" }, (params) => REPORTS.has(Number(params[0] ?? 0)));
  parser.registerEscHandler({ final: "Z" }, swallow);
  // Settings and capabilities: DECRQSS, XTGETTCAP.
  parser.registerDcsHandler({ intermediates: "$", final: "q" }, swallow);
  parser.registerDcsHandler({ intermediates: "+", final: "q" }, swallow);
  // Colours and the clipboard; without a question mark they set.
  for (const code of [4, 5, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 52]) parser.registerOscHandler(code, asks);
}
