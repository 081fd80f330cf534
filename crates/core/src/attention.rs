//! Attention: what a runner needs of a person now.
//!
//! It is derived from what several sources say, and never stored as truth. [`judge`] is the one place that decides, and
//! is pure: what each source said last and the time come in, a state with its source and age goes out.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::clock::Timestamp;

/// What a runner needs of a person.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Need {
    /// A tool waits for a person's permission.
    NeedsPermission,
    /// The program asked a question.
    NeedsAnswer,
    /// The last turn ended in an error.
    Errored,
    /// It works, or says so, but nothing has moved for long.
    Stalled,
    /// The provider takes no more for now.
    RateLimited,
    /// The turn is done; a person may go on.
    Idle,
    /// It works.
    Working,
    /// The program has not drawn its prompt yet.
    Starting,
    /// Nobody knows.
    Unknown,
}

impl Need {
    /// Every one, those that need a person first.
    pub const ALL: [Self; 9] = [
        Self::NeedsPermission,
        Self::NeedsAnswer,
        Self::Errored,
        Self::Stalled,
        Self::RateLimited,
        Self::Idle,
        Self::Working,
        Self::Starting,
        Self::Unknown,
    ];

    /// Returns its word.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::NeedsPermission => "needs-permission",
            Self::NeedsAnswer => "needs-answer",
            Self::Errored => "errored",
            Self::Stalled => "stalled",
            Self::RateLimited => "rate-limited",
            Self::Idle => "idle",
            Self::Working => "working",
            Self::Starting => "starting",
            Self::Unknown => "unknown",
        }
    }

    /// Tells whether a person is waited for: nothing goes on without one.
    #[must_use]
    pub const fn needs_a_person(self) -> bool {
        matches!(
            self,
            Self::NeedsPermission | Self::NeedsAnswer | Self::Errored | Self::Stalled
        )
    }
}

impl std::fmt::Display for Need {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Where a state is known from; the better sources first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Source {
    /// The program's own reports on its terminal (OSC 7501), or its title where that tells.
    Terminal,
    /// The file that the program keeps of its own process.
    PidFile,
    /// A hook that the program ran.
    Hook,
    /// The program's record of the conversation.
    Transcript,
    /// Its process: that it lives, what it uses.
    Process,
}

impl Source {
    /// Every one, the best first.
    pub const ALL: [Self; 5] = [
        Self::Terminal,
        Self::PidFile,
        Self::Hook,
        Self::Transcript,
        Self::Process,
    ];

    /// Returns its word.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Terminal => "terminal",
            Self::PidFile => "pid-file",
            Self::Hook => "hook",
            Self::Transcript => "transcript",
            Self::Process => "process",
        }
    }
}

/// What one source said last.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Said {
    /// Which state that is.
    pub need: Need,
    /// When it said so, or when the state began where it tells.
    pub at: Timestamp,
    /// What waits, is asked, or went wrong, in the program's words.
    pub detail: Option<String>,
    /// Until when, for what ends by itself.
    pub until: Option<Timestamp>,
}

impl Said {
    /// Says a state and nothing more.
    #[must_use]
    pub const fn plain(need: Need, at: Timestamp) -> Self {
        Self {
            need,
            at,
            detail: None,
            until: None,
        }
    }
}

/// All that is known of one attempt of a runner.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Evidence {
    /// What each source said last.
    words: [Option<Word>; Source::ALL.len()],
    /// When anything last moved: output, CPU, a new row of the transcript.
    pub moved_at: Option<Timestamp>,
    /// Since when the program runs.
    pub started_at: Option<Timestamp>,
}

/// What a source said, and when it said so last: a state that is said again holds since it was said first.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Word {
    said: Said,
    heard: Timestamp,
}

impl Evidence {
    /// Takes what a source says. The same state said again keeps since when it holds.
    pub fn say(&mut self, source: Source, said: Said) {
        let heard = said.at;
        match &mut self.words[source as usize] {
            Some(Word {
                said: before,
                heard: last,
            }) if before.need == said.need && before.detail == said.detail => {
                before.until = said.until;
                *last = heard;
            }
            word => *word = Some(Word { said, heard }),
        }
    }

    /// Forgets what a source said: it speaks no more, or of something that is over.
    pub fn unsay(&mut self, source: Source) {
        self.words[source as usize] = None;
    }

    /// Returns what a source said last.
    #[must_use]
    pub fn of(&self, source: Source) -> Option<&Said> {
        Some(&self.word(source)?.said)
    }

    fn word(&self, source: Source) -> Option<&Word> {
        self.words[source as usize].as_ref()
    }
}

/// What a runner needs of a person now, from where that is known, and since when.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Attention {
    /// Which state.
    pub need: Need,
    /// From where it is known.
    pub source: Source,
    /// Since when it holds.
    pub since: Timestamp,
    /// What waits, is asked, went wrong, or why nobody knows.
    pub detail: Option<String>,
    /// Until when, for what ends by itself.
    pub until: Option<Timestamp>,
}

/// How long the sources may differ before that is a conflict: they hear of a change one after another.
pub const SETTLE: Duration = Duration::from_secs(2);

/// Decides what a runner needs.
///
/// The best source that says anything is believed, unless a lesser one said something else later and the better has not
/// followed within [`SETTLE`]: then nobody knows. A hook is heard at an edge and not afterwards, so that what it said
/// before a better source spoke counts for nothing. `stalled_after`: for how long nothing may move while it works.
#[must_use]
pub fn judge(evidence: &Evidence, now: Timestamp, stalled_after: Duration) -> Attention {
    let mut best: Option<(Source, &Word)> = None;
    let mut rival: Option<(Source, &Said)> = None;
    for source in Source::ALL {
        let Some(word) = evidence.word(source) else {
            continue;
        };
        let said = &word.said;
        match best {
            None => best = Some((source, word)),
            Some((
                _,
                Word {
                    said: trusted,
                    heard,
                },
            )) => {
                // Tools run side by side: that one ended says nothing of another that waits for a person.
                let beside = source == Source::Hook && said.need == Need::Working;
                let differs = !(alike(trusted.need, said.need) || beside && waits(trusted.need));
                let later = said.at > *heard;
                // What a transcript or a process shows is too coarse to gainsay what the program says of itself.
                if differs && later && source <= Source::Hook && rival.is_none() {
                    rival = Some((source, said));
                }
            }
        }
    }
    let Some((source, Word { said, .. })) = best else {
        return Attention {
            need: if evidence.started_at.is_some() {
                Need::Unknown
            } else {
                Need::Starting
            },
            source: Source::Process,
            since: evidence.started_at.unwrap_or(now),
            detail: None,
            until: None,
        };
    };
    if let Some((other, rival)) = rival
        && since(rival.at, now) >= SETTLE
    {
        return Attention {
            need: Need::Unknown,
            source,
            since: rival.at,
            detail: Some(format!(
                "the {} says {}, but the {} says {}",
                source.as_str(),
                said.need,
                other.as_str(),
                rival.need
            )),
            until: None,
        };
    }
    // A turn that failed is over for all; a lesser source may say that it failed, or at a limit.
    let (source, said) = if matches!(said.need, Need::Idle | Need::Errored) {
        let told = |need: Need| {
            Source::ALL.into_iter().find_map(|lesser| {
                let told = evidence.of(lesser)?;
                (told.need == need && told.at >= shortly_before(said.at)).then_some((lesser, told))
            })
        };
        told(Need::RateLimited)
            .or_else(|| told(Need::Errored))
            .unwrap_or((source, said))
    } else {
        (source, said)
    };
    // A limit that has passed holds no longer; what it is doing now, nobody has said.
    if said.need == Need::RateLimited && said.until.is_some_and(|until| until <= now) {
        return Attention {
            need: Need::Idle,
            source,
            since: said.until.unwrap_or(now),
            detail: Some("the limit has ended".to_owned()),
            until: None,
        };
    }
    if said.need == Need::Working {
        let moved = evidence.moved_at.unwrap_or(said.at).max(said.at);
        if since(moved, now) >= stalled_after {
            return Attention {
                need: Need::Stalled,
                source: Source::Process,
                since: moved,
                detail: Some("it says that it works, but nothing moves".to_owned()),
                until: None,
            };
        }
    }
    Attention {
        need: said.need,
        source,
        since: said.at,
        // A lesser source may know more of the same state: the hook has the whole command that the terminal names.
        detail: Source::ALL
            .into_iter()
            .rev()
            .filter_map(|source| evidence.of(source))
            .filter(|other| other.need == said.need && other.at >= shortly_before(said.at))
            .filter_map(|other| other.detail.clone())
            .find(|detail| extends(detail, said.detail.as_deref()))
            .or_else(|| said.detail.clone()),
        until: said.until,
    }
}

/// Returns when the judgement may change though nobody says anything.
#[must_use]
pub fn reconsider_at(
    evidence: &Evidence,
    now: Timestamp,
    stalled_after: Duration,
) -> Option<Timestamp> {
    let said = Source::ALL
        .into_iter()
        .filter_map(|source| evidence.of(source));
    let stalled = chrono::TimeDelta::from_std(stalled_after).ok();
    said.flat_map(|said| {
        let moved = evidence.moved_at.unwrap_or(said.at).max(said.at);
        [
            said.at.checked_add_signed(settle()),
            said.until,
            stalled.and_then(|stalled| moved.checked_add_signed(stalled)),
        ]
    })
    .flatten()
    .filter(|at| *at > now)
    .min()
}

/// States that two sources may give to one moment: a turn that ended in an error or at a limit is over for all.
const fn alike(trusted: Need, other: Need) -> bool {
    const fn rest(need: Need) -> bool {
        matches!(need, Need::Idle | Need::Errored | Need::RateLimited)
    }
    trusted as u8 == other as u8 || (rest(trusted) && rest(other))
}

fn shortly_before(at: Timestamp) -> Timestamp {
    at.checked_sub_signed(settle()).unwrap_or(at)
}

/// States in which a dialog is open.
const fn waits(need: Need) -> bool {
    matches!(need, Need::NeedsPermission | Need::NeedsAnswer)
}

/// Tells whether a detail has all that another tells, which may have been cut: else it is of something that came before.
fn extends(detail: &str, told: Option<&str>) -> bool {
    told.is_none_or(|told| detail.contains(told.trim_end_matches(['…', '.', ' '])))
}

fn since(at: Timestamp, now: Timestamp) -> Duration {
    (now - at).to_std().unwrap_or_default()
}

fn settle() -> chrono::TimeDelta {
    chrono::TimeDelta::from_std(SETTLE).unwrap_or_default()
}
