//! Words: how text is taken apart into them, and what a person's search asks for. Nothing of it reaches a database as syntax.
//!
//! A word is a run of letters and digits, in small letters and without accents: what SQLite's `unicode61` makes of text too.

use std::ops::Range;

use stratavore_core::session::PASSAGE_MAX;
use unicode_normalization::UnicodeNormalization;
use unicode_normalization::char::is_combining_mark;

/// What stands before and behind what was found.
pub(crate) const MARKS: [char; 2] = ['\u{E000}', '\u{E001}'];
/// What is left out of a word: the marks that SQLite leaves out too. In other scripts they make another word.
const ACCENTS: std::ops::RangeInclusive<char> = '\u{300}'..='\u{36F}';
/// The longest word, in bytes: of a longer one only the beginning is looked at.
const LONGEST: usize = 255;
/// How many words or quotes of a search are looked at.
const TERMS: usize = 32;
/// How many words a snippet has, and how many of them stand before what was found.
const SNIPPET: usize = 24;
const BEFORE: usize = 6;

/// Takes out of a text what no database keeps, and what marks what was found.
pub(crate) fn cleaned(mut text: String) -> String {
    let odd = |c: char| c == '\0' || MARKS.contains(&c);
    if text.contains(odd) {
        text.retain(|c| !odd(c));
    }
    text
}

/// Cuts a text to so many bytes, between two characters.
pub(crate) fn cut(mut text: String, most: usize) -> String {
    text.truncate(text.floor_char_boundary(most));
    text
}

/// Writes the words of a text, each with its place, as PostgreSQL reads a `tsvector`.
pub(crate) fn lexemes(text: &str) -> String {
    let mut written = String::with_capacity(text.len() * 2);
    for (place, range) in words(text).enumerate() {
        // Letters and digits: nothing in them has to be escaped.
        written.push_str(&format!("'{}':{} ", folded(&text[range]), place + 1));
    }
    written
}

/// What a search asks for: all of these words, each as the beginning of one, and those in quotes one after another.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Wanted(Vec<Term>);

/// Words one after another.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Term {
    words: Vec<String>,
    /// Whether the last one may go on.
    open: bool,
}

impl Wanted {
    /// Reads what a person wrote: words, or several in quotes. A quote that is not closed ends with the text.
    #[must_use]
    pub fn parse(text: &str) -> Self {
        let mut terms = Vec::new();
        for (i, part) in text.split('"').enumerate() {
            let quoted = i % 2 == 1;
            let pieces: Vec<&str> = if quoted {
                vec![part]
            } else {
                part.split_whitespace().collect()
            };
            for piece in pieces {
                let words: Vec<String> = words(piece)
                    .map(|range| folded(&piece[range]))
                    .filter(|word| !word.is_empty())
                    .collect();
                if !words.is_empty() && terms.len() < TERMS {
                    terms.push(Term {
                        words,
                        open: !quoted,
                    });
                }
            }
        }
        Self(terms)
    }

    /// Tells whether nothing is asked for.
    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Writes it as an expression of FTS5.
    pub(crate) fn to_fts5(&self) -> String {
        let terms = self.0.iter().map(|term| {
            let open = if term.open { " *" } else { "" };
            format!("\"{}\"{open}", term.words.join(" "))
        });
        terms.collect::<Vec<_>>().join(" AND ")
    }

    /// Writes it as a `tsquery`.
    pub(crate) fn to_tsquery(&self) -> String {
        let terms = self.0.iter().map(|term| {
            let words: Vec<String> = term.words.iter().map(|word| format!("'{word}'")).collect();
            let open = if term.open { ":*" } else { "" };
            format!("({}{open})", words.join(" <-> "))
        });
        terms.collect::<Vec<_>>().join(" & ")
    }

    /// Looks for it in a passage as a database keeps that, and returns what [`crate::Hit::snippet`] is to be if all of it is there.
    #[must_use]
    pub fn find_in(&self, passage: String) -> Option<String> {
        let text = cut(cleaned(passage), PASSAGE_MAX);
        let places = places(&text);
        let is_there = |term: &Term| places.windows(term.words.len()).any(|run| term.is(run));
        (!self.is_empty() && self.0.iter().all(is_there)).then(|| self.snippet(&text))
    }

    /// Returns the words of a text around what was found first, with all in it marked that was asked for.
    pub(crate) fn snippet(&self, text: &str) -> String {
        let places = places(text);
        let mut found: Vec<Range<usize>> = Vec::new();
        for term in &self.0 {
            let length = term.words.len();
            for (at, run) in places.windows(length).enumerate() {
                if term.is(run) {
                    found.push(at..at + length);
                }
            }
        }
        found.sort_by_key(|run| (run.start, run.end));
        let begin = found
            .first()
            .map_or(0, |run| run.start.saturating_sub(BEFORE));
        let end = (begin + SNIPPET).min(places.len());
        let mut snippet = String::new();
        if begin > 0 {
            snippet.push('…');
        }
        let mut written = if begin == 0 { 0 } else { places[begin].0.start };
        let mut next = begin;
        for run in found {
            if run.start < next || run.end > end {
                continue;
            }
            let (from, to) = (places[run.start].0.start, places[run.end - 1].0.end);
            snippet.push_str(&text[written..from]);
            snippet.push(MARKS[0]);
            snippet.push_str(&text[from..to]);
            snippet.push(MARKS[1]);
            (written, next) = (to, run.end);
        }
        if end == places.len() {
            snippet.push_str(&text[written..]);
        } else {
            snippet.push_str(&text[written..places[end - 1].0.end]);
            snippet.push('…');
        }
        snippet
    }
}

impl Term {
    fn is(&self, run: &[(Range<usize>, String)]) -> bool {
        let last = self.words.len() - 1;
        self.words
            .iter()
            .zip(run)
            .enumerate()
            .all(|(i, (wanted, (_, word)))| {
                if self.open && i == last {
                    word.starts_with(wanted)
                } else {
                    word == wanted
                }
            })
    }
}

/// Returns where the words of a text are.
fn words(text: &str) -> impl Iterator<Item = Range<usize>> {
    let mut rest = 0;
    std::iter::from_fn(move || {
        let begin = rest + text[rest..].find(char::is_alphanumeric)?;
        let within = |c: char| c.is_alphanumeric() || is_combining_mark(c);
        let length = text[begin..].find(|c| !within(c));
        let end = length.map_or(text.len(), |length| begin + length);
        rest = end;
        Some(begin..end)
    })
}

/// Returns the words of a text, folded, and where they are.
fn places(text: &str) -> Vec<(Range<usize>, String)> {
    words(text)
        .map(|range| (range.clone(), folded(&text[range])))
        .collect()
}

/// Returns a word in small letters and without accents.
fn folded(word: &str) -> String {
    let word = &word[..word.floor_char_boundary(LONGEST)];
    if word.is_ascii() {
        return word.to_ascii_lowercase();
    }
    let folded = word
        .to_lowercase()
        .nfd()
        .filter(|c| !ACCENTS.contains(c))
        .nfc()
        .collect();
    cut(folded, LONGEST)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn words_are_prefixes_and_quotes_are_phrases() {
        let wanted = Wanted::parse(r#"Auth "token expired" src/main.rs"#);
        assert_eq!(
            wanted.to_fts5(),
            r#""auth" * AND "token expired" AND "src main rs" *"#
        );
        assert_eq!(
            wanted.to_tsquery(),
            "('auth':*) & ('token' <-> 'expired') & ('src' <-> 'main' <-> 'rs':*)"
        );
        assert!(Wanted::parse(" \"\" -- ' * ").is_empty());
        assert_eq!(
            Wanted::parse("\"never closed").to_fts5(),
            "\"never closed\""
        );
        assert_eq!(
            Wanted::parse("NEAR(a OR b)").to_fts5(),
            "\"near a\" * AND \"or\" * AND \"b\" *"
        );
    }

    #[test]
    fn accents_and_capitals_make_no_difference() {
        assert_eq!(Wanted::parse("Café"), Wanted::parse("CAFE\u{301}"));
        assert_eq!(lexemes("Éa, b_C"), "'ea':1 'b':2 'c':3 ");
    }

    #[test]
    fn a_passage_is_found_if_all_that_is_asked_for_is_in_it() {
        let found = |search: &str, text: &str| Wanted::parse(search).find_in(text.to_owned());
        assert_eq!(
            found("exp tok", "The token, it Expired.\0").as_deref(),
            Some("The \u{E000}token\u{E001}, it \u{E000}Expired\u{E001}.")
        );
        assert!(found("\"token expired\"", "the token expired").is_some());
        for (search, text) in [
            ("exp tok", "the token"),
            ("\"token expired\"", "the token has expired"),
            ("\"tok\"", "the token"),
            ("oken", "the token"),
            ("", "the token"),
            ("a b c", "a b"),
        ] {
            assert_eq!(found(search, text), None, "{search:?} in {text:?}");
        }
        let long = format!("{} end", "a".repeat(PASSAGE_MAX));
        assert_eq!(found("end", &long), None, "what no database keeps");
    }

    #[test]
    fn a_snippet_marks_what_was_found_amid_its_words() {
        let wanted = Wanted::parse("exp \"the token\"");
        assert_eq!(
            wanted.snippet("Then the token, it Expired."),
            "Then \u{E000}the token\u{E001}, it \u{E000}Expired\u{E001}."
        );
        let long = format!("{}exp {}", "a ".repeat(50), "b ".repeat(50));
        assert_eq!(
            wanted.snippet(&long),
            format!(
                "…{}\u{E000}exp\u{E001} {}b…",
                "a ".repeat(6),
                "b ".repeat(16)
            )
        );
    }

    proptest! {
        #[test]
        fn a_snippet_is_a_part_of_its_text(text in any::<String>(), search in any::<String>()) {
            let text = cleaned(text);
            let snippet = Wanted::parse(&search).snippet(&text);
            let plain = cleaned(snippet.clone());
            let plain = plain.strip_prefix('…').unwrap_or(&plain);
            let plain = plain.strip_suffix('…').unwrap_or(plain);
            prop_assert!(text.contains(plain), "{snippet:?}");
            let marks: Vec<char> = snippet.chars().filter(|c| MARKS.contains(c)).collect();
            prop_assert!(marks.chunks(2).all(|pair| pair == MARKS));
        }
    }
}
