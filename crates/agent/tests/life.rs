//! A runner's life: executed once, recorded, adopted, ended.

mod support;

use std::fs;
use std::io::Write;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixStream;

use rustix::process::Signal;
use stratavore_agent::process::Stat;
use stratavore_wire::*;
use support::{Line, Rig, alive, until};

#[test]
fn runs_a_program_and_records_its_exit() {
    let rig = Rig::script("pwd; echo \"$SECRET $TERM $COLORTERM $STRATAVORE_RUNNER_ID\"; exit 3");
    let (mut line, started) = rig.start();
    let exited = line.exited();
    assert_eq!(
        (exited.exit, exited.stopped, exited.leftovers),
        (Exit::Code(3), false, 0)
    );
    line.ended();

    let record = rig.record();
    assert_eq!(record.process.as_ref(), Some(&started.program));
    assert_eq!(record.command, rig.launch.argv);
    assert!(
        !fs::read_to_string(rig.attempt("runner.json"))
            .unwrap()
            .contains("hunter2")
    );
    assert_eq!(
        rig.exit().end,
        End::Exited {
            exit: Exit::Code(3)
        }
    );
    let screen = fs::read_to_string(rig.attempt("screen.txt")).unwrap();
    assert_eq!(
        screen,
        format!(
            "{}\nhunter2 xterm-256color truecolor {}\n",
            rig.launch.cwd, rig.runner_id
        )
    );
    until("the agent's end", || {
        (!alive(record.agent_pid)).then_some(())
    });
    assert!(!rig.launch.socket.exists());
}

#[test]
fn the_agent_is_nobodys_child_and_outlives_its_supervisor() {
    let rig = Rig::script("echo ready; exec cat");
    let (line, started) = rig.start();
    let record = rig.record();
    let agent = Stat::read(record.agent_pid).unwrap();
    assert_ne!(agent.parent, std::process::id() as i32);
    assert_eq!(
        Stat::read(started.program.pid).unwrap().parent,
        record.agent_pid
    );
    drop(line);
    rig.shows("ready");

    // Another supervisor adopts it.
    let mut adopted = Line::new(UnixStream::connect(&rig.launch.socket).unwrap());
    adopted.say(&Message::Hello(Hello::new(Role::Supervisor, "adopter")));
    let welcome = adopted.hear_of(|message| match message {
        Message::Welcome(welcome) => Some(welcome),
        other => panic!("{other:?}"),
    });
    assert_eq!(
        (welcome.runner_id, welcome.attempt),
        (rig.runner_id.clone(), 1)
    );
    assert_eq!(welcome.program, Some(started.program));
    // It is told at once how the runner fares.
    let beat = adopted.hear_of(|message| match message {
        Message::Heartbeat(beat) => Some(beat),
        _ => None,
    });
    assert_eq!(beat.processes, 1);
    assert!(beat.memory_bytes > 0, "{beat:?}");
    adopted.say(&Message::Stop(Stop { grace_ms: 5_000 }));
    let exit = adopted.exited().exit;
    assert!(
        matches!(exit, Exit::Signal(libc::SIGHUP | libc::SIGTERM)),
        "{exit}"
    );
}

#[test]
fn an_attempt_is_never_executed_twice() {
    let rig = Rig::script("echo x >> ran; exec cat");
    let (mut line, _) = rig.start();
    assert_eq!(rig.refused().code, Refusal::AlreadyRunning);
    until("the program to have run", || {
        fs::read_to_string(rig.work().join("ran"))
            .ok()
            .filter(|ran| ran == "x\n")
    });
    line.say(&Message::Stop(Stop { grace_ms: 5_000 }));
    line.ended();
    until("the lock to be free", || {
        (rig.refused().code == Refusal::AlreadyAttempted).then_some(())
    });
    assert_eq!(fs::read_to_string(rig.work().join("ran")).unwrap(), "x\n");
}

#[test]
fn a_lost_agent_leaves_an_attempt_without_an_exit() {
    let rig = Rig::script("for i in $(seq 100); do echo line $i; done; exec cat");
    let (mut line, started) = rig.start();
    rig.shows("line 100");
    let record = rig.record();
    Stat::read(record.agent_pid)
        .unwrap()
        .process
        .signal(Signal::KILL);
    until("the supervisor's end of file", || {
        line.hear_or_end().is_none().then_some(())
    });
    assert!(!rig.attempt("exit.json").exists());
    assert_eq!(rig.refused().code, Refusal::AlreadyAttempted);
    // What scrolled off survived; the rest was on the screen.
    let history = fs::read_to_string(rig.attempt("history")).unwrap();
    assert!(history.starts_with("line 1\nline 2\n"), "{history}");
    assert!(history.contains("line 76\n"), "{history}");
    // The terminal's end hangs the program up; what ignores that is the supervisor's to find.
    until("the program's end", || {
        (!alive(started.program.pid)).then_some(())
    });
}

#[test]
fn a_killed_program_is_told_with_its_signal_even_when_a_child_keeps_the_terminal() {
    let rig = Rig::script(
        "setsid sh -c 'echo up > up; exec sleep 1000' & while [ ! -s up ]; do :; done; echo ready; exec cat",
    );
    let (mut line, started) = rig.start();
    rig.shows("ready");
    until("the daemon", || (rig.running().len() == 2).then_some(()));
    Stat::read(started.program.pid)
        .unwrap()
        .process
        .signal(Signal::KILL);
    let exited = line.exited();
    assert_eq!(
        (exited.exit, exited.stopped, exited.leftovers),
        (Exit::Signal(libc::SIGKILL), false, 1)
    );
    assert_eq!(
        rig.exit().end,
        End::Exited {
            exit: Exit::Signal(libc::SIGKILL)
        }
    );
    assert_eq!(rig.exit().leftovers, 1);
    line.ended();
    assert!(rig.running().is_empty());
}

#[test]
fn what_may_live_on_lives_on() {
    let mut rig =
        Rig::script("setsid sh -c 'echo up > up; exec sleep 1000' & while [ ! -s up ]; do :; done");
    rig.launch.keep_descendants = true;
    let (mut line, _) = rig.start();
    assert_eq!(line.exited().exit, Exit::Code(0));
    line.ended();
    assert_eq!(rig.running().len(), 1);
}

#[test]
fn output_before_the_exit_is_not_lost() {
    let rig = Rig::script("seq 1 5000");
    let (mut line, _) = rig.start();
    line.ended();
    let history = fs::read_to_string(rig.attempt("history.older")).unwrap_or_default()
        + &fs::read_to_string(rig.attempt("history")).unwrap_or_default();
    let lines: Vec<&str> = history.lines().collect();
    assert_eq!(lines.last(), Some(&"5000"));
    let expected: Vec<String> = (5001 - lines.len()..=5000)
        .map(|line| line.to_string())
        .collect();
    assert_eq!(lines, expected);
    assert!(lines.len() >= 1000, "{}", lines.len());
}

#[test]
fn each_failure_to_start_is_told_with_its_mend_and_recorded() {
    let place = tempfile::tempdir().unwrap();
    let file = |name: &str, content: &str, mode: u32| {
        let path = place.path().join(name);
        fs::write(&path, content).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
        path.to_str().unwrap().to_owned()
    };
    let script = file("bad", "#!/nonexistent/interpreter -x\n", 0o755);
    let crlf = file("crlf", "#!/bin/sh\r\necho\r\n", 0o755);
    let not_executable = file("plain", "#!/bin/sh\n", 0o644);
    let no_program = file("noise", "\x01\x02", 0o755);
    let directory = place.path().to_str().unwrap().to_owned();
    let long = "x".repeat(1 << 20);
    let cases: Vec<(Vec<&str>, SpawnFailure, &str)> = vec![
        (
            vec!["no-such-program-anywhere"],
            SpawnFailure::NotFound,
            "no-such-program-anywhere is not installed, or not in PATH (",
        ),
        (
            vec!["/no/such/program"],
            SpawnFailure::NotFound,
            "/no/such/program does not exist: install it",
        ),
        (
            vec!["./missing"],
            SpawnFailure::NotFound,
            "./missing does not exist",
        ),
        (
            vec![&script],
            SpawnFailure::BadInterpreter,
            "interpreter /nonexistent/interpreter, which does not exist",
        ),
        (vec![&crlf], SpawnFailure::BadInterpreter, "/bin/sh\\r"),
        (
            vec![&not_executable],
            SpawnFailure::NotExecutable,
            "chmod +x",
        ),
        (
            vec![&no_program],
            SpawnFailure::NotExecutable,
            "neither a binary for this machine nor a script",
        ),
        (
            vec![&directory],
            SpawnFailure::NotExecutable,
            "is a directory",
        ),
        (
            vec!["echo", &long],
            SpawnFailure::ArgumentsTooLong,
            "more than the system takes",
        ),
        (
            vec!["echo", "a\0b"],
            SpawnFailure::Other,
            "argument 1 of \"echo\" holds a NUL",
        ),
        (vec![""], SpawnFailure::Other, "the command is empty"),
    ];
    for (argv, code, words) in cases {
        let rig = Rig::command(&argv);
        let failed = rig.fail();
        assert_eq!(failed.code, code, "{}", failed.message);
        assert!(
            failed.message.contains(words),
            "{:?} lacks {words:?}",
            failed.message
        );
        // A supervisor that restarts learns it too.
        assert_eq!(
            rig.exit().end,
            End::SpawnFailed {
                failure: code,
                message: failed.message
            }
        );
        assert_eq!(rig.refused().code, Refusal::AlreadyAttempted);
        assert!(rig.running().is_empty());
        assert!(!rig.launch.socket.exists());
    }
}

#[test]
fn a_working_directory_that_is_none_is_told() {
    for (spoil, words) in [
        (
            Box::new(|rig: &Rig| fs::remove_dir(rig.work()).unwrap()) as Box<dyn Fn(&Rig)>,
            "does not exist",
        ),
        (
            Box::new(|rig: &Rig| {
                fs::remove_dir(rig.work()).unwrap();
                fs::write(rig.work(), "").unwrap();
            }),
            "is not a directory",
        ),
    ] {
        let rig = Rig::command(&["touch", "ran"]);
        spoil(&rig);
        let failed = rig.fail();
        assert_eq!(failed.code, SpawnFailure::BadCwd);
        assert!(
            failed.message.contains(words) && failed.message.contains(&rig.launch.cwd),
            "{}",
            failed.message
        );
    }
}

#[test]
fn arguments_are_passed_as_they_are() {
    let rig = Rig::command(&[
        "printf",
        "[%s]",
        "a b",
        "",
        "new\nline",
        "quote'\"$x",
        "ünï",
    ]);
    let (mut line, _) = rig.start();
    line.ended();
    let screen = fs::read_to_string(rig.attempt("screen.txt")).unwrap();
    assert_eq!(screen, "[a b][][new\nline][quote'\"$x][ünï]\n");
}

#[test]
fn a_bad_place_is_refused_before_anything_is_recorded() {
    let mut rig = Rig::script("touch ran");
    rig.launch.socket = rig.directory.path().join("s".repeat(120));
    let refused = rig.refused();
    assert_eq!(refused.code, Refusal::SocketPathTooLong);
    assert!(
        refused.message.contains("STRATAVORE_RUNTIME_DIR"),
        "{refused}"
    );

    rig.launch.socket = rig.directory.path().join("none/a.sock");
    assert_eq!(rig.refused().code, Refusal::BadPlace);
    let attempt = rig.launch.attempt_dir.clone();
    rig.launch.attempt_dir = rig.directory.path().join("none");
    assert_eq!(rig.refused().code, Refusal::BadPlace);
    assert!(support::is_empty(&rig.work()));

    // Nothing was half done: the same attempt can still be made. A dead agent's socket is in nobody's way.
    rig.launch.attempt_dir = attempt;
    rig.launch.socket = rig.directory.path().join("a.sock");
    drop(std::os::unix::net::UnixListener::bind(&rig.launch.socket).unwrap());
    assert!(rig.launch.socket.exists());
    let (mut line, _) = rig.start();
    line.ended();
    assert!(rig.work().join("ran").exists());
}

#[test]
fn a_supervisor_that_speaks_another_language_is_refused() {
    let rig = Rig::script("touch ran");
    let (mut line, mut child) = rig.agent();
    let mut hello = Hello::new(Role::Supervisor, "stratavored 9");
    (hello.version, hello.oldest) = (9, Some(8));
    line.say(&Message::Hello(hello));
    line.say(&Message::Launch(Box::new(rig.launch.clone())));
    match line.hear() {
        Message::Refused(refused) => {
            assert_eq!(refused.code, Refusal::UnsupportedVersion);
            assert!(
                refused.message.contains("8 to 9 of stratavored 9"),
                "{refused}"
            );
        }
        other => panic!("{other:?}"),
    }
    child.wait().unwrap();

    // A newer one that still speaks ours is served.
    let (mut line, mut child) = rig.agent();
    let mut hello = Hello::new(Role::Supervisor, "stratavored 9");
    (hello.version, hello.oldest) = (9, Some(1));
    line.say(&Message::Hello(hello));
    line.say(&Message::Launch(Box::new(rig.launch.clone())));
    match line.hear() {
        Message::Welcome(welcome) => assert_eq!(welcome.version, 1),
        other => panic!("{other:?}"),
    }
    line.ended();
    child.wait().unwrap();

    for garbage in [
        &b"GET / HTTP/1.1\r\n\r\n"[..],
        b"\xff\xff\xff\xff",
        b"\x02\0\0\0\x01x",
    ] {
        let (mut line, mut child) = rig.agent();
        line.raw(garbage).unwrap();
        assert!(matches!(line.hear(), Message::Refused(_)));
        assert!(!child.wait().unwrap().success());
    }
    // One that says nothing and leaves.
    let (line, mut child) = rig.agent();
    drop(line);
    assert!(!child.wait().unwrap().success());
}

#[test]
fn the_socket_is_the_users_alone() {
    let rig = Rig::script("exec cat");
    let (_line, _) = rig.start();
    assert_eq!(
        fs::metadata(&rig.launch.socket)
            .unwrap()
            .permissions()
            .mode()
            & 0o777,
        0o600
    );
    for file in ["runner.json", "runner.lock"] {
        assert_eq!(
            fs::metadata(rig.attempt(file))
                .unwrap()
                .permissions()
                .mode()
                & 0o777,
            0o600,
            "{file}"
        );
    }
}

#[test]
fn garbage_costs_nothing_lasting() {
    let rig = Rig::script("echo ready; exec cat");
    let (_line, _) = rig.start();
    rig.shows("ready");
    let agent = rig.record().agent_pid;
    let descriptors = || fs::read_dir(format!("/proc/{agent}/fd")).unwrap().count();
    // What it shares with agents of other tests says nothing of it.
    let own_memory = || {
        let status = fs::read_to_string(format!("/proc/{agent}/status")).unwrap();
        let line = status
            .lines()
            .find_map(|line| line.strip_prefix("RssAnon:"))
            .unwrap();
        line.trim().trim_end_matches(" kB").parse::<u64>().unwrap()
    };
    let before = (descriptors(), own_memory());
    for round in 0..10_000_u32 {
        let Ok(mut stream) = UnixStream::connect(&rig.launch.socket) else {
            continue;
        };
        let garbage: &[u8] = match round % 5 {
            0 => b"",
            1 => b"\xff\xff\xff\x7f",
            2 => b"\x05\0\0\0\x01{}",
            3 => b"GET / HTTP/1.1\r\n\r\n",
            _ => b"\x00\x01\x00\x00half a frame",
        };
        // The agent may have hung up already.
        let _ = stream.write_all(garbage);
    }
    // A peer is served in the midst of it, and strangers that say nothing are let go of.
    let silent: Vec<UnixStream> = (0..200)
        .filter_map(|_| UnixStream::connect(&rig.launch.socket).ok())
        .collect();
    rig.shows("ready");
    drop(silent);
    until("the descriptors to be closed", || {
        (descriptors() <= before.0).then_some(())
    });
    let after = own_memory();
    assert!(
        after < before.1 + 512,
        "{} KiB became {after} KiB",
        before.1
    );
}

#[test]
fn a_message_that_is_not_known_is_refused_politely() {
    let rig = Rig::script("echo ready; exec cat");
    let (_line, _) = rig.start();
    let mut line = rig.connect(Role::Client);
    line.say(&Message::Unknown {
        kind: 0xee,
        payload: b"{}".to_vec(),
    });
    match line.hear() {
        Message::Refused(refused) => assert_eq!(refused.code, Refusal::UnknownMessage),
        other => panic!("{other:?}"),
    }
    line.say(&Message::Launch(Box::new(rig.launch.clone())));
    assert!(matches!(
        line.hear(),
        Message::Refused(Refused {
            code: Refusal::OutOfTurn,
            ..
        })
    ));
    // The connection goes on.
    line.say(&Message::GetScreen(GetScreen { ansi: false }));
    assert!(matches!(line.hear(), Message::Screen { .. }));
    // Until it is no stream of frames any more.
    line.raw(b"\xff\xff\xff\xff").unwrap();
    assert!(matches!(
        line.hear(),
        Message::Refused(Refused {
            code: Refusal::BadFrame,
            ..
        })
    ));
    assert_eq!(line.hear_or_end(), None);
}

#[test]
fn heartbeats_tell_of_the_whole_tree() {
    let mut rig =
        Rig::script("printf '\\033]2;busy\\033\\\\'; sh -c 'while :; do :; done' & exec cat");
    rig.launch.heartbeat_ms = 200;
    let (mut line, _) = rig.start();
    let beat = line.hear_of(|message| match message {
        Message::Heartbeat(beat) if beat.processes == 2 && beat.cpu_percent > 1.0 => Some(beat),
        _ => None,
    });
    assert_eq!(
        (beat.title.as_str(), beat.viewers, beat.frozen),
        ("busy", 0, false)
    );
    assert!(beat.memory_bytes > 100_000, "{beat:?}");
}

#[test]
fn a_title_with_another_mark_is_told_before_the_next_heartbeat_is_due() {
    // The next is due in a minute, which nobody here waits for.
    let rig =
        Rig::script("printf '\\033]0;* Ready\\a'; read x; printf '\\033]0;! Asks\\a'; exec cat");
    let (mut line, _) = rig.start();
    let titled = |line: &mut Line, title: &str| {
        line.hear_of(|message| match message {
            Message::Heartbeat(beat) if beat.title == title => Some(beat),
            _ => None,
        })
    };
    let before = titled(&mut line, "* Ready");
    let (mut viewer, _) = rig.attach(80, 24, false);
    viewer.type_in("\n");
    let after = titled(&mut line, "! Asks");
    assert!(after.at > before.at);
    assert_eq!(
        after.memory_bytes, before.memory_bytes,
        "nothing is measured for it"
    );
}

#[test]
fn an_agent_that_nobody_listens_to_sleeps() {
    let mut rig = Rig::script("echo ready; exec sleep 1000");
    rig.launch.heartbeat_ms = 10;
    let (line, _) = rig.start();
    rig.shows("ready");
    drop(line);
    let agent = rig.record().agent_pid;
    let switches = || {
        let status = fs::read_to_string(format!("/proc/{agent}/status")).unwrap();
        status
            .lines()
            .filter_map(|line| line.split_once("ctxt_switches:"))
            .map(|(_, count)| count.trim().parse::<u64>().unwrap())
            .sum::<u64>()
    };
    // Once it has noticed that all left, no time that passes wakes it.
    let mut last = (switches(), std::time::Instant::now());
    until("a second without a wakeup", || {
        let now = switches();
        if now != last.0 {
            last = (now, std::time::Instant::now());
        }
        (last.1.elapsed() > std::time::Duration::from_secs(1)).then_some(())
    });
}

#[test]
fn an_exit_that_the_disk_does_not_take_is_recorded_when_it_does() {
    let rig = Rig::script("echo ready; read x; exit 3");
    let (mut line, _) = rig.start();
    rig.shows("ready");
    // Nothing can be written there, as on a full disk.
    let obstacle = rig.attempt("exit.json.new");
    fs::create_dir(&obstacle).unwrap();
    let agent = rig.record().agent_pid;
    line.type_in("\n");
    assert_eq!(line.exited().exit, Exit::Code(3));
    drop(line);
    // Nobody else knows of it: the agent stays.
    until("the last screen to be written", || {
        rig.attempt("screen.txt").exists().then_some(())
    });
    assert!(alive(agent));
    fs::remove_dir(&obstacle).unwrap();
    until("the agent to be gone", || (!alive(agent)).then_some(()));
    assert!(matches!(
        rig.exit().end,
        End::Exited {
            exit: Exit::Code(3)
        }
    ));
}

#[test]
fn a_program_may_have_as_many_files_open_as_it_is_told_and_raise_that_again() {
    let mut rig = Rig::script("ulimit -Sn; ulimit -Sn $(ulimit -Hn) && echo raised; exec cat");
    rig.launch.open_files = Some(123);
    let (_line, _) = rig.start();
    let screen = rig.shows("raised");
    assert!(screen.starts_with("123\n"), "{screen}");
}
