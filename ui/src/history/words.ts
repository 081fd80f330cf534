import type { Session } from "../backend/types/Session";
import { PROGRAMS } from "../words/programs";
import { count } from "../words/size";

/** Tells a session's title on one line; its id where it has none. */
export function title(session: Session): string {
  const said = session.title?.replace(/\s+/g, " ").trim() ?? "";
  return said === "" ? `Untitled ${session.id.slice(0, 8)}` : said;
}

/** Tells where a session was held: its project, else its directory. */
export function place(session: Session, tilde: (path: string) => string): string {
  return session.project ?? tilde(session.cwd);
}

/** Tells with which program it was held. */
export function program(session: Session): string {
  return PROGRAMS[session.program] ?? session.program;
}

/** Tells with what it was held: `Claude Code, opus-4-5`. */
export function held(session: Session): string {
  const title = program(session);
  return session.model == null ? title : `${title}, ${session.model.replace(/^claude-/, "")}`;
}

/** Counts what a person asked. */
export function requests(session: Session): string {
  return count(session.requests, "request");
}

const ROLES: Record<string, string> = { user: "you", assistant: "the program", tool: "a tool" };

/** Tells who said a passage. */
export function role(word: string): string {
  return ROLES[word] ?? word;
}

/**
 * Finds where a passage stands in a text in which white space may differ, at the moment at which it was said where the text
 * tells that; -1: nowhere.
 */
export function find(text: string, passage: string, at = ""): number {
  const words = passage.trim().split(/\s+/).filter((word) => word !== "");
  if (words.length === 0) return -1;
  const escaped = words.map((word) => word.replace(/[.*+?^${}()|[\]\\]/g, "\\$&"));
  const wanted = new RegExp(escaped.join("\\s+"), "g");
  const told = at === "" ? -1 : text.indexOf(at);
  wanted.lastIndex = told === -1 ? 0 : told + at.length;
  const found = wanted.exec(text);
  if (found !== null) return found.index;
  wanted.lastIndex = 0;
  return wanted.exec(text)?.index ?? -1;
}
