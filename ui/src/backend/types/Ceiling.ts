export type Ceiling = { 
memory_bytes?: number | null,
/**
 * 100 is one core.
 */
cpu_percent?: number | null,
/**
 * "notify", "pause", "stop".
 */
action: string,
};
