import { failure } from "../backend/failure";
import type { Desk } from "./desk.svelte";

/** Tells once, ever, what this desktop lacks. */
function tellLacks(desk: Desk): void {
  const state = desk.desktop;
  if (state === null) return;
  const lacks = [
    {
      missing: !state.tray,
      key: "no tray",
      title: "This desktop shows no tray",
      detail: "closing the window asks what to do with it; everything else works as usual",
    },
    {
      missing: !state.notifications,
      key: "no notifications",
      title: "This desktop shows no notifications",
      detail: "what ends or fails is told in this window and under Events",
    },
  ];
  for (const { missing, key, title, detail } of lacks) {
    if (!missing || desk.memory.read(key) !== null) continue;
    desk.memory.write(key, "told");
    desk.notices.info(title, detail);
  }
}

/** Opens what was asked for, or what was open before; called once, when host and desktop have told what there is. */
export function reopen(desk: Desk): void {
  const { fleet, tabs } = desk;
  if (fleet.status !== null) tabs.restore(fleet.status.instance_id, (id) => fleet.runner(id) !== undefined);
  const attach = desk.desktop?.attach ?? null;
  if (attach !== null) void desk.attach(attach);
}

/** Connects the desk to its host; the returned function ends that. */
export function begin(desk: Desk): () => void {
  let ended = false;
  let unlisten: (() => void) | null = null;
  const stopClock = desk.clock.start(() => desk.fleet.runners.some(({ state }) => state === "backoff"));

  async function start(): Promise<void> {
    // Listening comes first: what changes between the two would otherwise be missed.
    const end = await desk.backend.listen({
      nudge: (nudge) => desk.fleet.nudge(nudge),
      attach: (runner) => void desk.attach(runner),
      launch: (project) => desk.launchDialog(project),
      closeRequested: () => desk.open({ kind: "closing" }),
      problem: (text) => desk.notices.problem(text),
      dragged: (at) => desk.dragged(at),
      dropped: (paths, at) => desk.dropped(paths, at),
    });
    if (ended) return end();
    unlisten = end;
    const asked = desk.fleet.start();
    // Without it paths are written out.
    desk.backend.home().then(
      (home) => (desk.home = home),
      () => undefined,
    );
    desk.desktop = await desk.backend.desktopState();
    tellLacks(desk);
    await asked;
  }

  start().catch((cause: unknown) => desk.notices.failed("The window could not reach its host", failure(cause)));
  return () => {
    ended = true;
    unlisten?.();
    stopClock();
    desk.fleet.stop();
  };
}
