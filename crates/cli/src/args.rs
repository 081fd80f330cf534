//! The command line: every command, argument and flag, and the help that goes with them.

mod attention;
mod launch;
mod preset;
mod session;
mod usage;

use std::path::PathBuf;
use std::str::FromStr;

use clap::{Args, Parser, Subcommand, ValueHint};
use clap_complete::Shell;
use stratavore_wire::keys::Key;

pub(crate) use self::attention::{AttentionArgs, Awaited, DecideArgs, Verdict, WaitArgs};
pub(crate) use self::launch::{LaunchArgs, Restart, Size};
pub(crate) use self::preset::{PresetCommand, PresetSetArgs, Written};
pub(crate) use self::session::{
    ResumeArgs, SessionsCommand, SessionsExportArgs, SessionsListArgs, SessionsSearchArgs,
};
pub(crate) use self::usage::{
    AtLimit, BudgetCommand, BudgetScope, BudgetSetArgs, By, Moment, UsageArgs,
};

/// What each exit code means; shown by `--help`.
const EXIT_CODES: &str = "\
Exit codes:
   0  done
   1  failed, or came out otherwise than asked for
   2  the command line makes no sense
   3  no such runner, project, session, budget or preset
   4  a name or prefix means several
   5  refused by a quota
   6  not possible in the present state, or a name is taken
   7  a time limit was reached
   8  no host runs, or what is needed is not there now
   9  a setting is wrong
  10  refused by a budget

Data goes to stdout, everything else to stderr. A RUNNER is a name, an id, or a prefix of either that means just one.";

/// Supervises coding-agent CLIs across projects
#[derive(Debug, Parser)]
#[command(
    name = "stratavore",
    version,
    about = "Supervise coding-agent CLIs across projects",
    after_help = EXIT_CODES,
    disable_help_subcommand = true,
    override_usage = "stratavore [OPTIONS] <COMMAND>\n       stratavore [OPTIONS] <PROJECT>",
)]
pub(crate) struct Cli {
    /// Attach to the project's runner: launch one when none runs, choose when several do
    pub(crate) project: Option<String>,
    #[command(flatten)]
    pub(crate) global: Global,
    #[command(subcommand)]
    pub(crate) command: Option<Command>,
}

/// What every command takes.
#[derive(Clone, Copy, Debug, Args)]
pub(crate) struct Global {
    /// Print data as JSON; a failure also as a JSON object on stderr
    #[arg(long, global = true)]
    pub(crate) json: bool,
    /// Refuse, rather than start a host, when none runs
    #[arg(long, global = true)]
    pub(crate) no_start: bool,
}

// What a command takes is made when it is called: that of all of them costs each call half a millisecond.
#[derive(Debug, Subcommand)]
#[command(defer = true)]
pub(crate) enum Command {
    /// Add, list, show or archive projects
    #[command(subcommand)]
    Project(ProjectCommand),
    /// Launch a program in a project
    Launch(Box<LaunchArgs>),
    /// List the runners that have not ended
    Runners(RunnersArgs),
    /// Show one runner
    Show(RunnerArg),
    /// List the runners that need you, and what they ask
    Attention(AttentionArgs),
    /// Allow or deny what a runner waits for
    Decide(DecideArgs),
    /// Attach this terminal to a runner's; ctrl-\ detaches
    Attach(AttachArgs),
    /// Type text into a runner's terminal
    Send(SendArgs),
    /// Print what a runner's terminal shows now
    Screen(ScreenArgs),
    /// Print what scrolled off a runner's terminal, and its screen after it
    Logs(LogsArgs),
    /// Play the recording of a runner launched with --record
    Play(PlayArgs),
    /// Wait until a runner has come to a state, is idle, or needs you
    Wait(WaitArgs),
    /// Stop runners, with every process they started
    Stop(StopArgs),
    /// Pause a runner's whole process tree
    Pause(RunnerArg),
    /// Let a paused runner go on
    Continue(RunnerArg),
    /// Start a runner that has ended once more
    Restart(RunnerArg),
    /// List the runners that a reboot or logout interrupted, start them again, or dismiss the offer
    Interrupted(InterruptedArgs),
    /// List, show, search, export or archive the programs' own conversations
    #[command(subcommand)]
    Sessions(SessionsCommand),
    /// Launch a runner that goes on with a session, or with that of a runner that ended
    Resume(ResumeArgs),
    /// Show the tokens that were used, and what they cost
    Usage(UsageArgs),
    /// Set, list, show or remove budgets: how much may be used in a time
    #[command(subcommand)]
    Budget(BudgetCommand),
    /// List, show, set, remove or share presets: named launches
    #[command(subcommand)]
    Preset(PresetCommand),
    /// Print the events, in the order in which they were committed
    Events(EventsArgs),
    /// List the machines that share a store, or forget one that is gone
    #[command(subcommand)]
    Node(NodeCommand),
    /// List events that could not be delivered, try them again, or give one up
    #[command(subcommand)]
    Outbox(OutboxCommand),
    /// Look at the database, bring it up to date, move this machine's history to it, or remove old events
    #[command(subcommand)]
    Db(DbCommand),
    /// Show the host and how much is running
    Status,
    /// Check the audit log
    #[command(subcommand)]
    Audit(AuditCommand),
    /// Show the settings
    #[command(subcommand)]
    Config(ConfigCommand),
    /// Check this machine: what is wrong and how to mend it
    Doctor,
    /// Start or stop the host itself
    #[command(subcommand)]
    Host(HostCommand),
    /// Print the completions for a shell
    Completions {
        /// The shell
        shell: Shell,
    },
}

#[derive(Debug, Subcommand)]
pub(crate) enum DbCommand {
    /// Tell which database the settings name, and how new its schema is
    Status,
    /// Bring the shared database to the newest version
    Migrate,
    /// Copy this machine's own history to the shared database: whole, verified, once
    Copy {
        /// From where
        #[arg(long, value_parser = ["sqlite"])]
        from: String,
        /// To where
        #[arg(long, value_parser = ["postgres"])]
        to: String,
    },
    /// Remove delivered events from before a date, behind a signed checkpoint
    Prune {
        /// A date (2026-01-31) or a time (2026-01-31T12:00:00Z)
        #[arg(long, value_name = "WHEN")]
        before: String,
    },
}

#[derive(Debug, Subcommand)]
pub(crate) enum NodeCommand {
    /// List the nodes
    List,
    /// End the runners of a silent node as lost, and forget it
    Forget {
        /// The node's name or id
        node: String,
    },
}

#[derive(Debug, Subcommand)]
pub(crate) enum OutboxCommand {
    /// List what could not be delivered and holds back what follows it
    List,
    /// Try it again
    Retry {
        /// Only what is of this runner or project
        runner: Option<String>,
    },
    /// Give one event up; it stays in the log
    Drop {
        /// Its number, as listed
        number: i64,
    },
}

#[derive(Debug, Subcommand)]
pub(crate) enum ProjectCommand {
    /// Add a directory as a project
    Add(ProjectAddArgs),
    /// List the projects
    List {
        /// Archived ones too
        #[arg(long)]
        archived: bool,
    },
    /// Show one project
    Show {
        /// The project's name
        project: String,
    },
    /// Put a project away; its history stays
    Archive {
        /// The project's name
        project: String,
    },
}

#[derive(Debug, Args)]
pub(crate) struct ProjectAddArgs {
    /// What to call it
    pub(crate) name: String,
    /// Its directory; a relative one is taken from the current directory
    #[arg(long, value_name = "DIR")]
    pub(crate) path: PathBuf,
    /// How many of its runners may be active at once
    #[arg(long, value_name = "N")]
    pub(crate) max_runners: Option<u32>,
}

#[derive(Debug, Args)]
pub(crate) struct RunnersArgs {
    /// Only this project's
    #[arg(long, value_name = "P")]
    pub(crate) project: Option<String>,
    /// Ended ones too
    #[arg(long)]
    pub(crate) all: bool,
}

#[derive(Debug, Args)]
pub(crate) struct RunnerArg {
    /// The runner
    pub(crate) runner: String,
}

#[derive(Debug, Args)]
pub(crate) struct AttachArgs {
    /// The runner
    #[arg(conflicts_with = "json")]
    pub(crate) runner: String,
    /// Only watch: type nothing, and leave its size alone
    #[arg(long)]
    pub(crate) read_only: bool,
    /// The key that detaches
    #[arg(long, value_name = "KEY", default_value_t = Key::DETACH)]
    pub(crate) detach_key: Key,
    /// The key that takes over the size while it is another viewer's; typing does too
    #[arg(long, value_name = "KEY", default_value_t = Key::TAKE_OVER)]
    pub(crate) take_over_key: Key,
}

#[derive(Debug, Args)]
pub(crate) struct SendArgs {
    /// The runner
    pub(crate) runner: String,
    /// What to type
    #[arg(allow_hyphen_values = true)]
    pub(crate) text: String,
    /// Press Enter after it
    #[arg(long)]
    pub(crate) enter: bool,
}

#[derive(Debug, Args)]
pub(crate) struct ScreenArgs {
    /// The runner
    pub(crate) runner: String,
    /// With colours and modes: exactly what a terminal is fed on attaching
    #[arg(long)]
    pub(crate) ansi: bool,
}

#[derive(Debug, Args)]
pub(crate) struct LogsArgs {
    /// The runner
    pub(crate) runner: String,
    /// With colours
    #[arg(long)]
    pub(crate) ansi: bool,
    /// Go on with the lines that scroll off later, until it ends or ctrl-c
    #[arg(long)]
    pub(crate) follow: bool,
    /// At most this many of the last lines
    #[arg(long, value_name = "N")]
    pub(crate) lines: Option<u32>,
}

#[derive(Debug, Args)]
pub(crate) struct PlayArgs {
    /// The runner, or a file: a path with a slash or ending in .cast
    #[arg(value_name = "RUNNER|FILE", conflicts_with = "json", value_hint = ValueHint::AnyPath)]
    pub(crate) what: String,
    /// How many times as fast
    #[arg(long, value_name = "X", default_value = "1")]
    pub(crate) speed: Speed,
    /// Wait at most this many seconds between two changes
    #[arg(long, value_name = "S")]
    pub(crate) idle_limit: Option<Seconds>,
    /// Which attempt of the runner; default: the newest
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    pub(crate) attempt: Option<u32>,
}

#[derive(Debug, Args)]
pub(crate) struct StopArgs {
    #[command(flatten)]
    pub(crate) target: StopTarget,
    /// Seconds between the request to end and the kill; default: as configured
    #[arg(long, value_name = "S")]
    pub(crate) grace: Option<u32>,
    /// Return when the stop is recorded, not when they have ended
    #[arg(long)]
    pub(crate) no_wait: bool,
}

#[derive(Debug, Args)]
#[group(required = true, multiple = false)]
pub(crate) struct StopTarget {
    /// The runner
    pub(crate) runner: Option<String>,
    /// Every runner of this project
    #[arg(long, value_name = "P")]
    pub(crate) project: Option<String>,
    /// Every runner there is
    #[arg(long)]
    pub(crate) all: bool,
}

#[derive(Debug, Args)]
pub(crate) struct InterruptedArgs {
    /// Start them all again
    #[arg(long, conflicts_with = "dismiss")]
    pub(crate) start: bool,
    /// Leave them ended, and do not offer it again
    #[arg(long)]
    pub(crate) dismiss: bool,
}

#[derive(Debug, Args)]
pub(crate) struct EventsArgs {
    /// Go on with the events to come, until interrupted
    #[arg(long)]
    pub(crate) follow: bool,
    /// Only what came after this event's cursor
    #[arg(long, value_name = "CURSOR")]
    pub(crate) since: Option<String>,
    /// At most this many
    #[arg(long, value_name = "N")]
    pub(crate) limit: Option<u32>,
}

#[derive(Debug, Subcommand)]
pub(crate) enum AuditCommand {
    /// Recompute the chain of every runner and project, and name what does not fit
    Verify,
}

#[derive(Debug, Subcommand)]
pub(crate) enum ConfigCommand {
    /// Show every setting, its value and where it came from
    Show {
        /// With this project's own settings
        #[arg(long, value_name = "P")]
        project: Option<String>,
    },
}

#[derive(Debug, Subcommand)]
pub(crate) enum HostCommand {
    /// Start a host, unless one runs
    Start,
    /// End the host; runners go on without it
    Stop {
        /// Stop every runner too
        #[arg(long)]
        stop_runners: bool,
    },
}

/// A length of time, in seconds with an optional fraction.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Seconds(pub(crate) f64);

impl FromStr for Seconds {
    type Err = String;
    fn from_str(text: &str) -> Result<Self, String> {
        text.parse::<f64>()
            .ok()
            .filter(|seconds| (0.0..=1e9).contains(seconds))
            .map(Self)
            .ok_or_else(|| "write a number of seconds, such as 30 or 0.5".to_owned())
    }
}

/// How many times as fast as it was.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Speed(pub(crate) f64);

impl FromStr for Speed {
    type Err = String;
    fn from_str(text: &str) -> Result<Self, String> {
        text.parse::<f64>()
            .ok()
            .filter(|speed| (0.01..=1000.0).contains(speed))
            .map(Self)
            .ok_or_else(|| "write a number from 0.01 to 1000, such as 2 or 0.5".to_owned())
    }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn the_command_line_is_consistent() {
        Cli::command().debug_assert();
    }

    #[test]
    fn seconds_are_finite_and_not_negative() {
        assert_eq!("0.5".parse(), Ok(Seconds(0.5)));
        for bad in ["", "-1", "inf", "NaN", "1s"] {
            assert!(bad.parse::<Seconds>().is_err(), "{bad:?}");
        }
    }

    #[test]
    fn a_speed_is_neither_nothing_nor_everything() {
        assert_eq!("0.5".parse(), Ok(Speed(0.5)));
        for bad in ["", "0", "-1", "inf", "NaN", "2x"] {
            assert!(bad.parse::<Speed>().is_err(), "{bad:?}");
        }
    }
}
