export type Nudge = { 
/**
 * "runner", "project", "observations" (CPU, memory and the like of any runner), "notifications", "status" (anything).
 */
entity: string,
/**
 * Empty where the entity is not one thing.
 */
id: string,
};
