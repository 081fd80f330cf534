export type AddProjectRequest = { 
name: string,
/**
 * Absolute.
 */
path: string,
max_runners?: number | null,
};
