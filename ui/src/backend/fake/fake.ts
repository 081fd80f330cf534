import type { Announcements, Attachment, Backend, TerminalRequest } from "../backend";
import type { TerminalMessage } from "../terminal";
import type { DecideRequest } from "../types/DecideRequest";
import type { Event } from "../types/Event";
import type { LaunchRequest } from "../types/LaunchRequest";
import type { Project } from "../types/Project";
import type { ResumeRequest } from "../types/ResumeRequest";
import type { Runner } from "../types/Runner";
import type { Status } from "../types/Status";
import { checks, day, minutesAgo, programs, project, projects, runner, settings, status } from "./cast";
import { Knowledge, refuse } from "./knowledge";
import { Play } from "./play";
import { SCENES, staged, type Scene } from "./scenes";

const LIVE = ["queued", "starting", "running", "paused", "stopping", "backoff"];

/** Plays a host for tests and for development in a browser: everything answers, nothing runs. */
export class Fake extends Knowledge implements Backend {
  runners: Runner[];
  projects: Project[];
  readonly history: Event[] = [];
  told: Status = status();
  startsAtLogin = false;
  shown: string[] = [];
  readonly quits: { stopRunners: boolean }[] = [];
  readonly copied: { text: string; primary: boolean }[] = [];
  readonly opened: string[] = [];
  image: string | null = null;
  /** The terminals that were opened, by runner. */
  readonly plays = new Map<string, Play>();
  #to: Announcements | null = null;

  readonly decisions: DecideRequest[] = [];

  constructor(readonly scene: Scene) {
    super(scene !== "new" && scene !== "quiet");
    this.projects = scene === "new" ? [] : projects();
    this.runners = scene === "new" || scene === "quiet" ? [] : day();
    for (const session of this.sessions)
      session.runner_id = this.runners.find(({ name }) => name === session.runner)?.id ?? null;
    this.told = staged(scene, this.runners, this.told);
    for (const one of this.runners) {
      this.#event(one, "runner.starting", one.created_at);
      if (one.started_at != null) this.#event(one, "runner.started", one.started_at);
      if (one.state === "terminated" || one.state === "failed")
        this.#event(one, `runner.${one.state}`, one.ended_at ?? one.created_at);
    }
    this.history.sort((a, b) => (a.at < b.at ? -1 : 1)).forEach((event, at) => (event.cursor = String(at + 1)));
  }

  async status(): Promise<Status> {
    if (this.scene === "away")
      refuse(
        "unavailable",
        "connect to the host: no such file or directory",
        "start it with `stratavored`, or start Stratavore again",
      );
    return structuredClone(this.told);
  }

  async desktopState() {
    return {
      tray: this.scene !== "trouble",
      notifications: this.scene !== "trouble",
      embedded: true,
      attach: ["asks", "day", "trouble"].includes(this.scene) ? (this.runners[0]?.id ?? null) : null,
    };
  }

  async listProjects({ archived }: { archived: boolean }): Promise<Project[]> {
    return this.projects
      .filter((one) => archived || one.archived_at == null)
      .map((one) => ({
        ...one,
        active_runners: this.runners.filter((other) => other.project === one.name && LIVE.includes(other.state)).length,
      }));
  }

  async addProject(request: { name: string; path: string; max_runners?: number | null }): Promise<Project> {
    if (!request.path.startsWith("/"))
      refuse(
        "invalid",
        `add project ${request.name}: ${request.path} is not an absolute path`,
        "give the whole path, beginning with /",
      );
    if (this.projects.some((one) => one.name === request.name))
      refuse("conflict", `add project ${request.name}: the name is taken`, "choose another name");
    const added = {
      ...project(request.name, request.max_runners ?? null),
      path: request.path,
      created_at: minutesAgo(0),
    };
    this.projects = [...this.projects, added];
    this.#to?.nudge({ entity: "project", id: added.id });
    return added;
  }

  async archiveProject(id: string): Promise<Project> {
    const found =
      this.projects.find((one) => one.id === id) ?? refuse("not-found", `archive project ${id}: there is none`);
    if (this.runners.some((one) => one.project === found.name && LIVE.includes(one.state))) {
      refuse(
        "conflict",
        `archive project ${found.name}: runners are still active in it`,
        `stop them first: \`stratavore stop --project ${found.name}\``,
      );
    }
    found.archived_at = minutesAgo(0);
    this.#to?.nudge({ entity: "project", id });
    return found;
  }

  async pickFolder(): Promise<string | null> {
    return "/home/ada/code/search-index";
  }

  async listPrograms() {
    return structuredClone(programs);
  }

  async launch(request: LaunchRequest): Promise<Runner> {
    const into = this.projects.find((one) => one.name === request.project);
    const active = this.runners.filter((one) => one.project === request.project && LIVE.includes(one.state));
    if (into?.max_runners != null && active.length >= into.max_runners) {
      refuse(
        "quota-full",
        `launch in ${request.project}: all ${into.max_runners} places are taken by ${active.map((one) => one.name).join(", ")}`,
        "stop one of them, or wait in line",
      );
    }
    const known = programs.find((one) => one.name === request.program);
    const launched = runner({
      name: request.name ?? `${request.program ?? request.command[0] ?? "command"}-${this.runners.length + 1}`,
      project: request.project,
      program: request.program ?? "command",
      command: [...(known?.path == null ? request.command : [known.path]), ...request.args],
      state: "starting",
      started_at: null,
      restart: request.restart ?? null,
    });
    this.runners = [launched, ...this.runners];
    this.#changed(launched, "runner.starting");
    setTimeout(() => {
      Object.assign(launched, { state: "running", started_at: minutesAgo(0) });
      this.#changed(launched, "runner.started");
    }, 400);
    return { ...launched };
  }

  async listRunners({ project: within, all }: { project: string | null; all: boolean }): Promise<Runner[]> {
    return structuredClone(
      this.runners.filter((one) => (all || LIVE.includes(one.state)) && (within === null || one.project === within)),
    );
  }

  async getRunner(id: string): Promise<Runner> {
    return structuredClone(this.#find(id));
  }

  async stop({
    target,
  }: {
    target?: { runner: string } | { project: string } | { all: boolean } | null;
  }): Promise<Runner[]> {
    const stopped = this.runners.filter(
      (one) =>
        LIVE.includes(one.state) &&
        target != null &&
        ("runner" in target
          ? target.runner === one.id
          : "project" in target
            ? target.project === one.project
            : target.all),
    );
    for (const one of stopped) {
      one.state = "stopping";
      this.#changed(one, "runner.stopping");
      setTimeout(() => {
        Object.assign(one, {
          state: "terminated",
          ended_at: minutesAgo(0),
          pid: null,
          exit: { code: null, signal: "TERM", reason: "stopped by you" },
        });
        this.#changed(one, "runner.terminated");
      }, 600);
    }
    return structuredClone(stopped);
  }

  async pause(id: string): Promise<Runner> {
    return this.#become(id, "paused", "runner.paused");
  }

  async continueRunner(id: string): Promise<Runner> {
    return this.#become(id, "running", "runner.continued");
  }

  async restart(id: string): Promise<Runner> {
    const found = this.#find(id);
    if (found.name === "cleanup")
      refuse(
        "conflict",
        "restart cleanup: gemini was not found on this machine",
        "`npm install -g @google/gemini-cli`",
      );
    Object.assign(found, {
      attempt: found.attempt + 1,
      started_at: minutesAgo(0),
      ended_at: null,
      exit: null,
      pid: 50_001,
    });
    return this.#become(id, "running", "runner.started");
  }

  async answerInterrupted(start: boolean): Promise<Runner[]> {
    const lost = this.told.interrupted.map((one) => this.#find(one.id));
    this.told = { ...this.told, interrupted: [] };
    for (const one of lost) if (start) await this.restart(one.id);
    this.#to?.nudge({ entity: "status", id: "" });
    return structuredClone(lost);
  }

  async decide(request: DecideRequest): Promise<void> {
    const found = this.#find(request.runner);
    if (found.attention?.ask?.id !== request.ask)
      refuse(
        "conflict",
        `${found.name} no longer waits for that: it was answered in its terminal, withdrawn, or another permission is asked for by now`,
      );
    this.decisions.push(request);
    found.attention = { state: "working", source: "hook", since: minutesAgo(0), detail: null, until: null, ask: null };
    this.#changed(found, "runner.attention");
  }

  async resumeSession(request: ResumeRequest): Promise<Runner> {
    const session = this.session(request.target);
    if (session.held && !request.fork)
      refuse("conflict", `resume ${session.id}: ${session.runner} holds it`, "fork it, or stop that runner first");
    const launched = runner({
      name: request.name ?? `${session.runner ?? "claude"}-2`,
      project: session.project ?? "api-gateway",
      session_id: request.fork ? null : session.id,
      mode: request.fork ? "fork" : "resume",
      attention: { state: "starting", source: "process", since: minutesAgo(0), detail: null, until: null, ask: null },
    });
    if (!request.fork)
      Object.assign(session, {
        held: true,
        resumable: false,
        runner: launched.name,
        runner_id: launched.id,
        obstacle: `${launched.name} holds it`,
      });
    this.runners = [launched, ...this.runners];
    this.#changed(launched, "runner.started");
    this.nudge("sessions");
    return { ...launched };
  }

  async events({ since, limit }: { since: string | null; limit: number }): Promise<Event[]> {
    return structuredClone(this.history.slice(Number(since ?? 0), Number(since ?? 0) + limit));
  }

  async doctor() {
    return { checks: structuredClone(checks) };
  }

  async config() {
    return structuredClone(settings);
  }

  async openTerminal(request: TerminalRequest, sink: (message: TerminalMessage) => void): Promise<Attachment> {
    const found = this.#find(request.runner);
    const play = new Play(sink, !LIVE.includes(found.state));
    this.plays.set(found.id, play);
    play.begin(request.columns, request.rows);
    return {
      input: async (bytes) => play.type(bytes),
      resize: async (columns, rows) => play.resize(columns, rows),
      takeOver: async () => play.takeOver(),
      redraw: async () => play.redraw(),
      acknowledge: async () => undefined,
      close: async () => undefined,
    };
  }

  async setShownRunners(ids: string[]): Promise<void> {
    this.shown = ids;
  }

  async openLink(url: string): Promise<void> {
    this.opened.push(url);
  }

  async openInTerminal(runner: string): Promise<void> {
    this.opened.push(`terminal ${runner}`);
  }

  async openFile(_: string, url: string): Promise<void> {
    this.opened.push(url);
  }

  async copyText(text: string, primary: boolean): Promise<void> {
    this.copied.push({ text, primary });
  }

  async keepImage(): Promise<string | null> {
    return this.image;
  }

  async home(): Promise<string> {
    return "/home/ada";
  }

  async autostart(): Promise<boolean> {
    return this.startsAtLogin;
  }

  async setAutostart(enabled: boolean): Promise<void> {
    this.startsAtLogin = enabled;
  }

  async quit(options: { stopRunners: boolean }): Promise<void> {
    this.quits.push(options);
  }

  async listen(announcements: Announcements): Promise<() => void> {
    this.#to = announcements;
    return () => (this.#to = null);
  }

  /** Announces as the host would. */
  get announce(): Announcements | null {
    return this.#to;
  }

  protected nudge(entity: string): void {
    this.#to?.nudge({ entity, id: "" });
  }

  #find(id: string): Runner {
    return (
      this.runners.find((one) => one.id === id) ??
      refuse("not-found", `no runner is called ${id}`, "list them with `stratavore runners --all`")
    );
  }

  #become(id: string, state: string, event: string): Runner {
    const found = this.#find(id);
    found.state = state;
    this.#changed(found, event);
    return { ...found };
  }

  #changed(one: Runner, type: string): void {
    one.revision += 1;
    this.#event(one, type, minutesAgo(0));
    this.#to?.nudge({ entity: "runner", id: one.id });
  }

  #event(one: Runner, type: string, at: string): void {
    const seq = this.history.filter((event) => event.aggregate_id === one.id).length + 1;
    const cursor = String(this.history.length + 1);
    this.history.push({
      cursor,
      id: `event-${cursor}`,
      aggregate: "runner",
      aggregate_id: one.id,
      seq,
      type,
      at,
      data: JSON.stringify({ name: one.name, attempt: one.attempt, state: one.state }),
      project: one.project,
    });
  }
}

/** Opens a scene by its name; the exact `day` when there is none of that name. */
export function fake(scene: string): Fake {
  return new Fake(SCENES.find((known) => known === scene) ?? "day");
}
