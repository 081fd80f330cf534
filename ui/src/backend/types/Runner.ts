import type { Ceiling } from "./Ceiling";
import type { Exit } from "./Exit";
import type { RestartPolicy } from "./RestartPolicy";

export type Runner = { 
id: string,
name: string,
/**
 * The project's name.
 */
project: string,
/**
 * claude, codex, gemini, opencode, or "command".
 */
program: string,
/**
 * queued, starting, running, paused, stopping, backoff, terminated, failed, cancelled.
 */
state: string,
pid?: number | null,
exit?: Exit | null,
created_at: string,
started_at?: string | null,
ended_at?: string | null,
cpu_percent?: number | null,
memory_bytes?: number | null,
last_heartbeat?: string | null,
project_id: string,
attempt: number,
command: Array<string>,
cwd: string,
/**
 * A hung agent or a silent node; the runner may well be alive.
 */
unreachable: boolean,
restart?: RestartPolicy | null,
ceiling?: Ceiling | null,
/**
 * When a runner in backoff starts again.
 */
retry_at?: string | null,
viewers: number,
/**
 * The terminal's title, as the program set it.
 */
title?: string | null,
revision: number,
};
