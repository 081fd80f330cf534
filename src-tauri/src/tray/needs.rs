//! Who needs a person, the longest waiting first.

use chrono::TimeZone;
use stratavore_api::v1;
use stratavore_core::attention::Need;

use super::Action;
use super::entry::{Entry, shortened};
use super::words::{Times, name, waiting, wants};
use crate::subject::{Subject, cut, visible};

/// Runners that are shown before the window has to show the rest.
const LONGEST: usize = 8;
/// Characters of a line of a command.
const LINE: usize = 72;

/// Makes the menu's first section; empty when nobody needs a person. `decide`: permissions may be given here.
pub(super) fn section<Z: TimeZone>(
    runners: &[v1::Runner],
    decide: bool,
    times: &Times<'_, Z>,
) -> Vec<Entry>
where
    Z::Offset: std::fmt::Display,
{
    let mut needy: Vec<Needy<'_>> = runners
        .iter()
        .filter_map(|runner| {
            let (attention, need) = waiting(runner)?;
            Some(Needy {
                runner,
                attention,
                need,
            })
        })
        .collect();
    if needy.is_empty() {
        return Vec::new();
    }
    needy.sort_by_key(|needy| (&needy.attention.since, &needy.runner.id));
    let headline = match needy.len() {
        1 => "● 1 needs you".to_owned(),
        count => format!("● {count} need you"),
    };
    let mut entries = vec![Entry::read("needs-you", headline)];
    entries.extend(shortened(&needy, LONGEST, "needs-you", |needy| {
        needy.entry(decide, times)
    }));
    entries.push(Entry::Separator);
    entries
}

struct Needy<'a> {
    runner: &'a v1::Runner,
    attention: &'a v1::Attention,
    need: Need,
}

impl Needy<'_> {
    fn entry<Z: TimeZone>(&self, decide: bool, times: &Times<'_, Z>) -> Entry
    where
        Z::Offset: std::fmt::Display,
    {
        let id = &self.runner.id;
        let mut entries = Vec::new();
        if let Some(since) = times.told(&self.attention.since) {
            entries.push(Entry::read(
                format!("since {id}"),
                format!("Waiting since {since}"),
            ));
        }
        let ask = self.attention.ask.as_ref();
        let subject = ask.map(|ask| Subject::of(&ask.subject));
        if let (Some(ask), Some(subject)) = (ask, &subject) {
            // The label above may be cut; what is allowed must be read whole.
            let line = |(n, line)| Entry::read(format!("asked {id} {n}"), line);
            entries.extend(lines(&subject.text).into_iter().enumerate().map(line));
            if let Some(reason) = ask.reason.as_deref().filter(|reason| !reason.is_empty()) {
                entries.push(Entry::read(
                    format!("reason {id}"),
                    cut(&visible(reason), LINE),
                ));
            }
        }
        if !entries.is_empty() {
            entries.push(Entry::Separator);
        }
        let place = "needs-you";
        entries.push(Entry::item(
            Action::Attach(id.clone()).id_at(place),
            "Attach",
            true,
        ));
        if let (Some(ask), Some(subject), true) = (ask, &subject, decide) {
            let (runner, ask) = (id.clone(), ask.id.clone());
            if subject.is_whole() {
                let allow = Action::Allow {
                    runner: runner.clone(),
                    ask: ask.clone(),
                };
                entries.push(Entry::click(&allow, "Allow once"));
            }
            entries.push(Entry::click(&Action::Deny { runner, ask }, "Deny"));
        }
        entries.push(Entry::item(
            Action::Stop(id.clone()).id_at(place),
            "Stop",
            true,
        ));
        let wants = wants(self.attention, self.need);
        Entry::submenu(
            format!("needs-you {id}"),
            format!("{}   {wants}", name(self.runner)),
            entries,
        )
    }
}

/// Breaks a command into lines that a menu can show.
fn lines(text: &str) -> Vec<String> {
    let letters: Vec<char> = text.chars().collect();
    letters
        .chunks(LINE)
        .map(|line| line.iter().collect())
        .collect()
}
