//! What the fake program promises, seen through a real terminal.

use std::path::Path;
use std::time::Duration;

use alacritty_terminal::term::TermMode;
use stratavore_testkit::terminal::Terminal;
use stratavore_testkit::{Process, TempHome, wait_until};

const SOON: Duration = Duration::from_secs(20);
const PROGRAM: &str = env!("CARGO_BIN_EXE_stratavore-fake-program");

fn run(home: &TempHome, script: &str) -> Terminal {
    Terminal::start(
        std::iter::once(PROGRAM).chain(script.split(' ')),
        home.environment(),
        home.path(),
        (80, 24),
    )
}

#[test]
fn it_prints_reads_echoes_and_exits_as_told() {
    let home = TempHome::new();
    let mut terminal = run(
        &home,
        "print hello; wait-line; print on; wait-line go; exit 3",
    );
    terminal.wait_for("hello", SOON);
    terminal.type_text("anything\r");
    terminal.wait_for("\non", SOON);
    terminal.type_text("no\rgo\r");
    assert_eq!(terminal.wait_exit(SOON).exit_code(), 3);

    let mut terminal = run(&home, "echo; print done");
    terminal.type_text("ping\r");
    terminal.wait_for("you said: ping", SOON);
    terminal.type_text("\x04");
    terminal.wait_for("done", SOON);
    assert_eq!(terminal.wait_exit(SOON).exit_code(), 0);
}

#[test]
fn it_tells_where_and_how_it_runs() {
    let home = TempHome::new();
    let mut terminal = run(&home, "env STRATAVORE_TEST_ID; cwd; args; size");
    terminal.wait_exit(SOON);
    let screen = terminal.screen();
    assert!(screen.contains(&format!("STRATAVORE_TEST_ID={}", home.id())));
    assert!(screen.contains(&home.path().display().to_string()));
    assert!(screen.contains("\nsize\nsize 80x24"), "{screen}");
}

#[test]
fn it_writes_escapes_waits_for_files_and_ignores_signals() {
    let home = TempHome::new();
    let (go, gone) = (home.path().join("go"), home.path().join("gone"));
    let script = format!(
        r"ignore TERM HUP; write \e]2\sa\x20title\aready; wait-file {}; touch {}; hold",
        go.display(),
        gone.display()
    );
    let terminal = run(&home, &script);
    terminal.wait_for("ready", SOON);
    assert_eq!(terminal.title(), "a title");
    let process = terminal.process().expect("alive");
    process.signal(rustix::process::Signal::TERM).expect("sent");
    process.signal(rustix::process::Signal::HUP).expect("sent");
    assert!(!gone.exists(), "it did not wait");
    std::fs::write(&go, "").expect("written");
    // It gets so far only when the signals before did not end it.
    wait_until(SOON, "the touched file", || gone.exists());
}

#[test]
fn it_follows_its_size_and_keys() {
    let home = TempHome::new();
    let terminal = run(&home, "resizes");
    terminal.wait_for("size 80x24", SOON);
    terminal.resize(100, 30);
    terminal.wait_for("size 100x30", SOON);

    let mut terminal = run(&home, "keys");
    terminal.wait_for("keys", SOON);
    terminal.type_text("\x1b[Aq");
    terminal.wait_for("<1b><5b><41><71>", SOON);
    assert!(terminal.wait_exit(SOON).success());
}

#[test]
fn it_ends_by_the_signal_it_is_told_and_refuses_unknown_words() {
    let home = TempHome::new();
    let mut terminal = run(&home, "signal KILL");
    assert_eq!(terminal.wait_exit(SOON).signal(), Some("Killed"));
    let mut terminal = run(&home, "print not seen; dance");
    assert_eq!(terminal.wait_exit(SOON).exit_code(), 120);
    assert!(terminal.screen().contains("`dance` is not a word"));
    assert!(!terminal.screen().contains("not seen"));
}

#[test]
fn it_sets_the_modes_and_takes_them_back() {
    let home = TempHome::new();
    let set = TermMode::ALT_SCREEN
        | TermMode::MOUSE_REPORT_CLICK
        | TermMode::SGR_MOUSE
        | TermMode::FOCUS_IN_OUT
        | TermMode::BRACKETED_PASTE;
    let terminal = run(&home, "print before; modes; wait-line; modes-off; hold");
    terminal.wait_for("modes are on", SOON);
    assert!(terminal.modes().contains(set), "{:?}", terminal.modes());
    assert!(!terminal.modes().contains(TermMode::SHOW_CURSOR));
    assert_eq!(terminal.title(), "fake title");
    terminal.type_text("\r");
    terminal.wait_for("before", SOON);
    wait_until(SOON, "no modes", || {
        !terminal.modes().intersects(set) && terminal.modes().contains(TermMode::SHOW_CURSOR)
    });
}

#[test]
fn a_flood_has_exactly_the_bytes_asked_for() {
    let home = TempHome::new();
    let output = home
        .command(PROGRAM)
        .args(["flood", "1000003"])
        .output()
        .expect("runs");
    assert_eq!(output.stdout.len(), 1_000_003);
    assert!(output.stdout.starts_with(&[b'0'; 78]));
}

#[test]
fn it_takes_memory_and_cpu() {
    let home = TempHome::new();
    let terminal = run(&home, "allocate 64; print taken; hold");
    terminal.wait_for("taken", SOON);
    let pid = terminal.process().expect("alive").pid;
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).expect("alive");
    let resident: u64 = status
        .lines()
        .find_map(|line| line.strip_prefix("VmRSS:"))
        .and_then(|rest| rest.split_whitespace().next()?.parse().ok())
        .expect("a resident size");
    assert!(resident > 64 * 1024, "{resident} kB");

    let terminal = run(&home, "burn-cpu");
    let pid = terminal.process().expect("alive").pid;
    wait_until(SOON, "20 ticks of CPU", || {
        let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
        let ticks: u64 = stat
            .rsplit(')')
            .next()?
            .split_whitespace()
            .nth(11)?
            .parse()
            .ok()?;
        (ticks > 20).then_some(())
    });
}

#[test]
fn its_survivors_outlive_it_and_its_terminal() {
    let home = TempHome::new();
    let file = home.path().join("pids");
    let mut terminal = run(&home, &format!("survivors {}; exit 0", file.display()));
    terminal.wait_for("survivors 5", SOON);
    // The exit of a session's leader hangs its foreground up: the others are still there.
    wait_until(SOON, "the exit", || terminal.process().is_none());
    let survivors = Process::recorded(&file);
    assert_eq!(survivors.len(), 5, "{survivors:?}");
    for hard in ["nohup", "setsid", "double-forked", "ignoring"] {
        assert!(
            survivors.iter().any(|it| it.is_alive() && it.command_line().iter().any(|word| word.contains(hard))),
            "{hard} is gone: {survivors:?}"
        );
    }
    assert!(!home.left_running().is_empty());
    home.end_all();
    assert!(survivors.iter().all(|it| !it.is_alive()));
    terminal.wait_exit(SOON);
}

#[test]
fn the_terminal_stays_open_after_it_exits_when_told() {
    let home = TempHome::new();
    let file = home.path().join("pids");
    let mut command = home.command("script");
    let mut script = command
        .args([
            "-qec",
            &format!("{PROGRAM} 'hold-pty {}; exit 4'", file.display()),
        ])
        .arg("/dev/null")
        .stdin(std::process::Stdio::null())
        .stdout(std::process::Stdio::null())
        .spawn()
        .expect("script starts");
    let holder = wait_until(SOON, "the child that holds the terminal", || {
        Process::recorded(&file).first().copied()
    });
    assert_eq!(script.wait().expect("reaped").code(), Some(4));
    assert!(holder.is_alive());
    let terminal = std::fs::read_link(Path::new(&format!("/proc/{}/fd/1", holder.pid)));
    assert!(terminal.expect("open").starts_with("/dev/pts"));
}
