export type Check = { 
name: string,
/**
 * "ok", "warning", "problem".
 */
outcome: string,
detail: string,
/**
 * What to do; absent when all is well.
 */
mend?: string | null,
};
