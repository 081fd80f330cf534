//! What `attention`, `decide` and `wait` take.

use clap::{Args, ValueEnum};
use stratavore_core::attention::Need;
use stratavore_rpc::v1;

use super::Seconds;

#[derive(Debug, Args)]
pub(crate) struct AttentionArgs {
    /// Go on with a line for each change, until interrupted
    #[arg(long)]
    pub(crate) follow: bool,
    /// Those too that need nobody
    #[arg(long)]
    pub(crate) all: bool,
    /// Only this project's
    #[arg(long, value_name = "P")]
    pub(crate) project: Option<String>,
}

#[derive(Debug, Args)]
pub(crate) struct DecideArgs {
    /// The runner that waits
    pub(crate) runner: String,
    /// What to answer; allow is for this once
    pub(crate) verdict: Verdict,
    /// Why not; told to the program
    #[arg(long, value_name = "TEXT")]
    pub(crate) reason: Option<String>,
    /// Answer this request and no other, by its id; default: the one that it waits for now
    #[arg(long, value_name = "ID")]
    pub(crate) ask: Option<String>,
}

/// A person's answer to a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Verdict {
    Allow,
    Deny,
}

#[derive(Debug, Args)]
pub(crate) struct WaitArgs {
    /// The runner
    pub(crate) runner: String,
    /// What to wait for; of several, separated by commas, the one that comes first
    #[arg(
        long = "for",
        value_name = "STATE",
        required = true,
        value_delimiter = ','
    )]
    pub(crate) states: Vec<Awaited>,
    /// Give up after this many seconds
    #[arg(long, value_name = "S")]
    pub(crate) timeout: Option<Seconds>,
}

/// A state that `wait` waits for: of the runner, or of what it needs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Awaited {
    /// Its program runs
    Running,
    /// It ended well, or was stopped
    Terminated,
    /// It ended otherwise
    Failed,
    /// Its turn is done
    Idle,
    /// Nothing goes on without you: any of the four that follow
    NeedsYou,
    /// A tool waits for your permission
    NeedsPermission,
    /// It asks a question
    NeedsAnswer,
    /// Its turn ended in an error
    Errored,
    /// It says that it works, but nothing moves
    Stalled,
    /// Its provider takes no more for now
    RateLimited,
    /// It works
    Working,
}

impl Awaited {
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::Running => "running",
            Self::Terminated => "terminated",
            Self::Failed => "failed",
            Self::NeedsYou => "needs-you",
            Self::Idle => Need::Idle.as_str(),
            Self::NeedsPermission => Need::NeedsPermission.as_str(),
            Self::NeedsAnswer => Need::NeedsAnswer.as_str(),
            Self::Errored => Need::Errored.as_str(),
            Self::Stalled => Need::Stalled.as_str(),
            Self::RateLimited => Need::RateLimited.as_str(),
            Self::Working => Need::Working.as_str(),
        }
    }

    /// Tells whether a runner has come to it. What nobody knows is nothing that was waited for.
    pub(crate) fn is_of(self, runner: &v1::Runner) -> bool {
        use crate::attention::need;
        match self {
            Self::Running | Self::Terminated | Self::Failed => runner.state == self.as_str(),
            Self::NeedsYou => need(runner).is_some_and(Need::needs_a_person),
            Self::Idle
            | Self::NeedsPermission
            | Self::NeedsAnswer
            | Self::Errored
            | Self::Stalled
            | Self::RateLimited
            | Self::Working => need(runner).is_some_and(|need| need.as_str() == self.as_str()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn runner(state: &str) -> v1::Runner {
        v1::Runner {
            state: "running".into(),
            attention: Some(v1::Attention {
                state: state.into(),
                ..v1::Attention::default()
            }),
            ..v1::Runner::default()
        }
    }

    #[test]
    fn what_nobody_knows_is_nothing_that_was_waited_for() {
        let mut silent = runner("idle");
        silent.unreachable = true;
        let untold = v1::Runner {
            state: "running".into(),
            ..v1::Runner::default()
        };
        for unknown in [runner("unknown"), runner("resting"), silent, untold] {
            for awaited in Awaited::value_variants() {
                let expected = *awaited == Awaited::Running;
                assert_eq!(awaited.is_of(&unknown), expected, "{awaited:?} {unknown:?}");
            }
        }
    }

    #[test]
    fn each_need_is_what_is_waited_for_by_its_name() {
        for need in Need::ALL {
            let runner = runner(need.as_str());
            let fit: Vec<&str> = Awaited::value_variants()
                .iter()
                .filter(|awaited| awaited.is_of(&runner))
                .map(|awaited| awaited.as_str())
                .collect();
            let mut expected = vec!["running"];
            expected.extend(need.needs_a_person().then_some("needs-you"));
            let named = !matches!(need, Need::Starting | Need::Unknown);
            expected.extend(named.then_some(need.as_str()));
            let sorted = |mut words: Vec<&'static str>| {
                words.sort_unstable();
                words
            };
            assert_eq!(sorted(fit), sorted(expected), "{need}");
        }
    }
}
