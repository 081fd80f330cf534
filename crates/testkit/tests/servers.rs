//! The runner that gives a command its servers.

use std::io::{BufRead, BufReader, Read};
use std::process::{Command, Stdio};
use std::time::Duration;

use rustix::process::Signal;
use stratavore_testkit::{Process, TempHome, postgres, rabbitmq, wait_until};

fn runner(home: &TempHome, script: &str) -> Command {
    let mut command = home.command(env!("CARGO_BIN_EXE_stratavore-test-servers"));
    command.args(["--", "sh", "-c", script]);
    command
}

#[test]
fn servers_that_are_named_are_used_and_the_exit_code_is_passed_on() {
    let home = TempHome::new();
    let script = format!(
        "test \"${} and ${}\" = 'there and here' && exit 7",
        postgres::URL,
        rabbitmq::URL
    );
    let named = |script: &str| {
        let mut command = runner(&home, script);
        command
            .env(postgres::URL, "there")
            .env(rabbitmq::URL, "here");
        command.status().unwrap().code()
    };
    assert_eq!(named(&script), Some(7));
    assert_eq!(named("kill -TERM $$"), Some(128 + 15));
    let absent = home
        .command(env!("CARGO_BIN_EXE_stratavore-test-servers"))
        .output()
        .unwrap();
    assert_eq!(absent.status.code(), Some(2));
}

#[test]
fn a_command_has_both_servers_until_it_is_told_to_end_and_nothing_is_left() {
    let home = TempHome::new();
    let script = format!(
        "trap 'echo told; exit 3' TERM; echo \"${}\"; echo \"${}\"; while :; do sleep 0.1; done",
        postgres::URL,
        rabbitmq::URL
    );
    let mut child = runner(&home, &script)
        .stdout(Stdio::piped())
        .stdin(Stdio::null())
        .spawn()
        .unwrap();
    let runner = Process::find(child.id()).unwrap();
    let mut said = BufReader::new(child.stdout.take().unwrap());
    let mut line = || {
        let mut line = String::new();
        said.read_line(&mut line).unwrap();
        line.trim().to_owned()
    };
    let urls = (line(), line());
    assert!(urls.0.starts_with("postgres://"), "{urls:?}");
    assert!(urls.1.starts_with("amqp://"), "{urls:?}");
    let servers = runner.descendants();
    assert!(servers.len() > 3, "{servers:?}");
    runner.signal(Signal::TERM).unwrap();
    let mut rest = String::new();
    said.read_to_string(&mut rest).unwrap();
    assert_eq!(rest, "told\n");
    assert_eq!(child.wait().unwrap().code(), Some(3));
    wait_until(Duration::from_secs(10), "the end of the servers", || {
        servers.iter().all(|process| !process.is_alive())
    });
    home.assert_nothing_left(Duration::from_secs(10));
}
