//! What `sessions` and `resume` take.

use std::path::PathBuf;

use clap::{Args, Subcommand, ValueEnum, ValueHint};
use stratavore_core::program::NAMES;

#[derive(Debug, Subcommand)]
pub(crate) enum SessionsCommand {
    /// List the sessions, the latest first
    List(SessionsListArgs),
    /// Show one session
    Show(SessionArg),
    /// Find what was said in sessions
    Search(SessionsSearchArgs),
    /// Print a session's transcript, or write it to a file
    Export(SessionsExportArgs),
    /// Keep compressed copies of transcripts, which their programs delete after a while
    Archive {
        /// Only this one; default: all that changed since they were archived
        session: Option<String>,
    },
    /// Put the kept copy of a transcript that its program deleted back where the program looks for it
    Restore(SessionArg),
    /// Read the programs' own files anew
    Reindex,
}

#[derive(Debug, Args)]
pub(crate) struct SessionArg {
    /// The session: its id, or the beginning of it
    pub(crate) session: String,
}

#[derive(Debug, Args)]
pub(crate) struct SessionsListArgs {
    /// Only those held in this project's directory
    #[arg(long, value_name = "P")]
    pub(crate) project: Option<String>,
    /// Only this program's
    #[arg(long, value_parser = NAMES)]
    pub(crate) program: Option<String>,
    /// Only those of this runner
    #[arg(long, value_name = "R")]
    pub(crate) runner: Option<String>,
    /// At most this many; default: 100
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    pub(crate) limit: Option<u32>,
}

#[derive(Debug, Args)]
pub(crate) struct SessionsSearchArgs {
    /// Words, all of which must occur in what was said; several in quotes must follow one another
    #[arg(required = true, value_name = "QUERY")]
    pub(crate) words: Vec<String>,
    /// Only in this project's sessions
    #[arg(long, value_name = "P")]
    pub(crate) project: Option<String>,
    /// At most this many; default: 50
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    pub(crate) limit: Option<u32>,
}

#[derive(Debug, Args)]
pub(crate) struct SessionsExportArgs {
    /// The session: its id, or the beginning of it
    pub(crate) session: String,
    /// As text to be read, or as its program wrote it
    #[arg(long, default_value = "markdown")]
    pub(crate) format: Format,
    /// Into this new file instead; only you may read it
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub(crate) output: Option<PathBuf>,
}

/// How a transcript is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Format {
    Markdown,
    Jsonl,
}

impl Format {
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::Markdown => "markdown",
            Self::Jsonl => "jsonl",
        }
    }
}

#[derive(Debug, Args)]
pub(crate) struct ResumeArgs {
    /// A runner that ended, or a session; without one, lists the runners whose sessions can be resumed
    #[arg(value_name = "RUNNER|SESSION")]
    pub(crate) target: Option<String>,
    /// Begin as a copy of the session, which stays as it is
    #[arg(long, requires = "target")]
    pub(crate) fork: bool,
    /// What to call the new runner; default: made from the project's name
    #[arg(long, value_name = "N", requires = "target")]
    pub(crate) name: Option<String>,
    /// Attach this terminal once it runs
    #[arg(long, conflicts_with = "json", requires = "target")]
    pub(crate) attach: bool,
}
