import type { Ceiling } from "./Ceiling";
import type { EnvVar } from "./EnvVar";
import type { RestartPolicy } from "./RestartPolicy";

export type LaunchRequest = { 
project: string,
/**
 * A known program's name; absent with `command`, or for the configured default.
 */
program?: string | null,
/**
 * A custom command, already split into words.
 */
command: Array<string>,
args: Array<string>,
name?: string | null,
env: Array<EnvVar>,
restart?: RestartPolicy | null,
columns?: number | null,
rows?: number | null,
/**
 * Leave alive what the program leaves behind when it exits normally.
 */
keep_descendants: boolean,
ceiling?: Ceiling | null,
/**
 * Wait in line when a quota is full, instead of being refused.
 */
queue: boolean,
/**
 * Given by the client so that a repeated request is one launch: a UUID.
 */
request_id?: string | null,
};
