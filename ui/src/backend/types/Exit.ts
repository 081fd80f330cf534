export type Exit = { 
code?: number | null,
/**
 * A signal's name without SIG, such as "KILL".
 */
signal?: string | null,
/**
 * Why, in words a person would use.
 */
reason: string,
};
