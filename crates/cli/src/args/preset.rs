//! What `preset` takes.

use clap::{Args, Subcommand, ValueEnum, ValueHint};
use stratavore_core::program::NAMES;

use super::launch::{CommandWords, Restart, Variable};

#[derive(Debug, Subcommand)]
pub(crate) enum PresetCommand {
    /// List your presets, and those of a project
    List {
        /// Those of this project's .stratavore.toml too
        #[arg(long, value_name = "P")]
        project: Option<String>,
    },
    /// Show one preset, with all that it inherits
    Show {
        /// The preset
        name: String,
        /// Of this project, where it has one of that name
        #[arg(long, value_name = "P")]
        project: Option<String>,
    },
    /// Make a preset of yours, or replace it
    Set(Box<PresetSetArgs>),
    /// Remove a preset of yours
    Remove {
        /// The preset
        name: String,
    },
    /// Print presets of yours as TOML, to be shared
    Export {
        /// Only these
        #[arg(value_name = "NAME")]
        names: Vec<String>,
        /// Those of this project's .stratavore.toml instead
        #[arg(long, value_name = "P")]
        project: Option<String>,
    },
    /// Read presets that were exported, as yours
    Import {
        /// The file; - for stdin
        #[arg(value_hint = ValueHint::FilePath)]
        file: String,
        /// Put them in the place of yours of the same names
        #[arg(long)]
        replace: bool,
    },
}

#[derive(Debug, Args)]
pub(crate) struct PresetSetArgs {
    /// What to call it
    pub(crate) name: String,
    /// A file that says what it is, in TOML; - for stdin
    #[arg(value_hint = ValueHint::FilePath)]
    pub(crate) file: Option<String>,
    #[command(flatten)]
    pub(crate) written: Written,
}

/// A preset, written as flags.
#[derive(Debug, Args)]
pub(crate) struct Written {
    /// The preset that says what this one does not
    #[arg(long, value_name = "NAME")]
    pub(crate) inherits: Option<String>,
    /// What it is for, in a few words
    #[arg(long, value_name = "TEXT")]
    pub(crate) description: Option<String>,
    /// The program to run
    #[arg(long, value_parser = NAMES, conflicts_with = "command")]
    pub(crate) program: Option<String>,
    /// A command to run instead; split into words as a shell does, run without one
    #[arg(long, value_name = "CMD")]
    pub(crate) command: Option<CommandWords>,
    /// Whether it begins a conversation, or goes on with the latest of the project's directory
    #[arg(long, conflicts_with = "command")]
    pub(crate) mode: Option<PresetMode>,
    /// A variable for the runner's environment; may be repeated
    #[arg(long, value_name = "K=V")]
    pub(crate) env: Vec<Variable>,
    /// Whether to start it again when it fails
    #[arg(long)]
    pub(crate) restart: Option<Restart>,
    /// In a fresh git worktree
    #[arg(long)]
    pub(crate) worktree: bool,
    /// Record all that it writes to its terminal, for `stratavore play`
    #[arg(long)]
    pub(crate) record: bool,
    /// Arguments for the program
    #[arg(last = true, value_name = "ARGS")]
    pub(crate) args: Vec<String>,
}

/// With which conversation a preset's launch begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum PresetMode {
    New,
    Continue,
}

impl PresetMode {
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::New => "new",
            Self::Continue => "continue",
        }
    }
}
