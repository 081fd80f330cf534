//! Several viewers: whose size counts, who is told what, what they are fed.

mod support;

use stratavore_wire::{Asked, Attach, Attached, Message, Refusal, Refused, Resized, Role, Viewers};
use support::*;

fn attach(rig: &Rig, place: &str, columns: u16, read_only: bool) -> Line {
    let mut line = rig.connect(Role::Viewer);
    line.say(&Message::Attach(Attach {
        columns,
        rows: 24,
        read_only,
        place: place.to_owned(),
    }));
    line
}

fn company(line: &mut Line, count: u32) -> Vec<Attached> {
    line.hear_of(|message| match message {
        Message::Viewers(Viewers {
            count: now,
            attached,
            ..
        }) if now == count => Some(attached),
        _ => None,
    })
}

#[test]
fn everybody_is_told_who_looks_on_and_whose_size_it_is() {
    let rig = Rig::script("echo ready; exec cat");
    let (mut supervisor, _) = rig.start();
    rig.shows("ready");
    let mut window = attach(&rig, "window", 100, false);
    let mut watcher = attach(&rig, "pts/3", 60, true);
    let who = |place: &str, columns, read_only, decides, you| Attached {
        place: place.to_owned(),
        columns,
        rows: 24,
        read_only,
        decides,
        you,
    };
    assert_eq!(
        company(&mut window, 2),
        [
            who("window", 100, false, true, true),
            who("pts/3", 60, true, false, false)
        ]
    );
    assert_eq!(
        company(&mut watcher, 2),
        [
            who("window", 100, false, true, false),
            who("pts/3", 60, true, false, true)
        ]
    );
    assert_eq!(
        company(&mut supervisor, 2),
        [
            who("window", 100, false, true, false),
            who("pts/3", 60, true, false, false)
        ]
    );
    drop(watcher);
    assert_eq!(
        company(&mut supervisor, 1),
        [who("window", 100, false, true, false)]
    );
}

#[test]
fn taking_over_makes_ones_size_count_without_typing() {
    let rig = Rig::script("trap 'stty size' WINCH; stty size; while :; do read x; done");
    let (_line, _) = rig.start();
    rig.shows("24 80");
    let mut wide = attach(&rig, "wide", 100, false);
    rig.shows("24 100");
    let mut narrow = attach(&rig, "narrow", 60, false);
    rig.shows("24 60");
    wide.say(&Message::TakeOver);
    rig.shows("24 100");
    narrow.hear_of(|message| {
        let resized = Resized {
            columns: 100,
            rows: 24,
        };
        (message == Message::Resized(resized)).then_some(())
    });
    let attached = company(&mut narrow, 2);
    assert!(attached[0].decides && !attached[1].decides && attached[1].you);
    // One that only watches takes nothing over.
    let mut watcher = attach(&rig, "watcher", 50, true);
    watcher.say(&Message::TakeOver);
    let refused = watcher.hear_of(|message| match message {
        Message::Refused(refused) => Some(refused),
        _ => None,
    });
    assert_eq!(refused.code, Refusal::ReadOnly);
    assert!(!rig.shows("24 100").contains("24 50"));
    // Nor does one that looks at nothing.
    let mut client = rig.connect(Role::Client);
    client.say(&Message::TakeOver);
    assert!(matches!(
        client.hear(),
        Message::Refused(Refused {
            code: Refusal::OutOfTurn,
            ..
        })
    ));
}

#[test]
fn what_the_program_asks_is_told_and_never_fed() {
    let rig = Rig::script(
        "stty raw -echo; printf ready; head -c 1 >/dev/null; printf 'a\\033]52;c;aGVsbG8=\\007b\\033]52;c;?\\007c\\033]9;look here\\033\\\\d\\033]777;notify;Title;Body\\007e\\033[cf\\033]10;?\\007g\\033]2;ti\\001tle\\007h'; exec cat",
    );
    let (_line, _) = rig.start();
    rig.shows("ready");
    let mut idle = attach(&rig, "idle", 80, false);
    let mut active = attach(&rig, "active", 80, false);
    active.type_in("x");
    let hear = |line: &mut Line, count| {
        let (mut fed, mut asked) = (Vec::new(), Vec::new());
        while !fed.ends_with(b"h") || asked.len() < count {
            match line.hear() {
                Message::Output { bytes, .. } => fed.extend(bytes),
                Message::Asked(what) => asked.push(what),
                _ => {}
            }
        }
        (String::from_utf8(fed).unwrap(), asked)
    };
    let clipboard = Asked::Clipboard {
        selection: 'c',
        text: "hello".to_owned(),
    };
    let notices = [
        Asked::Notify {
            title: String::new(),
            body: "look here".to_owned(),
        },
        Asked::Notify {
            title: "Title".to_owned(),
            body: "Body".to_owned(),
        },
    ];
    let (fed, asked) = hear(&mut active, 3);
    assert_eq!(fed, "abcdefg\x1b]2;title\x07h");
    assert_eq!(asked[0], clipboard);
    assert_eq!(asked[1..], notices);
    // The clipboard is the affair of the one who uses the terminal.
    let (fed, asked) = hear(&mut idle, 2);
    assert_eq!(fed, "abcdefg\x1b]2;title\x07h");
    assert_eq!(asked, notices);
}

#[test]
fn what_is_asked_of_one_who_does_not_listen_is_not_kept_for_ever() {
    let rig = Rig::script(
        "stty raw -echo; printf ready; head -c 1 >/dev/null; i=0; while [ $i -lt 40 ]; do i=$((i+1)); head -c 700000 /dev/zero | tr '\\0' A | { printf '\\033]52;c;'; cat; printf '\\007\\033]7501;%d\\007' $i; }; done; printf 'all done'; exec cat",
    );
    let (_deaf, _) = rig.start();
    rig.shows("ready");
    let _sleeper = attach(&rig, "sleeper", 80, false);
    rig.connect(Role::Client).type_in("x");
    rig.shows("all done");
    let memory = stratavore_agent::process::proportional_memory(rig.record().agent_pid);
    assert!(memory < 12 << 20, "{} KiB", memory / 1024);
    // A storm of sizes is one snapshot for those who do not look.
    let (mut resizer, _) = rig.attach(80, 24, false);
    for columns in 0..400 {
        resizer.say(&Message::Resize(stratavore_wire::Resize {
            columns: 80 + columns % 200,
            rows: 60,
        }));
        rig.connect(Role::Client)
            .say(&Message::GetScreen(stratavore_wire::GetScreen {
                ansi: false,
            }));
    }
    resizer.type_in("end");
    rig.shows("end");
    let memory = stratavore_agent::process::proportional_memory(rig.record().agent_pid);
    assert!(memory < 12 << 20, "{} KiB", memory / 1024);
}

#[test]
fn nobody_is_ever_fed_half_a_sequence() {
    let rig = Rig::script(
        "stty raw -echo; printf ready; head -c 1 >/dev/null; printf 'one\\033[3'; head -c 1 >/dev/null; printf '1mtwo\\303'; head -c 1 >/dev/null; printf '\\244end'; exec cat",
    );
    let (_line, _) = rig.start();
    rig.shows("ready");
    let mut first = attach(&rig, "first", 80, false);
    first.type_in("x");
    first.output_holds("one");
    let mut second = attach(&rig, "second", 80, false);
    second.type_in("x");
    second.output_holds("\x1b[31mtwo");
    let mut third = attach(&rig, "third", 80, false);
    third.type_in("x");
    third.output_holds("äend");
}

#[test]
fn reports_of_the_program_reach_every_supervisor_also_one_that_comes_later() {
    let rig = Rig::script("printf '\\033]7501;state=working\\007ready'; exec cat");
    let (mut line, _) = rig.start();
    let report = |line: &mut Line| {
        line.hear_of(|message| match message {
            Message::Report(report) => Some(report),
            _ => None,
        })
    };
    let first = report(&mut line);
    assert_eq!(first.text, "state=working");
    rig.shows("ready");
    let mut another = rig.connect(Role::Supervisor);
    assert_eq!(report(&mut another), first);
}
