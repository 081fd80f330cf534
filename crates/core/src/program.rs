//! The programs that Stratavore knows by name.

/// A coding-agent CLI, described by data.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Program {
    /// The word by which it is launched.
    pub name: &'static str,
    /// What people call it.
    pub title: &'static str,
    /// The executable looked up in PATH.
    pub executable: &'static str,
    /// Arguments that print its version.
    pub version_args: &'static [&'static str],
    /// How to install it.
    pub install: &'static str,
}

/// The word under which a custom command is shown.
pub const COMMAND: &str = "command";

/// Every known program, the most used first.
pub const PROGRAMS: &[Program] = &[
    Program {
        name: "claude",
        title: "Claude Code",
        executable: "claude",
        version_args: &["--version"],
        install: "npm install -g @anthropic-ai/claude-code",
    },
    Program {
        name: "codex",
        title: "Codex",
        executable: "codex",
        version_args: &["--version"],
        install: "npm install -g @openai/codex",
    },
    Program {
        name: "gemini",
        title: "Gemini CLI",
        executable: "gemini",
        version_args: &["--version"],
        install: "npm install -g @google/gemini-cli",
    },
    Program {
        name: "opencode",
        title: "OpenCode",
        executable: "opencode",
        version_args: &["--version"],
        install: "npm install -g opencode-ai",
    },
];

/// Returns the program of that name.
#[must_use]
pub fn find(name: &str) -> Option<&'static Program> {
    PROGRAMS.iter().find(|program| program.name == name)
}

/// Variables that one agent CLI leaves to its children, and that would make another believe it runs inside the first.
pub const PARENT_AGENT_VARIABLES: &[&str] = &[
    "CLAUDECODE",
    "CLAUDE_CODE_ENTRYPOINT",
    "CLAUDE_CODE_SESSION_ID",
    "CLAUDE_CODE_SSE_PORT",
    "CLAUDE_PID",
    "CLAUDE_PROJECT_DIR",
    "CODEX_SANDBOX",
    "CODEX_SANDBOX_NETWORK_DISABLED",
    "GEMINI_CLI",
    "OPENCODE",
    "OPENCODE_PID",
];

/// Tells whether a variable was left by a parent agent CLI.
#[must_use]
pub fn is_parent_agent_variable(key: &str) -> bool {
    key.starts_with("CLAUDECODE") || PARENT_AGENT_VARIABLES.contains(&key)
}
