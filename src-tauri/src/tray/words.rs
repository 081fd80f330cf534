//! What a runner does or needs, in words a person would use.

use chrono::{DateTime, TimeZone};
use stratavore_api::v1;
use stratavore_core::attention::Need;
use stratavore_core::clock::Timestamp;

use crate::subject::{cut, visible};

/// Characters of a name before it is cut.
pub(super) const WIDEST: usize = 40;
/// Characters of what is asked before it is cut.
const ASKED: usize = 60;

/// Tells times to a person.
#[derive(Clone, Copy, Debug)]
pub(super) struct Times<'a, Z> {
    pub(super) now: Timestamp,
    pub(super) zone: &'a Z,
}

impl<Z: TimeZone> Times<'_, Z>
where
    Z::Offset: std::fmt::Display,
{
    /// Writes a moment as a time of day, with the day where that is another.
    pub(super) fn tell(&self, at: Timestamp) -> String {
        let (at, now) = (
            at.with_timezone(self.zone),
            self.now.with_timezone(self.zone),
        );
        let when = if at.date_naive() == now.date_naive() {
            "%H:%M"
        } else {
            "%-d %b, %H:%M"
        };
        at.format(when).to_string()
    }

    fn since(&self, at: &str) -> String {
        self.told(at)
            .map(|at| format!(" since {at}"))
            .unwrap_or_default()
    }

    pub(super) fn told(&self, at: &str) -> Option<String> {
        let at = DateTime::parse_from_rfc3339(at).ok()?;
        Some(self.tell(at.to_utc()))
    }
}

/// Returns the attention of a runner that waits for a person. One that is paused or stopping waits for nobody.
pub(super) fn waiting(runner: &v1::Runner) -> Option<(&v1::Attention, Need)> {
    if runner.unreachable || runner.state != "running" {
        return None;
    }
    let attention = runner.attention.as_ref()?;
    need(attention)
        .filter(|need| need.needs_a_person())
        .map(|need| (attention, need))
}

fn need(attention: &v1::Attention) -> Option<Need> {
    Need::ALL
        .into_iter()
        .find(|need| need.as_str() == attention.state)
}

/// Names a runner, its project first.
pub(super) fn name(runner: &v1::Runner) -> String {
    format!(
        "{} · {}",
        cut(&runner.project, WIDEST),
        cut(&runner.name, WIDEST)
    )
}

/// Tells what a runner waits for a person with.
pub(super) fn wants(attention: &v1::Attention, need: Need) -> String {
    let detail = attention.detail.as_deref().unwrap_or_default().trim();
    let more = |words: &str, colon: &str| {
        if detail.is_empty() {
            words.to_owned()
        } else {
            format!("{words}{colon} {}", visible(detail))
        }
    };
    let words = match (need, &attention.ask) {
        (Need::NeedsPermission, Some(ask)) => {
            let subject = visible(ask.subject.trim());
            match ask.tool.as_str() {
                tool if subject.is_empty() => format!("wants to use {}", visible(tool)),
                "Bash" => format!("wants to run {subject}"),
                "Edit" | "MultiEdit" | "NotebookEdit" => format!("wants to change {subject}"),
                "Write" => format!("wants to write {subject}"),
                "Read" => format!("wants to read {subject}"),
                "WebFetch" => format!("wants to open {subject}"),
                "WebSearch" => format!("wants to search for {subject}"),
                tool => format!("wants to use {}: {subject}", visible(tool)),
            }
        }
        (Need::NeedsPermission, None) => more("needs a permission", ":"),
        (Need::NeedsAnswer, _) => {
            if detail.is_empty() {
                "asks a question".to_owned()
            } else {
                more("asks", ":")
            }
        }
        (Need::Errored, _) => more("met an error", ":"),
        (Need::Stalled, _) => "stands still".to_owned(),
        (Need::RateLimited | Need::Idle | Need::Working | Need::Starting | Need::Unknown, _) => {
            need.to_string()
        }
    };
    cut(&words, ASKED)
}

/// Sums a runner up in a word, for counting.
pub(super) fn word(runner: &v1::Runner) -> &str {
    if runner.unreachable {
        return "not answering";
    }
    match runner.state.as_str() {
        "queued" => "waiting in line",
        "backoff" => "starting again",
        "stopping" => "running",
        "running" => match runner.attention.as_ref().and_then(need) {
            Some(need) if need.needs_a_person() => "waiting for you",
            Some(Need::Working) => "working",
            Some(Need::Idle) => "idle",
            Some(Need::RateLimited) => "at a limit",
            Some(Need::Starting) => "starting",
            _ => "running",
        },
        state => state,
    }
}

/// Tells a runner's state in the words of the window, with its times.
pub(super) fn state<Z: TimeZone>(runner: &v1::Runner, times: &Times<'_, Z>) -> String
where
    Z::Offset: std::fmt::Display,
{
    if runner.unreachable {
        return "not answering".into();
    }
    match (runner.state.as_str(), &runner.attention) {
        ("backoff", _) => "starting again soon".into(),
        ("running", Some(attention)) => {
            let since = times.since(&attention.since);
            match need(attention) {
                Some(need) if need.needs_a_person() => {
                    format!("{}{since}", wants(attention, need))
                }
                Some(Need::Working) => format!("working{since}"),
                Some(Need::Idle) => format!("idle{since}"),
                Some(Need::RateLimited) => {
                    match attention.until.as_deref().and_then(|at| times.told(at)) {
                        Some(until) => format!("at a limit until {until}"),
                        None => format!("at a limit{since}"),
                    }
                }
                Some(Need::Starting) => "starting".into(),
                _ => "running".into(),
            }
        }
        ("stopping", _) => "stopping".into(),
        _ => word(runner).to_owned(),
    }
}
