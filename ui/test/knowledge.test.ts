// @vitest-environment happy-dom
import { flushSync } from "svelte";
import { afterEach, describe, expect, it, vi } from "vitest";
import { find } from "../src/history/words";
import { nameFault } from "../src/presets/words";
import { all, choose, click, close, one, open, press, submit, write } from "./desk";
import { soon } from "./soon";

afterEach(close);

const options = (id: string): HTMLOptionElement[] => [...(one(id) as HTMLSelectElement).options];

describe("the history", () => {
  it("lists sessions, those of a project where one is chosen", async () => {
    const fake = await open("day");
    click("view-history");
    await soon(() => expect(all("session-row")).toHaveLength(fake.sessions.length));
    choose("history-project", "billing");
    await soon(() => expect(all("session-row")).toHaveLength(2));
  });

  it("searches what was said, marks it, and jumps to it", async () => {
    await open("day");
    click("view-history");
    write("history-search", "token middleware");
    await soon(() => expect(all("session-row").length).toBe(2));
    expect(all("session-row")[0]?.querySelector("mark")?.textContent).toBe("token");
    all("session-open")[1]?.click();
    await soon(() => expect(one("conversation").querySelector("mark")?.textContent).toContain("The token is checked twice"));
  });

  it("says that nothing fits, and why a search could not be made", async () => {
    await open("day");
    click("view-history");
    write("history-search", "pineapple");
    await soon(() => expect(one("history-none").textContent).toContain("“pineapple”"));
    write("history-search", '"token');
    await soon(() => expect(one("history-failure").textContent).toContain("quote is not closed"));
  });

  it("resumes a session, once", async () => {
    const fake = await open("day");
    const resumed = vi.spyOn(fake, "resumeSession");
    click("view-history");
    await soon(() => expect(all("session-resume").length).toBeGreaterThan(0));
    const row = all("session-row").find(({ dataset }) => dataset["resumable"] === "true");
    row?.querySelector<HTMLElement>('[data-testid="session-resume"]')?.click();
    await soon(() => expect(one("facts").textContent).toContain("by resuming a session"));
    expect(resumed).toHaveBeenCalledWith(expect.objectContaining({ target: row?.dataset["session"], fork: false }));
    click("view-history");
    await soon(() =>
      expect(all("session-row").find(({ dataset }) => dataset["session"] === row?.dataset["session"])?.dataset["resumable"]).toBe("false"),
    );
  });

  it("says why a session cannot be resumed, and copies it all the same where that can be", async () => {
    const fake = await open("day");
    click("view-history");
    await soon(() => expect(all("session-open").length).toBeGreaterThan(0));
    all("session-open")[0]?.click();
    flushSync();
    expect(all("details-resume")).toHaveLength(0);
    expect(all("details-obstacle")).toHaveLength(0);
    click("details-show");
    await soon(() => expect(one("facts").textContent).toContain("auth refactor"));
    click("view-history");
    await soon(() => expect(all("details-fork")).toHaveLength(1));
    click("details-fork");
    await soon(() => expect(fake.runners[0]).toMatchObject({ mode: "fork" }));
  });

  it("exports into a folder, and keeps a copy", async () => {
    const fake = await open("day");
    click("view-history");
    await soon(() => expect(all("session-open").length).toBeGreaterThan(0));
    all("session-open")[3]?.click();
    flushSync();
    click("details-export");
    await soon(() => expect(one("details-told").textContent).toContain("~/code/search-index/"));
    expect(fake.exported).toHaveLength(1);
    click("details-archive");
    await soon(() => expect(all("details-archive")).toHaveLength(0));
  });

  it("says what would be here", async () => {
    await open("quiet");
    click("view-history");
    await soon(() => expect(one("history-empty").textContent).toContain("started outside of"));
  });

  it("offers to go on with the conversation of a runner that ended", async () => {
    const fake = await open("day", "tax rules");
    await soon(() => expect(all("resume-runner").length).toBeGreaterThan(0));
    const ended = fake.runners.find(({ name }) => name === "tax rules") ?? expect.fail("nobody ended");
    ended.exit = { code: null, signal: "TERM", reason: "stopped" };
    fake.announce?.nudge({ entity: "runner", id: ended.id });
    await soon(() => expect(one("ended-strip").textContent).toMatch(/^Stopped (just now|\d+ min ago)\s*Resume\s*Restart$/));
    click("resume-runner");
    await soon(() => expect(fake.runners[0]).toMatchObject({ mode: "resume", session_id: fake.sessions[2]?.id }));
  });

  it("finds a passage where white space differs", () => {
    expect(find("a\n  b c", "a b")).toBe(0);
    expect(find("x (a+b)", "(a+b)")).toBe(2);
    expect(find("a, at 1: a, at 2: a", "a", "at 2")).toBe(18);
    expect(find("a, at 1", "a", "at 9")).toBe(0);
    expect(find("a, at 1", "a", "at 1")).toBe(0);
    expect(find("x", " ")).toBe(-1);
    expect(find("x", "y")).toBe(-1);
  });
});

describe("the usage", () => {
  it("labels every figure, and says which models have no price", async () => {
    await open("day");
    click("view-usage");
    await soon(() => expect(one("usage-total").textContent).toMatch(/\$[\d.]+\s*estimated/));
    expect(one("usage-total").textContent).toContain("Tokens measured");
    expect(one("usage-prices").textContent).toContain("prices of 2026-04-28");
    expect(one("usage-prices").textContent).toContain("No price is known of gpt-5-codex");
    const codex = all("usage-row").find(({ dataset }) => dataset["key"] === "gpt-5-codex");
    expect(codex?.textContent).toContain("no price");
    expect(all("usage-row").find(({ dataset }) => dataset["key"] === "")?.textContent).toContain("outside of any project");
  });

  it("asks for the time and the project that are chosen", async () => {
    const fake = await open("day");
    const asked = vi.spyOn(fake, "usage");
    click("view-usage");
    await soon(() => expect(all("usage-total")).toHaveLength(1));
    asked.mockClear();
    all("usage-span")[0]?.click();
    choose("usage-project", "billing");
    await soon(() => expect(asked).toHaveBeenCalledWith(expect.objectContaining({ by: "day", project: "billing" })));
    const since = asked.mock.calls.at(-1)?.[0].since ?? "";
    expect(Math.round((Date.now() - Date.parse(`${since}T12:00:00`)) / 86_400_000)).toBeGreaterThanOrEqual(5);
  });

  it("shows how budgets stand, sets one, and removes one", async () => {
    const fake = await open("day");
    click("view-usage");
    await soon(() => expect(all("budget-row").map(({ dataset }) => dataset["standing"])).toEqual(["well", "near", "spent"]));
    expect(all("budget-outlook")[1]?.textContent).toContain("At this pace spent");
    expect(all("budget-overshoot")[0]?.textContent).toContain("3 turns under way");
    click("budget-add");
    choose("budget-scope", "project");
    submit("budget-submit");
    expect(one("fault").textContent).toBe("Choose the project.");
    choose("budget-of", "infra");
    write("budget-amount", "12.5");
    choose("budget-limit", "stop");
    submit("budget-submit");
    await soon(() => expect(all("budget-row")).toHaveLength(4));
    expect(fake.budgets.at(-1)).toMatchObject({ scope: "project", of: "infra", usd: 12.5, at_limit: "stop" });
    all("budget-remove")[0]?.click();
    flushSync();
    click("question-confirm");
    await soon(() => expect(all("budget-row")).toHaveLength(3));
  });

  it("keeps what was typed when a budget was refused", async () => {
    const fake = await open("quiet");
    fake.setBudget = () => Promise.reject({ code: "invalid", message: "set budget: beyond 64 bits", hint: null });
    click("view-usage");
    await soon(() => expect(one("usage-empty").textContent).toContain("counted from their own transcripts"));
    click("budget-add");
    write("budget-amount", "7");
    submit("budget-submit");
    await soon(() => expect(one("budget-failure").textContent).toContain("beyond 64 bits"));
    expect((one("budget-amount") as HTMLInputElement).value).toBe("7");
  });

  it("tells what today costs, and nothing where nothing was used", async () => {
    await open("day");
    await soon(() => expect(one("foot-today").textContent).toMatch(/\$[\d.]+ today, estimated/));
    await close();
    await open("quiet");
    expect(all("foot-today")).toHaveLength(0);
  });
});

describe("presets", () => {
  it("are made, refused with the reason, and removed", async () => {
    const fake = await open("quiet");
    click("view-presets");
    await soon(() => expect(one("presets-empty").textContent).toContain("a launch with a name"));
    click("preset-add");
    submit("preset-save");
    expect(one("fault").textContent).toBe("Give it a name.");
    write("preset-name", "mine");
    write("preset-toml", "nonsense");
    submit("preset-save");
    await soon(() => expect(one("preset-failure").textContent).toContain("a key without a value"));
    write("preset-toml", 'program = "codex"\n');
    submit("preset-save");
    await soon(() => expect(one("preset-row").dataset["preset"]).toBe("mine"));
    expect(fake.presets[0]).toMatchObject({ name: "mine", toml: 'program = "codex"\n' });
    click("preset-remove");
    click("question-confirm");
    await soon(() => expect(all("preset-row")).toHaveLength(0));
  });

  it("say why they cannot be used, and are not changed here where they are a project's", async () => {
    await open("day");
    click("view-presets");
    await soon(() => expect(all("preset-row")).toHaveLength(3));
    all("preset-row")[2]?.click();
    flushSync();
    expect(one("preset-problem").textContent).toContain('there is no preset "nightlies"');
    choose("presets-project", "docs-site");
    await soon(() => expect(all("preset-row")).toHaveLength(4));
    all("preset-row")[3]?.click();
    flushSync();
    expect((one("preset-toml") as HTMLTextAreaElement).readOnly).toBe(true);
    expect(all("preset-save")).toHaveLength(0);
    expect(one("preset-editor").textContent).toContain(".stratavore.toml");
  });

  it.each(["", " x", "-x", "a b", "a/b"])("cannot be called %j", (name) => expect(nameFault(name)).not.toBeNull());
  it.each(["review", "größe_2", "a.b-c"])("can be called %s", (name) => expect(nameFault(name)).toBeNull());

  it("are launched, with all that they say", async () => {
    const fake = await open("day");
    const launched = vi.spyOn(fake, "launch");
    press("n", { ctrlKey: true });
    choose("launch-project", "api-gateway");
    await soon(() => expect(options("launch-preset")).toHaveLength(4));
    choose("launch-preset", "feature");
    expect(all("launch-program")).toHaveLength(0);
    expect(one("launch-preset-says").textContent).toContain("claude --model opus · in a fresh worktree");
    submit("launch-submit");
    await soon(() => expect(all("launch-dialog")).toHaveLength(0));
    expect(launched.mock.calls[0]?.[0]).toMatchObject({ preset: "feature", program: null, worktree: null, restart: null });
  });

  it("are not kept for a project that has none of that name", async () => {
    await open("day");
    press("n", { ctrlKey: true });
    choose("launch-project", "docs-site");
    await soon(() => expect(options("launch-preset")).toHaveLength(5));
    choose("launch-preset", "watch");
    expect(all("launch-mode")).toHaveLength(0);
    choose("launch-project", "billing");
    await soon(() => expect((one("launch-preset") as HTMLSelectElement).value).toBe(""));
  });

  it("leave the choice of a conversation and a worktree", async () => {
    const fake = await open("day");
    const launched = vi.spyOn(fake, "launch");
    press("n", { ctrlKey: true });
    choose("launch-project", "billing");
    await soon(() => expect(all("launch-program").length).toBeGreaterThan(1));
    choose("launch-mode", "resume");
    submit("launch-submit");
    await soon(() => expect(one("fault").textContent).toBe("Choose the session to resume."));
    await soon(() => expect(options("launch-session")).toHaveLength(3));
    const session = options("launch-session")[1]?.value ?? "";
    choose("launch-session", session);
    click("launch-worktree");
    write("launch-worktree-name", "fix");
    submit("launch-submit");
    await soon(() => expect(launched).toHaveBeenCalledWith(expect.objectContaining({ resume: session, worktree: "fix" })));
  });
});
