export type DeadLetter = { 
aggregate_id: string,
seq: number,
event: string,
attempts: number,
error: string,
};
