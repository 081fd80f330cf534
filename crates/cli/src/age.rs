//! How long ago, as people say it.

use chrono::{DateTime, TimeDelta, Utc};

/// Tells how long before `now` an RFC 3339 time was; an empty text when it is no time.
pub(crate) fn since(time: &str, now: DateTime<Utc>) -> String {
    match DateTime::parse_from_rfc3339(time) {
        Ok(time) => short(now.signed_duration_since(time)),
        Err(_) => String::new(),
    }
}

/// Tells how long after `now` an RFC 3339 time is; an empty text when it is no time.
pub(crate) fn until(time: &str, now: DateTime<Utc>) -> String {
    match DateTime::parse_from_rfc3339(time) {
        Ok(time) => short(time.signed_duration_since(now)),
        Err(_) => String::new(),
    }
}

/// Renders a length of time in its largest unit; what a clock set back would make negative is now.
fn short(age: TimeDelta) -> String {
    let seconds = age.num_seconds().max(0);
    match seconds {
        0..60 => format!("{seconds}s"),
        60..3600 => format!("{}m", seconds / 60),
        3600..86_400 => format!("{}h", seconds / 3600),
        _ => format!("{}d", seconds / 86_400),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_age_has_one_unit_and_is_never_negative() {
        let now = "2026-03-01T12:00:00Z".parse().unwrap();
        for (time, age) in [
            ("2026-03-01T11:59:59.500Z", "0s"),
            ("2026-03-01T11:59:01Z", "59s"),
            ("2026-03-01T11:59:00Z", "1m"),
            ("2026-03-01T11:00:00Z", "1h"),
            ("2026-02-28T12:00:01Z", "23h"),
            ("2026-02-01T12:00:00Z", "28d"),
            ("2026-03-01T13:00:00Z", "0s"),
            ("yesterday", ""),
        ] {
            assert_eq!(since(time, now), age, "{time}");
        }
        assert_eq!(until("2026-03-01T14:59:59Z", now), "2h");
        assert_eq!(until("2026-03-01T11:00:00Z", now), "0s");
        assert_eq!(until("tomorrow", now), "");
    }
}
