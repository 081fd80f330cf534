import { Channel, invoke } from "@tauri-apps/api/core";
import { listen } from "@tauri-apps/api/event";
import { homeDir } from "@tauri-apps/api/path";
import type { Announcements, Attachment, Backend, DesktopState, Point, TerminalRequest } from "./backend";
import { failure } from "./failure";
import { decode, type TerminalMessage } from "./terminal";
import type { Budget } from "./types/Budget";
import type { Budgets } from "./types/Budgets";
import type { Config } from "./types/Config";
import type { DoctorReport } from "./types/DoctorReport";
import type { Event } from "./types/Event";
import type { Nudge } from "./types/Nudge";
import type { Preset } from "./types/Preset";
import type { Presets } from "./types/Presets";
import type { Programs } from "./types/Programs";
import type { Project } from "./types/Project";
import type { Projects } from "./types/Projects";
import type { Runner } from "./types/Runner";
import type { Runners } from "./types/Runners";
import type { SearchHits } from "./types/SearchHits";
import type { Session } from "./types/Session";
import type { Sessions } from "./types/Sessions";
import type { Status } from "./types/Status";
import type { UsageReport } from "./types/UsageReport";

async function call<T>(command: string, args: Record<string, unknown> = {}): Promise<T> {
  try {
    return await invoke<T>(command, args);
  } catch (cause) {
    throw failure(cause);
  }
}

/** Channel messages come as buffers; small ones may come as plain arrays of numbers. */
function bytes(message: ArrayBuffer | Uint8Array | number[]): Uint8Array {
  return message instanceof Uint8Array ? message : new Uint8Array(message);
}

async function openTerminal(request: TerminalRequest, sink: (message: TerminalMessage) => void): Promise<Attachment> {
  const channel = new Channel<ArrayBuffer>();
  let open = true;
  channel.onmessage = (message) => {
    if (open) sink(decode(bytes(message)));
  };
  const attachment = await call<number>("terminal_open", { ...request, channel });
  return {
    input: async (input) => {
      try {
        await invoke("terminal_input", input, { headers: { attachment: String(attachment) } });
      } catch (cause) {
        throw failure(cause);
      }
    },
    resize: (columns, rows) => call("terminal_resize", { attachment, columns, rows }),
    takeOver: () => call("terminal_take_over", { attachment }),
    redraw: (historyLines) => call("terminal_redraw", { attachment, historyLines }),
    acknowledge: (count) => call("terminal_ack", { attachment, bytes: count }),
    close: () => {
      open = false;
      return call("terminal_close", { attachment });
    },
  };
}

/** What Tauri tells of files held over the window. It says device pixels, but passes on GTK's, which are the page's own. */
interface Drag {
  paths?: string[];
  position: Point;
}

async function announcements(to: Announcements): Promise<() => void> {
  const ends = await Promise.all([
    listen<Nudge>("nudge", ({ payload }) => to.nudge(payload)),
    listen<string>("attach", ({ payload }) => to.attach(payload)),
    listen<string>("launch", ({ payload }) => to.launch(payload)),
    listen("close-requested", () => to.closeRequested()),
    listen<string>("problem", ({ payload }) => to.problem(payload)),
    listen<Drag>("tauri://drag-enter", ({ payload }) => to.dragged(payload.position)),
    listen<Drag>("tauri://drag-over", ({ payload }) => to.dragged(payload.position)),
    listen("tauri://drag-leave", () => to.dragged(null)),
    listen<Drag>("tauri://drag-drop", ({ payload }) => to.dropped(payload.paths ?? [], payload.position)),
  ]);
  return () => ends.forEach((end) => end());
}

/** Reaches the host through the desktop process. */
export const tauri: Backend = {
  status: () => call<Status>("status"),
  desktopState: () => call<DesktopState>("desktop_state"),

  listProjects: async (options) => (await call<Projects>("list_projects", options)).projects,
  addProject: (request) => call<Project>("add_project", { request }),
  archiveProject: (project) => call<Project>("archive_project", { project }),
  pickFolder: () => call<string | null>("pick_folder"),

  listPrograms: async () => (await call<Programs>("list_programs")).programs,
  launch: (request) => call<Runner>("launch", { request }),
  listRunners: async (options) => (await call<Runners>("list_runners", options)).runners,
  getRunner: (runner) => call<Runner>("get_runner", { runner }),
  stop: async (request) => (await call<Runners>("stop", { request })).runners,
  pause: (runner) => call<Runner>("pause", { runner }),
  continueRunner: (runner) => call<Runner>("continue_runner", { runner }),
  restart: (runner) => call<Runner>("restart", { runner }),
  answerInterrupted: async (start) => (await call<Runners>("answer_interrupted", { start })).runners,
  decide: (request) => call("decide", { request }),

  listSessions: async (request) => (await call<Sessions>("list_sessions", { request })).sessions,
  getSession: (session) => call<Session>("get_session", { session }),
  searchSessions: async (request) => (await call<SearchHits>("search_sessions", { request })).hits,
  readSession: (session) => call<string>("read_session", { session }),
  exportSession: (session, folder) => call<string>("export_session", { session, folder }),
  archiveSession: (session) => call("archive_session", { session }),
  resumeSession: (request) => call<Runner>("resume_session", { request }),
  reindex: async () => (await call<{ sessions: number }>("reindex")).sessions,

  usage: (request) => call<UsageReport>("usage", { request }),
  listBudgets: async () => (await call<Budgets>("list_budgets")).budgets,
  setBudget: (request) => call<Budget>("set_budget", { request }),
  removeBudget: (id) => call("remove_budget", { id }),

  listPresets: async (project) => (await call<Presets>("list_presets", { project })).presets,
  savePreset: (request) => call<Preset>("save_preset", { request }),
  removePreset: (name) => call("remove_preset", { name }),

  events: (options) => call<Event[]>("events", options),
  doctor: () => call<DoctorReport>("doctor"),
  config: async (project) => (await call<Config>("config", { project })).settings,

  openTerminal,
  setShownRunners: (runners) => call("set_shown_runners", { runners }),
  openLink: (url) => call("open_link", { url }),
  openInTerminal: (runner) => call("open_in_terminal", { runner }),
  openFile: (runner, url) => call("open_file", { runner, url }),
  copyText: (text, primary) => call("copy_text", { text, primary }),
  keepImage: (runner) => call<string | null>("keep_image", { runner }),
  home: async () => (await homeDir()).replace(/\/+$/, ""),

  autostart: () => call<boolean>("autostart_get"),
  setAutostart: (enabled) => call("autostart_set", { enabled }),
  quit: (options) => call("quit", options),

  listen: announcements,
};
