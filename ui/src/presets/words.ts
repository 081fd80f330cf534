import type { Preset } from "../backend/types/Preset";
import { commandLine } from "../fleet/words";

const MODES: Record<string, string> = {
  new: "a new conversation",
  continue: "continues the latest",
};

/** Tells in one line what a preset launches. */
export function launches(preset: Preset): string {
  const what = commandLine([...(preset.program == null ? preset.command : [preset.program]), ...preset.args]);
  return [
    what === "" ? "the configured program" : what,
    preset.mode == null ? null : (MODES[preset.mode] ?? preset.mode),
    preset.worktree ? "in a fresh worktree" : null,
  ]
    .filter((part) => part !== null)
    .join(" · ");
}

/** What a new preset begins with: every key there is, to be taken or left. */
export const TEMPLATE = `# What this does not say is said by the preset it inherits from, else by the settings.
# inherits = "another"
description = ""
program = "claude"            # or: command = ["make", "watch"]
args = []
# mode = "continue"           # or "new"
# worktree = true             # in a fresh git worktree
# record = true
# restart = "on-failure"      # or "never"
# env = { NAME = "value" }
`;

/** Says whether a name can be a preset's; null: it can. */
export function nameFault(name: string): string | null {
  if (name === "") return "give it a name";
  return /^[\p{L}\p{N}][\p{L}\p{N}._-]*$/u.test(name)
    ? null
    : "a name is made of letters, digits, dots, dashes and underscores, and begins with a letter or digit";
}
