//! Every failure, as a person sees it.

mod support;

use std::fs::{self, File, Permissions};
use std::os::unix::fs::PermissionsExt;

use rustix::fs::{FlockOperation, flock};
use stratavore_rpc::{Code, Failure, v1};
use stratavore_testkit::TempHome;
use support::host::{FakeHost, World, ended, project, runner};
use support::{Run, places, run, run_with};

fn world() -> World {
    World {
        projects: vec![project("api")],
        runners: vec![
            runner("auth"),
            runner("authz"),
            ended("done", "terminated", Some(0), None),
        ],
        ..World::default()
    }
}

/// Runs against a host that knows [`world`].
fn with_host(args: &[&str]) -> Run {
    let home = TempHome::new();
    let _host = FakeHost::start(&places(&home), world());
    run(&home, args)
}

/// Runs against a host that answers everything with this failure.
fn refused(failure: Failure, args: &[&str]) -> Run {
    let home = TempHome::new();
    let _host = FakeHost::start(
        &places(&home),
        World {
            failure: Some(failure),
            ..world()
        },
    );
    run(&home, args)
}

macro_rules! snapshot {
    ($name:literal, $run:expr, $code:literal) => {{
        let run: Run = $run;
        assert_eq!(run.code, $code, "{}", run.shown());
        insta::assert_snapshot!($name, run.shown());
    }};
}

#[test]
fn no_such_runner() {
    snapshot!("no_such_runner", with_host(&["show", "nobody"]), 3);
    snapshot!(
        "no_such_runner_json",
        with_host(&["--json", "show", "nobody"]),
        3
    );
}

#[test]
fn no_such_project_but_perhaps_a_command() {
    snapshot!("no_such_project", with_host(&["payments"]), 3);
    snapshot!("no_such_project_near_command", with_host(&["runers"]), 3);
}

#[test]
fn an_ambiguous_prefix() {
    snapshot!("ambiguous", with_host(&["stop", "aut"]), 4);
}

#[test]
fn a_name_that_is_taken() {
    snapshot!(
        "name_taken",
        with_host(&["project", "add", "api", "--path", "."]),
        6
    );
}

#[test]
fn a_full_quota() {
    let failure = Failure::new(
        Code::QuotaFull,
        "project api has 3 of 3 runners: auth, billing, docs",
    )
    .hint("stop one, wait in line with --queue, or raise the quota");
    snapshot!("quota_full", refused(failure, &["launch", "api"]), 5);
}

#[test]
fn hosts_other_words() {
    let timeout = Failure::new(Code::Timeout, "auth has not ended in 5 s");
    snapshot!("host_timeout", refused(timeout, &["stop", "auth"]), 7);
    let unavailable =
        Failure::new(Code::Unavailable, "the store's disk is full: /srv").hint("make room there");
    snapshot!(
        "host_unavailable",
        refused(unavailable, &["launch", "api"]),
        8
    );
    let internal = Failure::new(
        Code::Internal,
        "cannot decode runner 7: \u{1b}[2Jbad\u{202e} bytes",
    );
    snapshot!("host_internal", refused(internal, &["runners"]), 1);
    let config = Failure::new(
        Code::BadConfig,
        "/srv/api/.stratavore.toml:3: unknown setting \"a.b\"; allowed: c",
    );
    snapshot!("host_bad_config", refused(config, &["launch", "api"]), 9);
    let invalid =
        Failure::new(Code::Invalid, "the path \"x\" is not absolute").hint("name an absolute one");
    snapshot!(
        "host_invalid",
        refused(invalid, &["project", "add", "x", "--path", "/x"]),
        2
    );
}

#[test]
fn no_host_and_none_may_be_started() {
    let home = TempHome::new();
    snapshot!("no_host", run(&home, &["--no-start", "runners"]), 8);
    snapshot!(
        "no_host_json",
        run(&home, &["--no-start", "--json", "runners"]),
        8
    );
    assert!(
        !home.data().join("host.lock").exists(),
        "nothing was started"
    );
}

#[test]
fn a_lock_without_a_host_that_answers() {
    let home = TempHome::new();
    let lock = File::create(places(&home).host_lock()).unwrap();
    flock(&lock, FlockOperation::NonBlockingLockExclusive).unwrap();
    snapshot!("not_ready", run(&home, &["status"]), 8);
}

#[test]
fn attaching_without_a_terminal() {
    snapshot!("attach_without_terminal", with_host(&["attach", "auth"]), 1);
    snapshot!(
        "launch_attach_without_terminal",
        with_host(&["launch", "api", "--attach"]),
        1
    );
    snapshot!("several_without_terminal", with_host(&["api"]), 4);
    snapshot!("smart_json", with_host(&["--json", "api"]), 2);
}

#[test]
fn a_launch_that_asks_for_nonsense() {
    snapshot!(
        "command_quotes",
        with_host(&["launch", "api", "--command", "sh -c 'open"]),
        2
    );
    snapshot!(
        "command_empty",
        with_host(&["launch", "api", "--command", " "]),
        2
    );
    snapshot!(
        "env_without_equals",
        with_host(&["launch", "api", "--env", "TOKEN"]),
        2
    );
    snapshot!(
        "env_without_key",
        with_host(&["launch", "api", "--env", "=x"]),
        2
    );
    snapshot!(
        "program_unknown",
        with_host(&["launch", "api", "--program", "vi"]),
        2
    );
    snapshot!(
        "program_and_command",
        with_host(&["launch", "api", "--program", "codex", "--command", "x"]),
        2
    );
    snapshot!(
        "attempts_without_restart",
        with_host(&["launch", "api", "--max-attempts", "3"]),
        2
    );
    snapshot!(
        "action_without_ceiling",
        with_host(&["launch", "api", "--ceiling-action", "stop"]),
        2
    );
    snapshot!(
        "size_malformed",
        with_host(&["launch", "api", "--size", "80"]),
        2
    );
}

#[test]
fn a_launch_that_came_to_nothing() {
    let home = TempHome::new();
    let mut stillborn = ended("fresh", "failed", None, None);
    stillborn.started_at = None;
    stillborn.exit = Some(v1::Exit {
        reason: "claude: no such file".into(),
        ..v1::Exit::default()
    });
    let _host = FakeHost::start(
        &places(&home),
        World {
            launched: Some(stillborn),
            ..world()
        },
    );
    snapshot!("could_not_start", run(&home, &["launch", "api"]), 1);
}

#[test]
fn a_command_line_that_makes_no_sense() {
    snapshot!("unknown_flag", with_host(&["runners", "--nope"]), 2);
    snapshot!(
        "unknown_flag_json",
        with_host(&["runners", "--json", "--nope"]),
        2
    );
    snapshot!("stop_without_target", with_host(&["stop"]), 2);
    snapshot!(
        "stop_with_two_targets",
        with_host(&["stop", "auth", "--all"]),
        2
    );
    snapshot!("wait_without_state", with_host(&["wait", "auth"]), 2);
    snapshot!("project_before_command", with_host(&["api", "runners"]), 2);
    snapshot!(
        "start_and_dismiss",
        with_host(&["interrupted", "--start", "--dismiss"]),
        2
    );
}

#[test]
fn a_wait_in_vain() {
    snapshot!(
        "wait_timeout",
        with_host(&["wait", "authz", "--for", "terminated", "--timeout", "0.05"]),
        7
    );
    snapshot!(
        "wait_other_end",
        with_host(&["wait", "done", "--for", "failed"]),
        1
    );
    snapshot!(
        "wait_other_end_json",
        with_host(&["wait", "done", "--for", "running", "--json"]).without_stdout(),
        1
    );
}

#[test]
fn an_audit_log_that_does_not_hold() {
    let home = TempHome::new();
    let fault = v1::AuditFault {
        aggregate_id: "0190a5d0-auth".into(),
        seq: 3,
        kind: "changed".into(),
        detail: "its bytes do not give its code".into(),
    };
    let _host = FakeHost::start(
        &places(&home),
        World {
            faults: vec![fault],
            ..world()
        },
    );
    snapshot!("audit_fault", run(&home, &["audit", "verify"]), 1);
}

#[test]
fn a_doctor_that_finds_problems() {
    let home = TempHome::new();
    let check = |name: &str, outcome: &str, mend: Option<&str>| v1::Check {
        name: name.into(),
        outcome: outcome.into(),
        detail: "as it is".into(),
        mend: mend.map(str::to_owned),
        supports: Vec::new(),
    };
    let support = |what: &str, supported: bool| v1::Support {
        what: what.into(),
        supported,
        detail: "since\x1b[2J 2.1.330".into(),
    };
    let checks = vec![
        v1::Check {
            supports: vec![support("resume", true), support("terminal reports", false)],
            ..check("claude", "ok", None)
        },
        check("tray host", "warning", Some("install an extension")),
        check("data directory", "problem", Some("chmod 700 it")),
    ];
    let _host = FakeHost::start(&places(&home), World { checks, ..world() });
    snapshot!("doctor_problems", run(&home, &["doctor"]), 1);
}

#[test]
fn a_doctor_without_a_host_checks_what_it_can() {
    let home = TempHome::new();
    fs::set_permissions(home.data(), Permissions::from_mode(0o755)).unwrap();
    fs::write(home.config_file(), "[stop]\ngrace = 3\n").unwrap();
    snapshot!("doctor_alone", run(&home, &["--no-start", "doctor"]), 1);
    let long = home.path().join("r".repeat(80));
    let far = run_with(&home, &["--no-start", "doctor"], |command| {
        command.env("STRATAVORE_RUNTIME_DIR", &long);
    });
    assert!(
        far.stdout
            .contains("set STRATAVORE_RUNTIME_DIR to a shorter directory"),
        "{}",
        far.shown()
    );
}

#[test]
fn settings_that_are_wrong() {
    let home = TempHome::new();
    fs::write(home.config_file(), "[stop]\ngrace_seconds = 'long'\n").unwrap();
    snapshot!("bad_setting", run(&home, &["runners"]), 9);
    snapshot!(
        "bad_setting_shown",
        run(&home, &["--no-start", "config", "show"]),
        9
    );
    assert!(
        !home.data().join("host.lock").exists(),
        "no host was started with them"
    );
    fs::write(home.config_file(), "[launch]\nprogramme = 'codex'\n").unwrap();
    snapshot!("unknown_setting", run(&home, &["runners"]), 9);
    fs::remove_file(home.config_file()).unwrap();
    let variable = run_with(&home, &["runners"], |command| {
        command.env("STRATAVORE_STOP_GRACE_SECONDS", "-1");
    });
    snapshot!("bad_variable", variable, 9);
}

#[test]
fn places_that_are_nowhere() {
    let home = TempHome::new();
    let nowhere = run_with(&home, &["runners"], |command| {
        command.env("STRATAVORE_DATA_DIR", "here");
    });
    snapshot!("relative_place", nowhere, 9);
}

#[test]
fn a_host_that_is_no_program() {
    let home = TempHome::new();
    let bin = home.path().join("bin");
    fs::create_dir(&bin).unwrap();
    let program = bin.join("stratavore");
    fs::copy(support::program(), &program).unwrap();
    let start = |home: &TempHome| {
        let mut command = home.command(&program);
        command.args(["status"]).env("PATH", &bin);
        Run::of(home, command.output().unwrap())
    };
    snapshot!("no_stratavored", start(&home), 8);
    let host = bin.join("stratavored");
    fs::write(&host, "#!/nowhere/interpreter\n").unwrap();
    fs::set_permissions(&host, Permissions::from_mode(0o755)).unwrap();
    snapshot!("bad_stratavored", start(&home), 8);
    fs::write(&host, "#!/bin/sh\necho 'stratavored: error: the database is of version 9' >&2\necho 'hint: update' >&2\nexit 8\n").unwrap();
    snapshot!("stratavored_fails", start(&home), 8);
    fs::write(&host, "#!/bin/sh\nkill -KILL $$\n").unwrap();
    snapshot!("stratavored_killed", start(&home), 8);
}

#[test]
fn a_closed_pipe_is_no_failure() {
    let home = TempHome::new();
    let _host = FakeHost::start(&places(&home), world());
    for args in [
        &["runners"][..],
        &["--help"],
        &["completions", "bash"],
        &[],
        &["events"],
    ] {
        let run = run_with(&home, args, |command| {
            let (reader, writer) = std::io::pipe().unwrap();
            drop(reader);
            command.stdout(writer);
        });
        // Command::output would take stdout over: the closed pipe was set last and stays.
        assert_eq!(
            (run.code, run.stderr.contains("panic")),
            (0, false),
            "{args:?}: {}",
            run.shown()
        );
    }
}
