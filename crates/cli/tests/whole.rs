//! The command line with a real host and real agents: what a person sees of a runner's terminal.

mod support;

use std::fs::{File, Permissions};
use std::io::{BufRead, BufReader, Write};
use std::os::unix::fs::PermissionsExt;
use std::process::{Command, Stdio};
use std::time::Duration;

use serde_json::Value;
use stratavore_testkit::binary::{built, fake_program, stand_in};
use stratavore_testkit::home::TEST_ID;
use stratavore_testkit::process::Process;
use stratavore_testkit::terminal::Terminal;
use stratavore_testkit::{TempHome, wait_until};
use support::Run;
use support::scene::holds;

/// Long enough for a loaded machine; reached only when something is wrong.
const SOON: Duration = Duration::from_secs(60);

/// Private directories with a host that is started by the first command.
struct Place {
    home: TempHome,
}

impl Place {
    /// Makes a place without anything.
    fn empty() -> Self {
        // The host and the agent are found beside the command line's program.
        built("stratavore-agent", "stratavore-agent");
        built("stratavore-daemon", "stratavored");
        Self {
            home: TempHome::new(),
        }
    }

    /// Makes a place with a project `p`, where the stand-in is taken for Claude Code.
    fn with_stand_in() -> Self {
        let place = Self::empty();
        let settings = format!("[programs]\nclaude = {:?}\n", stand_in());
        std::fs::write(place.home.config_file(), settings).unwrap();
        place.and_project()
    }

    /// Makes a place with a project `p`.
    fn with_project() -> Self {
        Self::empty().and_project()
    }

    fn and_project(self) -> Self {
        let place = self;
        let project = place.home.project("p");
        place.run(&["project", "add", "p", "--path", &project.to_string_lossy()]);
        place
    }

    /// Makes a place with a project `p` and a runner `r` that does as the script says.
    fn with_runner(script: &str, args: &[&str]) -> Self {
        let place = Self::with_project();
        let command = format!("{} '{script}'", fake_program().display());
        let launch = ["launch", "p", "--name", "r", "--command", &command];
        place.run(&[&launch[..], args].concat());
        place.run(&["wait", "r", "--for", "running"]);
        place
    }

    fn output(&self, args: &[&str]) -> Run {
        let mut command = self.home.command(built("stratavore-cli", "stratavore"));
        command.args(args).stdin(Stdio::null());
        Run::of(&self.home, command.output().expect("stratavore starts"))
    }

    #[track_caller]
    fn run(&self, args: &[&str]) -> String {
        let run = self.output(args);
        assert_eq!(run.code, 0, "{args:?}: {}", run.shown());
        run.stdout
    }

    /// Runs a command in a terminal of that size.
    fn terminal(&self, args: &[&str], size: (u16, u16)) -> Terminal {
        let program = built("stratavore-cli", "stratavore");
        let mut argv = vec![program.to_string_lossy().into_owned()];
        argv.extend(args.iter().map(ToString::to_string));
        Terminal::start(argv, self.home.environment(), self.home.path(), size)
    }
}

/// Puts a program of this name there that prints a version, and returns its path.
fn that_prints(home: &TempHome, name: &str, version: &str) -> String {
    let path = home.path().join(name);
    std::fs::write(&path, format!("#!/bin/sh\necho '{version}'\n")).unwrap();
    std::fs::set_permissions(&path, Permissions::from_mode(0o700)).unwrap();
    path.to_string_lossy().into_owned()
}

#[test]
fn a_doctor_tells_what_each_installed_version_supports() {
    for (age, versions) in [
        (
            "recorded",
            [
                "2.1.330 (Claude Code)",
                "codex-cli 0.169.0",
                "0.61.0",
                "1.18.33",
            ],
        ),
        (
            "before",
            [
                "2.1.197 (Claude Code)",
                "codex-cli 0.155.0",
                "0.40.1",
                "1.17.0",
            ],
        ),
    ] {
        let place = Place::empty();
        let mut settings = "[programs]\n".to_owned();
        for (name, version) in ["claude", "codex", "gemini", "opencode"]
            .iter()
            .zip(versions)
        {
            let path = that_prints(&place.home, name, version);
            settings.push_str(&format!("{name} = {path:?}\n"));
        }
        std::fs::write(place.home.config_file(), settings).unwrap();
        // Other things may be wrong with the machine that the test runs on.
        let told = place.output(&["doctor"]).stdout;
        let (_, programs) = told.split_once("Claude Code").expect("it is told of");
        let programs = format!("Claude Code{programs}");
        // How wide the names are depends on what else is told.
        let lines = programs.lines().map(|line| {
            let words = line
                .split("  ")
                .map(str::trim)
                .filter(|word| !word.is_empty());
            words.collect::<Vec<_>>().join(" | ") + "\n"
        });
        let programs: String = lines.collect();
        insta::assert_snapshot!(format!("doctor_{age}"), programs);
        let report: Value =
            serde_json::from_str(&place.output(&["doctor", "--json"]).stdout).unwrap();
        let checks = report["checks"].as_array().unwrap();
        let codex = checks
            .iter()
            .find(|check| check["name"] == "Codex")
            .unwrap();
        let own = codex["supports"].as_array().unwrap().iter();
        let own: Vec<_> = own.filter(|it| it["what"] == "own process").collect();
        assert_eq!(
            (own.len(), &own[0]["supported"]),
            (1, &(age == "recorded").into())
        );
    }
}

#[test]
fn presets_go_from_one_store_to_another_those_that_inherit_from_a_projects_too() {
    let (from, to) = (Place::with_project(), Place::with_project());
    for place in [&from, &to] {
        let own = "[presets.base]\ncommand = [\"sh\", \"-c\", \"echo $GREETING; exec sleep 1000\"]\n\
                   [presets.theirs]\ninherits = \"round\"\n";
        std::fs::write(place.home.project("p").join(".stratavore.toml"), own).unwrap();
    }
    let set = |words: &[&str]| from.run(&[&["preset", "set"], words].concat());
    set(&[
        "loud",
        "--inherits",
        "base",
        "--env",
        "GREETING=HELLO \"there\"",
    ]);
    set(&["louder", "--inherits", "loud", "--description", "ä, ö"]);
    let text = from.run(&["preset", "export"]);
    let file = to.home.path().join("presets.toml");
    std::fs::write(&file, &text).unwrap();
    let file = file.to_string_lossy();
    let imported = to.output(&["preset", "import", &file]);
    assert_eq!(imported.code, 0, "{}", imported.shown());
    assert!(
        imported
            .stderr
            .contains("loud inherits from \"base\", which is none of yours"),
        "{}",
        imported.shown()
    );
    assert_eq!(to.run(&["preset", "export"]), text);
    to.run(&["launch", "p", "--name", "r", "--preset", "louder"]);
    wait_until(SOON, "what it says", || {
        let screen = to.run(&["screen", "r"]);
        if screen.contains("HELLO \"there\"") {
            Ok(())
        } else {
            Err(screen)
        }
    });

    // What would make a circle with those that are there is refused by name, and nothing of it is kept.
    to.run(&["preset", "set", "a", "--inherits", "b"]);
    let before = to.run(&["preset", "export"]);
    std::fs::write(
        &*file,
        "[presets.b]\ninherits = \"c\"\n[presets.c]\ninherits = \"a\"\n",
    )
    .unwrap();
    let circle = to.output(&["preset", "import", &file]);
    assert_eq!(circle.code, 2, "{}", circle.shown());
    assert!(
        circle.stderr.contains("in a circle: b → c → a → b"),
        "{}",
        circle.shown()
    );
    assert_eq!(to.run(&["preset", "export"]), before);
    // So is one that goes through a project's.
    to.run(&["preset", "set", "round", "--inherits", "theirs"]);
    let circle = to.output(&["launch", "p", "--preset", "round"]);
    assert_ne!(circle.code, 0);
    assert!(
        circle
            .stderr
            .contains("in a circle: round → theirs → round"),
        "{}",
        circle.shown()
    );
}

#[test]
fn what_a_runner_used_is_told_with_it_and_in_sum_and_every_figure_is_labelled() {
    let place = Place::with_stand_in();
    place.run(&["launch", "p", "--name", "r", "--program", "claude"]);
    let json = |args: &[&str]| -> Value {
        serde_json::from_str(&place.run(&[args, &["--json"]].concat())).unwrap()
    };
    // It says something each second, and every message of it used the same.
    let each = [
        ("input_tokens", 11),
        ("output_tokens", 23),
        ("cache_creation_input_tokens", 360),
        ("cache_creation_1h_input_tokens", 190),
        ("cache_read_input_tokens", 1300),
    ];
    let is_whole = |usage: &Value| {
        let messages = usage["messages"].as_u64().unwrap_or_default();
        assert_eq!(usage["tokens_label"], "measured", "{usage}");
        assert_eq!(usage["label"], "estimated", "{usage}");
        for (kind, tokens) in each {
            assert_eq!(usage[kind], tokens * messages, "{kind} of {usage}");
        }
        if messages > 0 {
            assert!(usage["cost_usd"].as_f64().unwrap() > 0.0, "{usage}");
        }
        messages
    };
    wait_until(SOON, "three messages are counted", || {
        let shown = json(&["show", "r"]);
        let counted = shown["usage"].is_object() && is_whole(&shown["usage"]) >= 3;
        if counted { Ok(()) } else { Err(shown) }
    });
    for shown in [json(&["show", "r"]), json(&["runners"])[0].clone()] {
        assert!(is_whole(&shown["usage"]) >= 3);
        assert!(shown["session_id"].is_string(), "{shown}");
        for part in ["state", "source", "since"] {
            assert!(shown["attention"][part].is_string(), "{shown}");
        }
        assert_eq!(shown["attention"]["state"], "working");
    }
    place.run(&["stop", "r"]);
    place.run(&["sessions", "reindex"]);
    let used = is_whole(&json(&["show", "r"])["usage"]);
    for by in ["day", "model", "project", "session", "runner"] {
        let report = json(&["usage", "--by", by]);
        assert_eq!(is_whole(&report["total"]), used, "{report}");
        let rows = report["rows"].as_array().unwrap();
        let messages: u64 = rows.iter().map(|row| is_whole(&row["usage"])).sum();
        assert_eq!(messages, used, "{report}");
    }
}

#[test]
fn what_runners_need_is_followed_and_waited_for() {
    let place = Place::with_stand_in();
    let path = place.home.path().join("orders");
    assert!(
        Command::new("mkfifo")
            .arg(&path)
            .status()
            .unwrap()
            .success()
    );
    // For reading too, so that opening it waits for nobody.
    let mut orders = File::options().read(true).write(true).open(&path).unwrap();
    let mut order = |order: &str| orders.write_all(format!("{order}\n").as_bytes()).unwrap();
    let variable = format!("STRATAVORE_STAND_IN={}", path.display());
    place.run(&[
        "launch",
        "p",
        "--name",
        "r",
        "--program",
        "claude",
        "--env",
        &variable,
    ]);
    order("report state=idle:app=claude-code");
    place.run(&["wait", "r", "--for", "idle", "--timeout", "60"]);

    let begin = |args: &[&str]| {
        let mut command = place.home.command(built("stratavore-cli", "stratavore"));
        command
            .args(args)
            .stdin(Stdio::null())
            .stdout(Stdio::piped());
        command.spawn().expect("stratavore starts")
    };
    let mut following = begin(&["attention", "--follow", "--all", "--json"]);
    let mut lines = BufReader::new(following.stdout.take().unwrap()).lines();
    let mut told = |wanted: &str| loop {
        let line = lines.next().expect("it tells on").unwrap();
        let runner: Value = serde_json::from_str(&line).unwrap();
        assert_eq!(runner["name"], "r");
        if runner["attention"]["state"] == wanted {
            break runner;
        }
    };
    told("idle");
    order("report state=working:app=claude-code");
    told("working");
    // Whoever waits is told as soon as it comes about, and not before.
    let mut waiting = begin(&["wait", "r", "--for", "needs-you", "--timeout", "60"]);
    assert!(waiting.try_wait().unwrap().is_none());
    order(
        "report state=blocked:app=claude-code:kind=question:msg=YW5zd2VyOiBXaGljaCBkYXRhYmFzZT8=",
    );
    let asks = told("needs-answer");
    assert_eq!(asks["attention"]["detail"], "Which database?");
    assert!(waiting.wait().unwrap().success());
    // It needs somebody already, and is not idle: that is waited for until the time is over.
    place.run(&["wait", "r", "--for", "needs-you", "--timeout", "60"]);
    assert_eq!(
        place
            .output(&["wait", "r", "--for", "idle", "--timeout", "1"])
            .code,
        7
    );
    order("report state=done:app=claude-code");
    told("idle");
    place.run(&["wait", "r", "--for", "idle", "--timeout", "60"]);
    following.kill().unwrap();
    following.wait().unwrap();
}

impl Drop for Place {
    fn drop(&mut self) {
        self.output(&["--no-start", "host", "stop", "--stop-runners"]);
        self.home.end_all();
    }
}

#[track_caller]
fn exits(mut terminal: Terminal, code: u32) -> String {
    let status = terminal.wait_exit(SOON);
    let screen = terminal.screen();
    assert_eq!(status.exit_code(), code, "{screen}");
    screen
}

#[test]
fn a_query_is_answered_once_with_a_viewer_whose_terminal_would_answer_too() {
    let place = Place::with_runner(
        r"print ready; wait-line go; write \e[6n\e[5n\e[c\e[?2026$p\e]11\s?\a\eP$qm\e\\; keys",
        &[],
    );
    let terminal = place.terminal(&["attach", "r"], (80, 24));
    terminal.wait_for("ready", SOON);
    terminal.type_text("go\r");
    let typed = || terminal.screen().replace('\n', "");
    // The last of the answers is that about the pen; a second one would come before what is typed then.
    wait_until(SOON, "the answers", || {
        let typed = typed();
        if typed.contains("<1b><50>") && typed.ends_with("<1b><5c>") {
            Ok(())
        } else {
            Err(typed)
        }
    });
    terminal.type_text("x");
    wait_until(SOON, "what was typed", || typed().ends_with("<78>"));
    for (answer, what) in [
        ("<1b><5b><30><6e>", "status"),
        ("<1b><5b><3f><36>", "attributes"),
        ("<1b><5d><31><31>", "background"),
        ("<24><79>", "mode"),
    ] {
        assert_eq!(typed().matches(answer).count(), 1, "{what}: {}", typed());
    }
    let raw = terminal.raw();
    for query in ["\x1b[6n", "\x1b[5n", "\x1b[c", "$p", "\x1b]11;?", "\x1bP$q"] {
        assert!(
            !holds(&raw, query.as_bytes()),
            "{query:?} reached the terminal"
        );
    }
    terminal.type_text("\x1c");
    assert!(exits(terminal, 0).contains("detached from r"));
}

#[test]
fn of_two_viewers_one_decides_and_the_other_sees_a_box() {
    let place = Place::with_runner("resizes", &[]);
    let first = place.terminal(&["attach", "r"], (80, 24));
    first.wait_for("size 80x24", SOON);
    let second = place.terminal(&["attach", "r"], (100, 30));
    second.wait_for("size 100x30", SOON);
    // Of 30 rows the 23 around the cursor fit above the hint.
    let screen = first.wait_for("100x30, the size of pts/", SOON);
    assert!(
        screen.contains("ctrl-] takes over · ctrl-\\ detaches"),
        "{screen}"
    );
    let shown = wait_until(SOON, "both to be told", || {
        let shown = place.run(&["show", "r"]);
        if shown.contains("(100x30, decides the size)") && shown.contains("(80x24)") {
            Ok(shown)
        } else {
            Err(shown)
        }
    });
    assert!(shown.contains("viewers    pts/"), "{shown}");

    first.type_text("\x1d");
    wait_until(SOON, "the first to be whole", || {
        let screen = first.screen();
        if screen.ends_with("size 80x24") {
            Ok(())
        } else {
            Err(screen)
        }
    });
    let screen = second.wait_for("80x24, the size of pts/", SOON);
    let row = screen.lines().next().expect("a row");
    assert!(row.ends_with(&"·".repeat(20)), "{screen}");
    assert_eq!(screen.lines().nth(24), Some("·".repeat(100).as_str()));

    // Whoever decided leaves: the other's size counts again.
    first.type_text("\x1c");
    exits(first, 0);
    wait_until(SOON, "the second to be whole", || {
        let screen = second.screen();
        if screen.ends_with("size 100x30") {
            Ok(())
        } else {
            Err(screen)
        }
    });
    // A resize of the one that decides is followed at once, of any size.
    second.resize(60, 10);
    wait_until(SOON, "the new size", || {
        let screen = second.screen();
        if screen.ends_with("size 60x10") {
            Ok(())
        } else {
            Err(screen)
        }
    });
    second.type_text("\x1c");
    exits(second, 0);
}

#[test]
fn a_reader_sees_a_box_and_changes_nothing() {
    let place = Place::with_runner("resizes", &["--size", "40x10"]);
    let reader = place.terminal(&["attach", "r", "--read-only"], (80, 24));
    reader.wait_for("40x10 · read-only · ctrl-\\ detaches", SOON);
    reader.type_text("typed\x1d");
    reader.resize(30, 8);
    let screen = wait_until(SOON, "the smaller box", || {
        let screen = reader.screen();
        if screen.lines().count() == 8 {
            Ok(screen)
        } else {
            Err(screen)
        }
    });
    assert!(
        screen.contains("size 40x10") && !screen.contains("typed"),
        "{screen}"
    );
    reader.resize(40, 10);
    wait_until(SOON, "no box", || {
        let screen = reader.screen();
        if screen == "size 40x10" {
            Ok(())
        } else {
            Err(screen)
        }
    });
    reader.type_text("\x1c");
    exits(reader, 0);
}

#[test]
fn an_attachment_outlives_its_host() {
    let place = Place::with_runner("print ready; echo", &[]);
    let terminal = place.terminal(&["attach", "r"], (80, 24));
    terminal.wait_for("ready", SOON);
    place.run(&["host", "stop"]);
    terminal.type_text("hello\r");
    terminal.wait_for("you said: hello", SOON);
    place.run(&["host", "start"]);
    terminal.type_text("again\r");
    terminal.wait_for("you said: again", SOON);
    place.run(&["stop", "r", "--grace", "0"]);
    let screen = exits(terminal, 0);
    assert!(screen.contains("r ended: signal"), "{screen}");
}

#[test]
fn the_alternate_screen_comes_and_goes() {
    let place = Place::with_runner(
        "print before; wait-line; modes; wait-line; modes-off; print after; hold",
        &[],
    );
    let terminal = place.terminal(&["attach", "r"], (80, 24));
    terminal.wait_for("before", SOON);
    terminal.type_text("\r");
    wait_until(SOON, "the alternate screen", || {
        let screen = terminal.screen();
        if screen.contains("before") {
            Err(screen)
        } else {
            Ok(())
        }
    });
    terminal.type_text("\r");
    let screen = terminal.wait_for("after", SOON);
    assert!(screen.contains("before"), "{screen}");
    terminal.type_text("\x1c");
    exits(terminal, 0);
}

#[test]
fn a_killed_attachment_leaves_nothing_though_the_agent_had_its_terminal() {
    let place = Place::with_runner("modes; print ready; echo", &[]);
    let terminal = place.terminal(&["attach", "r"], (80, 24));
    terminal.wait_for("ready", SOON);
    terminal.type_text("one\r");
    terminal.wait_for("you said: one", SOON);
    wait_until(SOON, "the agent to have the terminal", || {
        Process::all_with_environment(TEST_ID, place.home.id())
            .iter()
            .filter(|process| {
                let words = process.command_line();
                words
                    .first()
                    .is_some_and(|word| word.ends_with("stratavore-agent"))
            })
            .filter_map(|agent| std::fs::read_dir(format!("/proc/{}/fd", agent.pid)).ok())
            .flatten()
            .filter_map(|entry| std::fs::read_link(entry.ok()?.path()).ok())
            .any(|target| target.as_os_str() == "/dev/tty")
    });
    terminal.type_text("two\r");
    terminal.wait_for("you said: two", SOON);
    terminal
        .process()
        .expect("it attaches")
        .kill()
        .expect("it is ours");
    let fresh = Terminal::start(
        ["true"],
        place.home.environment(),
        place.home.path(),
        (80, 24),
    )
    .modes();
    wait_until(SOON, "the modes to be off", || terminal.modes() == fresh);
    place.run(&["send", "r", "three", "--enter"]);
    wait_until(SOON, "the runner to go on", || {
        place.run(&["screen", "r"]).contains("you said: three")
    });
    let raw = terminal.raw();
    assert!(!holds(&raw, b"three"), "{}", raw.escape_ascii());
    assert!(!terminal.screen().contains("you said"));
}

#[test]
fn what_a_program_asks_of_a_person_follows_the_settings() {
    let script = r"print ready; wait-line; write \e]52\sc\sc2VjcmV0\a\e]52\sc\s?\a\e]777\snotify\sbuild\sis done\a; print asked; hold";
    let place = Place::with_runner(script, &[]);
    let terminal = place.terminal(&["attach", "r"], (80, 24));
    terminal.wait_for("ready", SOON);
    terminal.type_text("\r");
    terminal.wait_for("asked", SOON);
    wait_until(SOON, "the notification", || {
        holds(&terminal.raw(), b"\x1b]777;notify;build;is done\x1b\\")
    });
    terminal.type_text("\x1c");
    let mut terminal = terminal;
    terminal.wait_exit(SOON);
    assert!(!holds(&terminal.raw(), b"\x1b]52"));
    assert!(
        terminal
            .screen()
            .contains("r wrote to the clipboard once; that was not passed on"),
        "{}",
        terminal.screen()
    );
    let setting = "[terminal]\nclipboard = \"allow\"\n";
    // Not in the project's own settings: whoever wrote those may be a stranger.
    place.run(&["host", "stop"]);
    std::fs::write(place.home.config_file(), setting).expect("written");
    let command = format!("{} '{script}'", fake_program().display());
    place.run(&["launch", "p", "--name", "s", "--command", &command]);
    let terminal = place.terminal(&["attach", "s"], (80, 24));
    terminal.wait_for("ready", SOON);
    terminal.type_text("\r");
    wait_until(SOON, "the clipboard to be written", || {
        holds(&terminal.raw(), b"\x1b]52;c;c2VjcmV0\x1b\\")
    });
    terminal.type_text("\x1c");
    exits(terminal, 0);
}

#[test]
fn logs_are_followed_to_the_last_line() {
    let place = Place::with_runner(
        "print first; wait-line; flood 8000; wait-line; print the very last",
        &["--size", "80x10"],
    );
    let mut child = place
        .home
        .command(built("stratavore-cli", "stratavore"))
        .args(["logs", "r", "--follow"])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("stratavore starts");
    let mut lines = std::io::BufRead::lines(std::io::BufReader::new(
        child.stdout.take().expect("a pipe"),
    ));
    let mut line = || lines.next().expect("a line").expect("UTF-8");
    place.run(&["send", "r", "", "--enter"]);
    assert_eq!(line(), "first");
    place.run(&["send", "r", "", "--enter"]);
    let mut rest = Vec::new();
    while rest.last().map(String::as_str) != Some("the very last") {
        rest.push(line());
    }
    let run = Run::of(&place.home, child.wait_with_output().expect("it ends"));
    assert_eq!((run.code, run.stderr.as_str()), (0, ""));
    // What was followed is what there is afterwards.
    let all = place.run(&["logs", "r"]);
    let followed = format!("first\n{}\n", rest.join("\n"));
    assert_eq!(all.trim_end(), followed.trim_end());
    assert_eq!(
        place.run(&["logs", "r", "--lines", "1"]).trim_end(),
        "the very last"
    );
}

#[test]
fn a_recorded_run_is_played_as_it_was() {
    let place = Place::with_runner(
        r"write \e]0\stheirs\a\e[31mred\e[0m\n; modes; wait-line; modes-off; print the end of it",
        &["--record", "--size", "60x10"],
    );
    let shown = place.run(&["show", "r"]);
    assert!(shown.contains("recording.cast"), "{shown}");
    place.run(&["send", "r", "", "--enter"]);
    place.run(&["wait", "r", "--for", "terminated"]);
    let player = place.terminal(&["play", "r", "--idle-limit", "0"], (80, 24));
    player.wait_for("the end, at 0:0", SOON);
    let screen = player.wait_for("the end of it", SOON);
    assert_eq!(
        screen.lines().next(),
        Some(format!("{:60}{}", "red", "·".repeat(20)).as_str())
    );
    player.type_text("q");
    exits(player, 0);
}

#[test]
fn what_is_shown_is_what_the_agent_says_is_there() {
    const STEPS: [&str; 8] = [
        r"flood 4000; write \e[3\s9r\e[9\s1Hin a region\n\n\nscrolled\e[r",
        r"write \e[2J\e[H工具 🦀 e\xcc\x81 \e(0lqqk\e(B\e[5\s3H\e[4hinserted\e[4l",
        r"modes; write \e[2J\e[Halternate\e[24\s80Hx",
        r"modes-off; print back",
        r"write \e[3J\e[2J\e[Hrewritten\e[?7la line that is much longer than the terminal is wide and does not wrap at all\e[?7h",
        r"write \e[22\s0t\e]2\sanother\a\e[23\s0t kept",
        r"write \ecreset\e[10\s10Hby RIS",
        r"write \e[?2026hframe\e[?2026l done; print END",
    ];
    let steps = (0..)
        .zip(STEPS)
        .map(|(number, step)| format!("wait-line; {step}; touch {number}"));
    let steps: Vec<String> = steps.collect();
    let script = format!("print ready; {}; hold", steps.join("; "));
    let place = Place::with_runner(&script, &["--size", "80x24"]);
    let whole = place.terminal(&["attach", "r"], (80, 24));
    whole.wait_for("ready", SOON);
    // One of the same size sees it as it comes, another one in a box.
    let boxed = place.terminal(&["attach", "r", "--read-only"], (90, 30));
    boxed.wait_for("80x24, the size of pts/", SOON);
    let agree = |what: &str| {
        wait_until(SOON, what, || {
            let agents = place.run(&["screen", "r"]);
            let agents = agents.trim_end();
            let seen = whole.screen();
            if seen != agents {
                return Err(format!("{seen}\n--- the agent:\n{agents}"));
            }
            let seen = boxed.screen();
            let inner: Vec<String> = seen
                .lines()
                .take(24)
                .map(|row| {
                    row.split("··")
                        .next()
                        .unwrap_or_default()
                        .trim_end()
                        .to_owned()
                })
                .collect();
            if inner.join("\n").trim_end() == agents {
                Ok(())
            } else {
                Err(format!("{seen}\n--- the agent:\n{agents}"))
            }
        });
    };
    agree("the beginning");
    for (number, step) in STEPS.iter().enumerate() {
        whole.type_text("\r");
        let done = place.home.project("p").join(number.to_string());
        wait_until(SOON, "the step", || done.exists());
        agree(step);
    }
    wait_until(SOON, "the last step", || whole.screen().contains("END"));
    agree("the end");
    for terminal in [whole, boxed] {
        terminal.type_text("\x1c");
        exits(terminal, 0);
    }
}

#[test]
fn a_runner_is_not_attached_to_from_within_it() {
    let place = Place::with_runner("print ready; hold", &[]);
    let program = built("stratavore-cli", "stratavore");
    // A shell in a runner, as a person would have it.
    place.run(&["launch", "p", "--name", "s", "--command", "sh"]);
    let terminal = place.terminal(&["attach", "s"], (80, 24));
    terminal.type_text(format!("{} attach s\r", program.display()));
    let screen = terminal.wait_for("hint: attach in a terminal of your own", SOON);
    assert!(
        screen.contains("error: cannot attach to s from within it"),
        "{screen}"
    );
    // Another runner may be looked at from there; the inner one is left by the key that is not the outer one's.
    terminal.type_text(format!(
        "clear; {} attach r --detach-key ctrl-a\r",
        program.display()
    ));
    terminal.wait_for("ready", SOON);
    terminal.type_text("\x01");
    terminal.wait_for("detached from r", SOON);
    terminal.type_text("\x1c");
    exits(terminal, 0);
}

#[test]
fn a_storm_of_sizes_ends_in_the_last() {
    let place = Place::with_runner("resizes", &[]);
    let terminal = place.terminal(&["attach", "r"], (80, 24));
    terminal.wait_for("size 80x24", SOON);
    for step in 0..400_u16 {
        terminal.resize(1 + step * 7 % 120, 1 + step * 5 % 40);
    }
    // Smaller than any terminal can be, and then of a sensible size again.
    terminal.resize(1, 1);
    terminal.resize(77, 17);
    wait_until(SOON, "the last size", || {
        let screen = terminal.screen();
        if screen.ends_with("size 77x17") {
            Ok(())
        } else {
            Err(screen)
        }
    });
    terminal.type_text("\x1c");
    exits(terminal, 0);
}
