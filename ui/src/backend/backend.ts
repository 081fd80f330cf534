import type { AddProjectRequest } from "./types/AddProjectRequest";
import type { Budget } from "./types/Budget";
import type { DecideRequest } from "./types/DecideRequest";
import type { DoctorReport } from "./types/DoctorReport";
import type { Event } from "./types/Event";
import type { LaunchRequest } from "./types/LaunchRequest";
import type { ListSessionsRequest } from "./types/ListSessionsRequest";
import type { Nudge } from "./types/Nudge";
import type { Preset } from "./types/Preset";
import type { Program } from "./types/Program";
import type { Project } from "./types/Project";
import type { ResumeRequest } from "./types/ResumeRequest";
import type { Runner } from "./types/Runner";
import type { SavePresetRequest } from "./types/SavePresetRequest";
import type { SearchHit } from "./types/SearchHit";
import type { SearchSessionsRequest } from "./types/SearchSessionsRequest";
import type { Session } from "./types/Session";
import type { SetBudgetRequest } from "./types/SetBudgetRequest";
import type { Setting } from "./types/Setting";
import type { Status } from "./types/Status";
import type { StopRequest } from "./types/StopRequest";
import type { UsageReport } from "./types/UsageReport";
import type { UsageRequest } from "./types/UsageRequest";
import type { TerminalMessage } from "./terminal";

/** What the desktop around the window offers. */
export interface DesktopState {
  tray: boolean;
  notifications: boolean;
  /** This window's process is the host itself, not a client of another. */
  embedded: boolean;
  /** The runner, by id or name, whose terminal was asked for when the window was opened. */
  attach: string | null;
}

/** Names what a terminal is opened on and how large it is on screen. */
export interface TerminalRequest {
  runner: string;
  columns: number;
  rows: number;
  readOnly: boolean;
}

/** Is one viewer of a runner's terminal, until it is closed. */
export interface Attachment {
  input(bytes: Uint8Array): Promise<void>;
  resize(columns: number, rows: number): Promise<void>;
  /** Makes this viewer's size the terminal's. */
  takeOver(): Promise<void>;
  /** Asks for the screen anew, behind so many of the last lines that scrolled off. */
  redraw(historyLines: number): Promise<void>;
  /** Tells how many terminal bytes have been drawn since the last call. */
  acknowledge(bytes: number): Promise<void>;
  close(): Promise<void>;
}

/** Is a place in the window, in CSS pixels. */
export interface Point {
  x: number;
  y: number;
}

/** What the host tells without being asked. */
export interface Announcements {
  nudge: (nudge: Nudge) => void;
  /** Open and focus the terminal of the runner of this id or name. */
  attach: (runner: string) => void;
  /** Open the launch dialog on this project. */
  launch: (project: string) => void;
  /** The window was asked to close and there is no tray to live on in. */
  closeRequested: () => void;
  problem: (text: string) => void;
  /** Files are held over the window here; null: no more. */
  dragged: (at: Point | null) => void;
  /** Files were let go over the window here. */
  dropped: (paths: string[], at: Point) => void;
}

/** Reaches the host: the one seam between the window and what it shows. Every promise rejects with a `Failure`. */
export interface Backend {
  status(): Promise<Status>;
  desktopState(): Promise<DesktopState>;

  listProjects(options: { archived: boolean }): Promise<Project[]>;
  addProject(request: AddProjectRequest): Promise<Project>;
  archiveProject(project: string): Promise<Project>;
  /** Asks for a folder with the desktop's own picker; null when none was chosen. */
  pickFolder(): Promise<string | null>;

  listPrograms(): Promise<Program[]>;
  launch(request: LaunchRequest): Promise<Runner>;
  listRunners(options: { project: string | null; all: boolean }): Promise<Runner[]>;
  getRunner(runner: string): Promise<Runner>;
  stop(request: StopRequest): Promise<Runner[]>;
  pause(runner: string): Promise<Runner>;
  continueRunner(runner: string): Promise<Runner>;
  restart(runner: string): Promise<Runner>;
  answerInterrupted(start: boolean): Promise<Runner[]>;
  /** Answers the permission that a runner waits for. Refused when it was answered or changed meanwhile. */
  decide(request: DecideRequest): Promise<void>;

  /** The programs' own conversations, the latest first. */
  listSessions(request: ListSessionsRequest): Promise<Session[]>;
  getSession(session: string): Promise<Session>;
  searchSessions(request: SearchSessionsRequest): Promise<SearchHit[]>;
  /** Tells what was said in a session, as Markdown. */
  readSession(session: string): Promise<string>;
  /** Writes a session's transcript as a new Markdown file into a folder; tells the file's path. */
  exportSession(session: string, folder: string): Promise<string>;
  /** Keeps a compressed copy of a session's transcript. */
  archiveSession(session: string): Promise<void>;
  /** Launches a runner that goes on with a session, or with that of a runner that ended. */
  resumeSession(request: ResumeRequest): Promise<Runner>;
  /** Reads the programs' files anew; tells how many sessions there are. */
  reindex(): Promise<number>;

  usage(request: UsageRequest): Promise<UsageReport>;
  listBudgets(): Promise<Budget[]>;
  setBudget(request: SetBudgetRequest): Promise<Budget>;
  removeBudget(id: string): Promise<void>;

  /** The person's own named launches, and with a project named those of its file. */
  listPresets(project: string | null): Promise<Preset[]>;
  savePreset(request: SavePresetRequest): Promise<Preset>;
  removePreset(name: string): Promise<void>;

  events(options: { since: string | null; limit: number }): Promise<Event[]>;
  doctor(): Promise<DoctorReport>;
  /** Tells what is configured, for a project where one is named: its own settings hold there. */
  config(project: string | null): Promise<Setting[]>;

  openTerminal(request: TerminalRequest, sink: (message: TerminalMessage) => void): Promise<Attachment>;
  /** Says whose terminals are on screen, so that nobody is notified of what they are looking at. */
  setShownRunners(runners: string[]): Promise<void>;
  openLink(url: string): Promise<void>;
  /** Attaches the person's own terminal emulator to a runner. */
  openInTerminal(runner: string): Promise<void>;
  /** Opens the file of a `file:` link, when it lies in the runner's project and cannot run. */
  openFile(runner: string, url: string): Promise<void>;
  /** Puts text on the clipboard, or on the primary selection. */
  copyText(text: string, primary: boolean): Promise<void>;
  /** Keeps the clipboard's image in a private file beside the runner's records; null when it holds none. */
  keepImage(runner: string): Promise<string | null>;
  /** Tells the person's home directory. */
  home(): Promise<string>;

  autostart(): Promise<boolean>;
  setAutostart(enabled: boolean): Promise<void>;
  quit(options: { stopRunners: boolean }): Promise<void>;

  /** Listens from now on; the returned function ends it. */
  listen(announcements: Announcements): Promise<() => void>;
}
