import type { Runner } from "../backend/types/Runner";
import { ask } from "../fleet/attention";
import { acts, hasTerminal } from "../fleet/state";
import { line } from "../fleet/words";
import { lines, type Along } from "../panes/layout";
import { followLink } from "../terminal/follow";
import { screenOf, visibleLinks } from "../terminal/screen";
import type { Desk } from "../window/desk.svelte";

/** Is one line of the palette. */
export interface Entry {
  id: string;
  group: "Runners" | "Commands" | "Projects" | "Links";
  title: string;
  detail: string;
  key: string | null;
  runner: Runner | null;
  run: () => void;
}

function runners(desk: Desk, show: (id: string) => void = (id) => desk.show(id)): Entry[] {
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
        run: () => show(id),
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
    ...(ask(runner) === null
      ? []
      : [command("Decide what the runner asks…", () => desk.focusDecision(), "Ctrl Shift D")]),
    ...(can.pause ? [command(of("Pause"), () => void desk.pause(runner))] : []),
    ...(can.resume ? [command(of("Continue"), () => void desk.resume(runner))] : []),
    ...(can.restart ? [command(of("Restart"), () => desk.restart(runner))] : []),
    ...(can.stop ? [command(of("Stop"), () => desk.stop(runner))] : []),
    ...(hasTerminal(runner) ? ofTerminal(desk, runner) : []),
    command("Show the facts of the runner", () => (desk.factsOpen = true)),
    command("Close the terminal", () => desk.closePane(), "Ctrl Shift W", "the runner goes on"),
  ];
}

function ofTerminal(desk: Desk, runner: Runner): Entry[] {
  const screen = screenOf(runner.id);
  return [
    ...(screen?.commands() ?? []).map(({ title, run }) => command(title, run)),
    command("Find in the terminal", () => (desk.finding = true), "Ctrl Shift F"),
    command("Split: a terminal beside this one…", () => desk.askSplit("row"), "Ctrl Shift E"),
    command("Split: a terminal below this one…", () => desk.askSplit("column"), "Ctrl Shift O"),
    ...ofSplit(desk),
    ...(visibleLinks().length > 0
      ? [command("Follow a link on the screen…", () => desk.askLink(), "Ctrl Shift L")]
      : []),
    command("Open in your own terminal", () => void desk.openInTerminal(runner)),
    command("Paste the clipboard's image as a file", () => void desk.pasteImage(runner.id)),
  ];
}

const STEP = 0.1;

function ofSplit(desk: Desk): Entry[] {
  const root = desk.tabs.front?.root;
  const all = root === undefined ? [] : lines(root);
  const has = (along: Along): boolean => all.some((line) => line.along === along);
  return [
    ...(has("row")
      ? [
          command("Wider terminal", () => desk.tabs.grow("row", STEP)),
          command("Narrower terminal", () => desk.tabs.grow("row", -STEP)),
        ]
      : []),
    ...(has("column")
      ? [
          command("Higher terminal", () => desk.tabs.grow("column", STEP)),
          command("Lower terminal", () => desk.tabs.grow("column", -STEP)),
        ]
      : []),
  ];
}

function ofText(desk: Desk): Entry[] {
  return [
    command("Larger text in terminals", () => desk.preferences.zoom(1), "Ctrl +"),
    command("Smaller text in terminals", () => desk.preferences.zoom(-1), "Ctrl -"),
    command("Usual text in terminals", () => desk.preferences.zoom(0), "Ctrl 0"),
  ];
}

function commands(desk: Desk): Entry[] {
  return [
    command("Launch a runner…", () => desk.launchDialog(), "Ctrl N"),
    command("Add a project…", () => desk.open({ kind: "add-project" })),
    ...ofShown(desk),
    command("Next who needs you", () => desk.showNeed(1), "Ctrl Shift ↓", "the longest waiting first"),
    command("Previous who needs you", () => desk.showNeed(-1), "Ctrl Shift ↑"),
    command("Next runner", () => desk.showNeighbour(1)),
    command("Previous runner", () => desk.showNeighbour(-1)),
    ...(desk.tabs.all.length > 1
      ? [
          command("Next tab", () => desk.stepTab(1), "Ctrl PgDn"),
          command("Previous tab", () => desk.stepTab(-1), "Ctrl PgUp"),
        ]
      : []),
    ...ofText(desk),
    command("Go to the terminals", () => desk.go("fleet")),
    command("Go to projects", () => desk.go("projects")),
    command("Go to history", () => desk.go("history"), null, "sessions, search"),
    command("Go to usage", () => desk.go("usage"), null, "tokens, cost, budgets"),
    command("Go to presets", () => desk.go("presets")),
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
    detail: desk.tilde(project.path),
    key: null,
    runner: null,
    run: () => desk.launchDialog(project.name),
  }));
}

/** What is on the screen of the terminal that takes the keys, and where each leads when that is not what one reads. */
function links(desk: Desk): Entry[] {
  const runner = desk.view === "fleet" ? desk.shown : undefined;
  if (runner === undefined) return [];
  return visibleLinks().map(({ text, target }) => ({
    id: `link ${text} ${target}`,
    group: "Links",
    title: text === "" ? target : text,
    detail: text === target || text === "" ? "" : target,
    key: null,
    runner: null,
    run: () => followLink(desk, runner, target),
  }));
}

/** Is what the palette asks for, where it does not offer everything. */
export type Wanted = Along | "link";

/** Lists all that the palette can do now, or only what is wanted: a runner to be put beside or below, a link to follow. */
export function entries(desk: Desk, wanted?: Wanted): Entry[] {
  if (wanted === "link") return links(desk);
  if (wanted !== undefined) {
    const split = wanted;
    const others = runners(desk, (id) => desk.split(split, id)).filter(({ runner }) => runner?.id !== desk.tabs.shown);
    return [...others, command("Launch a runner…", () => desk.launchDialog(undefined, split))];
  }
  return [...runners(desk), ...commands(desk), ...projects(desk), ...links(desk)];
}
