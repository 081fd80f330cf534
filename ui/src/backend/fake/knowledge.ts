import type { Failure } from "../failure";
import type { Budget } from "../types/Budget";
import type { ListSessionsRequest } from "../types/ListSessionsRequest";
import type { Preset } from "../types/Preset";
import type { SavePresetRequest } from "../types/SavePresetRequest";
import type { SearchHit } from "../types/SearchHit";
import type { SearchSessionsRequest } from "../types/SearchSessionsRequest";
import type { Session } from "../types/Session";
import type { SetBudgetRequest } from "../types/SetBudgetRequest";
import type { UsageReport } from "../types/UsageReport";
import type { UsageRequest } from "../types/UsageRequest";
import { hits, presets, projectPresets, sessions, transcript } from "./conversation";
import { budget, budgets, report, used } from "./spending";

export function refuse(code: string, message: string, hint: string | null = null): never {
  throw { code, message, hint } satisfies Failure;
}

/** Plays what a host knows of conversations, their cost, and presets. */
export abstract class Knowledge {
  sessions: Session[];
  budgets: Budget[];
  presets: Preset[];
  readonly exported: string[] = [];

  constructor(private readonly any: boolean) {
    this.sessions = any ? sessions() : [];
    this.budgets = any ? budgets() : [];
    this.presets = any ? presets() : [];
  }

  protected abstract nudge(entity: string): void;

  async listSessions(request: ListSessionsRequest): Promise<Session[]> {
    return structuredClone(
      this.sessions
        .filter((one) => request.project == null || one.project === request.project)
        .filter((one) => request.program == null || one.program === request.program)
        .slice(0, request.limit ?? 100),
    );
  }

  async getSession(id: string): Promise<Session> {
    return structuredClone(this.session(id));
  }

  async searchSessions(request: SearchSessionsRequest): Promise<SearchHit[]> {
    if ((request.query.match(/"/g) ?? []).length % 2 === 1)
      refuse("invalid", "search sessions: a quote is not closed", 'close it, as in "token check"');
    return structuredClone(
      hits(request.query, this.sessions).filter(
        ({ session }) => request.project == null || session?.project === request.project,
      ),
    );
  }

  async readSession(id: string): Promise<string> {
    this.session(id);
    return transcript;
  }

  async exportSession(id: string, folder: string): Promise<string> {
    const path = `${folder}/${this.session(id).id.slice(0, 8)}.md`;
    this.exported.push(path);
    return path;
  }

  async archiveSession(id: string): Promise<void> {
    this.session(id).archive = `/home/ada/.local/share/stratavore/archive/${id.slice(0, 8)}.jsonl.zst`;
    this.nudge("sessions");
  }

  async reindex(): Promise<number> {
    return this.sessions.length;
  }

  async usage(request: UsageRequest): Promise<UsageReport> {
    if (this.any) return report(request);
    return { ...report(request), total: used(0, { cost_usd: null }), rows: [], unpriced_models: [] };
  }

  async listBudgets(): Promise<Budget[]> {
    return structuredClone(this.budgets);
  }

  async setBudget(request: SetBudgetRequest): Promise<Budget> {
    const same = this.budgets.find(
      (one) => one.scope === request.scope && one.of === (request.of ?? null) && one.period === request.period,
    );
    const set = budget({
      ...same,
      id: same?.id ?? `budget-${this.budgets.length + 1}`,
      scope: request.scope,
      of: request.of ?? null,
      period: request.period,
      tokens: request.tokens ?? null,
      usd: request.usd ?? null,
      at_limit: request.at_limit ?? "warn",
    });
    this.budgets = [...this.budgets.filter((one) => one !== same), set];
    this.nudge("usage");
    return structuredClone(set);
  }

  async removeBudget(id: string): Promise<void> {
    this.budgets = this.budgets.filter((one) => one.id !== id);
    this.nudge("usage");
  }

  async listPresets(project: string | null): Promise<Preset[]> {
    const own = project === "docs-site" ? projectPresets() : [];
    return structuredClone([...this.presets, ...own]);
  }

  async savePreset(request: SavePresetRequest): Promise<Preset> {
    if (/^\s*\w+\s*$/m.test(request.toml))
      refuse("invalid", `save preset ${request.name}: line 1: a key without a value`, "write `key = value` on each line");
    const before = this.presets.find((one) => one.name === request.name);
    const saved: Preset = {
      name: request.name,
      of: "person",
      toml: request.toml,
      program: /program = "(.*)"/.exec(request.toml)?.[1] ?? "claude",
      command: [],
      args: [],
      mode: null,
      worktree: /worktree = true/.test(request.toml),
      description: /description = "(.*)"/.exec(request.toml)?.[1] ?? null,
      inherits: null,
      problem: null,
    };
    this.presets = [...this.presets.filter((one) => one !== before), saved];
    this.nudge("presets");
    return structuredClone(saved);
  }

  async removePreset(name: string): Promise<void> {
    this.presets = this.presets.filter((one) => one.name !== name);
    this.nudge("presets");
  }

  protected session(id: string): Session {
    return (
      this.sessions.find((one) => one.id.startsWith(id)) ??
      refuse("not-found", `no session ${id}`, "list them with `stratavore sessions list`")
    );
  }
}
