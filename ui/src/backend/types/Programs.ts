import type { Program } from "./Program";

export type Programs = { 
programs: Array<Program>,
};
