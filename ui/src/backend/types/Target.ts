export type Target = { runner: string } | { project: string } | { all: boolean };
