import type { Check } from "./Check";

export type DoctorReport = { 
checks: Array<Check>,
};
