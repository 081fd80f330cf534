// @vitest-environment happy-dom
import { beforeEach, describe, expect, it } from "vitest";
import type { Backend } from "../src/backend/backend";
import { tauri } from "../src/backend/tauri";
import type { TerminalMessage } from "../src/backend/terminal";

interface Call {
  command: string;
  args: unknown;
  options: unknown;
}

let calls: Call[];
let reply: (command: string) => unknown;
let callbacks: Map<number, (message: unknown) => void>;

beforeEach(() => {
  calls = [];
  reply = () => null;
  callbacks = new Map();
  Object.assign(window, {
    __TAURI_INTERNALS__: {
      invoke: async (command: string, args: unknown, options: unknown) => {
        calls.push({ command, args, options });
        return reply(command);
      },
      transformCallback: (callback: (message: unknown) => void) => {
        callbacks.set(callbacks.size + 1, callback);
        return callbacks.size;
      },
      unregisterCallback: (id: number) => void callbacks.delete(id),
    },
  });
});

const last = (): Call => calls.at(-1) ?? expect.fail("nothing was invoked");

describe("the commands", () => {
  const launch = {
    project: "p",
    command: [],
    args: [],
    env: [],
    keep_descendants: false,
    queue: false,
    record: false,
    continue_last: false,
  };
  it.each<[string, (backend: Backend) => Promise<unknown>, object]>([
    ["status", (to) => to.status(), {}],
    ["desktop_state", (to) => to.desktopState(), {}],
    ["add_project", (to) => to.addProject({ name: "p", path: "/p" }), { request: { name: "p", path: "/p" } }],
    ["archive_project", (to) => to.archiveProject("p"), { project: "p" }],
    ["pick_folder", (to) => to.pickFolder(), {}],
    ["launch", (to) => to.launch(launch), { request: launch }],
    ["get_runner", (to) => to.getRunner("r"), { runner: "r" }],
    ["pause", (to) => to.pause("r"), { runner: "r" }],
    ["continue_runner", (to) => to.continueRunner("r"), { runner: "r" }],
    ["restart", (to) => to.restart("r"), { runner: "r" }],
    ["events", (to) => to.events({ since: "c", limit: 5 }), { since: "c", limit: 5 }],
    ["doctor", (to) => to.doctor(), {}],
    ["set_shown_runners", (to) => to.setShownRunners(["r1", "r2"]), { runners: ["r1", "r2"] }],
    ["open_link", (to) => to.openLink("https://x"), { url: "https://x" }],
    ["open_in_terminal", (to) => to.openInTerminal("r"), { runner: "r" }],
    ["open_file", (to) => to.openFile("r", "file:///x"), { runner: "r", url: "file:///x" }],
    ["copy_text", (to) => to.copyText("x", true), { text: "x", primary: true }],
    ["keep_image", (to) => to.keepImage("r"), { runner: "r" }],
    [
      "decide",
      (to) => to.decide({ runner: "r", ask: "7", allow: false, reason: "no" }),
      { request: { runner: "r", ask: "7", allow: false, reason: "no" } },
    ],
    ["get_session", (to) => to.getSession("s"), { session: "s" }],
    ["read_session", (to) => to.readSession("s"), { session: "s" }],
    ["export_session", (to) => to.exportSession("s", "/f"), { session: "s", folder: "/f" }],
    ["archive_session", (to) => to.archiveSession("s"), { session: "s" }],
    [
      "resume_session",
      (to) => to.resumeSession({ target: "s", fork: true }),
      { request: { target: "s", fork: true } },
    ],
    ["usage", (to) => to.usage({ by: "day", since: "2026-05-01" }), { request: { by: "day", since: "2026-05-01" } }],
    [
      "set_budget",
      (to) => to.setBudget({ scope: "global", period: "day", usd: 5 }),
      { request: { scope: "global", period: "day", usd: 5 } },
    ],
    ["remove_budget", (to) => to.removeBudget("b"), { id: "b" }],
    ["save_preset", (to) => to.savePreset({ name: "n", toml: "" }), { request: { name: "n", toml: "" } }],
    ["remove_preset", (to) => to.removePreset("n"), { name: "n" }],
    ["autostart_get", (to) => to.autostart(), {}],
    ["autostart_set", (to) => to.setAutostart(true), { enabled: true }],
    ["quit", (to) => to.quit({ stopRunners: true }), { stopRunners: true }],
  ])("%s carries its arguments", async (command, call, args) => {
    await call(tauri);
    expect(last()).toMatchObject({ command, args });
  });

  it.each<[string, (backend: Backend) => Promise<unknown>, object, object]>([
    ["list_projects", (to) => to.listProjects({ archived: true }), { projects: [] }, { archived: true }],
    ["list_programs", (to) => to.listPrograms(), { programs: [] }, {}],
    [
      "list_runners",
      (to) => to.listRunners({ project: null, all: true }),
      { runners: [] },
      { project: null, all: true },
    ],
    [
      "stop",
      (to) => to.stop({ target: { runner: "r" }, wait: false }),
      { runners: [] },
      { request: { target: { runner: "r" }, wait: false } },
    ],
    ["answer_interrupted", (to) => to.answerInterrupted(true), { runners: [] }, { start: true }],
    ["config", (to) => to.config("p"), { settings: [] }, { project: "p" }],
    [
      "list_sessions",
      (to) => to.listSessions({ project: "p", limit: 3 }),
      { sessions: [] },
      { request: { project: "p", limit: 3 } },
    ],
    ["search_sessions", (to) => to.searchSessions({ query: "q" }), { hits: [] }, { request: { query: "q" } }],
    ["list_budgets", (to) => to.listBudgets(), { budgets: [] }, {}],
    ["list_presets", (to) => to.listPresets("p"), { presets: [] }, { project: "p" }],
  ])("%s unwraps its list", async (command, call, replied, args) => {
    reply = () => replied;
    expect(await call(tauri)).toEqual([]);
    expect(last()).toMatchObject({ command, args });
  });

  it("counts the sessions that were read anew", async () => {
    reply = () => ({ sessions: 7, bytes: 1 });
    expect(await tauri.reindex()).toBe(7);
    expect(last()).toMatchObject({ command: "reindex" });
  });

  it("reject with a failure, whatever was thrown", async () => {
    const refused = { code: "quota-full", message: "no place", hint: "stop one" };
    reply = () => Promise.reject(refused);
    await expect(tauri.status()).rejects.toEqual(refused);
    reply = () => Promise.reject("a plugin said no");
    await expect(tauri.pickFolder()).rejects.toEqual({ code: "internal", message: "a plugin said no", hint: null });
  });
});

describe("a terminal", () => {
  it("reads its channel, writes raw bytes and closes for good", async () => {
    reply = (command) => (command === "terminal_open" ? 7 : null);
    const got: TerminalMessage[] = [];
    const attachment = await tauri.openTerminal({ runner: "r", columns: 80, rows: 24, readOnly: false }, (message) =>
      got.push(message),
    );
    expect(last()).toMatchObject({
      command: "terminal_open",
      args: { runner: "r", columns: 80, rows: 24, readOnly: false },
    });
    const channel = (last().args as { channel: { id: number } }).channel.id;
    const say = (index: number, bytes: number[]): void =>
      callbacks.get(channel)?.({ index, message: Uint8Array.from(bytes).buffer });

    say(1, [1, 0x62]);
    say(0, [0, 80, 0, 24, 0, 0x61]);
    expect(got.map((message) => message.kind)).toEqual(["snapshot", "output"]);

    const typed = Uint8Array.from([1, 2, 3]);
    await attachment.input(typed);
    expect(last()).toEqual({ command: "terminal_input", args: typed, options: { headers: { attachment: "7" } } });
    await attachment.resize(100, 30);
    expect(last()).toMatchObject({ command: "terminal_resize", args: { attachment: 7, columns: 100, rows: 30 } });
    await attachment.takeOver();
    expect(last()).toMatchObject({ command: "terminal_take_over", args: { attachment: 7 } });
    await attachment.redraw(500);
    expect(last()).toMatchObject({ command: "terminal_redraw", args: { attachment: 7, historyLines: 500 } });
    await attachment.acknowledge(5);
    expect(last()).toMatchObject({ command: "terminal_ack", args: { attachment: 7, bytes: 5 } });
    await attachment.close();
    expect(last()).toMatchObject({ command: "terminal_close", args: { attachment: 7 } });
    say(2, [1, 0x63]);
    expect(got).toHaveLength(2);
  });
});

it("files held over the window are told where they are, in the page's own pixels whatever the scale", async () => {
  const told: unknown[] = [];
  const heard = new Map<string, number>();
  Object.assign(window, { devicePixelRatio: 2 });
  reply = () => {
    const { command, args } = last();
    if (command === "plugin:event|listen") {
      const { event, handler } = args as { event: string; handler: number };
      heard.set(event, handler);
    }
    return 1;
  };
  const nothing = (): undefined => undefined;
  await tauri.listen({
    nudge: nothing,
    attach: nothing,
    launch: nothing,
    closeRequested: nothing,
    problem: nothing,
    dragged: (at) => told.push(at),
    dropped: (paths, at) => told.push(paths, at),
  });
  const say = (event: string, payload: unknown): void =>
    callbacks.get(heard.get(event) ?? 0)?.({ event, id: 1, payload });
  say("tauri://drag-enter", { paths: ["/a"], position: { x: 20, y: 10 } });
  say("tauri://drag-over", { position: { x: 40, y: 10 } });
  say("tauri://drag-leave", null);
  say("tauri://drag-drop", { paths: ["/a", "/b"], position: { x: 60, y: 8 } });
  expect(told).toEqual([{ x: 20, y: 10 }, { x: 40, y: 10 }, null, ["/a", "/b"], { x: 60, y: 8 }]);
});
