export type Program = { 
/**
 * claude, codex, gemini, opencode.
 */
name: string,
/**
 * As people call it: "Claude Code".
 */
title: string,
/**
 * Absent: not found on this machine.
 */
path?: string | null,
version?: string | null,
/**
 * How to install it, when it was not found.
 */
install: string,
};
