// @vitest-environment happy-dom
import { flushSync, mount, unmount } from "svelte";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import App from "../src/App.svelte";
import { Fake } from "../src/backend/fake/fake";
import type { Asked, Attached } from "../src/backend/terminal";
import { screenOf } from "../src/terminal/screen";
import { soon } from "./soon";

let fake: Fake;
let app: Record<string, unknown>;

const all = (id: string): HTMLElement[] => [...document.querySelectorAll<HTMLElement>(`[data-testid="${id}"]`)];
const one = (id: string): HTMLElement => all(id)[0] ?? expect.fail(`nothing is marked ${id}`);
const named = (name: string): string => fake.runners.find((runner) => runner.name === name)?.id ?? name;
const panes = (): (string | undefined)[] => all("pane").map((pane) => pane.dataset["runner"]);

function click(id: string): void {
  one(id).click();
  flushSync();
}

function press(key: string, held: KeyboardEventInit = {}): void {
  window.dispatchEvent(new KeyboardEvent("keydown", { key, bubbles: true, cancelable: true, ...held }));
  flushSync();
}

/** Shows a runner and waits until its terminal is drawn. */
async function show(name: string): Promise<void> {
  all("runner-row")
    .find((row) => row.dataset["name"] === name)
    ?.click();
  await drawn(name);
}

async function drawn(name: string): Promise<void> {
  await soon(
    () =>
      expect(
        document.querySelector(`[data-testid="terminal"][data-runner="${named(name)}"][data-ready="true"]`),
      ).not.toBeNull(),
  );
}

function typed(name: string): string {
  return fake.plays.get(named(name))?.typed ?? "";
}

/** Asks, and waits until that was judged. */
async function asks(name: string, asked: Asked): Promise<void> {
  fake.plays.get(named(name))?.say({ kind: "control", control: { kind: "asked", asked } });
  await new Promise((done) => setTimeout(done));
  flushSync();
}

async function pick(words: string): Promise<void> {
  const field = one("palette-text") as HTMLInputElement;
  field.value = words;
  field.dispatchEvent(new Event("input", { bubbles: true }));
  flushSync();
  field.dispatchEvent(new KeyboardEvent("keydown", { key: "Enter", bubbles: true }));
  flushSync();
}

async function open(configured: Record<string, string> = {}): Promise<void> {
  localStorage.clear();
  fake = new Fake("day");
  vi.spyOn(fake, "desktopState").mockResolvedValue({ tray: true, notifications: true, embedded: true, attach: null });
  const settings = Object.entries(configured).map(([key, value]) => ({ key, value, source: "default" }));
  vi.spyOn(fake, "config").mockResolvedValue(settings);
  app = mount(App, { target: document.body, props: { backend: fake } });
  await soon(() => expect(document.querySelector('[data-loaded="true"]')).not.toBeNull());
}

beforeEach(() => localStorage.clear());
afterEach(async () => {
  await unmount(app);
  document.body.innerHTML = "";
});

describe("split terminals", () => {
  it("come and go by keyboard alone, and only what is on screen has a terminal", async () => {
    await open();
    await show("auth refactor");
    press("E", { ctrlKey: true, shiftKey: true });
    await pick("rate limits");
    await drawn("rate limits");
    expect(panes()).toEqual([named("auth refactor"), named("rate limits")]);
    expect(one("tab").textContent).toContain("+1");
    press("O", { ctrlKey: true, shiftKey: true });
    await pick("invoices");
    await drawn("invoices");
    const active = (): string | undefined => all("pane").find((pane) => pane.dataset["active"] === "true")?.dataset["runner"];
    expect(active()).toBe(named("invoices"));
    press("k", { ctrlKey: true });
    await pick("higher terminal");
    expect(all("divider").map((divider) => divider.getAttribute("aria-valuenow"))).toEqual(["50", "40"]);
    press("ArrowUp", { altKey: true, shiftKey: true });
    expect(active()).toBe(named("rate limits"));
    press("ArrowLeft", { altKey: true, shiftKey: true });
    expect(active()).toBe(named("auth refactor"));
    press("W", { ctrlKey: true, shiftKey: true });
    expect(panes()).toEqual([named("rate limits"), named("invoices")]);
    expect(screenOf(named("auth refactor"))).toBeUndefined();
    await show("watch");
    expect(panes()).toEqual([named("watch")]);
    expect(screenOf(named("invoices"))).toBeUndefined();
    press("PageUp", { ctrlKey: true });
    await drawn("invoices");
    expect(panes()).toHaveLength(2);
  });

  it("are launched beside the one that is there", async () => {
    await open();
    await show("auth refactor");
    press("E", { ctrlKey: true, shiftKey: true });
    await pick("launch a runner");
    await soon(() => expect(all("launch-program").length).toBeGreaterThan(1));
    one("launch-submit").closest("form")?.requestSubmit();
    await soon(() => expect(panes()).toHaveLength(2));
    expect(panes()[0]).toBe(named("auth refactor"));
  });

  it("keep the terminal that is split as it is", async () => {
    await open();
    await show("auth refactor");
    const before = screenOf(named("auth refactor"))?.terminal;
    press("E", { ctrlKey: true, shiftKey: true });
    await pick("rate limits");
    await drawn("rate limits");
    expect(screenOf(named("auth refactor"))?.terminal).toBe(before);
  });

  it("are moved by the line between them: by key, by mouse, and made alike by a double click", async () => {
    await open();
    await show("auth refactor");
    press("E", { ctrlKey: true, shiftKey: true });
    await pick("rate limits");
    await drawn("rate limits");
    const key = (name: string): void => {
      one("divider").dispatchEvent(new KeyboardEvent("keydown", { key: name, bubbles: true, cancelable: true }));
      flushSync();
    };
    const at = (): string | null => one("divider").getAttribute("aria-valuenow");
    expect(at()).toBe("50");
    key("ArrowRight");
    key("ArrowRight");
    expect(at()).toBe("60");
    expect(all("pane")[1]?.style.left).toBe("60%");
    const divider = one("divider");
    const room = divider.parentElement as HTMLElement;
    vi.spyOn(room, "getBoundingClientRect").mockReturnValue(new DOMRect(100, 0, 1000, 500));
    let held = false;
    divider.setPointerCapture = () => void (held = true);
    divider.hasPointerCapture = () => held;
    divider.dispatchEvent(new PointerEvent("pointermove", { clientX: 400, bubbles: true }));
    flushSync();
    expect(at()).toBe("60");
    divider.dispatchEvent(new PointerEvent("pointerdown", { clientX: 700, bubbles: true, cancelable: true }));
    divider.dispatchEvent(new PointerEvent("pointermove", { clientX: 400, bubbles: true }));
    flushSync();
    expect(at()).toBe("30");
    divider.dispatchEvent(new MouseEvent("dblclick", { bubbles: true }));
    flushSync();
    expect(at()).toBe("50");
  });
});

describe("what is looked at", () => {
  it("is every terminal of the tab in front, and none in another view", async () => {
    await open();
    await show("auth refactor");
    await soon(() => expect(fake.shown).toEqual([named("auth refactor")]));
    press("E", { ctrlKey: true, shiftKey: true });
    await pick("rate limits");
    await soon(() => expect(fake.shown).toEqual([named("auth refactor"), named("rate limits")]));
    click("view-events");
    await soon(() => expect(fake.shown).toEqual([]));
  });
});

describe("links", () => {
  const osc8 = (target: string, text: string): string => `\x1b]8;;${target}\x1b\\${text}\x1b]8;;\x1b\\ `;
  const options = (): string[] => all("palette-option").map((option) => (option.textContent ?? "").replace(/\s+/g, " ").trim());

  it("are followed by keyboard, after the same questions as by mouse", async () => {
    await open();
    await show("auth refactor");
    const bytes = new TextEncoder().encode(osc8("https://ada@evil.example/", "the docs") + osc8("ssh://x", "shell"));
    fake.plays.get(named("auth refactor"))?.say({ kind: "output", bytes });
    const all8 = ["shell ssh://x", "the docs https://ada@evil.example/", "https://docs.rs/jsonwebtoken"];
    await soon(() => {
      if (document.querySelector('[data-testid="palette"]') !== null) press("k", { ctrlKey: true });
      press("L", { ctrlKey: true, shiftKey: true });
      expect(options().sort()).toEqual([...all8].sort());
    });
    await pick("the docs");
    expect(one("question").textContent).toContain("opens evil.example in the browser");
    expect(fake.opened).toEqual([]);
    click("question-confirm");
    await soon(() => expect(fake.opened).toEqual(["https://ada@evil.example/"]));
    await soon(() => expect(all("question")).toEqual([]));
    press("L", { ctrlKey: true, shiftKey: true });
    await pick("jsonwebtoken");
    await soon(() => expect(fake.opened).toContain("https://docs.rs/jsonwebtoken"));
    press("k", { ctrlKey: true });
    await pick("follow a link");
    await pick("ssh");
    await soon(() => expect(one("toast").textContent).toContain("leads to ssh://x"));
    expect(fake.opened).toHaveLength(2);
  });
});

describe("what a program asks of a window", () => {
  it("is left to the agent: nothing moves, nothing is renamed, nothing is answered", async () => {
    await open();
    await show("auth refactor");
    const terminal = screenOf(named("auth refactor"))?.terminal ?? expect.fail("there is no terminal");
    const before = [terminal.cols, terminal.rows, document.title];
    const titles: string[] = [];
    terminal.onTitleChange((title) => titles.push(title));
    const moves = [1, 2, 5, 9].map((what) => `\x1b[${what}t`).join("") + "\x1b[3;0;0t\x1b[4;100;100t\x1b[8;5;5t";
    const reports = [11, 13, 14, 15, 16, 18, 19, 20, 21].map((what) => `\x1b[${what}t`).join("");
    // Two titles kept and taken back: the agent tells the title that then holds, by its own way.
    const titled = "\x1b]2;one\x07\x1b[22;0t\x1b]2;two\x07\x1b[22;2t\x1b[23;0t\x1b[23;0t\x1b[23;0t";
    const bytes = new TextEncoder().encode(moves + reports + titled);
    fake.plays.get(named("auth refactor"))?.say({ kind: "output", bytes });
    await new Promise<void>((done) => terminal.write("", done));
    expect([terminal.cols, terminal.rows, document.title]).toEqual(before);
    expect(titles).toEqual(["one", "two"]);
    expect(typed("auth refactor")).toBe("");
  });
});

describe("what a program asks", () => {
  const clipboard: Asked = { kind: "clipboard", primary: false, text: "secret token" };

  it("of the clipboard waits for a person, once or for good, who may refuse", async () => {
    await open();
    await show("auth refactor");
    await asks("auth refactor", clipboard);
    expect(one("clipboard-bar").textContent).toContain("wants to put 12 characters into the clipboard");
    expect(fake.copied).toEqual([]);
    click("clipboard-refuse");
    expect([all("clipboard-bar").length, fake.copied]).toEqual([0, []]);
    await asks("auth refactor", clipboard);
    click("clipboard-once");
    expect(fake.copied).toEqual([{ text: "secret token", primary: false }]);
    await asks("auth refactor", clipboard);
    press("k", { ctrlKey: true });
    await pick("allow the clipboard always");
    expect(fake.copied).toHaveLength(2);
    await asks("auth refactor", { ...clipboard, primary: true });
    expect(all("clipboard-bar")).toHaveLength(0);
    expect(fake.copied.at(-1)).toEqual({ text: "secret token", primary: true });
    await show("rate limits");
    await asks("rate limits", clipboard);
    expect(all("clipboard-bar")).toHaveLength(1);
  });

  it("of the clipboard follows the setting", async () => {
    await open({ "terminal.clipboard": "allow" });
    await show("auth refactor");
    await asks("auth refactor", clipboard);
    expect([all("clipboard-bar").length, fake.copied.length]).toEqual([0, 1]);
    await unmount(app);
    document.body.innerHTML = "";
    await open({ "terminal.clipboard": "refuse" });
    await show("auth refactor");
    await asks("auth refactor", clipboard);
    expect([all("clipboard-bar").length, fake.copied.length]).toEqual([0, 0]);
  });

  it("to be told is told, unless that is not wanted", async () => {
    await open();
    await show("auth refactor");
    await asks("auth refactor", { kind: "notify", title: "Tests", body: "all <b>31</b> passed" });
    expect(one("toast").textContent).toContain("auth refactor: Tests");
    expect(one("toast").textContent).toContain("ll <b>31</b> passed");
    await unmount(app);
    document.body.innerHTML = "";
    await open({ "terminal.notifications": "ignore" });
    await show("auth refactor");
    await asks("auth refactor", { kind: "notify", title: "Tests", body: "all 31 passed" });
    expect(all("toast")).toHaveLength(0);
  });
});

describe("a paste", () => {
  it("of lines shows them first, and goes as it is, as one line, or not at all", async () => {
    await open();
    await show("auth refactor");
    const screen = screenOf(named("auth refactor"));
    screen?.paste("one");
    await soon(() => expect(typed("auth refactor")).toBe("one"));
    screen?.paste("cd x\nmake\n");
    flushSync();
    expect(one("paste-text").textContent).toBe("cd x\nmake\n");
    expect(one("paste-dialog").textContent).toContain("Paste 2 lines into auth refactor?");
    click("paste-cancel");
    expect([all("paste-dialog").length, typed("auth refactor")]).toEqual([0, "one"]);
    screen?.paste("cd x\nmake\n");
    flushSync();
    click("paste-one-line");
    await soon(() => expect(typed("auth refactor")).toBe("onecd x make"));
    screen?.paste("a\nb");
    flushSync();
    click("paste-confirm");
    await soon(() => expect(typed("auth refactor")).toBe("onecd x makea\rb"));
  });

  it("of lines goes straight to a program that marks pastes, and ends where it ends", async () => {
    await open();
    await show("auth refactor");
    const screen = screenOf(named("auth refactor"));
    await new Promise<void>((done) => screen?.terminal.write("\x1b[?2004h", done));
    screen?.paste("a\nb\x1b[201~c");
    expect(all("paste-dialog")).toHaveLength(0);
    await soon(() => expect(typed("auth refactor")).toBe("\x1b[200~a\rb[201~c\x1b[201~"));
  });

  it("of an image types the path of a file that holds it", async () => {
    await open();
    await show("auth refactor");
    fake.image = "/home/ada/data/image 1.png";
    const event = new Event("paste", { bubbles: true, cancelable: true });
    Object.assign(event, { clipboardData: { getData: () => "" } });
    one("terminal").dispatchEvent(event);
    await soon(() => expect(typed("auth refactor")).toBe("'/home/ada/data/image 1.png' "));
    fake.image = null;
    press("k", { ctrlKey: true });
    await pick("paste the clipboard's image");
    await soon(() => expect(one("toast").textContent).toContain("neither text nor an image"));
  });

  it("of a dropped file types its path into the terminal under it", async () => {
    await open();
    await show("auth refactor");
    const at = { x: 5, y: 5 };
    document.elementFromPoint = () => one("terminal");
    fake.announce?.dragged(at);
    flushSync();
    expect(all("drop")).toHaveLength(1);
    fake.announce?.dropped(["/tmp/a b", "/tmp/c"], at);
    flushSync();
    expect(all("drop")).toHaveLength(0);
    await soon(() => expect(typed("auth refactor")).toBe("'/tmp/a b' /tmp/c "));
    document.elementFromPoint = () => one("foot");
    fake.announce?.dropped(["/tmp/d"], at);
    expect(typed("auth refactor")).not.toContain("/tmp/d");
  });
});

describe("company", () => {
  const you: Attached = { place: "window", columns: 80, rows: 24, readOnly: false, decides: true, you: true };
  const other: Attached = { place: "pts/3", columns: 60, rows: 20, readOnly: false, decides: false, you: false };

  it("is shown with who only reads", async () => {
    await open();
    await show("auth refactor");
    const play = fake.plays.get(named("auth refactor"));
    expect(all("company")).toHaveLength(0);
    play?.say({ kind: "control", control: { kind: "viewers", attached: [you, { ...other, readOnly: true }] } });
    flushSync();
    expect([...one("company").children].map((chip) => chip.textContent?.trim())).toEqual([
      "window · you",
      "pts/3 · read-only",
    ]);
    play?.say({ kind: "control", control: { kind: "viewers", attached: [you] } });
    flushSync();
    expect(all("company")).toHaveLength(0);
  });
});

describe("a lost connection", () => {
  it("is told, with what is typed meanwhile, and mended by itself", async () => {
    await open();
    await show("auth refactor");
    const before = fake.plays.get(named("auth refactor"));
    before?.say({ kind: "control", control: { kind: "lost", reason: "the agent closed the connection" } });
    flushSync();
    expect(one("lost-strip").textContent).toContain("The agent closed the connection".toLowerCase());
    expect(one("lost-strip").textContent).toContain("reconnecting…");
    screenOf(named("auth refactor"))?.terminal.input("x");
    flushSync();
    expect(one("lost-strip").textContent).toContain("what you type is not sent");
    await soon(() => expect(fake.plays.get(named("auth refactor"))).not.toBe(before));
    await soon(() => expect(all("lost-strip")).toHaveLength(0));
    screenOf(named("auth refactor"))?.terminal.input("y");
    await soon(() => expect(typed("auth refactor")).toBe("y"));
  });
});

describe("preferences", () => {
  it("hold for terminals at once", async () => {
    await open();
    await show("auth refactor");
    click("view-settings");
    click("preference-screenReader");
    click("preference-ligatures");
    await show("auth refactor");
    const terminal = screenOf(named("auth refactor"))?.terminal;
    expect(terminal?.options.screenReaderMode).toBe(true);
    expect(document.querySelector(".frame.ligatures")).not.toBeNull();
    const size = terminal?.options.fontSize ?? 0;
    press("=", { ctrlKey: true });
    press("=", { ctrlKey: true });
    await soon(() => expect(terminal?.options.fontSize).toBe(size + 2));
    press("0", { ctrlKey: true, code: "Digit0" });
    await soon(() => expect(terminal?.options.fontSize).toBe(13));
    click("view-settings");
    const font = one("preference-font") as HTMLInputElement;
    font.value = "Fira Code";
    font.dispatchEvent(new Event("change", { bubbles: true }));
    await show("auth refactor");
    expect(screenOf(named("auth refactor"))?.terminal.options.fontFamily).toBe("Fira Code");
  });
});

describe("the person's own terminal", () => {
  it("is opened on a runner from its facts and by keyboard", async () => {
    await open();
    await show("auth refactor");
    click("open-in-terminal");
    press("k", { ctrlKey: true });
    await pick("open in your own terminal");
    expect(fake.opened).toEqual([1, 2].map(() => `terminal ${named("auth refactor")}`));
  });
});

describe("the bell", () => {
  it("flashes, and keeps still where that is preferred", async () => {
    await open();
    await show("auth refactor");
    const ring = async (): Promise<void> => {
      await new Promise<void>((done) => screenOf(named("auth refactor"))?.terminal.write("\x07", done));
      flushSync();
    };
    await ring();
    expect(one("terminal").classList.contains("flashing")).toBe(true);
    await soon(() => expect(one("terminal").classList.contains("flashing")).toBe(false));
    localStorage.clear();
    click("view-settings");
    const field = one("preference-bell") as HTMLSelectElement;
    for (const option of field.options) option.selected = option.value === "none";
    field.dispatchEvent(new Event("change", { bubbles: true }));
    await show("auth refactor");
    await ring();
    expect(one("terminal").classList.contains("flashing")).toBe(false);
  });
});
