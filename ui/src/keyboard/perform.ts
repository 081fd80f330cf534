import { paste } from "../terminal/clipboard";
import type { Desk } from "../window/desk.svelte";
import { act, type Place } from "./map";

function placeOf(target: EventTarget | null): Place {
  if (!(target instanceof Element)) return "elsewhere";
  if (target.closest(".xterm") !== null) return "terminal";
  return target.matches("input, textarea, select") ? "field" : "elsewhere";
}

/** Does what a key asks of the window, before anything else sees it; leaves every other key alone. */
export function perform(desk: Desk, event: KeyboardEvent): void {
  if (event.key === "Escape" && desk.dialog === null && desk.factsOpen) {
    desk.factsOpen = false;
    event.preventDefault();
    event.stopPropagation();
    return;
  }
  const asked = act(event, placeOf(event.target));
  if (asked === null) return;
  // A dialog wants an answer first; only the palette closes by the key that opened it.
  if (desk.dialog !== null && !(asked.kind === "palette" && desk.dialog.kind === "palette")) return;
  event.stopPropagation();
  if (asked.kind === "paste") {
    if (paste()) event.preventDefault();
    return;
  }
  event.preventDefault();
  switch (asked.kind) {
    case "palette":
      if (desk.dialog === null) desk.open({ kind: "palette" });
      else desk.closeDialog();
      break;
    case "launch":
      desk.launchDialog();
      break;
    case "runner":
      desk.showNth(asked.index);
      break;
    case "need":
      desk.showNeed(asked.step);
      break;
    case "decision":
      desk.focusDecision();
      break;
    case "tab":
      desk.stepTab(asked.step);
      break;
    case "pane":
      desk.focusBeside(asked.way);
      break;
    case "split":
      desk.askSplit(asked.along);
      break;
    case "link":
      desk.askLink();
      break;
    case "close":
      desk.closePane();
      break;
    case "zoom":
      desk.preferences.zoom(asked.step);
      break;
    case "find":
      desk.finding = true;
      break;
    case "copy":
      void desk.copy();
      break;
  }
}
