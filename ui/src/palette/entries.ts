import type { Runner } from "../backend/types/Runner";
import { acts } from "../fleet/state";
import { line } from "../fleet/words";
import type { Desk } from "../window/desk.svelte";

/** Is one line of the palette. */
export interface Entry {
  id: string;
  group: "Runners" | "Commands" | "Projects";
  title: string;
  detail: string;
  key: string | null;
  runner: Runner | null;
  run: () => void;
}

function runners(desk: Desk): Entry[] {
  const listed = desk.list.ids;
  const others = desk.fleet.runners.filter((runner) => !listed.includes(runner.id)).map((runner) => runner.id);
  return [...listed, ...others].flatMap((id, index): Entry[] => {
    const runner = desk.fleet.runner(id);
    if (runner === undefined) return [];
    return [
      {
        id: `runner ${id}`,
        group: "Runners",
        title: `${runner.project} · ${runner.name}`,
        detail: line(runner, desk.clock.now),
        key: index < Math.min(9, listed.length) ? `Ctrl ${index + 1}` : null,
        runner,
        run: () => desk.show(id),
      },
    ];
  });
}

function command(title: string, run: () => void, key: string | null = null, detail = ""): Entry {
  return { id: `command ${title}`, group: "Commands", title, detail, key, runner: null, run };
}

function ofShown(desk: Desk): Entry[] {
  const runner = desk.view === "fleet" ? desk.shown : undefined;
  if (runner === undefined) return [];
  const can = acts(runner);
  const of = (verb: string): string => `${verb} ${runner.name}`;
  return [
    ...(can.pause ? [command(of("Pause"), () => void desk.pause(runner))] : []),
    ...(can.resume ? [command(of("Continue"), () => void desk.resume(runner))] : []),
    ...(can.restart ? [command(of("Restart"), () => desk.restart(runner))] : []),
    ...(can.stop ? [command(of("Stop"), () => desk.stop(runner))] : []),
    command("Find in the terminal", () => (desk.finding = true), "Ctrl Shift F"),
    command("Show the facts of the runner", () => (desk.factsOpen = true)),
    command("Close the tab", () => desk.tabs.close(runner.id), null, "the runner goes on"),
  ];
}

function commands(desk: Desk): Entry[] {
  return [
    command("Launch a runner…", () => desk.launchDialog(), "Ctrl N"),
    command("Add a project…", () => desk.open({ kind: "add-project" })),
    ...ofShown(desk),
    command("Next runner", () => desk.showNeighbour(1), "Ctrl Shift ↓"),
    command("Previous runner", () => desk.showNeighbour(-1), "Ctrl Shift ↑"),
    command("Go to the terminals", () => desk.go("fleet")),
    command("Go to projects", () => desk.go("projects")),
    command("Go to events", () => desk.go("events")),
    command("Go to settings", () => desk.go("settings"), null, "login, configuration, doctor"),
    command("Quit, runners keep running", () => void desk.quit()),
    command("Stop all and quit…", () => desk.stopAllAndQuit()),
  ];
}

function projects(desk: Desk): Entry[] {
  return desk.fleet.projects.map((project) => ({
    id: `project ${project.id}`,
    group: "Projects",
    title: `Launch in ${project.name}…`,
    detail: project.path,
    key: null,
    runner: null,
    run: () => desk.launchDialog(project.name),
  }));
}

/** Lists all that the palette can do now. */
export function entries(desk: Desk): Entry[] {
  return [...runners(desk), ...commands(desk), ...projects(desk)];
}
