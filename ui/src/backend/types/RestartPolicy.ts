export type RestartPolicy = { 
/**
 * "never", "on-failure".
 */
policy: string,
max_attempts?: number | null,
};
