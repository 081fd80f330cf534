import { describe, expect, it, vi } from "vitest";
import { Fake } from "../src/backend/fake/fake";
import { runner } from "../src/backend/fake/cast";
import type { Runner } from "../src/backend/types/Runner";
import { Fleet } from "../src/fleet/fleet.svelte";
import { renew } from "../src/fleet/roster";
import { isLive } from "../src/fleet/state";
import { soon } from "./soon";

describe("the roster", () => {
  const live = (id: string, said: Partial<Runner> = {}): Runner => runner({ id, name: id, project: "p", ...said });
  const ended = (id: string): Runner => live(id, { state: "terminated" });

  function host(now: Runner[]) {
    return {
      listRunners: vi.fn(async ({ all }: { all: boolean }) => now.filter((one) => all || isLive(one))),
      getRunner: vi.fn(async (id: string) => {
        const found = now.find((one) => one.id === id);
        if (found === undefined) throw { code: "not-found", message: "gone", hint: null };
        return found;
      }),
    };
  }

  it("asks singly for those that left the live list, and keeps the ended ones it knows", async () => {
    const backend = host([live("a"), ended("b"), ended("c")]);
    const next = await renew(backend, [live("a"), live("b"), ended("c")], new Set(), isLive);
    expect(next.map(({ id, state }) => `${id} ${state}`).sort()).toEqual(["a running", "b terminated", "c terminated"]);
    expect(backend.getRunner.mock.calls).toEqual([["b"]]);
  });

  it("finds a nudged runner that ended before it was ever listed", async () => {
    const next = await renew(host([ended("quick")]), [], new Set(["quick"]), isLive);
    expect(next.map((one) => one.id)).toEqual(["quick"]);
  });

  it("drops what the host no longer knows", async () => {
    expect(await renew(host([]), [live("a")], new Set(["b"]), isLive)).toEqual([]);
  });

  it("lists all at once when many left", async () => {
    const many = Array.from({ length: 30 }, (_, n) => `r${n}`);
    const backend = host(many.map(ended));
    const next = await renew(
      backend,
      many.map((id) => live(id)),
      new Set(),
      isLive,
    );
    expect(next).toHaveLength(30);
    expect(backend.getRunner).not.toHaveBeenCalled();
  });
});

describe("the fleet", () => {
  async function started(): Promise<{ fake: Fake; fleet: Fleet }> {
    const fake = new Fake("day");
    const fleet = new Fleet(fake);
    await fake.listen({
      nudge: (nudge) => fleet.nudge(nudge),
      attach: () => undefined,
      launch: () => undefined,
      closeRequested: () => undefined,
      problem: () => undefined,
      dragged: () => undefined,
      dropped: () => undefined,
    });
    await fleet.start();
    return { fake, fleet };
  }

  it("loses nothing to a nudge that comes while everything is asked for", async () => {
    const fake = new Fake("day");
    const passed = (ms: number): Promise<void> => new Promise((done) => setTimeout(done, ms));
    const list = fake.listRunners.bind(fake);
    // What asks only for those that live is answered last.
    vi.spyOn(fake, "listRunners").mockImplementation(async (options) => {
      await passed(options.all ? 40 : 80);
      return list(options);
    });
    const fleet = new Fleet(fake);
    const started = fleet.start();
    await passed(10);
    fleet.nudge({ entity: "observations", id: "" });
    await started;
    await passed(300);
    expect(fleet.projects).toHaveLength(fake.projects.length);
    expect(fleet.status).not.toBeNull();
    expect(fleet.runners).toHaveLength(fake.runners.length);
    fleet.stop();
  });

  it("follows a runner through nudges", async () => {
    const { fake, fleet } = await started();
    const one = fake.runners.find(({ state }) => state === "running") as Runner;
    await fake.pause(one.id);
    expect(fleet.runner(one.id)?.state).toBe("running");
    await soon(() => expect(fleet.runner(one.id)?.state).toBe("paused"));
    fleet.stop();
  });

  it("says that the host is away, keeps what it knows, and recovers", async () => {
    const { fake, fleet } = await started();
    const before = fleet.runners.length;
    const away = vi
      .spyOn(fake, "status")
      .mockRejectedValueOnce({ code: "unavailable", message: "no host", hint: null });
    fleet.reload();
    await soon(() => expect(fleet.unreachable?.code).toBe("unavailable"));
    expect(fleet.runners).toHaveLength(before);
    away.mockRestore();
    fleet.reload();
    await soon(() => expect(fleet.unreachable).toBeNull());
    fleet.stop();
  });

  it("asks for figures when they were observed, and for everything when anything may have changed", async () => {
    const { fake, fleet } = await started();
    const one = fake.runners[0] as Runner;
    one.cpu_percent = 99;
    fake.announce?.nudge({ entity: "observations", id: "" });
    await soon(() => expect(fleet.runner(one.id)?.cpu_percent).toBe(99));
    fake.told = { ...fake.told, outbox_waiting: 3 };
    fake.announce?.nudge({ entity: "status", id: "" });
    await soon(() => expect(fleet.status?.outbox_waiting).toBe(3));
    fleet.stop();
  });

  it("takes in a launched runner at once, but never an older state", async () => {
    const { fleet } = await started();
    const one = runner({ name: "fresh", project: "billing", revision: 4 });
    fleet.learn(one);
    expect(fleet.runner(one.id)?.name).toBe("fresh");
    fleet.learn({ ...one, state: "queued", revision: 3 });
    expect(fleet.runner(one.id)?.state).toBe("running");
    fleet.stop();
  });
});
