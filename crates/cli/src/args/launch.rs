//! What `launch` takes.

use std::str::FromStr;

use clap::{Args, ValueEnum};
use stratavore_core::command::{self, BadCommand};
use stratavore_core::program::NAMES;

#[derive(Debug, Args)]
pub(crate) struct LaunchArgs {
    /// The project to launch in
    pub(crate) project: String,
    /// The program to run; default: the one configured
    #[arg(long, value_parser = NAMES, conflicts_with = "command")]
    pub(crate) program: Option<String>,
    /// A command to run instead; split into words as a shell does, run without one
    #[arg(long, value_name = "CMD")]
    pub(crate) command: Option<CommandWords>,
    /// What to call the runner; default: made from the project's name
    #[arg(long, value_name = "N")]
    pub(crate) name: Option<String>,
    /// A variable for the runner's environment; may be repeated
    #[arg(long, value_name = "K=V")]
    pub(crate) env: Vec<Variable>,
    /// Whether to start it again when it fails; default: as configured
    #[arg(long)]
    pub(crate) restart: Option<Restart>,
    /// How often to start it in all, with --restart on-failure
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=1000))]
    pub(crate) max_attempts: Option<u32>,
    /// Wait in line, rather than be refused, when a quota is full
    #[arg(long)]
    pub(crate) queue: bool,
    #[command(flatten)]
    pub(crate) ceilings: Ceilings,
    /// What happens above these ceilings; default: as configured
    #[arg(long, value_name = "ACTION", requires = "Ceilings")]
    pub(crate) ceiling_action: Option<CeilingAction>,
    /// Leave alive what the program leaves behind when it exits normally
    #[arg(long)]
    pub(crate) keep_descendants: bool,
    /// Record all that it writes to its terminal, for `stratavore play`
    #[arg(long)]
    pub(crate) record: bool,
    /// The node to run it on, or `least-loaded`; default: this machine
    #[arg(long, conflicts_with = "attach")]
    pub(crate) node: Option<String>,
    /// The terminal's first size; default: this terminal's
    #[arg(long, value_name = "COLSxROWS")]
    pub(crate) size: Option<Size>,
    /// Attach this terminal once it runs
    #[arg(long, conflicts_with = "json")]
    pub(crate) attach: bool,
    #[command(flatten)]
    pub(crate) conversation: Conversation,
    /// A preset to launch by; what is said here goes before what it says
    #[arg(long, value_name = "NAME")]
    pub(crate) preset: Option<String>,
    /// In a fresh git worktree; default name: the runner's
    #[arg(long, value_name = "NAME", num_args = 0..=1, default_missing_value = "", conflicts_with = "continue_last")]
    pub(crate) worktree: Option<String>,
    /// Arguments for the program
    #[arg(last = true, value_name = "ARGS")]
    pub(crate) args: Vec<String>,
}

// With which conversation it begins; by default with a new one. (A doc comment would become the help of the command.)
#[derive(Debug, Args)]
#[group(multiple = false, conflicts_with = "command")]
pub(crate) struct Conversation {
    /// Go on with the latest session of the project's directory
    #[arg(long = "continue")]
    pub(crate) continue_last: bool,
    /// Go on with this session: its id, or the beginning of it
    #[arg(long, value_name = "SESSION")]
    pub(crate) resume: Option<String>,
    /// Begin as a copy of this session, which stays as it is
    #[arg(long, value_name = "SESSION")]
    pub(crate) fork: Option<String>,
}

// What the runner's processes together may use.
#[derive(Debug, Args)]
#[group(multiple = true)]
pub(crate) struct Ceilings {
    /// Memory that all its processes together may use, in MB
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..=1 << 30))]
    pub(crate) memory_mb: Option<u64>,
    /// CPU that all its processes together may use; 100 is one core
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=100_000))]
    pub(crate) cpu_percent: Option<u32>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Restart {
    Never,
    OnFailure,
}

impl Restart {
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::Never => "never",
            Self::OnFailure => "on-failure",
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum CeilingAction {
    Notify,
    Pause,
    Stop,
}

impl CeilingAction {
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::Notify => "notify",
            Self::Pause => "pause",
            Self::Stop => "stop",
        }
    }
}

/// A command, split into words as a shell does.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct CommandWords(pub(crate) Vec<String>);

impl FromStr for CommandWords {
    type Err = BadCommand;
    fn from_str(text: &str) -> Result<Self, BadCommand> {
        command::split(text).map(Self)
    }
}

/// An environment variable and its value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Variable {
    pub(crate) key: String,
    pub(crate) value: String,
}

impl FromStr for Variable {
    type Err = String;
    fn from_str(text: &str) -> Result<Self, String> {
        let Some((key, value)) = text.split_once('=') else {
            return Err("it has no '='; write KEY=VALUE".to_owned());
        };
        if key.is_empty() {
            return Err("its key is empty; write KEY=VALUE".to_owned());
        }
        if key.chars().any(|c| c.is_control() || c.is_whitespace()) {
            return Err("its key has white space or control characters".to_owned());
        }
        Ok(Self {
            key: key.to_owned(),
            value: value.to_owned(),
        })
    }
}

/// A terminal's size in cells.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Size {
    pub(crate) columns: u16,
    pub(crate) rows: u16,
}

impl FromStr for Size {
    type Err = String;
    fn from_str(text: &str) -> Result<Self, String> {
        let cells = |text: &str| {
            text.parse::<u16>()
                .ok()
                .filter(|n| (1..=10_000).contains(n))
        };
        text.split_once('x')
            .and_then(|(columns, rows)| {
                Some(Self {
                    columns: cells(columns)?,
                    rows: cells(rows)?,
                })
            })
            .ok_or_else(|| "write COLSxROWS, such as 120x40, each from 1 to 10000".to_owned())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_command_is_split_as_a_shell_splits_words() {
        let words = |text: &str| text.parse::<CommandWords>().map(|words| words.0);
        assert_eq!(
            words(r#"sh -c "echo 'a  b' $HOME""#).unwrap(),
            ["sh", "-c", "echo 'a  b' $HOME"]
        );
        assert_eq!(words(r"a\ b '' c").unwrap(), ["a b", "", "c"]);
        for bad in ["", "  ", "'open", "a \"b", "''"] {
            assert!(words(bad).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn a_variable_needs_a_key_and_may_have_any_value() {
        let read = |text: &str| text.parse::<Variable>().map(|v| (v.key, v.value));
        assert_eq!(read("A=b=c"), Ok(("A".into(), "b=c".into())));
        assert_eq!(read("A="), Ok(("A".into(), String::new())));
        for bad in ["A", "=b", "", "A B=c", "A\n=c"] {
            assert!(read(bad).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn a_size_has_two_sensible_numbers() {
        assert_eq!(
            "120x40".parse(),
            Ok(Size {
                columns: 120,
                rows: 40
            })
        );
        for bad in [
            "",
            "120",
            "x",
            "0x40",
            "120x",
            "120x99999",
            "-1x3",
            "120X40",
        ] {
            assert!(bad.parse::<Size>().is_err(), "{bad:?}");
        }
    }
}
