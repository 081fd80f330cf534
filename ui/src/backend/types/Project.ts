export type Project = { 
id: string,
name: string,
path: string,
max_runners?: number | null,
/**
 * Runners that count against max_runners now.
 */
active_runners: number,
created_at: string,
archived_at?: string | null,
revision: number,
};
