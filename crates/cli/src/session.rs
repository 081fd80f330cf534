//! A session, as people are told of it.

use chrono::{DateTime, Utc};
use stratavore_rpc::v1;

use crate::age;
use crate::output::Style;
use crate::runner::{rows_text, when};
use crate::table::{Side, Table};
use crate::text::printable;
use crate::usage;

/// How much of an id is shown where that is enough to tell it from the others.
const SHORT: usize = 8;

/// Cuts ids to their beginnings, each long enough to be told from every other.
pub(crate) fn short_ids<'a>(ids: impl IntoIterator<Item = &'a str>) -> Vec<&'a str> {
    let ids: Vec<&str> = ids.into_iter().collect();
    let cut = |id: &'a str, length: usize| {
        let end = id.char_indices().nth(length).map_or(id.len(), |(at, _)| at);
        &id[..end]
    };
    let mut sorted = ids.clone();
    sorted.sort_unstable();
    sorted.dedup();
    // Of sorted texts the neighbours have the most in common.
    let common = |a: &str, b: &str| a.chars().zip(b.chars()).take_while(|(a, b)| a == b).count();
    ids.into_iter()
        .map(|id| {
            let at = sorted.partition_point(|other| *other < id);
            let before = at.checked_sub(1).and_then(|at| sorted.get(at));
            let neighbours = before.into_iter().chain(sorted.get(at + 1));
            let most = neighbours.map(|other| common(id, other)).max().unwrap_or(0);
            cut(id, SHORT.max(most + 1))
        })
        .collect()
}

/// Lists sessions.
pub(crate) fn table(sessions: &[v1::Session], now: DateTime<Utc>, style: Style) -> String {
    let mut table = Table::new(&[
        ("SESSION", Side::Left),
        ("PROJECT", Side::Left),
        ("PROGRAM", Side::Left),
        ("HELD BY", Side::Left),
        ("REQUESTS", Side::Right),
        ("TOKENS", Side::Right),
        ("UPDATED", Side::Right),
        ("TITLE", Side::Left),
    ]);
    let ids = short_ids(sessions.iter().map(|session| session.id.as_str()));
    for (session, id) in sessions.iter().zip(ids) {
        let held_by = match &session.runner {
            Some(runner) if session.held => runner.clone(),
            _ => String::new(),
        };
        table.row([
            id.to_owned(),
            session.project.clone().unwrap_or_default(),
            session.program.clone(),
            held_by,
            session.requests.to_string(),
            session
                .usage
                .as_ref()
                .map(|usage| usage::grouped(usage::tokens(usage)))
                .unwrap_or_default(),
            age::since(&session.updated_at, now),
            session.title.clone().unwrap_or_default(),
        ]);
    }
    table.render(style)
}

/// Shows everything about one session.
pub(crate) fn card(session: &v1::Session, now: DateTime<Utc>) -> String {
    let runner = session
        .runner
        .as_ref()
        .map(|runner| match session.held {
            true => format!("{runner} holds it"),
            false => format!("{runner} held it last"),
        })
        .unwrap_or_else(|| "held outside of Stratavore".to_owned());
    let resumable = match (session.resumable, &session.obstacle) {
        (true, _) => "yes".to_owned(),
        (false, Some(obstacle)) => format!("no: {obstacle}"),
        (false, None) => "no".to_owned(),
    };
    let mut rows = vec![
        ("session", session.id.clone()),
        ("title", session.title.clone().unwrap_or_default()),
        ("program", session.program.clone()),
        ("project", session.project.clone().unwrap_or_default()),
        ("directory", session.cwd.clone()),
        ("node", session.node.clone()),
        ("model", session.model.clone().unwrap_or_default()),
        ("began", when(&session.began_at, now)),
        ("updated", when(&session.updated_at, now)),
        ("requests", session.requests.to_string()),
        ("copy of", session.parent.clone().unwrap_or_default()),
        ("runner", runner),
        ("resumable", resumable),
    ];
    rows.extend(session.usage.iter().flat_map(usage::rows));
    rows.extend([
        ("transcript", session.transcript.clone().unwrap_or_default()),
        ("archive", session.archive.clone().unwrap_or_default()),
    ]);
    rows_text(&rows)
}

/// Shows what was found: whose it is, then the words around it, those found in bold.
pub(crate) fn hits(hits: &[v1::SearchHit], now: DateTime<Utc>, style: Style) -> String {
    let nameless = v1::Session::default();
    let session = |hit: &'_ v1::SearchHit| hit.session.clone().unwrap_or_else(|| nameless.clone());
    let sessions: Vec<v1::Session> = hits.iter().map(session).collect();
    let ids = short_ids(sessions.iter().map(|session| session.id.as_str()));
    let mut text = String::new();
    for ((hit, session), id) in hits.iter().zip(&sessions).zip(ids) {
        let facts = [
            Some(id),
            session.project.as_deref(),
            Some(session.program.as_str()),
            session.title.as_deref(),
        ];
        let facts: Vec<_> = facts
            .into_iter()
            .flatten()
            .filter(|fact| !fact.is_empty())
            .map(printable)
            .collect();
        let age = match age::since(&hit.at, now) {
            age if age.is_empty() => hit.at.clone(),
            age => format!("{age} ago"),
        };
        text.push_str(&format!("{}\n", facts.join("  ")));
        text.push_str(&format!(
            "  {}, {age}: {}\n",
            speaker(&hit.role),
            snippet(&hit.snippet, style)
        ));
    }
    text
}

fn speaker(role: &str) -> &str {
    match role {
        "user" => "you",
        "assistant" => "the program",
        "tool" => "a tool",
        _ => "someone",
    }
}

/// Renders a snippet on one line.
fn snippet(parts: &[v1::SnippetPart], style: Style) -> String {
    let mut line = String::new();
    for part in parts {
        let mut text = String::new();
        for c in part.text.chars() {
            let c = if c.is_whitespace() { ' ' } else { c };
            let spaced = text.chars().last().or_else(|| line.chars().last());
            // A line of code indented by tabs is found as well without them.
            if c != ' ' || !matches!(spaced, None | Some(' ')) {
                text.push(c);
            }
        }
        let text = printable(&text);
        if part.found {
            line.push_str(&style.bold(&text));
        } else {
            line.push_str(&text);
        }
    }
    line.truncate(line.trim_end().len());
    line
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_cut_so_that_each_is_told_from_the_others() {
        let ids = [
            "0190a5d0-7000-1",
            "0190a5d0-7000-2",
            "0190ffff-1",
            "ab",
            "ab",
            "ödäüöäüöäü",
        ];
        assert_eq!(
            short_ids(ids),
            [
                "0190a5d0-7000-1",
                "0190a5d0-7000-2",
                "0190ffff",
                "ab",
                "ab",
                "ödäüöäüö"
            ]
        );
    }

    #[test]
    fn a_snippet_is_one_line_that_a_terminal_does_not_obey() {
        let part = |text: &str, found| v1::SnippetPart {
            text: text.into(),
            found,
        };
        let parts = [
            part("…\n\tthe \x1b[2J ", false),
            part("login", true),
            part("  form\n", false),
        ];
        assert_eq!(snippet(&parts, Style::PLAIN), "… the \\u{1b}[2J login form");
    }
}
