//! What is judged of a runner, whatever its sources say.

use std::time::Duration;

use proptest::prelude::*;
use stratavore_core::attention::{
    Attention, Evidence, Need, SETTLE, Said, Source, judge, reconsider_at,
};
use stratavore_core::clock::Timestamp;

const STALLED: Duration = Duration::from_secs(300);

fn at(seconds: i64) -> Timestamp {
    Timestamp::from_timestamp(1_800_000_000 + seconds, 0).expect("a time")
}

fn said(need: Need, seconds: i64) -> Said {
    Said::plain(need, at(seconds))
}

fn detailed(need: Need, seconds: i64, detail: &str) -> Said {
    Said {
        detail: Some(detail.to_owned()),
        ..said(need, seconds)
    }
}

fn evidence(all: &[(Source, Said)]) -> Evidence {
    let mut evidence = Evidence::default();
    evidence.started_at = Some(at(0));
    for (source, said) in all {
        evidence.say(*source, said.clone());
    }
    evidence
}

fn judged(all: &[(Source, Said)], now: i64) -> Attention {
    judge(&evidence(all), at(now), STALLED)
}

fn need(all: &[(Source, Said)], now: i64) -> Need {
    judged(all, now).need
}

fn any_need() -> impl Strategy<Value = Need> {
    prop::sample::select(Need::ALL.to_vec())
}

fn any_said() -> impl Strategy<Value = Said> {
    (
        any_need(),
        0..60i64,
        prop::option::of(0..90i64),
        prop::option::of("[ab]"),
    )
        .prop_map(|(need, seconds, until, detail)| Said {
            need,
            at: at(seconds),
            detail,
            until: until.map(at),
        })
}

fn any_evidence() -> impl Strategy<Value = Evidence> {
    let words = prop::collection::vec(
        (prop::sample::select(Source::ALL.to_vec()), any_said()),
        0..8,
    );
    (
        words,
        prop::option::of(0..60i64),
        prop::option::of(0..60i64),
    )
        .prop_map(|(words, moved, started)| {
            let mut evidence = evidence(&words);
            evidence.moved_at = moved.map(at);
            evidence.started_at = started.map(at);
            evidence
        })
}

/// The sources that a program speaks by itself.
const SPOKEN: [Source; 3] = [Source::Terminal, Source::PidFile, Source::Hook];

proptest! {
    #[test]
    fn it_always_judges_and_from_what_was_said(evidence in any_evidence(), now in -100..1000i64) {
        let judged = judge(&evidence, at(now), STALLED);
        let derived = matches!(judged.need, Need::Unknown | Need::Stalled | Need::Starting | Need::Idle);
        let told = Source::ALL.into_iter().filter_map(|source| evidence.of(source)).any(|said| said.need == judged.need);
        prop_assert!(derived || told, "{judged:?}");
        prop_assert_eq!(judge(&evidence, at(now), STALLED), judged);
    }

    #[test]
    fn times_at_the_ends_of_all_time_are_times(need in any_need(), source in prop::sample::select(Source::ALL.to_vec()), early in any::<bool>(), now_early in any::<bool>()) {
        let end = |early| if early { Timestamp::MIN_UTC } else { Timestamp::MAX_UTC };
        let mut evidence = Evidence::default();
        evidence.say(Source::Terminal, Said::plain(Need::Idle, end(!early)));
        evidence.say(source, Said { until: Some(end(early)), ..Said::plain(need, end(early)) });
        let now = end(now_early);
        let _ = judge(&evidence, now, STALLED);
        let _ = reconsider_at(&evidence, now, STALLED);
    }

    #[test]
    fn it_never_works_when_a_later_word_differs_for_long(
        (better, lesser) in prop::sample::subsequence(SPOKEN.to_vec(), 2).prop_map(|two| (two[0], two[1])),
        other in any_need().prop_filter("differs", |need| *need != Need::Working),
        first in 0..30i64, later in 1..30i64, settled in 0..30i64,
    ) {
        let words = [(better, said(Need::Working, first)), (lesser, said(other, first + later))];
        let now = first + later + i64::try_from(SETTLE.as_secs()).expect("short") + settled;
        let judged = judged(&words, now);
        prop_assert_eq!(judged.need, Need::Unknown);
        prop_assert!(judged.detail.is_some_and(|detail| detail.contains("working")));
    }

    #[test]
    fn a_better_source_beats_what_a_lesser_said_before(
        (better, lesser) in prop::sample::subsequence(SPOKEN.to_vec(), 2).prop_map(|two| (two[0], two[1])),
        needs in (any_need(), any_need()), before in 0..30i64, after in 3..30i64, passed in 0..100i64,
    ) {
        let words = [(lesser, said(needs.0, before)), (better, said(needs.1, before + after))];
        prop_assert_eq!(need(&words, before + after + passed), needs.1);
    }

    #[test]
    fn what_is_said_again_holds_since_it_was_said_first_and_settles_a_conflict(
        first in 0..30i64, between in 1..30i64, again in 1..30i64, passed in 0..100i64,
    ) {
        let last = first + between + again;
        let words = [
            (Source::Terminal, said(Need::Working, first)),
            (Source::Hook, said(Need::Idle, first + between)),
            (Source::Terminal, said(Need::Working, last)),
        ];
        let judged = judged(&words, last + passed);
        prop_assert_eq!((judged.need, judged.since), (Need::Working, at(first)));
    }

    #[test]
    fn nothing_changes_before_it_is_reconsidered(evidence in any_evidence(), now in 0..400i64, part in 0.0..1.0f64) {
        let (before, now) = (judge(&evidence, at(now), STALLED), at(now));
        let next = reconsider_at(&evidence, now, STALLED);
        let until = next.unwrap_or(now + Duration::from_secs(10_000));
        prop_assert!(until > now);
        let between = now + (until - now).to_std().expect("later").mul_f64(part);
        if between < until {
            let then = judge(&evidence, between, STALLED);
            prop_assert_eq!((then.need, then.source, then.detail), (before.need, before.source, before.detail));
        }
    }

    #[test]
    fn a_limit_that_has_passed_holds_no_longer(until in 1..60i64, passed in 0..60i64, source in prop::sample::select(Source::ALL.to_vec())) {
        let limit = Said { until: Some(at(until)), ..said(Need::RateLimited, 0) };
        prop_assert_eq!(need(&[(source, limit.clone())], until - 1), Need::RateLimited);
        prop_assert_eq!(need(&[(source, limit)], until + passed), Need::Idle);
    }
}

#[test]
fn before_anything_is_said_it_starts_and_then_nobody_knows() {
    assert_eq!(
        judge(&Evidence::default(), at(0), STALLED).need,
        Need::Starting
    );
    assert_eq!(need(&[], 5), Need::Unknown);
}

#[test]
fn a_difference_is_no_conflict_while_it_settles() {
    let words = [
        (Source::Terminal, said(Need::Working, 10)),
        (Source::Hook, said(Need::Idle, 20)),
    ];
    assert_eq!(need(&words, 21), Need::Working);
    assert_eq!(need(&words, 22), Need::Unknown);
}

#[test]
fn a_tool_that_ended_says_nothing_of_another_that_waits() {
    let words = [
        (Source::Terminal, said(Need::NeedsPermission, 10)),
        (Source::Hook, said(Need::Working, 20)),
    ];
    assert_eq!(need(&words, 60), Need::NeedsPermission);
    // The pid file does say something of it.
    let words = [
        (Source::Terminal, said(Need::NeedsPermission, 10)),
        (Source::PidFile, said(Need::Working, 20)),
    ];
    assert_eq!(need(&words, 60), Need::Unknown);
}

#[test]
fn the_exact_words_are_those_of_the_same_request() {
    let whole = "Bash: touch a; touch b";
    let words = |told: &str| {
        [
            (Source::Hook, detailed(Need::NeedsPermission, 9, whole)),
            (Source::Terminal, detailed(Need::NeedsPermission, 10, told)),
        ]
    };
    assert_eq!(
        judged(&words("Bash: touch a…"), 11).detail.as_deref(),
        Some(whole)
    );
    // The hook of this request was lost: the one heard is of the request before.
    let other = "Bash: rm c";
    assert_eq!(judged(&words(other), 11).detail.as_deref(), Some(other));
}

#[test]
fn a_turn_that_failed_is_told_by_who_knows_how() {
    let limit = Said {
        until: Some(at(100)),
        ..detailed(Need::RateLimited, 10, "resets soon")
    };
    for terminal in [Need::Idle, Need::Errored] {
        let words = [
            (Source::Hook, limit.clone()),
            (Source::Terminal, said(terminal, 11)),
        ];
        let judged = judged(&words, 60);
        assert_eq!(
            (judged.need, judged.until),
            (Need::RateLimited, Some(at(100)))
        );
        assert_eq!(judged.detail.as_deref(), Some("resets soon"));
    }
    // A turn later it is over.
    let words = [
        (Source::Hook, limit),
        (Source::Terminal, said(Need::Idle, 50)),
    ];
    assert_eq!(need(&words, 60), Need::Idle);
}

#[test]
fn it_stalls_when_nothing_moves_and_not_while_a_person_is_waited_for() {
    let working = [(Source::Terminal, said(Need::Working, 10))];
    assert_eq!(need(&working, 309), Need::Working);
    assert_eq!(need(&working, 310), Need::Stalled);
    let mut moving = evidence(&working);
    moving.moved_at = Some(at(200));
    assert_eq!(judge(&moving, at(499), STALLED).need, Need::Working);
    assert_eq!(judge(&moving, at(500), STALLED).need, Need::Stalled);
    let waiting = [(Source::Terminal, said(Need::NeedsAnswer, 10))];
    assert_eq!(need(&waiting, 10_000), Need::NeedsAnswer);
}

#[test]
fn who_speaks_no_more_is_not_believed() {
    let mut all = evidence(&[
        (Source::Terminal, said(Need::Working, 10)),
        (Source::PidFile, said(Need::Idle, 5)),
    ]);
    all.unsay(Source::Terminal);
    assert_eq!(judge(&all, at(60), STALLED).need, Need::Idle);
}
