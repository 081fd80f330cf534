import { Terminal } from "@xterm/headless";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import type { Attachment, TerminalRequest } from "../src/backend/backend";
import { decode, type TerminalMessage } from "../src/backend/terminal";
import { Acknowledgement } from "../src/terminal/acknowledgement";
import { Keystrokes } from "../src/terminal/keystrokes";
import { swallowQueries } from "../src/terminal/queries";
import { Viewer, type Emulator, type Standing } from "../src/terminal/viewer";

const text = (words: string): Uint8Array => new TextEncoder().encode(words);
const words = (bytes: Uint8Array): string => new TextDecoder().decode(bytes);

describe("messages of the channel", () => {
  it("reads a snapshot with its size", () => {
    const frame = Uint8Array.from([0, 0x50, 0x01, 0x18, 0x00, 0x68, 0x69]);
    expect(decode(frame)).toEqual({ kind: "snapshot", columns: 336, rows: 24, bytes: text("hi") });
  });
  it("reads a snapshot inside a larger buffer", () => {
    const larger = Uint8Array.from([9, 9, 0, 80, 0, 24, 0, 0x68]);
    expect(decode(larger.subarray(2))).toEqual({ kind: "snapshot", columns: 80, rows: 24, bytes: text("h") });
  });
  it("reads output", () => expect(decode(Uint8Array.from([1, 0x68]))).toEqual({ kind: "output", bytes: text("h") }));
  it.each([
    [`{"ended":{"exit":{"code":1,"reason":"exit 1"}}}`, { kind: "ended", exit: { code: 1, reason: "exit 1" } }],
    [`{"ended":{"exit":null}}`, { kind: "ended", exit: null }],
    [`{"resized":{"columns":80,"rows":24}}`, { kind: "resized", columns: 80, rows: 24 }],
    [`{"lost":"the agent went away"}`, { kind: "lost", reason: "the agent went away" }],
    [`{"refused":"read only"}`, { kind: "refused", reason: "read only" }],
    [`{"history":{"lines":3}}`, { kind: "unknown" }],
  ])("reads control %s", (json, control) => {
    expect(decode(Uint8Array.from([2, ...text(json)]))).toEqual({ kind: "control", control });
  });
  it.each([[[0, 80, 0]], [[7, 1]], [[]]])("refuses %j", (frame) =>
    expect(() => decode(Uint8Array.from(frame))).toThrow(),
  );
});

describe("acknowledgements", () => {
  beforeEach(() => void vi.useFakeTimers());
  afterEach(() => void vi.useRealTimers());

  it("go at once when the batch is full", () => {
    const told: number[] = [];
    const acknowledgement = new Acknowledgement((bytes) => told.push(bytes));
    acknowledgement.add(32 * 1024 - 1);
    expect(told).toEqual([]);
    acknowledgement.add(1);
    expect(told).toEqual([32 * 1024]);
    vi.advanceTimersByTime(1000);
    expect(told).toHaveLength(1);
  });
  it("go after 50 ms otherwise, counted from the first byte", () => {
    const told: number[] = [];
    const acknowledgement = new Acknowledgement((bytes) => told.push(bytes));
    acknowledgement.add(10);
    vi.advanceTimersByTime(40);
    acknowledgement.add(5);
    vi.advanceTimersByTime(9);
    expect(told).toEqual([]);
    vi.advanceTimersByTime(1);
    expect(told).toEqual([15]);
  });
  it("tell nothing of nothing, and nothing once stopped", () => {
    const told: number[] = [];
    const acknowledgement = new Acknowledgement((bytes) => told.push(bytes));
    acknowledgement.add(0);
    acknowledgement.add(3);
    acknowledgement.stop();
    vi.advanceTimersByTime(1000);
    expect(told).toEqual([]);
  });
});

describe("keystrokes", () => {
  it("go one message at a time, in order, gathered meanwhile", async () => {
    const sent: string[] = [];
    const ends: (() => void)[] = [];
    const keystrokes = new Keystrokes(
      (bytes) => {
        sent.push(words(bytes));
        return new Promise((done) => ends.push(done));
      },
      () => expect.unreachable(),
    );
    for (const key of "abc") keystrokes.type(text(key));
    expect(sent).toEqual(["a"]);
    ends[0]?.();
    await vi.waitFor(() => expect(sent).toEqual(["a", "bc"]));
  });
  it("tell when one could not be sent, and drop what waited behind it", async () => {
    const failed: unknown[] = [];
    let calls = 0;
    const keystrokes = new Keystrokes(
      () => (calls++ === 0 ? Promise.reject(new Error("gone")) : Promise.resolve()),
      (cause) => failed.push(cause),
    );
    keystrokes.type(text("a"));
    keystrokes.type(text("b"));
    await vi.waitFor(() => expect(failed).toHaveLength(1));
    expect(calls).toBe(1);
    keystrokes.type(text("c"));
    expect(calls).toBe(2);
  });
});

/** Whatever a program may ask its terminal. */
const QUERIES: Record<string, string> = {
  DA1: "\x1b[c",
  "DA1 with 0": "\x1b[0c",
  DA2: "\x1b[>c",
  DA3: "\x1b[=c",
  DECID: "\x1bZ",
  DSR: "\x1b[5n",
  CPR: "\x1b[6n",
  "private CPR": "\x1b[?6n",
  "colour scheme": "\x1b[?996n",
  DECRQM: "\x1b[4$p",
  "private DECRQM": "\x1b[?2026$p",
  XTVERSION: "\x1b[>q",
  "XTVERSION with 0": "\x1b[>0q",
  "keyboard flags": "\x1b[?u",
  DECREQTPARM: "\x1b[x",
  "text area": "\x1b[18t",
  "text area in pixels": "\x1b[14t",
  title: "\x1b[21t",
  DECRQSS: "\x1bP$qm\x1b\\",
  XTGETTCAP: "\x1bP+q544e\x1b\\",
  "palette colour": "\x1b]4;1;?\x07",
  foreground: "\x1b]10;?\x07",
  background: "\x1b]11;?\x1b\\",
  "cursor colour": "\x1b]12;?\x07",
  "several colours": "\x1b]10;?;?\x07",
  clipboard: "\x1b]52;c;?\x07",
};

describe("queries", () => {
  async function answers(query: string, guarded: boolean): Promise<string> {
    const terminal = new Terminal({
      allowProposedApi: true,
      windowOptions: { getWinSizeChars: true, getWinSizePixels: true, getCellSizePixels: true },
    });
    if (guarded) swallowQueries(terminal.parser);
    let said = "";
    terminal.onData((data) => (said += data));
    await new Promise<void>((done) => terminal.write(query, done));
    terminal.dispose();
    return said;
  }

  it.each(Object.entries(QUERIES))("%s is not answered", async (_, query) => {
    expect(await answers(query, true)).toBe("");
  });

  it("would be answered without the guard", async () => {
    for (const name of ["DA1", "DA2", "DSR", "CPR", "private DECRQM", "DECRQSS", "text area"]) {
      expect(await answers(QUERIES[name] ?? "", false), name).not.toBe("");
    }
  });

  it("leave what only sets something alone", async () => {
    const terminal = new Terminal({ allowProposedApi: true });
    swallowQueries(terminal.parser);
    let title = "";
    terminal.onTitleChange((next) => (title = next));
    await new Promise<void>((done) => terminal.write("\x1b]2;a title\x07\x1b[4 q\x1b[?25l\x1b[2;3Hx\x1b[22t", done));
    expect(title).toBe("a title");
    expect(terminal.buffer.active.getLine(1)?.translateToString(true)).toBe("  x");
    terminal.dispose();
  });
});

describe("a viewer", () => {
  interface Opened {
    request: TerminalRequest;
    say: (message: TerminalMessage) => void;
    typed: string[];
    sizes: string[];
    acknowledged: number;
    closed: boolean;
  }

  function host() {
    const opened: Opened[] = [];
    let inputRefusal: unknown = null;
    let early: TerminalMessage[] = [];
    let refusal: unknown = null;
    return {
      opened,
      sayEarly: (messages: TerminalMessage[]) => (early = messages),
      refuse: (cause: unknown) => (refusal = cause),
      refuseInput: (cause: unknown) => (inputRefusal = cause),
      openTerminal: async (request: TerminalRequest, say: (message: TerminalMessage) => void): Promise<Attachment> => {
        if (refusal !== null) throw refusal;
        const entry: Opened = { request, say, typed: [], sizes: [], acknowledged: 0, closed: false };
        opened.push(entry);
        early.forEach(say);
        await Promise.resolve();
        return {
          input: async (bytes) => {
            if (inputRefusal !== null) throw inputRefusal;
            entry.typed.push(words(bytes));
          },
          resize: async (columns, rows) => void entry.sizes.push(`${columns}x${rows}`),
          acknowledge: async (bytes) => void (entry.acknowledged += bytes),
          close: async () => void (entry.closed = true),
        };
      },
    };
  }

  function viewing(backend: ReturnType<typeof host>, readOnly = false) {
    const terminal = new Terminal({ cols: 100, rows: 30, allowProposedApi: true });
    const standings: Standing[] = [];
    const troubles: string[] = [];
    const to = {
      stands: (standing: Standing) => standings.push(standing),
      troubled: (why: { message: string }) => troubles.push(why.message),
    };
    const viewer = new Viewer(backend, "r1", terminal as unknown as Emulator, to, readOnly);
    const stands = (): string | undefined => standings.at(-1)?.kind;
    const line = (): string => terminal.buffer.active.getLine(0)?.translateToString(true) ?? "";
    return { terminal, viewer, stands, line, troubles };
  }

  const snapshot = (said: string, columns = 100, rows = 30): TerminalMessage => ({
    kind: "snapshot",
    columns,
    rows,
    bytes: text(said),
  });
  const only = (backend: ReturnType<typeof host>): Opened => backend.opened.at(-1) as Opened;

  it("opens at its size, restores, follows and acknowledges every byte", async () => {
    const backend = host();
    const { viewer, stands, line } = viewing(backend);
    await viewer.open();
    const opened = only(backend);
    expect(opened.request).toEqual({ runner: "r1", columns: 100, rows: 30, readOnly: false });
    opened.say(snapshot("hello"));
    await vi.waitFor(() => expect(stands()).toBe("ready"));
    opened.say({ kind: "output", bytes: text(", you") });
    await vi.waitFor(() => expect(line()).toBe("hello, you"));
    await vi.waitFor(() => expect(opened.acknowledged).toBe(10));
    viewer.close();
    expect(opened.closed).toBe(true);
  });

  it("keeps and acknowledges what comes before the attachment is known", async () => {
    const backend = host();
    backend.sayEarly([snapshot("early"), { kind: "output", bytes: text("!") }]);
    const { viewer, line } = viewing(backend);
    await viewer.open();
    await vi.waitFor(() => expect(line()).toBe("early!"));
    await vi.waitFor(() => expect(only(backend).acknowledged).toBe(6));
    viewer.close();
  });

  it("types nothing while a snapshot is restored, and everything after", async () => {
    const backend = host();
    const { terminal, viewer, stands } = viewing(backend);
    await viewer.open();
    only(backend).say(snapshot("\x1b[?1004h\x1b[c$ "));
    terminal.input("during");
    await vi.waitFor(() => expect(stands()).toBe("ready"));
    terminal.input("ls\r");
    await vi.waitFor(() => expect(only(backend).typed).toEqual(["ls\r"]));
    viewer.close();
  });

  it("takes the terminal to its own size after a snapshot of another", async () => {
    const backend = host();
    const { terminal, viewer } = viewing(backend);
    await viewer.open();
    only(backend).say(snapshot("", 80, 24));
    await vi.waitFor(() => expect(only(backend).sizes).toEqual(["100x30"]));
    expect([terminal.cols, terminal.rows]).toEqual([100, 30]);
    viewer.close();
  });

  it("follows another viewer's size until it is used again", async () => {
    const backend = host();
    const { terminal, viewer, stands } = viewing(backend);
    await viewer.open();
    only(backend).say(snapshot(""));
    await vi.waitFor(() => expect(stands()).toBe("ready"));
    only(backend).say({ kind: "control", control: { kind: "resized", columns: 60, rows: 20 } });
    await vi.waitFor(() => expect(terminal.cols).toBe(60));
    expect(only(backend).sizes).toEqual([]);
    viewer.fit(100, 30);
    expect(only(backend).sizes).toEqual([]);
    viewer.focus();
    expect(only(backend).sizes).toEqual(["100x30"]);
    viewer.close();
  });

  it("neither types nor resizes when it only reads", async () => {
    const backend = host();
    const { terminal, viewer, stands } = viewing(backend, true);
    await viewer.open();
    only(backend).say(snapshot("x", 80, 24));
    await vi.waitFor(() => expect(stands()).toBe("ready"));
    terminal.input("no");
    viewer.focus();
    expect(only(backend).typed).toEqual([]);
    expect(only(backend).sizes).toEqual([]);
    expect(terminal.cols).toBe(80);
    viewer.close();
  });

  it("opens again after a loss and starts from a fresh snapshot", async () => {
    const backend = host();
    const { viewer, stands, line } = viewing(backend);
    await viewer.open();
    only(backend).say(snapshot("before"));
    await vi.waitFor(() => expect(stands()).toBe("ready"));
    only(backend).say({ kind: "control", control: { kind: "lost", reason: "the host went away" } });
    expect(stands()).toBe("lost");
    await vi.waitFor(() => expect(backend.opened).toHaveLength(2), { timeout: 3000 });
    expect(backend.opened[0]?.closed).toBe(true);
    backend.opened[0]?.say({ kind: "output", bytes: text("late") });
    only(backend).say(snapshot("after"));
    await vi.waitFor(() => expect(stands()).toBe("ready"));
    expect(line()).toBe("after");
    viewer.close();
  });

  it("draws the last output before it says that the program ended", async () => {
    const backend = host();
    const { terminal, viewer, stands, line } = viewing(backend);
    await viewer.open();
    only(backend).say(snapshot("bye"));
    only(backend).say({ kind: "control", control: { kind: "ended", exit: null } });
    await vi.waitFor(() => expect(stands()).toBe("ended"));
    expect(line()).toBe("bye");
    terminal.input("x");
    expect(only(backend).typed).toEqual([]);
    viewer.close();
  });

  it("lays what has ended out for this window, and asks nobody", async () => {
    const backend = host();
    const { terminal, viewer, stands } = viewing(backend, true);
    await viewer.open();
    only(backend).say(snapshot("last words", 200, 50));
    only(backend).say({ kind: "control", control: { kind: "ended", exit: null } });
    await vi.waitFor(() => expect(stands()).toBe("ended"));
    expect([terminal.cols, terminal.rows]).toEqual([100, 30]);
    viewer.fit(90, 20);
    expect([terminal.cols, terminal.rows]).toEqual([90, 20]);
    expect(only(backend).sizes).toEqual([]);
    viewer.close();
  });

  it("keeps the terminal when what was typed was not taken, and says so", async () => {
    const backend = host();
    const { terminal, viewer, stands, troubles } = viewing(backend);
    await viewer.open();
    only(backend).say(snapshot("$ "));
    await vi.waitFor(() => expect(stands()).toBe("ready"));
    backend.refuseInput({ code: "unavailable", message: "the program does not read its input", hint: null });
    terminal.input("x");
    await vi.waitFor(() => expect(troubles).toEqual(["the program does not read its input"]));
    only(backend).say({ kind: "control", control: { kind: "refused", reason: "another viewer only reads" } });
    expect(troubles).toHaveLength(2);
    expect(stands()).toBe("ready");
    expect(backend.opened).toHaveLength(1);
    viewer.close();
  });

  it("opens again when its attachment is gone", async () => {
    const backend = host();
    const { terminal, viewer, stands } = viewing(backend);
    await viewer.open();
    only(backend).say(snapshot("$ "));
    await vi.waitFor(() => expect(stands()).toBe("ready"));
    backend.refuseInput({ code: "not-found", message: "terminal 1 is closed", hint: null });
    terminal.input("x");
    await vi.waitFor(() => expect(stands()).toBe("lost"));
    await vi.waitFor(() => expect(backend.opened).toHaveLength(2), { timeout: 3000 });
    viewer.close();
  });

  it("says why it was refused", async () => {
    const backend = host();
    backend.refuse({ code: "not-found", message: "no runner r1", hint: null });
    const { viewer, stands } = viewing(backend);
    await viewer.open();
    expect(stands()).toBe("refused");
    viewer.close();
  });

  it("closes an attachment that came after it was itself closed", async () => {
    const backend = host();
    const { viewer } = viewing(backend);
    const opening = viewer.open();
    viewer.close();
    await opening;
    expect(only(backend).closed).toBe(true);
  });
});
