// @vitest-environment happy-dom
import { flushSync, mount, unmount } from "svelte";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import App from "../src/App.svelte";
import { Fake } from "../src/backend/fake/fake";
import type { Scene } from "../src/backend/fake/scenes";
import { soon } from "./soon";

let fake: Fake;
let app: Record<string, unknown>;

async function open(scene: Scene): Promise<void> {
  fake = new Fake(scene);
  vi.spyOn(fake, "desktopState").mockResolvedValue({ tray: true, notifications: true, embedded: true, attach: null });
  app = mount(App, { target: document.body, props: { backend: fake } });
  await soon(() => expect(document.querySelector('[data-loaded="true"]')).not.toBeNull());
}

const all = (id: string): HTMLElement[] => [...document.querySelectorAll<HTMLElement>(`[data-testid="${id}"]`)];
const one = (id: string): HTMLElement => all(id)[0] ?? expect.fail(`nothing is marked ${id}`);

function click(id: string): void {
  one(id).click();
  flushSync();
}

function press(key: string, held: KeyboardEventInit = {}): void {
  window.dispatchEvent(new KeyboardEvent("keydown", { key, bubbles: true, cancelable: true, ...held }));
  flushSync();
}

function write(id: string, text: string): void {
  const field = one(id) as HTMLInputElement;
  field.value = text;
  field.dispatchEvent(new Event("input", { bubbles: true }));
  flushSync();
}

function choose(id: string, value: string): void {
  const field = one(id) as HTMLSelectElement;
  for (const option of field.options) option.selected = option.value === value;
  field.dispatchEvent(new Event("change", { bubbles: true }));
  flushSync();
}

describe("the window", () => {
  beforeEach(() => localStorage.clear());
  afterEach(async () => {
    await unmount(app);
    document.body.innerHTML = "";
  });

  it("counts and lists an event that could not be delivered once, with what to do", async () => {
    await open("trouble");
    expect(one("foot-problems").textContent?.trim()).toBe("2 problems");
    click("foot-problems");
    await soon(() => expect(all("problem")).toHaveLength(2));
    expect(all("problem")[1]?.textContent).toContain("stratavore outbox drop 7");
  });

  it("lists what runs, in its groups, each with its state", async () => {
    await open("day");
    expect(all("group").map((group) => group.dataset["group"])).toEqual([
      "needs",
      "working",
      "limited",
      "idle",
      "paused",
      "starting",
      "running",
      "ended",
    ]);
    expect(all("runner-row").find((row) => row.dataset["name"] === "flaky test")?.textContent).toMatch(
      /exit 1, starts again in \d+ s/,
    );
    expect(one("foot-runners").textContent).toBe("11 runners");
  });

  it("moves a row to its new group when the host nudges", async () => {
    await open("day");
    const running = fake.runners.find((runner) => runner.name === "rate limits");
    await fake.pause(running?.id ?? "");
    await soon(() => {
      const row = all("runner-row").find((candidate) => candidate.dataset["name"] === "rate limits");
      expect(row?.dataset["state"]).toBe("paused");
      expect(row?.closest<HTMLElement>('[data-testid="group"]')?.dataset["group"]).toBe("paused");
    });
  });

  it("offers the first step when there is no project", async () => {
    await open("new");
    click("first-project");
    expect(all("add-project-dialog")).toHaveLength(1);
    click("project-pick");
    await soon(() => expect((one("project-name") as HTMLInputElement).value).toBe("search-index"));
    one("project-submit").closest("form")?.requestSubmit();
    await soon(() => expect(all("no-runners")).toHaveLength(1));
    expect(fake.projects).toMatchObject([
      { name: "search-index", path: "/home/ada/code/search-index", max_runners: null },
    ]);
  });

  it("shows why a project was refused, beside what was typed", async () => {
    await open("quiet");
    click("view-projects");
    click("project-add");
    write("project-path", "code/thing");
    one("project-submit").closest("form")?.requestSubmit();
    await soon(() => expect(one("project-failure").textContent).toContain("is not an absolute path"));
    expect(one("project-failure").textContent).toContain("Give the whole path");
    expect((one("project-path") as HTMLInputElement).value).toBe("code/thing");
  });

  it("asks before it stops a project's runners and names each that ends", async () => {
    await open("day");
    click("view-projects");
    one("projects-view")
      .querySelector<HTMLElement>('[data-project="api-gateway"] [data-testid="project-stop"]')
      ?.click();
    flushSync();
    expect([...one("question-ends").children].map((line) => line.textContent)).toEqual([
      expect.stringContaining("auth refactor: Claude Code, process"),
      expect.stringContaining("rate limits: Claude Code, process"),
    ]);
    expect(fake.runners.filter((runner) => runner.state === "stopping")).toEqual([]);
    click("question-confirm");
    expect(fake.runners.filter((runner) => runner.state === "stopping").map((runner) => runner.name)).toEqual([
      "auth refactor",
      "rate limits",
    ]);
    await soon(() => expect(all("question")).toHaveLength(0));
  });

  it("offers once to start interrupted runners again", async () => {
    await open("interrupted");
    expect(one("interrupted-banner").textContent).toContain("4 runners were interrupted");
    click("interrupted-start");
    await soon(() => expect(all("interrupted-banner")).toHaveLength(0));
    expect(fake.runners.filter((runner) => runner.state === "running")).toHaveLength(8);
  });

  it("puts the offer away without starting anything", async () => {
    await open("interrupted");
    click("interrupted-dismiss");
    await soon(() => expect(all("interrupted-banner")).toHaveLength(0));
    expect(fake.runners.filter((runner) => runner.state === "running")).toHaveLength(4);
  });

  it("opens the launch dialog on the project that the tray names", async () => {
    await open("day");
    fake.announce?.launch("billing");
    flushSync();
    expect((one("launch-project") as HTMLSelectElement).value).toBe("billing");
  });

  it("says so when the runner to attach to is unknown", async () => {
    await open("day");
    fake.announce?.attach("nobody");
    await soon(() => expect(one("toast").textContent).toContain("No runner is called nobody"));
  });

  it("asks what to do when it is closed and there is no tray", async () => {
    await open("day");
    fake.announce?.closeRequested();
    flushSync();
    expect(one("closing").textContent).toContain("11 runners can go on without it");
    expect(one("closing-quit").textContent).toContain("runners keep running");
    expect(document.activeElement).toBe(one("closing-quit"));
    click("closing-cancel");
    expect(all("closing")).toHaveLength(0);
    expect(fake.quits).toEqual([]);
    fake.announce?.closeRequested();
    flushSync();
    click("closing-quit");
    expect(fake.quits).toEqual([{ stopRunners: false }]);
  });

  it("names what ends when it is closed for good and everything with it", async () => {
    await open("day");
    fake.announce?.closeRequested();
    flushSync();
    click("closing-stop");
    expect(one("question-ends").children).toHaveLength(11);
    expect(fake.quits).toEqual([]);
    click("question-confirm");
    expect(fake.quits).toEqual([{ stopRunners: true }]);
  });

  it("closes without ado when nothing runs", async () => {
    await open("quiet");
    fake.announce?.closeRequested();
    flushSync();
    expect(one("closing").textContent).toContain("Nothing is running");
    expect(all("closing-stop")).toHaveLength(0);
    expect(one("closing-quit").textContent?.trim()).toBe("Quit");
  });

  it("launches with limits, what outlives the program, and a recording", async () => {
    await open("quiet");
    const launched = vi.spyOn(fake, "launch");
    press("n", { ctrlKey: true });
    await soon(() => expect(all("launch-program").length).toBeGreaterThan(1));
    choose("launch-project", "api-gateway");
    click("launch-more");
    expect((one("launch-action") as HTMLSelectElement).disabled).toBe(true);
    write("launch-memory", "512");
    write("launch-cpu", "0");
    choose("launch-action", "pause");
    click("launch-keep");
    click("launch-record");
    one("launch-submit").closest("form")?.requestSubmit();
    await soon(() => expect(one("fault").textContent).toContain("percent of a core"));
    write("launch-cpu", "150");
    one("launch-submit").closest("form")?.requestSubmit();
    await soon(() =>
      expect(launched).toHaveBeenCalledWith(
        expect.objectContaining({
          ceiling: { memory_bytes: 512 * 1024 * 1024, cpu_percent: 150, action: "pause" },
          keep_descendants: true,
          record: true,
        }),
      ),
    );
    await soon(() => expect(one("tab").textContent).toContain("claude"));
    expect(all("launch-dialog")).toHaveLength(0);
  });

  it("writes paths as people do", async () => {
    await open("day");
    all("runner-row")[0]?.click();
    await soon(() => expect(one("facts").textContent).toContain("~/code/"));
    expect(one("facts").textContent).not.toContain("/home/ada/code");
  });

  it("is dark or light as a person prefers, and remembers it", async () => {
    await open("quiet");
    click("view-settings");
    choose("preference-theme", "light");
    expect(document.documentElement.dataset["theme"]).toBe("light");
    await unmount(app);
    await open("quiet");
    expect(document.documentElement.dataset["theme"]).toBe("light");
    click("view-settings");
    write("preference-size", "18");
    one("preference-size").dispatchEvent(new Event("change", { bubbles: true }));
    press("-", { ctrlKey: true });
    expect((one("preference-size") as HTMLInputElement).value).toBe("17");
  });

  it("names every runner before it stops all and quits", async () => {
    await open("day");
    click("view-settings");
    click("quit-stop");
    expect(one("question-ends").children).toHaveLength(11);
    expect(fake.quits).toEqual([]);
    click("question-confirm");
    expect(fake.quits).toEqual([{ stopRunners: true }]);
  });

  it("finds and runs a command by keyboard alone", async () => {
    await open("day");
    press("k", { ctrlKey: true });
    write("palette-text", "go to settings");
    one("palette-text").dispatchEvent(new KeyboardEvent("keydown", { key: "Enter", bubbles: true }));
    flushSync();
    expect(all("settings-view")).toHaveLength(1);
    expect(all("palette")).toHaveLength(0);
  });

  it("marks programs that are not installed and does not offer them", async () => {
    await open("quiet");
    press("n", { ctrlKey: true });
    await soon(() => expect(all("launch-program").length).toBeGreaterThan(1));
    const gemini = all("launch-program").find((program) => program.dataset["program"] === "gemini");
    expect(gemini?.querySelector("input")?.disabled).toBe(true);
    expect(gemini?.textContent).toContain("npm install -g @google/gemini-cli");
  });

  it("puts autostart back when it could not be set", async () => {
    await open("quiet");
    vi.spyOn(fake, "setAutostart").mockRejectedValue({
      code: "internal",
      message: "write the desktop entry: read-only",
      hint: null,
    });
    click("view-settings");
    await soon(() => expect((one("autostart") as HTMLInputElement).disabled).toBe(false));
    click("autostart");
    await soon(() => expect(one("failure").textContent).toContain("read-only"));
    expect((one("autostart") as HTMLInputElement).checked).toBe(false);
  });

  it("tells what failed, why and what to do", async () => {
    await open("quiet");
    fake.announce?.problem("the event bus stopped");
    flushSync();
    expect(one("toast").textContent).toContain("the event bus stopped");
    click("toast-dismiss");
    expect(all("toast")).toHaveLength(0);
  });

  it("says that the host is away, and shows all once it is back", async () => {
    fake = new Fake("day");
    vi.spyOn(fake, "desktopState").mockResolvedValue({ tray: true, notifications: true, embedded: true, attach: null });
    const status = vi
      .spyOn(fake, "status")
      .mockRejectedValue({ code: "unavailable", message: "no host", hint: "start it with `stratavored`" });
    app = mount(App, { target: document.body, props: { backend: fake } });
    await soon(() => expect(one("host-unreachable").querySelector("code")?.textContent).toBe("stratavored"));
    status.mockRestore();
    one("host-unreachable").querySelector("button")?.click();
    await soon(() => expect(all("runner-row").length).toBeGreaterThan(0));
  });
});
