// @vitest-environment happy-dom
import { flushSync } from "svelte";
import { afterEach, describe, expect, it } from "vitest";
import { attention } from "../src/backend/fake/cast";
import type { Fake } from "../src/backend/fake/fake";
import type { Runner } from "../src/backend/types/Runner";
import { all, click, close, one, open, press, write } from "./desk";
import { soon } from "./soon";

afterEach(close);

const asker = (fake: Fake): Runner =>
  fake.runners.find(({ name }) => name === "auth refactor") ?? expect.fail("nobody asks");

/** Opens the window on the one who asks, once its answers can be given. */
async function asked(): Promise<Fake> {
  const fake = await open("day", "auth refactor");
  await soon(() => expect(one("decision-allow").getAttribute("aria-disabled")).toBe("false"));
  return fake;
}

describe("the bar that asks for a decision", () => {
  it("shows the tool and the exact command, and takes no focus by itself", async () => {
    await asked();
    expect(one("decision").textContent).toContain("Bash wants to run");
    expect(one("decision-subject").textContent).toBe("cargo test -p auth --all-features");
    expect(one("decision").contains(document.activeElement)).toBe(false);
  });

  it("gives the permission that is shown, and goes", async () => {
    const fake = await asked();
    click("decision-allow");
    await soon(() => expect(all("decision")).toHaveLength(0));
    expect(fake.decisions).toEqual([{ runner: asker(fake).id, ask: "17", allow: true, reason: null }]);
  });

  it("refuses, with the reason that was written", async () => {
    const fake = await asked();
    click("decision-explain");
    write("decision-reason", " use nextest ");
    one("decision-reason").closest("form")?.requestSubmit();
    await soon(() => expect(all("decision")).toHaveLength(0));
    expect(fake.decisions).toMatchObject([{ allow: false, reason: "use nextest" }]);
  });

  it("refuses without a reason", async () => {
    const fake = await asked();
    click("decision-deny");
    await soon(() => expect(fake.decisions).toMatchObject([{ allow: false, reason: null }]));
  });

  it("takes no answer before a person can have seen what it is to", async () => {
    const fake = await open("day", "auth refactor");
    await soon(() => expect(all("decision")).toHaveLength(1));
    expect(one("decision-allow").getAttribute("aria-disabled")).toBe("true");
    click("decision-allow");
    expect(fake.decisions).toEqual([]);
  });

  it("says so when it was answered in the terminal meanwhile", async () => {
    const fake = await asked();
    const said = asker(fake).attention;
    if (said?.ask != null) said.ask.id = "18";
    click("decision-allow");
    await soon(() => expect(one("toast").textContent).toContain("it was answered in its terminal"));
    expect(fake.decisions).toEqual([]);
    // The next request stands there, and was not answered by that press.
    await soon(() => expect(one("decision").dataset["ask"]).toBe("18"));
  });

  it("shows a refusal in its place", async () => {
    const fake = await asked();
    fake.decide = () =>
      Promise.reject({ code: "unavailable", message: "the agent said nothing within 5 s", hint: "answer in the terminal" });
    click("decision-allow");
    await soon(() => expect(one("decision-failure").textContent).toContain("said nothing within 5 s"));
    expect(one("decision-allow").getAttribute("aria-disabled")).toBe("false");
  });

  it("is another bar for another request, whose answers are not given yet", async () => {
    const fake = await asked();
    one("decision-allow").focus();
    const said = asker(fake).attention;
    if (said?.ask != null) Object.assign(said.ask, { id: "18", subject: "rm -rf ~" });
    asker(fake).revision += 1;
    fake.announce?.nudge({ entity: "runner", id: asker(fake).id });
    await soon(() => expect(one("decision-subject").textContent).toBe("rm -rf ~"));
    expect(one("decision-allow").getAttribute("aria-disabled")).toBe("true");
    expect(one("decision").contains(document.activeElement)).toBe(false);
  });

  it("takes the keys when asked to, and chooses no answer by that", async () => {
    const fake = await asked();
    press("D", { ctrlKey: true, shiftKey: true });
    await soon(() => expect(document.activeElement).toBe(one("decision")));
    one("decision").dispatchEvent(new KeyboardEvent("keydown", { key: "Enter", bubbles: true }));
    flushSync();
    expect(fake.decisions).toEqual([]);
    one("decision").dispatchEvent(new KeyboardEvent("keydown", { key: "Escape", bubbles: true }));
    await soon(() => expect(one("decision").contains(document.activeElement)).toBe(false));
  });

  it("is put away for the dialog in the terminal, and comes back when asked for", async () => {
    const fake = await asked();
    click("decision-leave");
    expect(all("decision")).toHaveLength(0);
    expect(fake.decisions).toEqual([]);
    press("d", { ctrlKey: true, shiftKey: true });
    await soon(() => expect(all("decision")).toHaveLength(1));
  });

  it("lets nothing be answered that the program no longer listens to", async () => {
    const fake = await open("day");
    const said = asker(fake).attention;
    if (said?.ask != null) said.ask.until = new Date(Date.now() - 1000).toISOString();
    fake.announce?.attach(asker(fake).id);
    fake.announce?.nudge({ entity: "status", id: "" });
    await soon(() => expect(one("decision-over").textContent).toContain("its dialog in the terminal still does"));
    expect(all("decision-allow")).toHaveLength(0);
  });

  it("hides nothing of a command", async () => {
    await open("asks", "auth refactor");
    await soon(() => expect(one("decision-subject").textContent).toContain("⟨U+202E⟩ yrd--⟨U+202C⟩;⟨U+200B⟩ rm -rf ~/.ssh␛[8m"));
    expect(one("decision-subject").textContent).toContain("END↵\n");
  });
});

describe("who needs a person", () => {
  it("comes first, and next by the keys, the longest waiting first", async () => {
    const fake = await open("day");
    const names = (): (string | undefined)[] =>
      all("runner-row")
        .filter((row) => row.closest<HTMLElement>('[data-testid="group"]')?.dataset["group"] === "needs")
        .map((row) => row.dataset["name"]);
    expect(names()).toEqual(["provider bump", "rewrite intro", "auth refactor"]);
    expect(one("foot-needs").textContent?.trim()).toBe("3 need you");
    const shown = (): string | undefined =>
      fake.runners.find(({ id }) => id === one("facts").dataset["runner"])?.name;
    for (const name of ["provider bump", "rewrite intro", "auth refactor", "provider bump"]) {
      press("ArrowDown", { ctrlKey: true, shiftKey: true });
      await soon(() => expect(shown()).toBe(name));
    }
  });

  it("leaves its place once it works again", async () => {
    const fake = await open("day");
    const one = asker(fake);
    one.attention = attention("working", 0);
    one.revision += 1;
    fake.announce?.nudge({ entity: "runner", id: one.id });
    await soon(() => {
      const row = all("runner-row").find((candidate) => candidate.dataset["runner"] === one.id);
      expect(row?.dataset["attention"]).toBe("working");
      expect(row?.closest<HTMLElement>('[data-testid="group"]')?.dataset["group"]).toBe("working");
    });
  });

  it("is told with its source, since when, its session and what it used", async () => {
    await open("day", "auth refactor");
    await soon(() => expect(one("fact-state").textContent).toContain("needs permission"));
    expect(one("fact-source").textContent).toBe("its terminal");
    expect(one("fact-session").textContent).toBe("57180ccb");
    expect(one("fact-mode").textContent).toBe("anew");
    expect(one("fact-usage").textContent).toMatch(/1.84 M tokens\s*measured.*estimated/s);
    click("fact-session");
    await soon(() => expect(one("session-details").dataset["session"]).toMatch(/^57180ccb/));
  });
});
