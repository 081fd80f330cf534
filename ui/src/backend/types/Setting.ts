export type Setting = { 
key: string,
value: string,
/**
 * "default", "flag", an environment variable's name, or file:line.
 */
source: string,
};
