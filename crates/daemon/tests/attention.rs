//! How soon a host knows what a program's own files say.

mod support;

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::time::{Duration, Instant};

use rustix::process::Signal;
use stratavore_rpc::v1;
use stratavore_testkit::{Process, TempHome, binary, wait_until_async};
use support::stand_in::{Follower, StandIn, host, pid_file};
use support::{Host, SOON};

/// Well below the second after which a file is looked at in any case.
const AT_ONCE: Duration = Duration::from_millis(200);

/// How long it takes until a client knows what the file of a process says: the middle of several.
async fn middle(follower: &mut Follower<'_>, program: &mut StandIn) -> Duration {
    let mut took = Vec::new();
    for nth in 0..9 {
        let (status, state) = [("busy", "working"), ("idle", "idle")][nth % 2];
        let begun = Instant::now();
        program.order(&format!("status {status}"));
        took.push(follower.knows(state).await - begun);
    }
    program.order("status idle");
    follower.knows("idle").await;
    took.sort();
    took[took.len() / 2]
}

#[tokio::test(flavor = "multi_thread")]
async fn the_file_of_a_process_is_known_at_once_wherever_its_directory_went_meanwhile() {
    let host = host("").await;
    let mut program = StandIn::launch(&host, "r").await;
    let mut follower = Follower::of(&host, "r").await;
    program.order("status idle");
    follower.knows("idle").await;
    let took = middle(&mut follower, &mut program).await;
    assert!(took < AT_ONCE, "{took:?}");

    // Gone, and with it what was known; then made anew by the program.
    let sessions = pid_file(&host, "r").await.parent().unwrap().to_owned();
    for gone in [sessions.as_path(), sessions.parent().unwrap()] {
        fs::remove_dir_all(gone).unwrap();
        follower.knows("unknown").await;
        program.order("status idle");
        follower.knows("idle").await;
        let took = middle(&mut follower, &mut program).await;
        assert!(took < AT_ONCE, "{took:?}");
    }

    // More than the kernel keeps for one who does not listen.
    let supervisor = Process::find(host.pid()).unwrap();
    supervisor.signal(Signal::STOP).unwrap();
    let most = fs::read_to_string("/proc/sys/fs/inotify/max_queued_events").unwrap();
    for _ in 0..=most.trim().parse::<u32>().unwrap() / 2 {
        for name in ["a", "b"] {
            fs::write(sessions.join(name), "").unwrap();
        }
    }
    supervisor.signal(Signal::CONT).unwrap();
    let took = middle(&mut follower, &mut program).await;
    assert!(took < AT_ONCE, "{took:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_of_another_process_that_had_the_number_or_half_of_one_says_nothing() {
    const OTHER: &str = "99999999-8a51-4f0e-9d55-0a2b6c1d3e4f";
    let host = host("").await;
    let mut program = StandIn::launch(&host, "r").await;
    let mut follower = Follower::of(&host, "r").await;
    program.order("status idle");
    follower.knows("idle").await;
    let own = host.runner("r").await.session_id;
    let file = pid_file(&host, "r").await;
    let text = fs::read_to_string(&file).unwrap();
    let mut record: serde_json::Value = serde_json::from_str(&text).unwrap();
    let replace = |text: &str| {
        let aside = file.with_extension("new");
        fs::write(&aside, text).unwrap();
        fs::rename(&aside, &file).unwrap();
    };
    // One that was killed before had the same number, and its file is left.
    record["procStart"] = "1".into();
    record["status"] = "busy".into();
    record["sessionId"] = OTHER.into();
    replace(&record.to_string());
    let stale = follower.knows("unknown").await;
    assert_eq!(
        host.runner("r").await.session_id,
        own,
        "that session is not its"
    );
    program.order("status busy");
    assert!(follower.knows("working").await > stale);
    // Cut in the middle of being written; a file of somebody else's number in the place of this one.
    replace(&text[..text.len() / 2]);
    follower.knows("unknown").await;
    program.order("status idle");
    follower.knows("idle").await;
    record["pid"] = 1.into();
    replace(&record.to_string());
    follower.knows("unknown").await;
    assert_eq!(host.runner("r").await.session_id, own);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hook_that_makes_no_sense_or_is_huge_says_nothing_and_harms_nobody() {
    let host = host("").await;
    let mut program = StandIn::launch(&host, "r").await;
    let working = program.reports(&host, "working").await;
    for order in [
        // Broken in its middle, of an event that is none, of a kind that is none, without a tool, larger than anybody keeps.
        "hook Stop \"error\":".to_owned(),
        "hook Nonsense".to_owned(),
        "hook Stop \"session_id\":{}".to_owned(),
        "hook StopFailure \"error\":7".to_owned(),
        format!("hook PreToolUse \"blob\":\"{}\"", "x".repeat(9 << 20)),
    ] {
        program.order(&order);
    }
    // It took all of them, and goes on: one that had failed would have ended it.
    program.order("title done");
    let past = |runner: &v1::Runner| runner.title.as_deref() == Some("done");
    let after = host.until("r", past).await;
    let state = |runner: &v1::Runner| {
        let attention = runner.attention.clone().unwrap_or_default();
        (attention.state, attention.since)
    };
    assert_eq!(state(&after), state(&working));
    assert_eq!(after.session_id, working.session_id);
    program.reports(&host, "idle").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_title_says_is_known_at_once() {
    let stand_in = binary::stand_in();
    let host = host(&format!("gemini = {stand_in:?}\n")).await;
    let request = v1::LaunchRequest {
        program: Some("gemini".into()),
        ..v1::LaunchRequest::default()
    };
    let mut gemini = StandIn::launch_as(&host, "r", request).await;
    let mut follower = Follower::of(&host, "r").await;
    gemini.order("title ◇  Ready (p)");
    follower.knows("idle").await;
    let mut took = Vec::new();
    for (title, state) in [
        ("✦  Working… (p)", "working"),
        ("✋  Action Required (p)", "needs-permission"),
        ("✦  Working… (p)", "working"),
    ] {
        let begun = Instant::now();
        gemini.order(&format!("title {title}"));
        took.push(follower.knows(state).await - begun);
    }
    took.sort();
    assert!(took[1] < AT_ONCE, "{took:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_new_chat_of_gemini_is_found_when_it_appears() {
    let home = TempHome::new();
    let gemini = home.path().join("gemini");
    fs::write(&gemini, "#!/bin/sh\necho ready\nexec sleep 600\n").unwrap();
    fs::set_permissions(&gemini, fs::Permissions::from_mode(0o700)).unwrap();
    fs::write(
        home.config_file(),
        format!("[programs]\ngemini = {gemini:?}\n"),
    )
    .unwrap();
    let host = Host::in_home(home).await;
    let request = v1::LaunchRequest {
        project: "p".into(),
        program: Some("gemini".into()),
        name: Some("r".into()),
        ..v1::LaunchRequest::default()
    };
    host.try_launch(request).await.unwrap();
    host.shows("r", "ready").await;

    let mut took = Vec::new();
    for nth in 0..5 {
        let id = format!("1111111{nth}-1111-4111-8111-111111111111");
        // The first of them makes the directories too.
        let chats = host.home.home().join(".gemini/tmp/p/chats");
        fs::create_dir_all(&chats).unwrap();
        let row = format!(r#"{{"sessionId":"{id}","startTime":"2026-11-24T03:45:00.000Z"}}"#);
        let begun = Instant::now();
        fs::write(chats.join(format!("session-{nth}.jsonl")), row + "\n").unwrap();
        wait_until_async(SOON, "the chat is found", async || {
            let request = v1::ListSessionsRequest::default();
            let listed = host.client().list_sessions(request).await.unwrap();
            let sessions = listed.into_inner().sessions;
            let found = |it: &v1::Session| it.id == id && it.transcript.is_some();
            if sessions.iter().any(found) {
                Ok(())
            } else {
                Err(format!("{sessions:#?}"))
            }
        })
        .await;
        took.push(begun.elapsed());
    }
    // All of them are looked at no more than once a second, and without being told once in ten.
    let soon = took.iter().all(|took| *took < Duration::from_secs(5));
    assert!(soon, "{took:?}");
}
