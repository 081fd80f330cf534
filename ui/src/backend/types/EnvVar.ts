export type EnvVar = { 
key: string,
value: string,
};
