//! What a session is called.

use serde::{Deserialize, Serialize};

use super::row::Row;

/// The longest title, in letters.
const LONGEST: usize = 120;

/// From what a title is, the worse first: one never replaces a better.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum Rank {
    Request,
    Summary,
    Model,
    Person,
}

/// Returns the title that a row gives, itself or by what a person asked for in it.
pub(super) fn of(row: &Row, request: Option<String>) -> Option<(Rank, String)> {
    let (rank, title) = match row.r#type.as_str() {
        "custom-title" => (Rank::Person, row.custom_title.clone()),
        "ai-title" => (Rank::Model, row.ai_title.clone()),
        "summary" => (Rank::Summary, row.summary.clone()),
        "user" => (Rank::Request, request),
        _ => return None,
    };
    let title = one_line(&title?);
    (!title.is_empty()).then_some((rank, title))
}

/// Tells whether a title of this rank takes the place of one of that: of requests, the first stays.
pub(super) fn replaces(rank: Rank, held: Option<Rank>) -> bool {
    match held {
        None => true,
        Some(Rank::Request) => rank > Rank::Request,
        Some(held) => rank >= held,
    }
}

fn one_line(text: &str) -> String {
    let line = text.split_whitespace().collect::<Vec<_>>().join(" ");
    match line.char_indices().nth(LONGEST) {
        Some((end, _)) => format!("{}…", &line[..end]),
        None => line,
    }
}
