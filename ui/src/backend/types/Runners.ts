import type { Runner } from "./Runner";

export type Runners = { 
runners: Array<Runner>,
};
