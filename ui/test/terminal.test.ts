import { Terminal } from "@xterm/headless";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import type { Attachment, TerminalRequest } from "../src/backend/backend";
import { decode, type Asked, type Attached, type TerminalMessage } from "../src/backend/terminal";
import { Acknowledgement } from "../src/terminal/acknowledgement";
import type { Size } from "../src/terminal/fit";
import { Keystrokes } from "../src/terminal/keystrokes";
import { Viewer, type Emulator, type Standing } from "../src/terminal/viewer";
import { soon } from "./soon";

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
    [
      `{"viewers":{"count":2,"read_only":1,"attached":[{"place":"window","columns":80,"rows":24,"decides":true,"you":true},{"place":"pts/3","columns":60,"rows":20,"read_only":true}]}}`,
      {
        kind: "viewers",
        attached: [
          { place: "window", columns: 80, rows: 24, readOnly: false, decides: true, you: true },
          { place: "pts/3", columns: 60, rows: 20, readOnly: true, decides: false, you: false },
        ],
      },
    ],
    [`{"viewers":{"count":2}}`, { kind: "viewers", attached: [] }],
    [
      `{"asked":{"clipboard":{"selection":"c","text":"x"}}}`,
      { kind: "asked", asked: { kind: "clipboard", primary: false, text: "x" } },
    ],
    [
      `{"asked":{"clipboard":{"selection":"p","text":"x"}}}`,
      { kind: "asked", asked: { kind: "clipboard", primary: true, text: "x" } },
    ],
    [
      `{"asked":{"notify":{"title":"t","body":"b"}}}`,
      { kind: "asked", asked: { kind: "notify", title: "t", body: "b" } },
    ],
    [`{"asked":{"dance":{}}}`, { kind: "unknown" }],
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
    await soon(() => expect(sent).toEqual(["a", "bc"]));
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
    await soon(() => expect(failed).toHaveLength(1));
    expect(calls).toBe(1);
    keystrokes.type(text("c"));
    expect(calls).toBe(2);
  });
});

describe("a viewer", () => {
  interface Opened {
    request: TerminalRequest;
    say: (message: TerminalMessage) => void;
    typed: string[];
    sizes: string[];
    redraws: number[];
    takeovers: number;
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
        const entry: Opened = { request, say, typed: [], sizes: [], redraws: [], takeovers: 0, acknowledged: 0, closed: false };
        opened.push(entry);
        early.forEach(say);
        await Promise.resolve();
        return {
          input: async (bytes) => {
            if (inputRefusal !== null) throw inputRefusal;
            entry.typed.push(words(bytes));
          },
          resize: async (columns, rows) => void entry.sizes.push(`${columns}x${rows}`),
          takeOver: async () => void (entry.takeovers += 1),
          redraw: async (lines) => void entry.redraws.push(lines),
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
    const sizes: string[] = [];
    const heard: unknown[] = [];
    let unheard = 0;
    const to = {
      stands: (standing: Standing) => standings.push(standing),
      troubled: (why: { message: string }) => troubles.push(why.message),
      sized: ({ columns, rows }: Size) => sizes.push(`${columns}x${rows}`),
      attached: (viewers: Attached[]) => heard.push(viewers),
      asked: (asked: Asked) => heard.push(asked),
      unheard: () => (unheard += 1),
    };
    const viewer = new Viewer(backend, "r1", terminal as unknown as Emulator, to, readOnly);
    const stands = (): string | undefined => standings.at(-1)?.kind;
    const line = (): string => terminal.buffer.active.getLine(0)?.translateToString(true) ?? "";
    return { terminal, viewer, stands, line, troubles, sizes, heard, unheard: () => unheard };
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
    await soon(() => expect(stands()).toBe("ready"));
    opened.say({ kind: "output", bytes: text(", you") });
    await soon(() => expect(line()).toBe("hello, you"));
    await soon(() => expect(opened.acknowledged).toBe(10));
    viewer.close();
    expect(opened.closed).toBe(true);
  });

  it("acknowledges nothing before the emulator has drawn it", async () => {
    const backend = host();
    const drawn: (() => void)[] = [];
    const { terminal, viewer, stands } = viewing(backend);
    const write = terminal.write.bind(terminal);
    await viewer.open();
    const opened = only(backend);
    opened.say(snapshot("hello"));
    await soon(() => expect(opened.acknowledged).toBe(5));
    expect(stands()).toBe("ready");
    // From here on it draws, and says so only when it is let.
    terminal.write = (data, done) => write(data, () => void (done !== undefined && drawn.push(done)));
    for (let piece = 0; piece < 3; piece++) opened.say({ kind: "output", bytes: new Uint8Array(40 * 1024).fill(120) });
    await soon(() => expect(drawn).toHaveLength(3));
    expect(opened.acknowledged).toBe(5);
    drawn.shift()?.();
    await soon(() => expect(opened.acknowledged).toBe(5 + 40 * 1024));
    for (const done of drawn) done();
    await soon(() => expect(opened.acknowledged).toBe(5 + 120 * 1024));
    viewer.close();
  });

  it("keeps and acknowledges what comes before the attachment is known", async () => {
    const backend = host();
    backend.sayEarly([snapshot("early"), { kind: "output", bytes: text("!") }]);
    const { viewer, line } = viewing(backend);
    await viewer.open();
    await soon(() => expect(line()).toBe("early!"));
    await soon(() => expect(only(backend).acknowledged).toBe(6));
    viewer.close();
  });

  it("holds what is typed before and during a restore, and lets nothing answer by itself", async () => {
    const backend = host();
    const { terminal, viewer, stands, unheard } = viewing(backend);
    const opening = viewer.open();
    terminal.input("first ");
    await opening;
    // 1004 makes xterm say at once where the focus is.
    only(backend).say(snapshot("\x1b[?1004h$ "));
    terminal.input("during ");
    await soon(() => expect(stands()).toBe("ready"));
    terminal.input("after\r");
    await soon(() => expect(only(backend).typed.join("")).toBe("first during after\r"));
    expect(unheard()).toBe(0);
    viewer.close();
  });

  it("takes the size that the agent gives, and tells its own without taking it", async () => {
    const backend = host();
    const { terminal, viewer, stands, sizes } = viewing(backend);
    await viewer.open();
    only(backend).say(snapshot("", 80, 24));
    await soon(() => expect(stands()).toBe("ready"));
    expect([terminal.cols, terminal.rows]).toEqual([80, 24]);
    only(backend).say({ kind: "control", control: { kind: "resized", columns: 60, rows: 20 } });
    await soon(() => expect(sizes).toEqual(["80x24", "60x20"]));
    viewer.fit({ columns: 90, rows: 25 });
    await soon(() => expect(only(backend).sizes).toEqual(["90x25"]));
    expect(terminal.cols).toBe(60);
    viewer.takeOver();
    expect(only(backend).takeovers).toBe(1);
    viewer.close();
  });

  it("tells its size once when it is dragged through many", async () => {
    const backend = host();
    const { viewer } = viewing(backend);
    await viewer.open();
    for (let columns = 99; columns >= 40; columns -= 1) viewer.fit({ columns, rows: 30 });
    await soon(() => expect(only(backend).sizes.at(-1)).toBe("40x30"));
    expect(only(backend).sizes.length).toBeLessThan(4);
    viewer.close();
  });

  it("tells a size that came to hold while it was opening", async () => {
    const backend = host();
    const { viewer } = viewing(backend);
    const opening = viewer.open();
    viewer.fit({ columns: 70, rows: 20 });
    await opening;
    expect(only(backend).request.columns).toBe(100);
    await soon(() => expect(only(backend).sizes).toEqual(["70x20"]));
    viewer.close();
  });

  it("neither types nor tells a size when it only reads", async () => {
    const backend = host();
    const { terminal, viewer, stands, unheard } = viewing(backend, true);
    await viewer.open();
    only(backend).say(snapshot("x", 80, 24));
    await soon(() => expect(stands()).toBe("ready"));
    terminal.input("no");
    viewer.fit({ columns: 50, rows: 10 });
    expect(only(backend).typed).toEqual([]);
    expect(only(backend).sizes).toEqual([]);
    expect(unheard()).toBe(1);
    expect(terminal.cols).toBe(80);
    viewer.close();
  });

  it("fetches what scrolled off once, when somebody looks for it, and shows the lines above the screen", async () => {
    const backend = host();
    const { terminal, viewer, stands } = viewing(backend);
    await viewer.open();
    only(backend).say(snapshot("now"));
    await soon(() => expect(stands()).toBe("ready"));
    expect(only(backend).redraws).toEqual([]);
    viewer.history(10_000, 3);
    viewer.history(10_000, 3);
    expect(only(backend).redraws).toEqual([10_000]);
    const lines = Array.from({ length: 60 }, (_, n) => `line ${n}`).join("\r\n");
    only(backend).say(snapshot(lines));
    await soon(() => expect(terminal.buffer.active.baseY).toBe(30));
    await soon(() => expect(terminal.buffer.active.viewportY).toBe(27));
    viewer.history(10_000);
    expect(only(backend).redraws).toHaveLength(1);
    viewer.close();
  });

  it("has none of that in the alternate screen, where nothing scrolls off", async () => {
    const backend = host();
    const { viewer, stands } = viewing(backend);
    await viewer.open();
    only(backend).say(snapshot("\x1b[?1049h"));
    await soon(() => expect(stands()).toBe("ready"));
    viewer.history(10_000);
    expect(only(backend).redraws).toEqual([]);
    viewer.close();
  });

  it("keeps the line that a person reads when the screen is drawn anew", async () => {
    const backend = host();
    const { terminal, viewer, stands } = viewing(backend);
    await viewer.open();
    const lines = Array.from({ length: 100 }, (_, n) => `line ${n}`).join("\r\n");
    only(backend).say(snapshot(lines));
    await soon(() => expect(stands()).toBe("ready"));
    terminal.scrollLines(-40);
    const read = (): string | undefined =>
      terminal.buffer.active.getLine(terminal.buffer.active.viewportY)?.translateToString(true);
    expect(read()).toBe("line 30");
    // This viewer was too slow, and gets the screen alone.
    only(backend).say(snapshot("line 99"));
    await soon(() => expect(only(backend).redraws).toHaveLength(1));
    only(backend).say(snapshot(lines));
    await soon(() => expect(read()).toBe("line 30"));
    viewer.close();
  });

  it("paints nothing between the reset and the end of a snapshot", async () => {
    const backend = host();
    const { terminal, viewer, stands } = viewing(backend);
    await viewer.open();
    const lines = Array.from({ length: 60_000 }, (_, n) => `\x1b[${30 + (n % 8)}mline ${n}, with colours`).join("\r\n");
    only(backend).say(snapshot(lines));
    const painted: boolean[] = [];
    const frame = setInterval(() => {
      if (terminal.buffer.active.baseY > 0 && stands() !== "ready") painted.push(!terminal.modes.synchronizedOutputMode);
    }, 1);
    await soon(() => expect(stands()).toBe("ready"));
    clearInterval(frame);
    expect(painted.length).toBeGreaterThan(0);
    expect(painted).not.toContain(true);
    expect(terminal.modes.synchronizedOutputMode).toBe(false);
    viewer.close();
  });

  it("passes on who is attached and what the program asks", async () => {
    const backend = host();
    const { viewer, heard } = viewing(backend);
    await viewer.open();
    const you = { place: "window", columns: 1, rows: 1, readOnly: false, decides: true, you: true };
    const asked: Asked = { kind: "clipboard", primary: false, text: "x" };
    only(backend).say({ kind: "control", control: { kind: "viewers", attached: [you] } });
    only(backend).say({ kind: "control", control: { kind: "asked", asked } });
    expect(heard).toEqual([[you], asked]);
    viewer.close();
  });

  it("says so when what is typed reaches nobody", async () => {
    const backend = host();
    const { terminal, viewer, stands, unheard } = viewing(backend);
    await viewer.open();
    only(backend).say(snapshot("$ "));
    await soon(() => expect(stands()).toBe("ready"));
    only(backend).say({ kind: "control", control: { kind: "lost", reason: "the agent went away" } });
    terminal.input("ls");
    terminal.input("\x1b[<35;1;1M");
    terminal.input("\x1b[I");
    expect(unheard()).toBe(1);
    await soon(() => expect(backend.opened).toHaveLength(2));
    only(backend).say(snapshot("$ "));
    await soon(() => expect(stands()).toBe("ready"));
    expect(only(backend).typed).toEqual([]);
    viewer.close();
  });

  it("opens again after a loss and starts from a fresh snapshot", async () => {
    const backend = host();
    const { viewer, stands, line } = viewing(backend);
    await viewer.open();
    only(backend).say(snapshot("before"));
    await soon(() => expect(stands()).toBe("ready"));
    only(backend).say({ kind: "control", control: { kind: "lost", reason: "the host went away" } });
    expect(stands()).toBe("lost");
    await soon(() => expect(backend.opened).toHaveLength(2));
    expect(backend.opened[0]?.closed).toBe(true);
    backend.opened[0]?.say({ kind: "output", bytes: text("late") });
    only(backend).say(snapshot("after"));
    await soon(() => expect(stands()).toBe("ready"));
    expect(line()).toBe("after");
    viewer.close();
  });

  it("draws the last output before it says that the program ended", async () => {
    const backend = host();
    const { terminal, viewer, stands, line } = viewing(backend);
    await viewer.open();
    only(backend).say(snapshot("bye"));
    only(backend).say({ kind: "control", control: { kind: "ended", exit: null } });
    await soon(() => expect(stands()).toBe("ended"));
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
    await soon(() => expect(stands()).toBe("ended"));
    expect([terminal.cols, terminal.rows]).toEqual([100, 30]);
    viewer.fit({ columns: 90, rows: 20 });
    expect([terminal.cols, terminal.rows]).toEqual([90, 20]);
    expect(only(backend).sizes).toEqual([]);
    viewer.close();
  });

  it("keeps the terminal when what was typed was not taken, and says so", async () => {
    const backend = host();
    const { terminal, viewer, stands, troubles } = viewing(backend);
    await viewer.open();
    only(backend).say(snapshot("$ "));
    await soon(() => expect(stands()).toBe("ready"));
    backend.refuseInput({ code: "unavailable", message: "the program does not read its input", hint: null });
    terminal.input("x");
    await soon(() => expect(troubles).toEqual(["the program does not read its input"]));
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
    await soon(() => expect(stands()).toBe("ready"));
    backend.refuseInput({ code: "not-found", message: "terminal 1 is closed", hint: null });
    terminal.input("x");
    await soon(() => expect(stands()).toBe("lost"));
    await soon(() => expect(backend.opened).toHaveLength(2));
    viewer.close();
  });

  it("opens by itself what was out of reach at first, and goes on saying why until then", async () => {
    const backend = host();
    backend.refuse({ code: "unavailable", message: "the host is starting", hint: null });
    const { terminal, viewer, stands, unheard } = viewing(backend);
    await viewer.open();
    expect(stands()).toBe("refused");
    terminal.input("x");
    expect(unheard()).toBe(1);
    backend.refuse(null);
    await soon(() => expect(backend.opened).toHaveLength(1));
    expect(stands()).toBe("refused");
    only(backend).say(snapshot("here"));
    await soon(() => expect(stands()).toBe("ready"));
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
