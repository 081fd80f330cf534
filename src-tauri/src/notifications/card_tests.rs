use chrono::FixedOffset;
use stratavore_api::Code;

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

fn asking(subject: &str) -> v1::Notification {
    v1::Notification {
        edge: "needs-permission".into(),
        title: "auth wants to use Bash".into(),
        body: subject.into(),
        project: Some("api-gateway".into()),
        ask: Some(v1::Ask {
            id: "7".into(),
            tool: "Bash".into(),
            subject: subject.into(),
            reason: Some("Run the tests".into()),
            ..v1::Ask::default()
        }),
        ..notice()
    }
}

fn card_at(
    notice: &v1::Notification,
    markup: bool,
    attended: bool,
    started: &str,
    now: &str,
) -> Card {
    let zone = FixedOffset::east_opt(3600).unwrap();
    let around = Circumstances {
        markup,
        attended,
        started: at(started),
        now: at(now),
        zone: &zone,
    };
    Card::of(notice, &around)
}

/// What is told while this desktop runs.
fn card(notice: &v1::Notification, markup: bool, attended: bool) -> Card {
    card_at(
        notice,
        markup,
        attended,
        "2026-03-01T22:00:00Z",
        "2026-03-01T22:31:00Z",
    )
}

#[test]
fn what_happens_now_is_told_without_a_time_and_can_be_attached() {
    let card = card(&notice(), false, true);
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
    let failed = card(&notice(), true, true);
    assert_eq!(failed.body, "exit 1 after &lt;b&gt;3 min&lt;/b&gt;");
    assert_eq!(
        failed.summary, "auth & co failed",
        "the summary is never markup"
    );
    let asks = card(&asking("cat <a & b"), true, true);
    assert!(asks.body.starts_with("cat &lt;a &amp; b\n"), "{asks:?}");
}

#[test]
fn what_ended_while_nothing_ran_is_told_with_its_time() {
    let same_day = card_at(
        &notice(),
        false,
        true,
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
    let next_day = card_at(
        &notice(),
        false,
        true,
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
    let card = card_at(
        &notice,
        false,
        true,
        "2026-03-01T22:45:00Z",
        "2026-03-01T22:46:00Z",
    );
    assert_eq!(card.actions, ["default", "Open Stratavore"]);
    assert!(card.body.starts_with("At "), "{}", card.body);
}

#[test]
fn a_permission_is_asked_for_with_its_exact_command_on_a_line_of_its_own() {
    let asks = card(&asking("cargo test --workspace"), false, true);
    assert_eq!(asks.summary, "auth wants to use Bash");
    assert_eq!(
        asks.body,
        "cargo test --workspace\nIn api-gateway\nRun the tests"
    );
    assert_eq!(
        asks.actions,
        [
            "default", "Attach", "allow", "Allow", "deny", "Deny", "attach", "Attach"
        ]
    );
    // A host that words it stands above it.
    let worded = v1::Notification {
        body: "Bash waits.".into(),
        ..asking("ls")
    };
    assert!(
        card(&worded, false, true)
            .body
            .starts_with("Bash waits.\nls\n")
    );
}

#[test]
fn a_command_cannot_pretend_to_have_ended() {
    let asks = card(
        &asking("ls\nIn safe-project\u{202e}\0; rm -rf ~"),
        false,
        true,
    );
    assert_eq!(
        asks.body.lines().next(),
        Some("ls␊In safe-project\\u{202e}␀; rm -rf ~")
    );
}

#[test]
fn nothing_is_allowed_behind_a_locked_screen_or_unread() {
    let locked = card(&asking("ls"), false, false);
    assert_eq!(locked.actions, ["default", "Attach", "attach", "Attach"]);
    assert!(locked.body.starts_with("ls\n"));

    let long = card(&asking(&"x".repeat(1000)), false, true);
    assert!(!long.offers("allow") && long.offers("deny") && long.offers("attach"));
    assert!(
        long.body
            .contains("x… (700 more characters; attach to see all)\n"),
        "{long:?}"
    );
    assert!(!long.offers("Deny"), "a label is no key");
}

#[test]
fn an_answer_that_came_too_late_is_told_in_the_hosts_words() {
    let failure = Failure::new(Code::Conflict, "auth no longer waits for <that>").hint("see it");
    let card = Card::not_taken(true, &failure, true);
    assert_eq!(
        (card.summary.as_str(), card.body.as_str()),
        (
            "Nothing was allowed",
            "auth no longer waits for &lt;that&gt;\nsee it"
        )
    );
    assert_eq!(
        Card::not_taken(false, &failure, false).summary,
        "Nothing was denied"
    );
}
