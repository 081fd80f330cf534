import type { DeadLetter } from "./DeadLetter";
import type { Runner } from "./Runner";

export type Status = { 
version: string,
instance_id: string,
node_id: string,
/**
 * "desktop" or "stratavored".
 */
host: string,
host_pid: number,
started_at: string,
data_dir: string,
runtime_dir: string,
/**
 * Runners by state; states with none are absent.
 */
runners: { [key in string]?: number },
projects: number,
/**
 * Events committed and not yet delivered.
 */
outbox_waiting: number,
/**
 * Events that could not be delivered, by runner; they hold back what follows them.
 */
dead_letters: Array<DeadLetter>,
/**
 * Runners that ended because the machine or the session did.
 */
interrupted: Array<Runner>,
/**
 * What works less than it should, in words.
 */
problems: Array<string>,
max_runners?: number | null,
};
