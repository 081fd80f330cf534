import type { Backend } from "../backend/backend";
import { failure, type Failure } from "../backend/failure";
import type { Nudge } from "../backend/types/Nudge";
import type { Program } from "../backend/types/Program";
import type { Project } from "../backend/types/Project";
import type { Runner } from "../backend/types/Runner";
import type { Status } from "../backend/types/Status";
import { Nudges } from "./nudges";
import { renew } from "./roster";
import { isLive } from "./state";

type Subject = `runner ${string}` | "all" | "runners" | "projects" | "status";

/** How often is asked again what nobody nudges for, in milliseconds: a host that could not be reached, events that wait. */
const AGAIN = 3_000;
/** How long after the last question a change of a runner is asked for, in milliseconds: it is to be on screen within 100. */
const SOON = 30;

/** Knows runners, projects and the host's status, as the host last told them. */
export class Fleet {
  runners = $state.raw<Runner[]>([]);
  projects = $state.raw<Project[]>([]);
  programs = $state.raw<Program[] | null>(null);
  status = $state.raw<Status | null>(null);
  /** Why the last question was not answered; null once one is. */
  unreachable = $state.raw<Failure | null>(null);
  loaded = $state(false);
  /** Counts the nudges that followed an event, for views that list events. */
  changes = $state(0);
  /** Count the nudges about sessions, usage and presets, for the views that list them. */
  sessions = $state(0);
  usage = $state(0);
  presets = $state(0);

  readonly #byId = $derived(new Map(this.runners.map((runner) => [runner.id, runner])));
  readonly #nudges: Nudges<Subject>;
  readonly #backend: Backend;
  #again: ReturnType<typeof setInterval> | null = null;
  /** Told once the first question was answered, or could not be. */
  #answered: (() => void) | null = null;

  constructor(backend: Backend) {
    this.#backend = backend;
    this.#nudges = new Nudges((subjects) => this.#ask(subjects));
  }

  runner(id: string | null): Runner | undefined {
    return id === null ? undefined : this.#byId.get(id);
  }

  project(name: string): Project | undefined {
    return this.projects.find((project) => project.name === name);
  }

  get live(): Runner[] {
    return this.runners.filter(isLive);
  }

  /** Asks everything once, and afterwards whatever changes. */
  start(): Promise<void> {
    this.#again = setInterval(() => {
      if (this.unreachable !== null) this.reload();
      // That an event was delivered nobody nudges for.
      else if ((this.status?.outbox_waiting ?? 0) > 0) this.#nudges.add("status");
    }, AGAIN);
    // In line with what is nudged meanwhile: an older answer must not come after a newer one.
    return new Promise((answered) => {
      this.#answered = answered;
      this.#nudges.add("all");
    });
  }

  stop(): void {
    this.#nudges.stop();
    if (this.#again !== null) clearInterval(this.#again);
  }

  /** Asks everything again, soon. */
  reload(): void {
    this.#nudges.add("all");
  }

  /** Takes in a runner that a reply told of, so that it shows before the next query. */
  learn(runner: Runner): void {
    const known = this.#byId.get(runner.id);
    if (known !== undefined && known.revision > runner.revision) return;
    this.runners = [runner, ...this.runners.filter((other) => other.id !== runner.id)];
  }

  nudge({ entity, id }: Nudge): void {
    switch (entity) {
      case "runner":
        this.changes += 1;
        this.#nudges.add(`runner ${id}`, SOON);
        // Quota use and the counts of the status follow runners.
        this.#nudges.add("projects");
        this.#nudges.add("status");
        break;
      case "project":
        this.changes += 1;
        this.#nudges.add("projects");
        this.#nudges.add("status");
        break;
      case "observations":
        this.#nudges.add("runners");
        break;
      case "sessions":
        this.sessions += 1;
        break;
      case "usage":
        this.usage += 1;
        // Each runner tells what it has used.
        this.#nudges.add("runners");
        break;
      case "presets":
        this.presets += 1;
        break;
      case "notifications":
        // Shown by the desktop, not here.
        break;
      default:
        // "status" means that anything may have changed, and so does a word that is new to us.
        this.changes += 1;
        this.sessions += 1;
        this.usage += 1;
        this.presets += 1;
        this.#nudges.add("all");
    }
  }

  async loadPrograms(): Promise<Program[]> {
    return (this.programs = await this.#backend.listPrograms());
  }

  async #ask(subjects: ReadonlySet<Subject>): Promise<void> {
    const nudged = [...subjects].filter((subject) => subject.startsWith("runner ")).map((subject) => subject.slice(7));
    // Nothing is known before all was asked for once.
    const all = subjects.has("all") || !this.loaded;
    const runners = all
      ? this.#backend.listRunners({ project: null, all: true })
      : subjects.has("runners") || nudged.length > 0
        ? renew(this.#backend, this.runners, new Set(nudged), isLive)
        : this.runners;
    try {
      [this.runners, this.projects, this.status] = await Promise.all([
        runners,
        all || subjects.has("projects") ? this.#backend.listProjects({ archived: false }) : this.projects,
        all || subjects.has("status") ? this.#backend.status() : this.status,
      ]);
      this.unreachable = null;
      this.loaded = true;
    } catch (cause) {
      this.unreachable = failure(cause);
    } finally {
      this.#answered?.();
    }
  }
}
