//! What a notification says and how.

use chrono::{DateTime, TimeZone};
use stratavore_api::{Failure, v1};
use stratavore_core::clock::Timestamp;

use crate::subject::{Subject, cut, printable, visible};

/// The specification's `normal`, for failures too: `critical` stays until it is dismissed and breaks through "do not
/// disturb", and a program that ended with an error is no fire. A service keeps normal ones in its list.
const NORMAL: u8 = 1;
/// Characters of a text before it is cut.
const LONGEST: usize = 500;

/// The key of a click on the notification itself.
const CLICK: &str = "default";
/// The key that attaches.
pub(super) const ATTACH: &str = "attach";
/// The key that gives a permission.
pub(super) const ALLOW: &str = "allow";
/// The key that refuses one.
pub(super) const DENY: &str = "deny";

/// One notification, ready to be shown.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Card {
    /// An icon's name.
    pub icon: &'static str,
    /// The first line, plain.
    pub summary: String,
    /// What stands under it.
    pub body: String,
    /// Pairs of key and label; `default` is a click on the notification itself.
    pub actions: Vec<&'static str>,
    /// The specification's urgency.
    pub urgency: u8,
}

/// What a card depends on beside what it tells.
#[derive(Clone, Copy, Debug)]
pub struct Circumstances<'a, Z> {
    /// The service takes bodies for markup.
    pub markup: bool,
    /// A person may be taken to be in front of the screen, so that a permission can be given.
    pub attended: bool,
    /// Since when this desktop runs.
    pub started: Timestamp,
    /// The present moment.
    pub now: Timestamp,
    /// The person's zone.
    pub zone: &'a Z,
}

impl Card {
    /// Makes it of what the host tells. What happened before this desktop ran is told with its time, in the person's
    /// zone. A permission can be given with it only where all that it is for can be read.
    #[must_use]
    pub fn of<Z: TimeZone>(notice: &v1::Notification, around: &Circumstances<'_, Z>) -> Self
    where
        Z::Offset: std::fmt::Display,
    {
        let mut lines = Vec::new();
        let mut actions = match notice.runner_id {
            Some(_) => vec![CLICK, "Attach"],
            None => vec![CLICK, "Open Stratavore"],
        };
        match &notice.ask {
            None => lines.push(cut(&printable(&notice.body), LONGEST)),
            Some(ask) => {
                if notice.body != ask.subject {
                    lines.push(cut(&printable(&notice.body), LONGEST));
                }
                let subject = Subject::of(&ask.subject);
                if around.attended && subject.is_whole() {
                    actions.extend([ALLOW, "Allow"]);
                }
                if around.attended {
                    actions.extend([DENY, "Deny"]);
                }
                lines.push(subject.text);
                lines.extend(
                    notice
                        .project
                        .as_ref()
                        .map(|project| format!("In {project}")),
                );
                let reason = ask.reason.as_deref().unwrap_or_default();
                lines.push(cut(&visible(reason.trim()), LONGEST));
            }
        }
        if notice.runner_id.is_some() {
            actions.extend([ATTACH, "Attach"]);
        }
        lines.extend(
            missed(notice, around).map(|when| format!("At {when}, before Stratavore was started")),
        );
        lines.retain(|line| !line.is_empty());
        Self {
            icon: icon(&notice.edge),
            summary: visible(&notice.title),
            body: around.written(&lines.join("\n")),
            actions,
            urgency: NORMAL,
        }
    }

    /// Says that an answer to a permission changed nothing, and why.
    #[must_use]
    pub fn not_taken(allow: bool, failure: &Failure, markup: bool) -> Self {
        let mut body = failure.message.clone();
        if let Some(hint) = &failure.hint {
            body.push('\n');
            body.push_str(hint);
        }
        Self {
            icon: "dialog-warning",
            summary: if allow {
                "Nothing was allowed".into()
            } else {
                "Nothing was denied".into()
            },
            body: if markup { escaped(&body) } else { body },
            actions: vec![CLICK, "Attach", ATTACH, "Attach"],
            urgency: NORMAL,
        }
    }

    /// Makes one of several notices of a project, a line for each.
    pub(super) fn group<Z: TimeZone>(
        summary: String,
        lines: &[String],
        troubled: bool,
        around: &Circumstances<'_, Z>,
    ) -> Self {
        Self {
            icon: if troubled {
                "dialog-warning"
            } else {
                "stratavore-desktop"
            },
            summary,
            body: around.written(&lines.join("\n")),
            actions: vec![CLICK, "Open Stratavore"],
            urgency: NORMAL,
        }
    }

    /// Tells whether a button of it has this key.
    #[must_use]
    pub fn offers(&self, key: &str) -> bool {
        self.actions.iter().step_by(2).any(|own| *own == key)
    }
}

impl<Z> Circumstances<'_, Z> {
    fn written(&self, body: &str) -> String {
        if self.markup {
            escaped(body)
        } else {
            body.to_owned()
        }
    }
}

/// Tells when it happened, if that was before this desktop ran.
pub(super) fn missed<Z: TimeZone>(
    notice: &v1::Notification,
    around: &Circumstances<'_, Z>,
) -> Option<String>
where
    Z::Offset: std::fmt::Display,
{
    let at = DateTime::parse_from_rfc3339(&notice.at).ok()?;
    if at >= around.started {
        return None;
    }
    let (at, now) = (
        at.with_timezone(around.zone),
        around.now.with_timezone(around.zone),
    );
    let when = if at.date_naive() == now.date_naive() {
        "%H:%M"
    } else {
        "%-d %B, %H:%M"
    };
    Some(at.format(when).to_string())
}

/// Picks an icon that every theme has.
fn icon(edge: &str) -> &'static str {
    match edge {
        "ended" | "turn-done" => "stratavore-desktop",
        "needs-permission" | "needs-answer" => "dialog-question",
        "rate-limited" | "budget-reached" => "dialog-information",
        _ => "dialog-warning",
    }
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
}

#[cfg(test)]
#[path = "card_tests.rs"]
mod tests;
