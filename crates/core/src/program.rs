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
    /// The setting that says where it is.
    pub(crate) setting: &'static str,
    /// What that setting does.
    pub(crate) setting_doc: &'static str,
}

/// Describes a program; its executable and its setting are called as it is.
macro_rules! program {
    ($name:literal, $title:literal, $install:literal) => {
        Program {
            name: $name,
            title: $title,
            executable: $name,
            version_args: &["--version"],
            install: $install,
            setting: concat!("programs.", $name),
            setting_doc: concat!("where ", $name, " is, instead of what PATH says"),
        }
    };
}

/// The word under which a custom command is shown.
pub const COMMAND: &str = "command";

/// Every known program, the most used first. What else lists programs is made from this, or compared with it by a test.
pub const PROGRAMS: &[Program] = &[
    program!(
        "claude",
        "Claude Code",
        "npm install -g @anthropic-ai/claude-code"
    ),
    program!("codex", "Codex", "npm install -g @openai/codex"),
    program!("gemini", "Gemini CLI", "npm install -g @google/gemini-cli"),
    program!("opencode", "OpenCode", "npm install -g opencode-ai"),
];

/// The words by which they are launched.
pub const NAMES: [&str; PROGRAMS.len()] = {
    let mut names = [""; PROGRAMS.len()];
    let mut at = 0;
    while at < names.len() {
        names[at] = PROGRAMS[at].name;
        at += 1;
    }
    names
};

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
