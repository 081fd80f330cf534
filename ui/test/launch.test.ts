import { describe, expect, it } from "vitest";
import { blank, request, type Draft } from "../src/launch/request";
import { split, Unclosed } from "../src/launch/split";
import { proposeName } from "../src/projects/name";

describe("splitting a command", () => {
  it.each<[string, string[]]>([
    ["make watch", ["make", "watch"]],
    ["  a\t b\n", ["a", "b"]],
    [`sh -c 'echo "$HOME"'`, ["sh", "-c", `echo "$HOME"`]],
    [`a"b c"d`, ["ab cd"]],
    [`a\\ b`, ["a b"]],
    [`"a\\"b\\n"`, [`a"b\\n`]],
    [`'a\\b'`, ["a\\b"]],
    [`'' ""`, ["", ""]],
    ["a\\\nb", ["ab"]],
    ["", []],
  ])("%j", (line, words) => expect(split(line)).toEqual(words));
  it.each([`a "b`, `a 'b`, "a\\"])("refuses %j", (line) => expect(() => split(line)).toThrow(Unclosed));
});

describe("a launch request", () => {
  const draft = (said: Partial<Draft> = {}): Draft => ({ ...blank("p", "claude"), ...said });

  it("asks for what the draft says", () => {
    const made = request(
      draft({
        name: " n ",
        args: "--model 'a b'",
        env: [
          { key: "A", value: "1=2" },
          { key: "", value: "" },
        ],
        restart: true,
        queue: true,
      }),
      { columns: 120, rows: 40 },
      "id",
    );
    expect(made).toMatchObject({
      project: "p",
      program: "claude",
      command: [],
      args: ["--model", "a b"],
      name: "n",
      env: [{ key: "A", value: "1=2" }],
      restart: { policy: "on-failure", max_attempts: 5 },
      columns: 120,
      rows: 40,
      queue: true,
      request_id: "id",
    });
  });
  it("carries limits, what outlives the program, and the wish to record", () => {
    const made = request(
      draft({ memory: 512, cpu: 150, action: "pause", keepDescendants: true, record: true }),
      null,
      "id",
    );
    expect(made).toMatchObject({
      ceiling: { memory_bytes: 512 * 1024 * 1024, cpu_percent: 150, action: "pause" },
      keep_descendants: true,
      record: true,
    });
    expect(request(draft({ cpu: 50, action: "stop" }), null, "id")).toMatchObject({
      ceiling: { memory_bytes: null, cpu_percent: 50, action: "stop" },
    });
    expect(request(draft({ node: "least-loaded" }), null, "id")).toMatchObject({ node: "least-loaded" });
    expect(request(draft({ action: "stop" }), null, "id")).toMatchObject({ ceiling: null, record: false });
  });
  it("says with which conversation it begins, and where", () => {
    const plain = { continue_last: false, resume: null, fork: null, preset: null, worktree: null };
    expect(request(draft(), null, "id")).toMatchObject(plain);
    expect(request(draft({ mode: "continue" }), null, "id")).toMatchObject({ ...plain, continue_last: true });
    expect(request(draft({ mode: "resume", session: "s" }), null, "id")).toMatchObject({ ...plain, resume: "s" });
    expect(request(draft({ mode: "fork", session: "s" }), null, "id")).toMatchObject({ ...plain, fork: "s" });
    expect(request(draft({ mode: "new", session: "s" }), null, "id")).toMatchObject(plain);
    expect(request(draft({ worktree: true }), null, "id")).toMatchObject({ ...plain, worktree: "" });
    expect(request(draft({ worktree: true, worktreeName: " w " }), null, "id")).toMatchObject({ worktree: "w" });
    expect(request(draft({ worktreeName: "w" }), null, "id")).toMatchObject({ worktree: null });
  });
  it("leaves to a preset what only that says", () => {
    const made = request(draft({ preset: "review", program: null, command: "'unclosed" }), null, "id");
    expect(made).toMatchObject({ preset: "review", program: null, command: [], args: [], restart: null });
    expect(request(draft({ preset: "review", restart: true }), null, "id")).toMatchObject({
      restart: { policy: "on-failure", max_attempts: 5 },
    });
  });
  it("sends a command without a program", () => {
    expect(request(draft({ program: null, command: "make watch" }), null, "id")).toMatchObject({
      program: null,
      command: ["make", "watch"],
      columns: null,
      name: null,
    });
  });
  it("does not send a command that was typed before a program was chosen", () => {
    expect(request(draft({ command: "make 'unclosed" }), null, "id")).toMatchObject({ program: "claude", command: [] });
  });
  it.each<[Partial<Draft>, string]>([
    [{ project: "" }, "project"],
    [{ program: null, command: " " }, "command"],
    [{ program: null, command: "a 'b" }, "command"],
    [{ args: '"' }, "args"],
    [{ env: [{ key: "A=B", value: "1" }] }, "env"],
    [{ env: [{ key: "", value: "1" }] }, "env"],
    [{ env: [{ key: "A B", value: "1" }] }, "env"],
    [{ restart: true, attempts: 0 }, "attempts"],
    [{ restart: true, attempts: Number.NaN }, "attempts"],
    [{ memory: 0 }, "memory"],
    [{ memory: 1.5 }, "memory"],
    [{ cpu: -1 }, "cpu"],
    [{ mode: "resume" }, "session"],
    [{ mode: "fork", session: "  " }, "session"],
  ])("names the field to mend for %j", (said, field) =>
    expect(request(draft(said), null, "id")).toMatchObject({ field }),
  );
});

describe("a project's proposed name", () => {
  it.each<[string, string[], string]>([
    ["/home/ada/code/thing/", [], "thing"],
    ["/home/ada/thing", ["thing"], "thing-2"],
    ["/home/ada/thing", ["thing", "thing-2"], "thing-3"],
    ["/", [], ""],
  ])("of %s beside %j is %j", (path, taken, name) => expect(proposeName(path, taken)).toBe(name));
});
