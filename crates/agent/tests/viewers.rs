//! Viewers: what they see, how they type, and that none of them stalls anybody.

mod support;

use std::time::{Duration, Instant};

use stratavore_wire::hello::capability;
use stratavore_wire::*;
use support::{Line, Rig, shown, until};

#[test]
fn attaching_shows_the_screen_at_once_and_then_what_is_written() {
    let rig = Rig::script(
        "stty -echo; printf 'hello \\033[31mred\\033[m\\033[?2004h\\033]2;title\\007'; read x; echo \"got $x\"; exec cat",
    );
    let (_line, _) = rig.start();
    rig.shows("hello red");
    let (mut viewer, snapshot) = rig.attach(80, 24, false);
    let seen = shown((80, 24), &snapshot);
    assert_eq!(seen.text(), "hello red\n");
    assert_eq!(seen.title(), "title");
    let text = String::from_utf8(snapshot).unwrap();
    assert!(
        text.contains("\x1b[0;31mred") && text.contains("\x1b[?2004h"),
        "{}",
        text.escape_debug()
    );
    viewer.type_in("abc\n");
    viewer.output_holds("got abc");
}

#[test]
fn output_goes_on_exactly_where_the_snapshot_ends() {
    let rig = Rig::script(
        "stty raw -echo; i=0; while [ $i -lt 3000 ]; do i=$((i+1)); printf '\\033[3%dm<%d>\\033[m\\033[K\\r\\n' $((i%8)) $i; done; printf done; exec cat",
    );
    let (_line, _) = rig.start();
    let mut viewers = Vec::new();
    for _ in 0..8 {
        viewers.push(rig.attach(80, 24, false));
    }
    rig.shows("done");
    let expected = rig.shows("done");
    for (mut viewer, snapshot) in viewers {
        let mut screen = shown((80, 24), &snapshot);
        let mut at = None;
        while !screen.text().contains("done") {
            match viewer.hear() {
                Message::Output { seq, bytes } => {
                    if let Some(at) = at {
                        assert_eq!(seq, at, "output is missing or came twice");
                    }
                    at = Some(seq + bytes.len() as u64);
                    screen.feed(&bytes);
                }
                Message::Snapshot { seq, bytes, .. } => {
                    at = Some(seq);
                    screen.feed(&bytes);
                }
                Message::Resized(_) | Message::Viewers(_) => {}
                other => panic!("{other:?}"),
            }
        }
        assert_eq!(screen.text(), expected);
    }
}

#[test]
fn a_viewer_that_never_reads_stalls_nobody_and_is_shown_the_present_when_it_does() {
    let rig = Rig::script(
        "stty raw -echo; yes 0123456789 | head -c 4000000; printf 'all done'; exec cat",
    );
    let mut sleeper = None;
    let (_line, _) = rig.start();
    for _ in 0..3 {
        let mut line = rig.connect(Role::Viewer);
        line.say(&Message::Attach(Attach {
            columns: 80,
            rows: 24,
            read_only: false,
            ..Attach::default()
        }));
        sleeper = Some(line);
    }
    // The program is not held up.
    rig.shows("all done");
    // What waits for a sleeper is bounded.
    let memory = stratavore_agent::process::proportional_memory(rig.record().agent_pid);
    assert!(memory < 12 << 20, "{} KiB", memory / 1024);
    let mut screen = shown((80, 24), b"");
    let mut line = sleeper.unwrap();
    let mut heard = 0;
    while !screen.text().contains("all done") {
        if let Message::Output { bytes, .. } | Message::Snapshot { bytes, .. } = line.hear() {
            heard += bytes.len();
            screen.feed(&bytes);
        }
    }
    assert!(
        heard < 4 << 20,
        "{heard} bytes were kept for a viewer that did not read"
    );
}

/// Attaches one who is waited for to acknowledge what it draws.
fn acknowledging(rig: &Rig) -> Line {
    let mut hello = Hello::new(Role::Viewer, "slow");
    hello.capabilities.push(capability::ACK.to_owned());
    let mut line = rig.greet(hello);
    line.say(&Message::Attach(Attach {
        columns: 80,
        rows: 24,
        ..Attach::default()
    }));
    line
}

#[test]
fn a_viewer_that_does_not_acknowledge_is_dropped_to_a_snapshot() {
    let rig = Rig::script(
        "stty raw -echo; echo ready; read x; yes 0123456789 | head -c 2000000; printf 'all done'; exec cat",
    );
    let (_line, _) = rig.start();
    rig.shows("ready");
    let mut line = acknowledging(&rig);
    let first = line.snapshot().len() as u64;
    rig.connect(Role::Client).type_in("\n");
    rig.shows("all done");
    // It has read nothing since, and what waits for it is less than the bound.
    line.say(&Message::Resize(Resize {
        columns: 81,
        rows: 24,
    }));
    let mut sent = first;
    let mut snapshots = 0;
    loop {
        match line.hear() {
            Message::Output { bytes, .. } => sent += bytes.len() as u64,
            Message::Snapshot { bytes, .. } => {
                sent += bytes.len() as u64;
                snapshots += 1;
                if shown((81, 24), &bytes).text().contains("all done") {
                    break;
                }
            }
            _ => {}
        }
        line.say(&Message::Ack(Ack { bytes: 1 }));
    }
    assert!(
        sent < 600 * 1024,
        "{sent} bytes for one that acknowledged almost nothing"
    );
    assert!(snapshots >= 1);
}

#[test]
fn a_viewer_that_is_less_than_the_bound_behind_misses_nothing() {
    let rig = Rig::script(
        "stty raw -echo; echo ready; read x; yes 0123456789 | head -c 200000; printf 'all done'; exec cat",
    );
    let (_line, _) = rig.start();
    rig.shows("ready");
    let mut line = acknowledging(&rig);
    line.snapshot();
    rig.connect(Role::Client).type_in("\n");
    rig.shows("all done");
    // It has acknowledged nothing, and is sent all of it.
    let mut seen = Vec::new();
    while !seen.ends_with(b"all done") {
        match line.hear() {
            Message::Output { bytes, .. } => seen.extend(bytes),
            Message::Snapshot { .. } => panic!("dropped after {} bytes", seen.len()),
            _ => {}
        }
    }
    let mut written = b"0123456789\n".repeat(200_000 / 11 + 1);
    written.truncate(200_000);
    written.extend_from_slice(b"all done");
    assert!(seen == written, "{} bytes of {}", seen.len(), written.len());
}

#[test]
fn small_pieces_are_gathered_and_what_a_key_brings_is_sent_at_once() {
    let rig = Rig::script(
        "stty raw -echo; echo ready; until [ -e go ]; do sleep 0.01; done; i=0; while [ $i -lt 3000 ]; do i=$((i+1)); printf x; done; printf 'all done'; exec cat",
    );
    let (_line, _) = rig.start();
    rig.shows("ready");
    let (mut viewer, _) = rig.attach(80, 24, true);
    // Nothing is typed: after a key each piece is sent as it comes.
    std::fs::write(rig.work().join("go"), "").unwrap();
    let began = Instant::now();
    let (mut seen, mut messages) = (Vec::new(), 0);
    while !seen.ends_with(b"all done") {
        if let Message::Output { bytes, .. } = viewer.hear() {
            seen.extend(bytes);
            messages += 1;
        }
    }
    let rounds = began.elapsed().as_millis() / 4;
    assert!(
        messages < 1500 && messages <= 2 + rounds,
        "{messages} messages for 3000 pieces in {rounds} times 4 ms"
    );
    let (mut typist, _) = rig.attach(80, 24, false);
    let quickest = (0..50_u8)
        .map(|key| {
            let key = char::from(b'A' + key % 26).to_string();
            let began = Instant::now();
            typist.type_in(&key);
            typist.output_holds(&key);
            began.elapsed()
        })
        .min();
    // One that is gathered first waits four milliseconds, each time.
    assert!(
        quickest < Some(Duration::from_millis(3)),
        "{quickest:?} for the quickest of fifty keys"
    );
}

#[test]
fn the_one_that_typed_or_attached_last_decides_the_size() {
    let rig = Rig::script("trap 'stty size' WINCH; stty size; while :; do read x; done");
    let (mut line, _) = rig.start();
    rig.shows("24 80");
    let (mut wide, _) = rig.attach(100, 30, false);
    rig.shows("30 100");
    let (mut narrow, _) = rig.attach(60, 20, false);
    rig.shows("20 60");
    // One that only watches decides nothing, nor does one that resizes out of turn.
    let (_watcher, _) = rig.attach(200, 50, true);
    wide.say(&Message::Resize(Resize {
        columns: 101,
        rows: 31,
    }));
    wide.type_in("x\n");
    rig.shows("31 101");
    let resized = narrow.hear_of(|message| match message {
        Message::Resized(resized) if resized.columns == 101 => Some(resized),
        _ => None,
    });
    assert_eq!(resized.rows, 31);
    // It leaves; the one before it decides again.
    drop(wide);
    line.hear_of(|message| {
        (message
            == Message::Resized(Resized {
                columns: 60,
                rows: 20,
            }))
        .then_some(())
    });
    line.hear_of(|message| {
        matches!(
            message,
            Message::Viewers(Viewers {
                count: 2,
                read_only: 1,
                ..
            })
        )
        .then_some(())
    });
}

#[test]
fn a_storm_of_sizes_is_weathered() {
    let rig = Rig::script("echo ready; exec cat");
    let (_line, _) = rig.start();
    rig.shows("ready");
    let (mut viewer, _) = rig.attach(80, 24, false);
    for round in 0..1000_u16 {
        let (columns, rows) = match round % 4 {
            0 => (1, 1),
            1 => (10_000, 10_000),
            2 => (round, 3),
            _ => (120, 40),
        };
        viewer.say(&Message::Resize(Resize { columns, rows }));
        if round % 50 == 0 {
            viewer.type_in("x");
        }
    }
    viewer.say(&Message::Resize(Resize {
        columns: 90,
        rows: 25,
    }));
    viewer.hear_of(|message| {
        (message
            == Message::Resized(Resized {
                columns: 90,
                rows: 25,
            }))
        .then_some(())
    });
    viewer.type_in("\nalive\n");
    rig.shows("alive");
}

#[test]
fn a_read_only_viewer_cannot_type() {
    let rig = Rig::script("echo ready; exec cat");
    let (_line, _) = rig.start();
    rig.shows("ready");
    let (mut watcher, _) = rig.attach(80, 24, true);
    watcher.type_in("forbidden\n");
    assert!(matches!(
        watcher.hear_past_viewers(),
        Message::Refused(Refused {
            code: Refusal::ReadOnly,
            ..
        })
    ));
    watcher.say(&Message::Stop(Stop { grace_ms: 0 }));
    assert!(matches!(
        watcher.hear_past_viewers(),
        Message::Refused(Refused {
            code: Refusal::OutOfTurn,
            ..
        })
    ));
    let (mut typist, _) = rig.attach(80, 24, false);
    typist.type_in("allowed\n");
    assert!(!rig.shows("allowed\nallowed").contains("forbidden"));
}

#[test]
fn a_read_only_viewer_resizes_nothing_and_is_drawn_anew() {
    let rig = Rig::script("trap 'stty size' WINCH; stty size; while :; do read x; done");
    let (_line, _) = rig.start();
    rig.shows("24 80");
    let (mut watcher, _) = rig.attach(100, 30, true);
    watcher.say(&Message::Resize(Resize {
        columns: 120,
        rows: 40,
    }));
    watcher.say(&Message::Redraw(Redraw { history_lines: 0 }));
    // The size that it is drawn in is the terminal's, and all that it said was heard by then.
    let (columns, rows) = watcher.hear_of(|message| match message {
        Message::Snapshot { columns, rows, .. } => Some((columns, rows)),
        _ => None,
    });
    assert_eq!((columns, rows), (80, 24));
    let (_typist, _) = rig.attach(60, 20, false);
    assert_eq!(rig.shows("20 60"), "24 80\n20 60\n");
}

#[test]
fn a_paste_is_not_split_by_another_viewer() {
    let rig = Rig::script("stty raw -echo; echo ready; exec cat -v");
    let (_line, _) = rig.start();
    rig.shows("ready");
    let (mut one, _) = rig.attach(80, 24, false);
    let (mut two, _) = rig.attach(80, 24, false);
    one.type_in("\x1b[200~first ");
    rig.shows("first");
    two.type_in("intruder");
    one.type_in("second\x1b[201~");
    rig.shows("^[[200~first second^[[201~intruder");
}

#[test]
fn queries_are_answered_once_however_many_look_on() {
    let rig = Rig::script(
        "stty raw -echo; echo ready; head -c 1 > /dev/null; printf '\\033]7501;?\\007\\033[c'; exec cat -v",
    );
    let (_line, _) = rig.start();
    rig.shows("ready");
    let (mut viewer, _) = rig.attach(80, 24, false);
    let _others: Vec<(Line, Vec<u8>)> = (0..3).map(|_| rig.attach(80, 24, false)).collect();
    viewer.type_in("x");
    let screen = rig.shows("^[[?62;22c");
    assert!(screen.contains("^[]7501;?^[\\^[[?62;22c"), "{screen}");
    viewer.type_in("end");
    assert_eq!(rig.shows("end").matches("62;22c").count(), 1);
}

#[test]
fn a_frame_is_not_shown_half_drawn() {
    let rig = Rig::script(
        "stty raw -echo; printf ready; while head -c 1 >/dev/null; do printf '\\033[2J\\033[H\\033[?2026hhalf'; head -c 1 >/dev/null; printf ' whole\\033[?2026l'; done",
    );
    let (_line, _) = rig.start();
    rig.shows("ready");
    let (mut first, _) = rig.attach(80, 24, false);
    until("a frame that ends before its time is over", || {
        first.type_in("x");
        first.output_holds("half");
        let began = Instant::now();
        let mut second = rig.connect(Role::Viewer);
        second.say(&Message::Attach(Attach {
            columns: 80,
            rows: 24,
            ..Attach::default()
        }));
        first.type_in("x");
        first.output_holds(" whole");
        let seen = shown((80, 24), &second.snapshot()).text();
        // On a machine so slow the half is shown, as it is to be.
        (began.elapsed() < Duration::from_millis(100)).then(|| assert_eq!(seen, "half whole\n"))
    });
}

#[test]
fn input_that_nobody_reads_is_bounded() {
    let rig = Rig::script("stty raw -echo; echo ready; exec sleep 1000");
    let (_line, _) = rig.start();
    rig.shows("ready");
    let mut client = rig.connect(Role::Client);
    let refused = until("the queue to be full", || {
        client.say(&Message::Input {
            bytes: vec![b'x'; 256 * 1024],
        });
        client.say(&Message::GetScreen(GetScreen { ansi: false }));
        match client.hear() {
            Message::Refused(refused) => Some(refused),
            _ => None,
        }
    });
    assert_eq!(refused.code, Refusal::InputFull);
}

#[test]
fn the_screen_command_gives_what_a_viewer_is_fed() {
    let rig = Rig::script("printf '\\033[1mbold\\033[m\\n'; exec cat");
    let (_line, _) = rig.start();
    rig.shows("bold");
    let (_viewer, snapshot) = rig.attach(80, 24, false);
    let mut client = rig.connect(Role::Client);
    client.say(&Message::GetScreen(GetScreen { ansi: true }));
    match client.hear() {
        Message::Screen { ansi: true, bytes } => assert_eq!(bytes, snapshot),
        other => panic!("{other:?}"),
    }
}
