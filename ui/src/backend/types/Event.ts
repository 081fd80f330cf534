export type Event = { 
cursor: string,
id: string,
/**
 * "runner" or "project".
 */
aggregate: string,
aggregate_id: string,
/**
 * Dense per aggregate, from 1.
 */
seq: number,
/**
 * Such as "runner.started".
 */
type: string,
at: string,
/**
 * The payload as JSON.
 */
data: string,
project?: string | null,
};
