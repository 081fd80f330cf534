//! Days, by the calendar of a person's time zone.

use chrono::{
    DateTime, Days, LocalResult, NaiveDate, NaiveDateTime, Offset, TimeDelta, TimeZone, Utc,
};

use crate::clock::Timestamp;

/// A time during which a zone is as far from UTC throughout.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stretch {
    /// When it began; nothing where it is the first that matters.
    pub began: Option<Timestamp>,
    /// When the next begins; nothing where there is none yet.
    pub ends: Option<Timestamp>,
    /// How far east of UTC, in seconds.
    pub east: i32,
}

/// Splits the time between two moments where clocks were turned.
#[must_use]
pub fn stretches<Z: TimeZone>(from: Timestamp, to: Timestamp, zone: &Z) -> Vec<Stretch> {
    let east = |moment: Timestamp| {
        let offset = zone.offset_from_utc_datetime(&moment.naive_utc());
        offset.fix().local_minus_utc()
    };
    let mut stretches = Vec::new();
    let (mut began, mut day, mut present) = (None, from, east(from));
    while day < to {
        // Clocks are turned at most once a day.
        let next = day.checked_add_days(Days::new(1)).unwrap_or(to).min(to);
        if east(next) != present {
            let (mut before, mut after) = (day, next);
            while after - before > TimeDelta::seconds(1) {
                let between = before + (after - before) / 2;
                if east(between) == present {
                    before = between;
                } else {
                    after = between;
                }
            }
            // They are turned at a full second.
            let turned = DateTime::from_timestamp(after.timestamp(), 0).unwrap_or(after);
            stretches.push(Stretch {
                began,
                ends: Some(turned),
                east: present,
            });
            (began, present) = (Some(turned), east(next));
        }
        day = next;
    }
    stretches.push(Stretch {
        began,
        ends: None,
        east: present,
    });
    stretches
}

/// Returns the first moment of a day: where clocks skip midnight, the first that there is.
pub(crate) fn midnight<Z: TimeZone>(date: NaiveDate, zone: &Z) -> Timestamp {
    let mut wall: NaiveDateTime = date.and_time(chrono::NaiveTime::MIN);
    loop {
        match zone.from_local_datetime(&wall) {
            LocalResult::Single(time) | LocalResult::Ambiguous(time, _) => {
                return time.with_timezone(&Utc);
            }
            LocalResult::None => wall += TimeDelta::minutes(15),
        }
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use chrono::FixedOffset;

    use super::*;

    pub(crate) fn at(text: &str) -> Timestamp {
        text.parse().unwrap()
    }

    /// A zone whose clocks are turned once.
    #[derive(Clone, Copy, Debug)]
    pub(crate) struct Turning {
        at: NaiveDateTime,
        before: FixedOffset,
        after: FixedOffset,
    }

    /// Makes a zone that is so many hours east of UTC before a moment, and so many from it on.
    pub(crate) fn turning(moment: &str, before: i32, after: i32) -> Turning {
        Turning {
            at: at(moment).naive_utc(),
            before: FixedOffset::east_opt(before * 3600).unwrap(),
            after: FixedOffset::east_opt(after * 3600).unwrap(),
        }
    }

    impl TimeZone for Turning {
        type Offset = FixedOffset;

        fn from_offset(_: &FixedOffset) -> Self {
            unreachable!("an offset does not tell of the turn")
        }

        fn offset_from_local_date(&self, _: &NaiveDate) -> LocalResult<FixedOffset> {
            unreachable!("no date is asked for without a time")
        }

        fn offset_from_local_datetime(&self, local: &NaiveDateTime) -> LocalResult<FixedOffset> {
            let holds = |offset: FixedOffset, early: bool| {
                ((*local - offset < self.at) == early).then_some(offset)
            };
            match (holds(self.before, true), holds(self.after, false)) {
                (Some(one), Some(other)) => LocalResult::Ambiguous(one, other),
                (Some(one), None) | (None, Some(one)) => LocalResult::Single(one),
                (None, None) => LocalResult::None,
            }
        }

        fn offset_from_utc_date(&self, _: &NaiveDate) -> FixedOffset {
            unreachable!("no date is asked for without a time")
        }

        fn offset_from_utc_datetime(&self, utc: &NaiveDateTime) -> FixedOffset {
            if *utc < self.at {
                self.before
            } else {
                self.after
            }
        }
    }

    #[test]
    fn time_is_split_where_clocks_are_turned() {
        let vienna = turning("2026-03-29T01:00:00Z", 1, 2);
        let turned = at("2026-03-29T01:00:00Z");
        for from in ["2024-01-01T00:00:00Z", "2026-03-29T00:59:59.5Z"] {
            assert_eq!(
                stretches(at(from), at("2026-11-24T06:30:00Z"), &vienna),
                [
                    Stretch {
                        began: None,
                        ends: Some(turned),
                        east: 3600
                    },
                    Stretch {
                        began: Some(turned),
                        ends: None,
                        east: 7200
                    },
                ],
                "{from}"
            );
        }
        let whole = |east| Stretch {
            began: None,
            ends: None,
            east,
        };
        let later = at("2026-05-01T00:00:00Z");
        assert_eq!(stretches(turned, later, &vienna), [whole(7200)]);
        assert_eq!(stretches(later, turned, &vienna), [whole(7200)]);
        assert_eq!(stretches(turned, later, &Utc), [whole(0)]);
    }
}
