//! Terminals against an agent that the test plays, on a Unix socket.

use std::path::PathBuf;
use std::time::Duration;

use crate::support::Rig;
use stratavore_api::{Code, v1};
use stratavore_desktop::terminal::{Message, Request, open, open_file};
use stratavore_wire::client::Connection;
use stratavore_wire::{
    Ack, Asked, Attach, Attached, Exit, Exited, Message as Wire, Redraw, Refusal, Refused, Resize,
    Resized, Role, Timestamp, Viewers, Welcome,
};
use tokio::net::UnixListener;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tokio::time::timeout;

const PATIENCE: Duration = Duration::from_secs(10);

/// A desktop, an agent's socket, and one runner behind it.
struct Scene {
    rig: Rig,
    listener: UnixListener,
}

/// What the page of one attachment gets, tag byte first.
struct Page {
    attachment: u32,
    messages: mpsc::UnboundedReceiver<Vec<u8>>,
    carried: JoinHandle<()>,
}

impl Scene {
    fn new() -> Self {
        let rig = Rig::new();
        let socket: PathBuf = rig.home.path().join("agent.sock");
        let listener = UnixListener::bind(&socket).unwrap();
        {
            let mut state = rig.host.state();
            state.socket = socket.to_str().unwrap().to_owned();
            state.runners.push(v1::Runner {
                id: "r1".into(),
                name: "auth".into(),
                state: "running".into(),
                ..v1::Runner::default()
            });
        }
        Self { rig, listener }
    }

    /// Attaches a page, and plays the agent's part of the greeting.
    async fn attach(&self) -> (Page, Connection) {
        let (page, agent) = tokio::join!(self.open(false), self.accept());
        (page, agent.0)
    }

    async fn open(&self, read_only: bool) -> Page {
        let (sender, messages) = mpsc::unbounded_channel();
        let request = Request {
            runner: "auth".into(),
            columns: 80,
            rows: 24,
            read_only,
        };
        let page = move |message: Message| sender.send(message.into_bytes()).is_ok();
        let (attachment, carried) = open(&self.rig.desktop, request, page).await.unwrap();
        Page {
            attachment,
            messages,
            carried: tokio::spawn(carried),
        }
    }

    async fn accept(&self) -> (Connection, Attach) {
        let (stream, _) = self.listener.accept().await.unwrap();
        let mut agent = Connection::from_stream(stream.into_std().unwrap()).unwrap();
        let Some(Wire::Hello(hello)) = agent.recv().await.unwrap() else {
            panic!("no greeting")
        };
        assert_eq!(hello.role, Role::Viewer);
        let welcome = Welcome {
            version: 1,
            software: String::new(),
            capabilities: Vec::new(),
            runner_id: "r1".into(),
            attempt: 1,
            agent_pid: 1,
            program: None,
            columns: 80,
            rows: 24,
            frozen: false,
            stopping: false,
        };
        agent.send(&Wire::Welcome(welcome)).await.unwrap();
        let Some(Wire::Attach(attach)) = agent.recv().await.unwrap() else {
            panic!("no attach")
        };
        (agent, attach)
    }
}

impl Page {
    async fn next(&mut self) -> Vec<u8> {
        timeout(PATIENCE, self.messages.recv())
            .await
            .expect("nothing came")
            .expect("the page was let go")
    }

    /// Reads output until it is `len` bytes, and counts the messages it came in.
    async fn output(&mut self, len: usize) -> (Vec<u8>, usize) {
        let (mut bytes, mut messages) = (Vec::new(), 0);
        while bytes.len() < len {
            let message = self.next().await;
            assert_eq!(message[0], 1, "{:?}", String::from_utf8_lossy(&message));
            bytes.extend_from_slice(&message[1..]);
            messages += 1;
        }
        (bytes, messages)
    }

    /// Waits until the attachment has ended by itself.
    async fn ended(self) {
        timeout(PATIENCE, self.carried)
            .await
            .expect("it goes on")
            .unwrap();
    }
}

fn control(message: &[u8]) -> serde_json::Value {
    assert_eq!(message[0], 2, "{:?}", String::from_utf8_lossy(message));
    serde_json::from_slice(&message[1..]).unwrap()
}

fn output(text: &str) -> Wire {
    Wire::Output {
        seq: 0,
        bytes: text.into(),
    }
}

#[tokio::test]
async fn bytes_go_both_ways_and_control_stands_in_their_order() {
    let scene = Scene::new();
    let (mut page, mut agent) = scene.attach().await;
    agent
        .send(&Wire::Snapshot {
            seq: 9,
            columns: 80,
            rows: 24,
            bytes: b"$ ".to_vec(),
        })
        .await
        .unwrap();
    assert_eq!(page.next().await, [0, 80, 0, 24, 0, b'$', b' ']);
    // Output, then a size, then output: gathering must not carry bytes across.
    agent.send(&output("a")).await.unwrap();
    agent
        .send(&Wire::Resized(Resized {
            columns: 100,
            rows: 30,
        }))
        .await
        .unwrap();
    agent.send(&output("b")).await.unwrap();
    assert_eq!(page.next().await, [1, b'a']);
    assert_eq!(
        control(&page.next().await)["resized"],
        serde_json::json!({ "columns": 100, "rows": 30 })
    );
    assert_eq!(page.next().await, [1, b'b']);

    let attachments = &scene.rig.desktop.attachments;
    attachments.input(page.attachment, b"ls\r").unwrap();
    attachments.resize(page.attachment, 120, 40).await.unwrap();
    attachments.acknowledge(page.attachment, 7).await.unwrap();
    assert_eq!(
        agent.recv().await.unwrap(),
        Some(Wire::Input {
            bytes: b"ls\r".to_vec()
        })
    );
    assert_eq!(
        agent.recv().await.unwrap(),
        Some(Wire::Resize(Resize {
            columns: 120,
            rows: 40
        }))
    );
    assert_eq!(
        agent.recv().await.unwrap(),
        Some(Wire::Ack(Ack { bytes: 7 }))
    );

    attachments.take_over(page.attachment).await.unwrap();
    attachments.redraw(page.attachment, 500).await.unwrap();
    assert_eq!(agent.recv().await.unwrap(), Some(Wire::TakeOver));
    assert_eq!(
        agent.recv().await.unwrap(),
        Some(Wire::Redraw(Redraw { history_lines: 500 }))
    );

    let refused = Refused::new(Refusal::InputFull, "the program does not read");
    agent.send(&Wire::Refused(refused)).await.unwrap();
    assert_eq!(
        control(&page.next().await)["refused"],
        "the program does not read"
    );
}

#[tokio::test]
async fn company_and_wishes_of_the_program_are_told_behind_the_output_before_them() {
    let scene = Scene::new();
    let (mut page, mut agent) = scene.attach().await;
    let viewers = Viewers {
        count: 1,
        read_only: 0,
        attached: vec![Attached {
            place: "window".into(),
            columns: 80,
            rows: 24,
            read_only: false,
            decides: true,
            you: true,
        }],
    };
    agent.send(&output("a")).await.unwrap();
    agent.send(&Wire::Viewers(viewers)).await.unwrap();
    agent.send(&output("b")).await.unwrap();
    let asked = Asked::Clipboard {
        selection: 'p',
        text: "x".into(),
    };
    agent.send(&Wire::Asked(asked)).await.unwrap();
    let asked = Asked::Notify {
        title: "t".into(),
        body: "b".into(),
    };
    agent.send(&Wire::Asked(asked)).await.unwrap();
    assert_eq!(page.next().await, b"\x01a");
    let told = control(&page.next().await);
    assert_eq!(told["viewers"]["attached"][0]["you"], true);
    assert_eq!(page.next().await, b"\x01b");
    let told = control(&page.next().await);
    assert_eq!(told["asked"]["clipboard"]["selection"], "p");
    let told = control(&page.next().await);
    assert_eq!(told["asked"]["notify"]["body"], "b");
}

#[tokio::test]
async fn a_linked_file_is_opened_when_it_lies_in_the_project() {
    let scene = Scene::new();
    let project = scene.rig.home.path().join("atlas");
    std::fs::create_dir(&project).unwrap();
    std::fs::write(project.join("a b.md"), "x").unwrap();
    std::fs::write(scene.rig.home.path().join("secret"), "x").unwrap();
    {
        let mut state = scene.rig.host.state();
        let path = project.to_str().unwrap().to_owned();
        state.runners[0].cwd = path.clone();
        state.runners[0].project = "atlas".into();
        state.projects.push(v1::Project {
            name: "atlas".into(),
            path,
            ..v1::Project::default()
        });
    }
    let desktop = &scene.rig.desktop;
    let link = |file: &str| format!("file://{}/{file}", project.display());
    open_file(desktop, "auth", &link("a%20b.md")).await.unwrap();
    for (refused, why) in [
        (link("../secret"), "outside the project"),
        (link("none"), "No such file"),
        (
            "file://elsewhere/etc/passwd".to_owned(),
            "no file on this machine",
        ),
        ("https://example.org".to_owned(), "no file on this machine"),
    ] {
        let failure = open_file(desktop, "auth", &refused).await.unwrap_err();
        assert_eq!(failure.code, Code::Invalid, "{refused}");
        assert!(failure.message.contains(why), "{failure:?}");
    }
    assert_eq!(*scene.rig.shell.links.lock().unwrap(), [link("a%20b.md")]);
}

#[tokio::test]
async fn much_output_in_small_pieces_reaches_the_page_in_few() {
    let scene = Scene::new();
    let (mut page, mut agent) = scene.attach().await;
    let mut sent = Vec::new();
    for n in 0..2000_u32 {
        let bytes = format!("line {n}\r\n").into_bytes();
        sent.extend_from_slice(&bytes);
        agent.send(&Wire::Output { seq: 0, bytes }).await.unwrap();
    }
    let (bytes, messages) = page.output(sent.len()).await;
    assert_eq!(bytes, sent);
    assert!(messages < 500, "{messages} messages for 2000 writes");
}

#[tokio::test]
async fn an_agent_that_does_not_read_holds_back_neither_its_output_nor_the_window() {
    let scene = Scene::new();
    let (mut page, mut agent) = scene.attach().await;
    // More than the socket and the queue hold: the agent reads none of it.
    let paste = vec![b'x'; 1 << 20];
    let refused = loop {
        if let Err(failure) = scene.rig.desktop.attachments.input(page.attachment, &paste) {
            break failure;
        }
    };
    assert_eq!(refused.code, Code::Unavailable, "{refused:?}");
    agent.send(&output("still here")).await.unwrap();
    assert_eq!(page.output(10).await.0, b"still here");
}

#[tokio::test]
async fn a_large_paste_arrives_whole_and_in_order() {
    let scene = Scene::new();
    let (page, mut agent) = scene.attach().await;
    let paste: Vec<u8> = (0..1_000_000_u32).map(|n| (n % 251) as u8).collect();
    scene
        .rig
        .desktop
        .attachments
        .input(page.attachment, &paste)
        .unwrap();
    scene
        .rig
        .desktop
        .attachments
        .input(page.attachment, b"\r")
        .unwrap();
    let mut typed = Vec::new();
    while typed.len() <= paste.len() {
        let Some(Wire::Input { bytes }) = agent.recv().await.unwrap() else {
            panic!("not input")
        };
        typed.extend_from_slice(&bytes);
    }
    assert_eq!(typed.split_last(), Some((&b'\r', &paste[..])));
}

#[tokio::test]
async fn the_end_is_told_once_after_the_last_output_with_what_the_host_knows_of_it() {
    let scene = Scene::new();
    let (mut page, mut agent) = scene.attach().await;
    scene.rig.host.state().runners[0].exit = Some(v1::Exit {
        code: Some(3),
        ..v1::Exit::default()
    });
    let exited = Exited {
        exit: Exit::Code(3),
        at: Timestamp(0),
        stopped: false,
        interrupted: false,
        leftovers: 0,
    };
    agent.send(&Wire::Exited(exited)).await.unwrap();
    agent.send(&output("bye")).await.unwrap();
    agent.send(&Wire::Ended).await.unwrap();
    assert_eq!(page.output(3).await.0, b"bye");
    assert_eq!(control(&page.next().await)["ended"]["exit"]["code"], 3);
    page.ended().await;
    assert_eq!(scene.rig.desktop.attachments.count(), 0);
}

#[tokio::test]
async fn an_agent_that_dies_is_told_as_lost() {
    let scene = Scene::new();
    let (mut page, agent) = scene.attach().await;
    drop(agent);
    assert!(
        control(&page.next().await)["lost"]
            .as_str()
            .unwrap()
            .contains("closed the connection")
    );
    page.ended().await;
}

#[tokio::test]
async fn closing_lets_the_agent_go_and_so_does_a_page_that_went() {
    let scene = Scene::new();
    let (page, mut agent) = scene.attach().await;
    scene.rig.desktop.attachments.close(page.attachment);
    assert_eq!(
        timeout(PATIENCE, agent.recv()).await.unwrap().unwrap(),
        None
    );
    page.ended().await;

    let (page, mut agent) = scene.attach().await;
    scene.rig.desktop.page_gone();
    assert_eq!(
        timeout(PATIENCE, agent.recv()).await.unwrap().unwrap(),
        None
    );
    page.ended().await;

    // A page that takes nothing any more.
    let (mut page, mut agent) = scene.attach().await;
    page.messages.close();
    agent.send(&output("into the void")).await.unwrap();
    page.ended().await;
    assert_eq!(scene.rig.desktop.attachments.count(), 0);
}

#[tokio::test]
async fn a_reader_says_so_to_the_agent() {
    let scene = Scene::new();
    let (_page, (_agent, attach)) = tokio::join!(scene.open(true), scene.accept());
    assert_eq!(
        attach,
        Attach {
            columns: 80,
            rows: 24,
            read_only: true,
            place: "window".to_owned(),
        }
    );
}

#[tokio::test]
async fn a_runner_that_has_ended_shows_what_it_showed_last() {
    let scene = Scene::new();
    {
        let mut state = scene.rig.host.state();
        state.runners[0].state = "failed".into();
        state.runners[0].exit = Some(v1::Exit {
            signal: Some("KILL".into()),
            ..v1::Exit::default()
        });
        state.history = b"one\ntwo\n".to_vec();
    }
    let mut page = scene.open(false).await;
    assert_eq!(page.next().await, b"\x00\x50\x00\x18\x00one\r\ntwo");
    assert_eq!(
        control(&page.next().await)["ended"]["exit"]["signal"],
        "KILL"
    );
    // The page goes on to resize and acknowledge until it closes.
    scene
        .rig
        .desktop
        .attachments
        .resize(page.attachment, 10, 10)
        .await
        .unwrap();
    scene.rig.desktop.attachments.close(page.attachment);
    page.ended().await;
}

#[tokio::test]
async fn an_agent_that_cannot_be_reached_is_named() {
    let scene = Scene::new();
    scene.rig.host.state().socket = scene
        .rig
        .home
        .path()
        .join("nobody.sock")
        .to_str()
        .unwrap()
        .to_owned();
    let request = Request {
        runner: "auth".into(),
        columns: 80,
        rows: 24,
        read_only: false,
    };
    let Err(failure) = open(&scene.rig.desktop, request.clone(), |_| true).await else {
        panic!("attached to nobody")
    };
    assert_eq!(failure.code, Code::Unavailable);
    assert!(
        failure.message.contains("auth") && failure.message.contains("nobody.sock"),
        "{failure:?}"
    );

    let unknown = Request {
        runner: "who".into(),
        ..request
    };
    let Err(failure) = open(&scene.rig.desktop, unknown, |_| true).await else {
        panic!("attached to nobody")
    };
    assert_eq!(failure.code, Code::NotFound);
    assert_eq!(scene.rig.desktop.attachments.count(), 0);
}
