import type { Runner } from "../backend/types/Runner";
import type { Desk } from "../window/desk.svelte";
import { following } from "./links";

/** Follows a link that a runner shows: at once, after a question, or not at all. */
export function followLink(desk: Desk, runner: Runner, link: string): void {
  const open = async (): Promise<void> => {
    try {
      if (link.startsWith("file:")) await desk.backend.openFile(runner.id, link);
      else await desk.backend.openLink(link);
    } catch (cause) {
      desk.notices.failed("Could not open the link", cause);
    }
  };
  const judged = following(link);
  switch (judged.kind) {
    case "open":
      void open();
      break;
    case "ask":
      desk.open({
        kind: "question",
        title: "Follow this link?",
        body: `${runner.name} shows it; it ${judged.what}.`,
        ends: [link],
        confirm: "Open",
        run: open,
      });
      break;
    case "refuse":
      desk.notices.failed("The link was not followed", {
        code: "invalid",
        message: `it leads to ${link}, and ${judged.why}`,
        hint: null,
      });
  }
}
