import { getContext, setContext } from "svelte";
import { SvelteMap } from "svelte/reactivity";
import type { Backend, DesktopState, Point } from "../backend/backend";
import type { Attached } from "../backend/terminal";
import type { Budget } from "../backend/types/Budget";
import type { Project } from "../backend/types/Project";
import type { Runner } from "../backend/types/Runner";
import { Fleet } from "../fleet/fleet.svelte";
import { List } from "../fleet/list.svelte";
import { ask, needsYou } from "../fleet/attention";
import { neighbour, nextInNeed } from "../fleet/order";
import { isLive } from "../fleet/state";
import { programTitle } from "../fleet/words";
import type { Wanted } from "../palette/entries";
import { runners as runnersOf, type Along, type Way } from "../panes/layout";
import { Preferences } from "../settings/preferences.svelte";
import type { Judgement } from "../terminal/pasting";
import { quoted } from "../terminal/quote";
import { screenAt, screenOf, selection, shownSize } from "../terminal/screen";
import { count } from "../words/size";
import { Clock } from "./clock.svelte";
import { Notices } from "./notices.svelte";
import { storage, Tabs, type Memory } from "./tabs.svelte";
import { Theme } from "./theme.svelte";

export type View = "fleet" | "projects" | "history" | "usage" | "presets" | "events" | "settings";

/** Asks before something ends; `ends` names each thing that does. */
export interface Question {
  title: string;
  body: string;
  ends: string[];
  confirm: string;
  run: () => Promise<void>;
}

export type Dialog =
  /** With `wanted`, it only asks for that: a runner to be shown beside or below the present one, a link to follow. */
  | { kind: "palette"; wanted?: Wanted }
  | { kind: "launch"; project: string | null; split?: Along }
  | { kind: "paste"; asked: Extract<Judgement, { kind: "ask" }>; runner: string; run: (text: string) => void }
  | { kind: "add-project" }
  | { kind: "budget"; budget: Budget | null }
  | { kind: "closing" }
  | ({ kind: "question" } & Question);

/** Holds what the window shows and does what its buttons, keys and palette ask for. */
export class Desk {
  readonly fleet: Fleet;
  readonly list = new List();
  readonly tabs: Tabs;
  readonly preferences: Preferences;
  readonly theme: Theme;
  readonly notices = new Notices();
  readonly clock = new Clock();
  /** Who looks on at the terminals on screen, by runner. */
  readonly attached = new SvelteMap<string, Attached[]>();

  view = $state<View>("fleet");
  dialog = $state.raw<Dialog | null>(null);
  desktop = $state.raw<DesktopState | null>(null);
  home = $state<string | null>(null);
  /** The session whose details the history shows. */
  session = $state<string | null>(null);
  /** The runner over whose terminal files are held. */
  draggedOver = $state<string | null>(null);
  /** The facts are shown over the terminal where there is no room beside it. */
  factsOpen = $state(false);
  finding = $state(false);
  /** Rises whenever the terminal should take the focus; what was served is not asked again. */
  focusAsked = $state(0);
  focusServed = 0;
  /** Rises whenever the bar that asks for a decision should take the focus. */
  decisionAsked = $state(0);
  decisionServed = 0;
  /** The runner whose terminal had the focus last. */
  typedTo: string | null = null;

  readonly backend: Backend;
  readonly memory: Memory;

  constructor(backend: Backend, memory: Memory = storage) {
    this.backend = backend;
    this.memory = memory;
    this.fleet = new Fleet(backend);
    this.tabs = new Tabs(memory);
    this.preferences = new Preferences(memory);
    this.theme = new Theme(this.preferences);
  }

  get shown(): Runner | undefined {
    return this.fleet.runner(this.tabs.shown);
  }

  /** The runners whose terminals share the tab in front. */
  get onScreen(): string[] {
    const { front } = this.tabs;
    return front === undefined ? [] : runnersOf(front.root).filter((id) => this.fleet.runner(id) !== undefined);
  }

  show(id: string): void {
    this.tabs.show(id);
    this.view = "fleet";
    this.factsOpen = false;
    this.focusTerminal();
  }

  /** Shows the runner of an id or name that came from outside. */
  async attach(named: string): Promise<void> {
    if (this.fleet.runner(named) !== undefined) return this.show(named);
    try {
      const runner = await this.backend.getRunner(named);
      this.fleet.learn(runner);
      this.show(runner.id);
    } catch (cause) {
      this.notices.failed(`Could not attach to ${named}`, cause);
    }
  }

  /** Shows a runner's terminal beside or below the present one. */
  split(along: Along, id: string): void {
    this.tabs.split(along, id);
    this.view = "fleet";
    this.focusTerminal();
  }

  /** Asks which runner is to be shown beside or below the present one. */
  askSplit(along: Along): void {
    if (this.view === "fleet" && this.shown !== undefined) this.open({ kind: "palette", wanted: along });
  }

  /** Asks which of the links on the screen is to be followed. */
  askLink(): void {
    if (this.view === "fleet" && this.shown !== undefined) this.open({ kind: "palette", wanted: "link" });
  }

  /** Gives the keys to the terminal on that side. */
  focusBeside(way: Way): void {
    const id = this.tabs.beside(way);
    if (this.view === "fleet" && id !== null) this.show(id);
  }

  stepTab(by: 1 | -1): void {
    if (this.tabs.all.length === 0) return;
    this.tabs.step(by);
    if (this.tabs.shown !== null) this.show(this.tabs.shown);
  }

  /** Gives up the place of the terminal that takes the keys; its runner goes on. */
  closePane(): void {
    if (this.view !== "fleet" || this.tabs.shown === null) return;
    this.tabs.close(this.tabs.shown);
    this.focusTerminal();
  }

  /** Puts what is selected in the terminal on the clipboard. */
  async copy(): Promise<void> {
    const text = selection();
    if (text === "") return;
    await this.#attempt("Could not copy", () => this.backend.copyText(text, false));
  }

  /** Pastes the path of a file that holds the clipboard's image. */
  async pasteImage(runner: string): Promise<void> {
    try {
      const path = await this.backend.keepImage(runner);
      if (path === null) this.notices.info("The clipboard holds neither text nor an image");
      else screenOf(runner)?.paste(quoted([path]));
    } catch (cause) {
      this.notices.failed("Could not paste the image", cause);
    }
  }

  dragged(at: Point | null): void {
    this.draggedOver = at === null ? null : screenAt(at);
  }

  /** Types the paths of files that were let go over a terminal. */
  dropped(paths: string[], at: Point): void {
    this.draggedOver = null;
    const runner = screenAt(at);
    if (runner === null || paths.length === 0) return;
    screenOf(runner)?.paste(quoted(paths));
    this.show(runner);
  }

  async openInTerminal(runner: Runner): Promise<void> {
    await this.#attempt(`Could not open ${runner.name} in a terminal`, () => this.backend.openInTerminal(runner.id));
  }

  /** Writes paths as people do, the home directory as ~. */
  tilde(text: string): string {
    const { home } = this;
    if (home === null || home === "") return text;
    return text === home ? "~" : text.replaceAll(`${home}/`, "~/");
  }

  showNth(index: number): void {
    const id = this.list.ids[index];
    if (id !== undefined) this.show(id);
  }

  showNeighbour(step: 1 | -1): void {
    const id = neighbour(this.list.groups, this.tabs.shown, step);
    if (id !== null) this.show(id);
  }

  /** Shows who needs a person next; while nobody does, the next runner. */
  showNeed(step: 1 | -1): void {
    const needs = (id: string): boolean => {
      const runner = this.fleet.runner(id);
      return runner !== undefined && needsYou(runner);
    };
    const id = nextInNeed(this.list.groups, needs, this.tabs.shown, step);
    if (id !== null) this.show(id);
  }

  go(view: View): void {
    this.view = view;
    this.factsOpen = false;
  }

  focusTerminal(): void {
    this.focusAsked += 1;
  }

  /** Gives the keys to the bar above the terminal that asks for a decision; none of its answers is chosen by that. */
  focusDecision(): void {
    if (this.view === "fleet" && this.shown !== undefined && ask(this.shown) !== null) this.decisionAsked += 1;
  }

  open(dialog: Dialog): void {
    this.dialog = dialog;
  }

  closeDialog(): void {
    this.dialog = null;
  }

  launchDialog(project: string | null = this.shown?.project ?? null, split?: Along): void {
    const known = project !== null && this.fleet.project(project) !== undefined;
    if (this.fleet.projects.length === 0) this.open({ kind: "add-project" });
    else this.open({ kind: "launch", project: known ? project : null, ...(split === undefined ? {} : { split }) });
  }

  async pause(runner: Runner): Promise<void> {
    await this.#attempt(`Could not pause ${runner.name}`, () => this.backend.pause(runner.id));
  }

  async resume(runner: Runner): Promise<void> {
    await this.#attempt(`Could not continue ${runner.name}`, () => this.backend.continueRunner(runner.id));
  }

  /** Launches a runner that goes on with a session, or with a copy of it, and shows it. */
  async resumeSession(session: string, fork: boolean, called: string): Promise<void> {
    const size = shownSize();
    try {
      const runner = await this.backend.resumeSession({
        target: session,
        fork,
        name: null,
        columns: size?.columns ?? null,
        rows: size?.rows ?? null,
      });
      this.fleet.learn(runner);
      this.fleet.reload();
      this.show(runner.id);
    } catch (cause) {
      this.notices.failed(`Could not ${fork ? "fork" : "resume"} ${called}`, cause);
    }
  }

  /** Shows a session in the history. */
  showSession(id: string): void {
    this.session = id;
    this.go("history");
  }

  stop(runner: Runner): void {
    this.open({
      kind: "question",
      title: `Stop ${runner.name}?`,
      body: `The program is asked to end, and after the grace period it is made to. Everything it started ends with it; what the terminal showed is kept${runner.session_id == null ? "." : ", and its conversation can be resumed."}`,
      ends: [named(runner)],
      confirm: "Stop",
      run: () => this.#stop(runner.name, { runner: runner.id }),
    });
  }

  stopProject(project: Project): void {
    const runners = this.fleet.live.filter((runner) => runner.project === project.name);
    this.open({
      kind: "question",
      title: `Stop all runners in ${project.name}?`,
      body: "Each program is asked to end, and after the grace period it is made to, with everything it started.",
      ends: runners.map(named),
      confirm: `Stop ${count(runners.length, "runner")}`,
      run: () => this.#stop(`the runners of ${project.name}`, { project: project.name }),
    });
  }

  restart(runner: Runner): void {
    const run = (): Promise<void> => {
      if (this.tabs.shown === runner.id) this.focusTerminal();
      return this.#attempt(`Could not restart ${runner.name}`, () => this.backend.restart(runner.id));
    };
    if (!isLive(runner)) return void run();
    this.open({
      kind: "question",
      title: `Restart ${runner.name}?`,
      body: "The program that runs now ends, with everything it started, and the same command starts again.",
      ends: [named(runner)],
      confirm: "Restart",
      run,
    });
  }

  archive(project: Project): void {
    this.open({
      kind: "question",
      title: `Archive ${project.name}?`,
      body: `It leaves the lists. The directory ${project.path} and what is recorded stay as they are.`,
      ends: [],
      confirm: "Archive",
      run: () => this.#attempt(`Could not archive ${project.name}`, () => this.backend.archiveProject(project.id)),
    });
  }

  async answerInterrupted(start: boolean): Promise<void> {
    const what = start ? "Could not start the interrupted runners again" : "Could not put the offer away";
    await this.#attempt(what, () => this.backend.answerInterrupted(start));
  }

  async quit(): Promise<void> {
    await this.#attempt("Could not quit", () => this.backend.quit({ stopRunners: false }));
  }

  stopAllAndQuit(): void {
    const { live } = this.fleet;
    const run = (): Promise<void> =>
      this.#attempt("Could not stop all and quit", () => this.backend.quit({ stopRunners: true }));
    if (live.length === 0) return void run();
    this.open({
      kind: "question",
      title: "Stop all runners and quit?",
      body: "Each program is asked to end, and after the grace period it is made to, with everything it started.",
      ends: live.map(named),
      confirm: `Stop ${count(live.length, "runner")} and quit`,
      run,
    });
  }

  async #stop(what: string, target: { runner: string } | { project: string }): Promise<void> {
    await this.#attempt(`Could not stop ${what}`, () => this.backend.stop({ target, wait: false }));
  }

  async #attempt(what: string, run: () => Promise<unknown>): Promise<void> {
    try {
      await run();
      this.fleet.reload();
    } catch (cause) {
      this.notices.failed(what, cause);
    }
  }
}

function named(runner: Runner): string {
  const pid = runner.pid == null ? "" : `, process ${runner.pid}`;
  return `${runner.project} · ${runner.name}: ${programTitle(runner)}${pid}`;
}

const KEY = Symbol("desk");

/** Gives the components below the desk they belong to. */
export function setDesk(desk: Desk): Desk {
  return setContext(KEY, desk);
}

export function useDesk(): Desk {
  return getContext<Desk>(KEY);
}
