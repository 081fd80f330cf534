import type { Setting } from "./Setting";

export type Config = { 
settings: Array<Setting>,
};
