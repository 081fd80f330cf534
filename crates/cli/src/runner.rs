//! A runner, as people are told of it.

use chrono::{DateTime, Utc};
use stratavore_core::attention::Need;
use stratavore_rpc::v1;

use crate::age;
use crate::attention;
use crate::output::Style;
use crate::table::{Side, Table};
use crate::text::printable;
use crate::usage;

/// Tells whether a runner has ended and stays so.
pub(crate) fn has_ended(runner: &v1::Runner) -> bool {
    matches!(runner.state.as_str(), "terminated" | "failed" | "cancelled")
}

/// Tells how a runner ended: its exit code, its signal, or else why.
pub(crate) fn exit_text(runner: &v1::Runner) -> String {
    match &runner.exit {
        Some(v1::Exit {
            code: Some(code), ..
        }) => format!("exit {code}"),
        Some(v1::Exit {
            signal: Some(signal),
            ..
        }) => format!("signal {}", printable(signal)),
        Some(v1::Exit { reason, .. }) => printable(reason).into_owned(),
        None => runner.state.clone(),
    }
}

/// Lists runners.
pub(crate) fn table(runners: &[v1::Runner], now: DateTime<Utc>, style: Style) -> String {
    // One machine alone needs no column.
    let several = runners.iter().any(|runner| !runner.here);
    let mut heading = vec![
        ("NAME", Side::Left),
        ("PROJECT", Side::Left),
        ("PROGRAM", Side::Left),
    ];
    heading.extend(several.then_some(("NODE", Side::Left)));
    heading.push(("STATE", Side::Left));
    // Programs that tell nothing of themselves need no column either.
    let attended = runners.iter().any(|runner| runner.attention.is_some());
    heading.extend(attended.then_some(("ATTENTION", Side::Left)));
    heading.extend([
        ("PID", Side::Right),
        ("CPU", Side::Right),
        ("MEMORY", Side::Right),
        ("AGE", Side::Right),
    ]);
    let mut table = Table::new(&heading);
    for runner in runners {
        let mut row = vec![
            runner.name.clone(),
            runner.project.clone(),
            runner.program.clone(),
        ];
        row.extend(several.then(|| runner.node.clone()));
        row.push(state(runner, now));
        row.extend(attended.then(|| attention::short(runner, now)));
        row.extend([
            runner.pid.map(|pid| pid.to_string()).unwrap_or_default(),
            runner
                .cpu_percent
                .map(|percent| format!("{percent:.0}%"))
                .unwrap_or_default(),
            runner.memory_bytes.map(memory).unwrap_or_default(),
            age::since(&runner.created_at, now),
        ]);
        table.row(row);
    }
    table.render(style)
}

/// Shows everything about one runner.
pub(crate) fn card(runner: &v1::Runner, now: DateTime<Utc>) -> String {
    let time = |time: &Option<String>| {
        time.as_deref()
            .map(|time| when(time, now))
            .unwrap_or_default()
    };
    let command = shell_words::join(&runner.command);
    let restart = runner
        .restart
        .as_ref()
        .map(|restart| match restart.max_attempts {
            Some(max) if restart.policy != "never" => {
                format!("{}, at most {max} attempts", restart.policy)
            }
            _ => restart.policy.clone(),
        });
    let ceiling = runner.ceiling.as_ref().map(|ceiling| {
        let limits = [
            ceiling
                .memory_bytes
                .map(|bytes| format!("{} memory", memory(bytes))),
            ceiling.cpu_percent.map(|percent| format!("{percent}% CPU")),
        ];
        format!(
            "{}: {}",
            limits.into_iter().flatten().collect::<Vec<_>>().join(", "),
            ceiling.action
        )
    });
    let report = runner
        .report
        .as_ref()
        .map(|report| match age::since(&report.at, now) {
            age if age.is_empty() => report.text.clone(),
            age => format!("{} ({age} ago)", report.text),
        });
    let mut rows = vec![
        ("name", runner.name.clone()),
        ("id", runner.id.clone()),
        ("project", runner.project.clone()),
        ("program", runner.program.clone()),
        ("command", command),
        ("directory", runner.cwd.clone()),
        ("node", runner.node.clone()),
        ("person", runner.person.clone()),
        ("worktree", runner.worktree.clone().unwrap_or_default()),
        ("state", state(runner, now)),
    ];
    rows.extend(
        runner
            .attention
            .iter()
            .flat_map(|known| needs(runner, known, now)),
    );
    rows.extend([
        ("attempt", runner.attempt.to_string()),
        (
            "pid",
            runner.pid.map(|pid| pid.to_string()).unwrap_or_default(),
        ),
        (
            "cpu",
            runner
                .cpu_percent
                .map(|percent| format!("{percent:.1}%"))
                .unwrap_or_default(),
        ),
        (
            "memory",
            runner.memory_bytes.map(memory).unwrap_or_default(),
        ),
        ("title", runner.title.clone().unwrap_or_default()),
        ("report", report.unwrap_or_default()),
        ("viewers", viewers(runner)),
        ("created", when(&runner.created_at, now)),
        ("started", time(&runner.started_at)),
        ("ended", time(&runner.ended_at)),
        ("heartbeat", time(&runner.last_heartbeat)),
        (
            "exit",
            runner
                .exit
                .as_ref()
                .map(|exit| full_exit(runner, exit))
                .unwrap_or_default(),
        ),
        ("restart", restart.unwrap_or_default()),
        ("ceiling", ceiling.unwrap_or_default()),
        ("recording", runner.recording.clone().unwrap_or_default()),
        ("session", session(runner)),
    ]);
    rows.extend(runner.usage.iter().flat_map(usage::rows));
    rows_text(&rows)
}

/// Tells what it needs: the state, where that is known from, and what is asked, with the request's id.
fn needs(
    runner: &v1::Runner,
    known: &v1::Attention,
    now: DateTime<Utc>,
) -> Vec<(&'static str, String)> {
    let need = attention::need(runner).unwrap_or(Need::Unknown);
    if runner.unreachable {
        let text = format!("{need}: {}", attention::what(runner, now));
        return vec![("attention", text)];
    }
    let asks = matches!(need, Need::NeedsPermission | Need::NeedsAnswer);
    let mut rows = vec![
        (
            "attention",
            format!(
                "{need} since {}, by its {}",
                when(&known.since, now),
                known.source
            ),
        ),
        (
            if asks { "asks" } else { "detail" },
            attention::what(runner, now),
        ),
    ];
    if let Some(ask) = &known.ask {
        let left = age::until(&ask.until, now);
        rows.extend([
            ("because", ask.reason.clone().unwrap_or_default()),
            (
                "request",
                format!("{} (can be answered for {left} more)", ask.id),
            ),
        ]);
    }
    rows
}

/// Tells the session that it holds, and how it came to it.
fn session(runner: &v1::Runner) -> String {
    let Some(id) = runner.session_id.clone() else {
        return String::new();
    };
    match runner.mode.as_str() {
        "continue" => format!("{id} (continued)"),
        "resume" => format!("{id} (resumed)"),
        "fork" => format!("{id} (a copy)"),
        _ => id,
    }
}

/// Tells who looks on, and whose size the terminal has.
fn viewers(runner: &v1::Runner) -> String {
    let each = runner.attachments.iter().map(|attachment| {
        let mut text = match attachment.place.as_str() {
            "" => "elsewhere".to_owned(),
            place => place.to_owned(),
        };
        text.push_str(&format!(" ({}x{}", attachment.columns, attachment.rows));
        if attachment.decides {
            text.push_str(", decides the size");
        }
        if attachment.read_only {
            text.push_str(", read-only");
        }
        text + ")"
    });
    match each.collect::<Vec<_>>() {
        each if each.is_empty() => runner.viewers.to_string(),
        each => each.join(", "),
    }
}

/// Renders names and values, leaving out what has no value.
pub(crate) fn rows_text(rows: &[(&str, String)]) -> String {
    let width = rows.iter().map(|(name, _)| name.len()).max().unwrap_or(0);
    rows.iter()
        .filter(|(_, value)| !value.is_empty())
        .map(|(name, value)| format!("{name:width$}  {}\n", printable(value)))
        .collect()
}

/// Renders a time with its age.
pub(crate) fn when(time: &str, now: DateTime<Utc>) -> String {
    match age::since(time, now) {
        age if age.is_empty() => time.to_owned(),
        age => format!("{time} ({age} ago)"),
    }
}

/// Renders a number of bytes in the unit that leaves at most four digits.
pub(crate) fn memory(bytes: u64) -> String {
    const UNITS: [&str; 4] = ["KB", "MB", "GB", "TB"];
    let mut value = bytes.div_ceil(1024);
    let mut unit = 0;
    while value >= 10_000 && unit + 1 < UNITS.len() {
        value = value.div_ceil(1024);
        unit += 1;
    }
    format!("{value} {}", UNITS[unit])
}

fn full_exit(runner: &v1::Runner, exit: &v1::Exit) -> String {
    let short = exit_text(runner);
    if exit.reason.is_empty() || exit.reason == short {
        short
    } else {
        format!("{short}: {}", exit.reason)
    }
}

fn state(runner: &v1::Runner, now: DateTime<Utc>) -> String {
    let mut text = runner.state.clone();
    if let Some(retry) = &runner.retry_at
        && let Ok(retry) = DateTime::parse_from_rfc3339(retry)
    {
        let seconds = retry.signed_duration_since(now).num_seconds().max(0);
        text.push_str(&format!(" (again in {seconds}s)"));
    }
    if has_ended(runner) && runner.exit.is_some() {
        // A column has no room for the whole story; `show` tells it.
        let how = exit_text(runner);
        let short = how
            .split_once(": ")
            .map_or(how.as_str(), |(short, _)| short);
        text.push_str(&format!(" ({short})"));
    }
    if runner.unreachable {
        let since = runner.unreachable_since.as_deref();
        match since.map(|since| age::since(since, now)) {
            Some(age) if !age.is_empty() => text.push_str(&format!(" (unreachable for {age})")),
            _ => text.push_str(" (unreachable)"),
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn memory_is_told_in_a_fitting_unit() {
        for (bytes, text) in [
            (0, "0 KB"),
            (1, "1 KB"),
            (10_238_976, "9999 KB"),
            (10_240_000, "10 MB"),
            (3 << 40, "3072 GB"),
        ] {
            assert_eq!(memory(bytes), text, "{bytes}");
        }
    }

    #[test]
    fn a_state_tells_what_else_matters() {
        let now = "2026-03-01T12:00:00Z".parse().unwrap();
        let backoff = v1::Runner {
            state: "backoff".into(),
            retry_at: Some("2026-03-01T12:00:04.200Z".into()),
            ..v1::Runner::default()
        };
        assert_eq!(state(&backoff, now), "backoff (again in 4s)");
        let killed = v1::Runner {
            state: "failed".into(),
            exit: Some(v1::Exit {
                code: None,
                signal: Some("KILL".into()),
                reason: "killed".into(),
            }),
            ..v1::Runner::default()
        };
        assert_eq!(state(&killed, now), "failed (signal KILL)");
        let silent = v1::Runner {
            state: "running".into(),
            unreachable: true,
            ..v1::Runner::default()
        };
        assert_eq!(state(&silent, now), "running (unreachable)");
    }
}
