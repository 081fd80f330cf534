import { describe, expect, it } from "vitest";
import { Answer } from "../src/window/answer.svelte";

/** A question that is answered when told. */
function question<T>(): { ask: () => Promise<T>; answer: (value: T) => void; refuse: (cause: unknown) => void; asked: number } {
  const self = { asked: 0 } as ReturnType<typeof question<T>>;
  const promise = new Promise<T>((resolve, reject) => {
    self.answer = resolve;
    self.refuse = reject;
  });
  self.ask = () => {
    self.asked += 1;
    return promise;
  };
  return self;
}

describe("an answer", () => {
  it("is that to the last question, and those between are never asked", async () => {
    const answer = new Answer<string>();
    const [first, second, third] = [question<string>(), question<string>(), question<string>()];
    const done = answer.ask(first.ask);
    void answer.ask(second.ask);
    void answer.ask(third.ask);
    first.answer("old");
    third.answer("new");
    await done;
    expect(answer.value).toBe("new");
    expect([first.asked, second.asked, third.asked]).toEqual([1, 0, 1]);
  });

  it("stays while it is asked for again, and beside a failure", async () => {
    const answer = new Answer<string>();
    await answer.ask(async () => "known");
    const next = question<string>();
    const done = answer.ask(next.ask);
    expect(answer.value).toBe("known");
    next.refuse({ code: "unavailable", message: "no host", hint: null });
    await done;
    expect(answer.failure?.message).toBe("no host");
    expect(answer.value).toBe("known");
    await answer.ask(async () => "again");
    expect([answer.value, answer.failure]).toEqual(["again", null]);
  });

  it("is not given when it was forgotten meanwhile", async () => {
    const answer = new Answer<string>();
    const asked = question<string>();
    const done = answer.ask(asked.ask);
    answer.forget();
    asked.answer("late");
    await done;
    expect(answer.value).toBeNull();
  });
});
