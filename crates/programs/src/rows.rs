//! Records of rows, one JSON value to a line, as every program writes them.

use memchr::memchr;
use serde::de::DeserializeOwned;
use stratavore_core::clock::Timestamp;
use stratavore_core::session::{PASSAGE_MAX, Passage, Role};

use crate::Findings;

/// Lists the rows of a piece that begins at `offset`, each with its place in the file; blank lines are none.
pub(crate) fn rows(offset: u64, piece: &[u8]) -> impl Iterator<Item = (u64, &[u8])> {
    let mut at = 0;
    std::iter::from_fn(move || {
        let rest = piece.get(at..).filter(|rest| !rest.is_empty())?;
        let length = memchr(b'\n', rest).unwrap_or(rest.len());
        let place = offset.saturating_add(at as u64);
        at += length + 1;
        Some((place, rest[..length].trim_ascii()))
    })
    .filter(|(_, row)| !row.is_empty())
}

/// Understands a row; what is no text in UTF-8 loses only the letters that are none.
pub(crate) fn parse<T: DeserializeOwned>(row: &[u8]) -> Option<T> {
    serde_json::from_slice(row).ok().or_else(|| {
        let text = String::from_utf8_lossy(row);
        matches!(text, std::borrow::Cow::Owned(_))
            .then(|| serde_json::from_str(&text).ok())
            .flatten()
    })
}

/// Understands the time of a row.
pub(crate) fn time(text: Option<&str>) -> Option<Timestamp> {
    let at = chrono::DateTime::parse_from_rfc3339(text?).ok()?;
    Some(at.to_utc())
}

impl Findings {
    /// Spans the time of a row too.
    pub(crate) fn span(&mut self, at: Timestamp) {
        self.began_at = Some(self.began_at.map_or(at, |began| began.min(at)));
        self.updated_at = Some(self.updated_at.map_or(at, |last| last.max(at)));
    }

    /// Takes a request for the title, in one line and cut to 120 letters.
    pub(crate) fn titled_by(&mut self, request: &str) {
        let words = request.split_whitespace().collect::<Vec<_>>().join(" ");
        self.title = Some(words.chars().take(120).collect());
    }

    /// Takes what was said, cut to the longest that is kept; silence is nothing.
    pub(crate) fn passage(&mut self, offset: u64, at: Timestamp, role: Role, text: &str) {
        let text = text.trim();
        if !text.is_empty() {
            self.passages.push(Passage {
                offset,
                role,
                at,
                text: text[..text.floor_char_boundary(PASSAGE_MAX)].to_owned(),
            });
        }
    }

    /// Counts a row that makes no sense.
    pub(crate) fn passed_over(&mut self) {
        self.malformed = self.malformed.saturating_add(1);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_row_has_its_place_and_blanks_are_none() {
        let found: Vec<_> = rows(10, b"a\n\n  b \r\nc").collect();
        assert_eq!(found, [(10, &b"a"[..]), (13, b"b"), (19, b"c")]);
        assert_eq!(rows(u64::MAX, b"\na").last(), Some((u64::MAX, &b"a"[..])));
        assert_eq!(rows(0, b"").count(), 0);
    }

    #[test]
    fn a_broken_letter_costs_no_row() {
        assert_eq!(
            parse::<String>(b"\"a\xffb\""),
            Some("a\u{fffd}b".to_owned())
        );
        assert_eq!(parse::<String>(b"\"a"), None);
    }
}
