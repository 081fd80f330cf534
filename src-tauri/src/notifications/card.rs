//! What a notification says and how.

use chrono::{DateTime, TimeZone};
use stratavore_api::v1;
use stratavore_core::clock::Timestamp;

/// The specification's `normal`, for failures too: `critical` stays until it is dismissed and breaks through "do not
/// disturb", and a program that ended with an error is no fire. A service keeps normal ones in its list.
const NORMAL: u8 = 1;

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
    pub actions: &'static [&'static str],
    /// The specification's urgency.
    pub urgency: u8,
}

impl Card {
    /// Makes it of what the host tells. What happened before this desktop ran is told with its time, in the person's
    /// zone. With `markup`, what the service would take for markup is escaped.
    #[must_use]
    pub fn of<Z: TimeZone>(
        notice: &v1::Notification,
        markup: bool,
        started: Timestamp,
        now: Timestamp,
        zone: &Z,
    ) -> Self
    where
        Z::Offset: std::fmt::Display,
    {
        let mut body = notice.body.clone();
        if let Ok(at) = DateTime::parse_from_rfc3339(&notice.at)
            && at < started
        {
            let (at, now) = (at.with_timezone(zone), now.with_timezone(zone));
            let when = if at.date_naive() == now.date_naive() {
                "%H:%M"
            } else {
                "%-d %B, %H:%M"
            };
            if !body.is_empty() {
                body.push('\n');
            }
            body.push_str(&format!(
                "At {}, before Stratavore was started",
                at.format(when)
            ));
        }
        Self {
            icon: if notice.edge == "ended" {
                "stratavore-desktop"
            } else {
                "dialog-warning"
            },
            summary: notice.title.clone(),
            body: if markup { escaped(&body) } else { body },
            actions: match notice.runner_id {
                Some(_) => &["default", "Attach", "attach", "Attach"],
                None => &["default", "Open Stratavore"],
            },
            urgency: NORMAL,
        }
    }
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
}

#[cfg(test)]
mod tests {
    use chrono::FixedOffset;

    use super::*;

    fn at(text: &str) -> Timestamp {
        DateTime::parse_from_rfc3339(text).unwrap().to_utc()
    }

    fn notice() -> v1::Notification {
        v1::Notification {
            edge: "failed".into(),
            title: "auth & co failed".into(),
            body: "exit 1 after <b>3 min</b>".into(),
            runner_id: Some("r1".into()),
            at: "2026-03-01T22:30:00.000Z".into(),
            ..v1::Notification::default()
        }
    }

    fn card(notice: &v1::Notification, markup: bool, started: &str, now: &str) -> Card {
        Card::of(
            notice,
            markup,
            at(started),
            at(now),
            &FixedOffset::east_opt(3600).unwrap(),
        )
    }

    #[test]
    fn what_happens_now_is_told_without_a_time_and_can_be_attached() {
        let card = card(
            &notice(),
            false,
            "2026-03-01T22:00:00Z",
            "2026-03-01T22:31:00Z",
        );
        assert_eq!(
            (card.summary.as_str(), card.body.as_str()),
            ("auth & co failed", "exit 1 after <b>3 min</b>")
        );
        assert_eq!(card.actions, ["default", "Attach", "attach", "Attach"]);
        assert_ne!(
            card.urgency, 2,
            "a critical notification would stay until it is dismissed"
        );
    }

    #[test]
    fn markup_is_shown_and_not_obeyed() {
        let card = card(
            &notice(),
            true,
            "2026-03-01T22:00:00Z",
            "2026-03-01T22:31:00Z",
        );
        assert_eq!(card.body, "exit 1 after &lt;b&gt;3 min&lt;/b&gt;");
        assert_eq!(
            card.summary, "auth & co failed",
            "the summary is never markup"
        );
    }

    #[test]
    fn what_ended_while_nothing_ran_is_told_with_its_time() {
        let same_day = card(
            &notice(),
            false,
            "2026-03-01T22:45:00Z",
            "2026-03-01T22:46:00Z",
        );
        assert!(
            same_day
                .body
                .ends_with("\nAt 23:30, before Stratavore was started"),
            "{}",
            same_day.body
        );
        // An hour east of UTC the day has changed by now.
        let next_day = card(
            &notice(),
            false,
            "2026-03-01T23:45:00Z",
            "2026-03-01T23:46:00Z",
        );
        assert!(
            next_day
                .body
                .ends_with("\nAt 1 March, 23:30, before Stratavore was started"),
            "{}",
            next_day.body
        );
    }

    #[test]
    fn what_has_no_runner_opens_the_window() {
        let notice = v1::Notification {
            runner_id: None,
            body: String::new(),
            ..notice()
        };
        let card = card(
            &notice,
            false,
            "2026-03-01T22:45:00Z",
            "2026-03-01T22:46:00Z",
        );
        assert_eq!(card.actions, ["default", "Open Stratavore"]);
        assert!(card.body.starts_with("At "), "{}", card.body);
    }
}
