//! A hook whose agent is away, old, hung, or not an agent at all.

use std::fs;
use std::io::{Read, Write};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::Path;
use std::process::{Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use rustix::process::Signal;
use stratavore_agent::process::Stat;
use stratavore_wire::{FrameDecoder, Message, Refusal, Refused, hook};

use crate::host::{ASKS, Done, Host};
use crate::support::{alive, until};

/// Within this a hook returns when nobody listens.
const AT_ONCE: Duration = Duration::from_millis(100);
/// However an agent hangs, the program goes on after this.
const AT_LAST: Duration = Duration::from_secs(5);

pub struct Ended {
    pub done: Done,
    pub took: Duration,
}

/// Runs a hook that is no runner's.
pub fn outside(socket: Option<&Path>, payload: &[u8]) -> Ended {
    let since = Instant::now();
    let mut command = Command::new(env!("CARGO_BIN_EXE_stratavore-agent"));
    command.arg("hook").env_remove(hook::SOCKET_VARIABLE);
    if let Some(socket) = socket {
        command.env(hook::SOCKET_VARIABLE, socket);
    }
    let mut child = command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    // A hook that leaves before it has read all would break the program's pipe.
    child.stdin.take().unwrap().write_all(payload).unwrap();
    let output = child.wait_with_output().unwrap();
    Ended {
        took: since.elapsed(),
        done: Done {
            code: output.status.code().unwrap_or(-1),
            out: String::from_utf8(output.stdout).unwrap(),
            err: String::from_utf8(output.stderr).unwrap(),
        },
    }
}

#[test]
fn where_nobody_listens_it_says_nothing_and_returns_at_once() {
    let directory = tempfile::tempdir().unwrap();
    let dead = directory.path().join("dead.sock");
    drop(UnixListener::bind(&dead).unwrap());
    let file = directory.path().join("file");
    fs::write(&file, "no socket").unwrap();
    let long = directory.path().join("x".repeat(200));
    let places = [
        None,
        Some(Path::new("")),
        Some(Path::new("/nowhere/a.sock")),
        Some(&*dead),
        Some(&*file),
        Some(directory.path()),
        Some(&*long),
    ];
    for place in places {
        // The quickest of some: others use this machine, too.
        let took = (0..5).map(|_| {
            let ended = outside(place, ASKS.as_bytes());
            assert_eq!(ended.done, Done::silent(), "{place:?}");
            ended.took
        });
        let took = took.min().unwrap();
        assert!(took < AT_ONCE, "{place:?} took {took:?}");
    }
    let huge = outside(None, &vec![b'x'; 20 << 20]);
    assert_eq!(huge.done, Done::silent());
}

/// Listens once, and treats the hook so.
fn listening(treat: impl FnOnce(UnixStream) + Send + 'static) -> Ended {
    let directory = tempfile::tempdir().unwrap();
    let socket = directory.path().join("a.sock");
    let listener = UnixListener::bind(&socket).unwrap();
    let agent = thread::spawn(move || treat(listener.accept().unwrap().0));
    let ended = outside(Some(&socket), ASKS.as_bytes());
    agent.join().unwrap();
    ended
}

fn hear(stream: &mut UnixStream) -> Vec<Message> {
    let mut decoder = FrameDecoder::new();
    let mut heard = Vec::new();
    let mut buffer = [0; 4096];
    while heard.len() < 2 {
        let read = stream.read(&mut buffer).unwrap();
        decoder.push(&buffer[..read]);
        while let Some(message) = decoder.next_message().unwrap() {
            heard.push(message);
        }
    }
    heard
}

fn say(stream: &mut UnixStream, message: &Message) {
    // The hook may have left.
    let _ = stream.write_all(&message.to_bytes().unwrap());
}

#[test]
fn an_agent_that_is_no_such_agent_is_not_waited_for() {
    // One that hangs up; one that hangs up later; one that speaks something else.
    let ended = listening(drop);
    assert_eq!(ended.done, Done::silent());
    let ended = listening(|mut stream| {
        let heard = hear(&mut stream);
        assert!(matches!(heard[0], Message::Hello(_)));
        assert!(matches!(&heard[1], Message::Hook(hook) if hook.payload == ASKS));
    });
    assert_eq!(ended.done, Done::silent());
    let ended = listening(|mut stream| {
        hear(&mut stream);
        let _ = stream.write_all(b"HTTP/1.1 400 Bad Request\r\n\r\n");
    });
    assert_eq!(ended.done, Done::silent());
    // One from before there were hooks, which would go on to be silent.
    let ended = listening(|mut stream| {
        hear(&mut stream);
        say(
            &mut stream,
            &Message::Refused(Refused::new(Refusal::UnknownMessage, "kind 0x30")),
        );
        assert_eq!(stream.read(&mut [0; 16]).unwrap(), 0, "the hook goes on");
    });
    assert_eq!(ended.done, Done::silent());
    assert!(ended.took < AT_LAST, "{:?}", ended.took);
    // One that says nothing at all.
    let ended = listening(|mut stream| {
        hear(&mut stream);
        assert_eq!(stream.read(&mut [0; 16]).unwrap(), 0, "the hook goes on");
    });
    assert_eq!(ended.done, Done::silent());
    assert!(ended.took < AT_LAST, "{:?}", ended.took);
}

#[test]
fn an_agent_that_is_stopped_or_killed_holds_up_nothing() {
    let mut host = Host::new(60_000);
    let agent = Stat::read(host.rig.record().agent_pid).unwrap().process;
    let waits = host.hook(ASKS);
    assert!(host.hooked().waits);
    let process = waits.process().process;
    let file = host.payload(br#"{"hook_event_name":"PreToolUse"}"#);
    let next = host.run(&format!(
        r#"mkfifo go; read -r word <go; exec "$AGENT" hook <{file}"#
    ));
    let go = host.rig.work().join("go");
    until("it is ready to go", || go.exists().then_some(()));
    agent.signal(Signal::STOP);
    let since = Instant::now();
    fs::write(&go, "go\n").unwrap();
    assert_eq!(next.end(), Done::silent());
    assert!(since.elapsed() < AT_LAST, "{:?}", since.elapsed());
    assert!(alive(process.pid), "a person may still answer");
    agent.signal(Signal::KILL);
    until("the hook ends", || (!alive(process.pid)).then_some(()));
}
