//! What runners need of a person, as people are told of it.

use chrono::{DateTime, Utc};
use stratavore_core::attention::Need;
use stratavore_rpc::v1;

use crate::age;
use crate::output::Style;
use crate::table::{Side, Table};

/// Returns what a runner needs; nothing for one that does not run. What is out of reach or not understood is unknown.
pub(crate) fn need(runner: &v1::Runner) -> Option<Need> {
    let attention = runner.attention.as_ref()?;
    let known = Need::ALL
        .into_iter()
        .find(|need| need.as_str() == attention.state)
        .filter(|_| !runner.unreachable);
    Some(known.unwrap_or(Need::Unknown))
}

/// Puts those that need a person most first; of those alike, who waits longest.
pub(crate) fn sort(runners: &mut [v1::Runner]) {
    runners.sort_by_cached_key(|runner| {
        let since = runner
            .attention
            .as_ref()
            .and_then(|attention| DateTime::parse_from_rfc3339(&attention.since).ok());
        (
            need(runner).unwrap_or(Need::Unknown),
            since,
            runner.name.clone(),
        )
    });
}

/// Returns since when it needs that; of one out of reach, since when it is.
pub(crate) fn since(runner: &v1::Runner) -> &str {
    let since = match &runner.attention {
        _ if runner.unreachable => runner.unreachable_since.as_deref(),
        attention => attention.as_ref().map(|attention| attention.since.as_str()),
    };
    since.unwrap_or_default()
}

/// Tells the state in a column: its word, and for how long it holds.
pub(crate) fn short(runner: &v1::Runner, now: DateTime<Utc>) -> String {
    let Some(need) = need(runner) else {
        return String::new();
    };
    let age = age::since(since(runner), now);
    if need == Need::Unknown || age.is_empty() {
        return need.as_str().to_owned();
    }
    format!("{need} {age}")
}

/// Tells what is asked, what went wrong, or why nobody knows.
pub(crate) fn what(runner: &v1::Runner, now: DateTime<Utc>) -> String {
    let Some(attention) = &runner.attention else {
        return String::new();
    };
    if runner.unreachable {
        return format!("it cannot be reached; it was {}", attention.state);
    }
    let mut text = match &attention.ask {
        Some(ask) => asked(ask),
        None => attention.detail.clone().unwrap_or_default(),
    };
    if let Some(until) = attention.until.as_deref() {
        let left = age::until(until, now);
        let left = if left.is_empty() {
            format!("until {until}")
        } else {
            format!("for {left} more")
        };
        text = match text.as_str() {
            "" => left,
            text => format!("{text} ({left})"),
        };
    }
    text
}

/// Tells a request: the tool, and exactly what it would do.
pub(crate) fn asked(ask: &v1::Ask) -> String {
    if ask.subject.is_empty() {
        ask.tool.clone()
    } else {
        format!("{}: {}", ask.tool, ask.subject)
    }
}

/// Lists runners with what each needs.
pub(crate) fn table(runners: &[v1::Runner], now: DateTime<Utc>, style: Style) -> String {
    let mut table = Table::new(&[
        ("RUNNER", Side::Left),
        ("PROJECT", Side::Left),
        ("NEEDS", Side::Left),
        ("SINCE", Side::Right),
        ("WHAT", Side::Left),
    ]);
    for runner in runners {
        let need = need(runner).unwrap_or(Need::Unknown);
        let word = match need {
            Need::NeedsPermission => "permission",
            Need::NeedsAnswer => "answer",
            other => other.as_str(),
        };
        table.row([
            runner.name.clone(),
            runner.project.clone(),
            word.to_owned(),
            age::since(since(runner), now),
            what(runner, now),
        ]);
    }
    table.render(style)
}

/// Tells in a sentence how runners fare that need nobody, and of which nothing is known.
pub(crate) fn rest<'a>(runners: impl IntoIterator<Item = &'a v1::Runner>) -> String {
    let mut counts = [0_usize; Need::ALL.len()];
    let mut unknown = Vec::new();
    for runner in runners {
        let need = need(runner).unwrap_or(Need::Unknown);
        if need == Need::Unknown {
            unknown.push(runner.name.as_str());
        } else if !need.needs_a_person() {
            counts[need as usize] += 1;
        }
    }
    let mut parts: Vec<String> = Need::ALL
        .into_iter()
        .filter(|need| counts[*need as usize] > 0)
        .map(|need| format!("{} {need}", counts[need as usize]))
        .collect();
    if !unknown.is_empty() {
        parts.push(format!(
            "{} unknown ({})",
            unknown.len(),
            crate::output::names(unknown)
        ));
    }
    parts.join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn runner(name: &str, state: &str, since: &str) -> v1::Runner {
        v1::Runner {
            name: name.into(),
            attention: Some(v1::Attention {
                state: state.into(),
                since: since.into(),
                ..v1::Attention::default()
            }),
            ..v1::Runner::default()
        }
    }

    #[test]
    fn who_needs_a_person_most_and_longest_comes_first() {
        let early = "2026-03-01T11:00:00Z";
        let late = "2026-03-01T12:00:00+00:00";
        let mut silent = runner("silent", "needs-permission", early);
        silent.unreachable = true;
        let mut runners = [
            silent,
            runner("idle", "idle", early),
            runner("b", "needs-permission", late),
            runner("a", "needs-permission", late),
            runner("longest", "needs-permission", early),
            runner("failed", "errored", early),
            runner("new", "a-word-of-tomorrow", early),
        ];
        sort(&mut runners);
        let names: Vec<&str> = runners.iter().map(|runner| runner.name.as_str()).collect();
        assert_eq!(
            names,
            ["longest", "a", "b", "failed", "idle", "new", "silent"]
        );
        assert_eq!(rest(&runners), "1 idle, 2 unknown (new, silent)");
    }

    #[test]
    fn a_limit_tells_how_long_it_holds() {
        let now = "2026-03-01T12:00:00Z".parse().unwrap();
        let mut limited = runner("auth", "rate-limited", "2026-03-01T11:00:00Z");
        let attention = limited.attention.as_mut().unwrap();
        attention.until = Some("2026-03-01T14:30:00Z".into());
        assert_eq!(what(&limited, now), "for 2h more");
        assert_eq!(short(&limited, now), "rate-limited 1h");
        limited.attention.as_mut().unwrap().detail = Some("5-hour limit".into());
        assert_eq!(what(&limited, now), "5-hour limit (for 2h more)");
    }
}
