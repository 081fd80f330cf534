// @vitest-environment happy-dom
import { afterEach, describe, expect, it, vi } from "vitest";
import { Fake } from "../src/backend/fake/fake";
import type { Node } from "../src/backend/types/Node";
import type { Runner } from "../src/backend/types/Runner";
import { Fleet } from "../src/fleet/fleet.svelte";
import { all, close, one, open } from "./desk";

const SINCE = new Date(Date.now() - 190_000).toISOString();

function node(name: string, silent = false): Node {
  return {
    id: `node-${name}`,
    name,
    version: "0.1.0",
    max_runners: null,
    active_runners: 1,
    registered_at: SINCE,
    heard_at: SINCE,
    silent,
    here: name === "laptop",
  };
}

/** Opens the window on a runner of another machine, with these machines. */
async function team(said: Partial<Runner>, nodes: Node[]): Promise<Fake> {
  vi.spyOn(Fake.prototype, "status").mockImplementation(async function (this: Fake) {
    return { ...structuredClone(this.told), nodes };
  });
  const listed = Fake.prototype.listRunners;
  vi.spyOn(Fake.prototype, "listRunners").mockImplementation(async function (this: Fake, options) {
    const runners = await listed.call(this, options);
    return runners.map((one) => (one.name === "auth refactor" ? { ...one, here: false, node: "tower", ...said } : one));
  });
  return open("day", "auth refactor");
}

afterEach(async () => {
  vi.restoreAllMocks();
  await close();
});

describe("a team", () => {
  it("counts its machines", async () => {
    await team({}, [node("laptop"), node("tower")]);
    expect(one("foot-machine").textContent).toBe("2 machines");
    expect(one("stage-waiting").textContent).toContain("is on tower");
    expect(one("fact-node").textContent).toBe("tower");
    expect(one("fact-state").textContent).toContain("needs permission");
    expect(all("fact-heard")).toHaveLength(0);
  });

  it("does not call unknown what another machine knows", async () => {
    await team({ attention: null }, [node("laptop"), node("tower")]);
    expect(one("fact-state").textContent).toContain("running");
    expect(one("fact-source").textContent).toBe("nothing, on this machine");
    expect(document.querySelector("[data-group=elsewhere]")?.textContent).toContain("auth refactor");
  });

  it("names the machine that is silent, and says since when and what that means", async () => {
    await team({ unreachable: true, unreachable_since: SINCE }, [node("laptop"), node("tower", true)]);
    expect(one("foot-machine").textContent).toBe("2 machines, tower silent");
    expect(one("stage-waiting").textContent).toMatch(/Nothing is heard from tower since \d\d:\d\d/);
    expect(one("stage-waiting").textContent).toContain("done when tower is back");
    expect(one("fact-heard").textContent).toBe("3 min ago");
  });

  it("counts those that are silent where there are several", async () => {
    await team({}, [node("laptop"), node("tower", true), node("attic", true)]);
    expect(one("foot-machine").textContent).toBe("3 machines, 2 silent");
  });
});

describe("what the host stands on", () => {
  const away = (what: "store" | "broker"): void => {
    vi.spyOn(Fake.prototype, "status").mockImplementation(async function (this: Fake) {
      return { ...structuredClone(this.told), [what]: { address: "elsewhere", away_since: SINCE, reason: "refused" } };
    });
  };

  it("is said to be away with the age of what is shown, and nothing is claimed that it alone knows", async () => {
    away("store");
    await open("day");
    expect(one("foot-away").textContent).toMatch(/database not reachable, shown as of \d\d:\d\d/);
    expect(one("foot-away").title).toBe("refused");
    expect(all("foot-outbox")).toHaveLength(0);
  });

  it("leaves all to be done without a broker, but events wait", async () => {
    away("broker");
    await open("day");
    expect(one("foot-away").textContent).toMatch(/broker not reachable since \d\d:\d\d, events wait/);
    expect(all("foot-outbox")).toHaveLength(1);
  });
});

describe("events that wait", () => {
  it("are asked for again until none does: nobody nudges for a delivery", async () => {
    vi.useFakeTimers();
    try {
      const fake = new Fake("day");
      fake.told = { ...fake.told, outbox_waiting: 1 };
      const fleet = new Fleet(fake);
      const started = fleet.start();
      await vi.advanceTimersByTimeAsync(0);
      await started;
      expect(fleet.status?.outbox_waiting).toBe(1);
      fake.told = { ...fake.told, outbox_waiting: 0 };
      await vi.advanceTimersByTimeAsync(4_000);
      expect(fleet.status?.outbox_waiting).toBe(0);
      const asked = vi.spyOn(fake, "status");
      await vi.advanceTimersByTimeAsync(10_000);
      expect(asked).not.toHaveBeenCalled();
      fleet.stop();
    } finally {
      vi.useRealTimers();
    }
  });
});
