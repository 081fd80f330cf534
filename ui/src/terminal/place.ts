import type { Attached } from "../backend/terminal";

/** Names where a viewer is, for a sentence. */
export function placeName(place: string): string {
  if (place === "") return "another viewer";
  return place === "window" ? "another window" : place;
}

/** Tells of one viewer in a few words: `window · you`, `pts/3 · read-only`. */
export function chip({ place, you, readOnly }: Attached): string {
  return [place === "" ? "elsewhere" : place, ...(you ? ["you"] : []), ...(readOnly ? ["read-only"] : [])].join(" · ");
}
