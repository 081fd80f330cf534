import type { Project } from "./Project";

export type Projects = { 
projects: Array<Project>,
};
