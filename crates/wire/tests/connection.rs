//! The asynchronous connection, against a peer in this process.

use std::io::{IoSliceMut, Read, Write};
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::net;

use rustix::net::{RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, recvmsg};
use stratavore_wire::client::{Connection, ConnectionError};
use stratavore_wire::keys::Key;
use stratavore_wire::{Hello, Lend, Message, Refusal, Refused, Role, Timestamp, Viewers, Welcome};
use tokio::io::AsyncWriteExt;
use tokio::net::UnixStream;

fn welcome() -> Welcome {
    Welcome {
        version: 1,
        software: "agent".to_owned(),
        capabilities: vec![],
        runner_id: "r".to_owned(),
        attempt: 1,
        agent_pid: 7,
        program: None,
        columns: 80,
        rows: 24,
        frozen: false,
        stopping: false,
    }
}

fn connected() -> (Connection, Connection) {
    let (ours, theirs) = std::os::unix::net::UnixStream::pair().unwrap();
    (
        Connection::from_stream(ours).unwrap(),
        Connection::from_stream(theirs).unwrap(),
    )
}

#[tokio::test]
async fn greets_sends_and_receives() {
    let (mut ours, mut theirs) = connected();
    let (greeted, heard) = tokio::join!(ours.greet(Hello::new(Role::Client, "test")), async {
        let heard = theirs.recv().await.unwrap();
        theirs.send(&Message::Welcome(welcome())).await.unwrap();
        heard
    });
    assert_eq!(greeted.unwrap(), welcome());
    assert_eq!(
        heard,
        Some(Message::Hello(Hello::new(Role::Client, "test")))
    );

    let (mut sender, mut receiver) = ours.into_split();
    sender.send(&Message::Freeze).await.unwrap();
    assert_eq!(theirs.recv().await.unwrap(), Some(Message::Freeze));
    theirs
        .send(&Message::Viewers(Viewers {
            count: 2,
            read_only: 1,
            ..Viewers::default()
        }))
        .await
        .unwrap();
    drop(theirs);
    assert_eq!(
        receiver.recv().await.unwrap(),
        Some(Message::Viewers(Viewers {
            count: 2,
            read_only: 1,
            ..Viewers::default()
        }))
    );
    assert_eq!(receiver.recv().await.unwrap(), None);
}

#[tokio::test]
async fn a_refusal_is_told_with_its_ground() {
    let (mut ours, mut theirs) = connected();
    theirs
        .send(&Message::Refused(Refused::new(
            Refusal::AlreadyRunning,
            "held",
        )))
        .await
        .unwrap();
    match ours.greet(Hello::new(Role::Supervisor, "test")).await {
        Err(ConnectionError::Refused(refused)) => assert_eq!(refused.code, Refusal::AlreadyRunning),
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn a_receive_that_was_dropped_loses_nothing() {
    let (ours, mut theirs) = UnixStream::pair().unwrap();
    let mut ours = Connection::from_stream(ours.into_std().unwrap()).unwrap();
    let beat = Message::Stopped(stratavore_wire::Stopped {
        at: Timestamp(5),
        killed: 1,
    });
    let bytes = beat.to_bytes().unwrap();
    theirs.write_all(&bytes[..6]).await.unwrap();
    tokio::select! {
        biased;
        received = ours.recv() => panic!("{received:?}"),
        () = tokio::task::yield_now() => {}
    }
    theirs.write_all(&bytes[6..]).await.unwrap();
    assert_eq!(ours.recv().await.unwrap(), Some(beat));
}

#[tokio::test]
async fn a_send_that_was_dropped_half_way_goes_on_with_the_next() {
    let (mut ours, mut theirs) = connected();
    let long = Message::Input {
        bytes: vec![b'x'; 3 << 20],
    };
    tokio::select! {
        biased;
        sent = ours.send(&long) => panic!("{sent:?}: no socket takes so much"),
        () = tokio::task::yield_now() => {}
    }
    let (sent, received) = tokio::join!(ours.send(&Message::Freeze), async {
        [theirs.recv().await.unwrap(), theirs.recv().await.unwrap()]
    });
    sent.unwrap();
    assert_eq!(received, [Some(long), Some(Message::Freeze)]);
}

#[tokio::test]
async fn descriptors_go_with_a_message_and_only_in_its_turn() {
    let (ours, theirs) = net::UnixStream::pair().unwrap();
    let (mut sender, _receiver) = Connection::from_stream(ours).unwrap().into_split();
    let (end, lease) = std::io::pipe().unwrap();
    let lend = Message::Lend(Lend {
        heard: 7,
        keys: vec![Key::DETACH],
    });
    assert!(sender.post_with(&lend, &[end.as_fd(), lease.as_fd()]));
    assert!(!sender.has_unsent());

    let mut bytes = [0; 256];
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(4))];
    let mut with = RecvAncillaryBuffer::new(&mut space);
    let parts = &mut [IoSliceMut::new(&mut bytes)];
    let received = recvmsg(&theirs, parts, &mut with, RecvFlags::CMSG_CLOEXEC).unwrap();
    let came: Vec<OwnedFd> = with
        .drain()
        .flat_map(|message| match message {
            RecvAncillaryMessage::ScmRights(descriptors) => descriptors.collect(),
            _ => Vec::new(),
        })
        .collect();
    assert_eq!(bytes[..received.bytes], lend.to_bytes().unwrap());
    drop(lease);
    // The one that came writes into the same pipe.
    let [_, lease] = <[OwnedFd; 2]>::try_from(came).unwrap();
    std::fs::File::from(lease).write_all(b"x").unwrap();
    let mut said = Vec::new();
    std::fs::File::from(OwnedFd::from(end))
        .read_to_end(&mut said)
        .unwrap();
    assert_eq!(said, b"x");

    // Behind what waits they would come with something else.
    let long = Message::Input {
        bytes: vec![b'x'; 3 << 20],
    };
    sender.post(&long).unwrap();
    assert!(sender.has_unsent());
    let file = tempfile::tempfile().unwrap();
    assert!(!sender.post_with(&lend, &[file.as_fd()]));
}

#[tokio::test]
async fn an_end_inside_a_frame_is_an_error() {
    let (ours, mut theirs) = UnixStream::pair().unwrap();
    let mut ours = Connection::from_stream(ours.into_std().unwrap()).unwrap();
    theirs.write_all(&[9, 0, 0, 0, 1]).await.unwrap();
    drop(theirs);
    assert!(
        ours.recv()
            .await
            .unwrap_err()
            .to_string()
            .contains("ended inside a frame")
    );
}

#[tokio::test]
async fn an_agent_that_is_not_there_is_named() {
    let error = Connection::connect("/nonexistent/agent.sock")
        .await
        .unwrap_err();
    assert_eq!(
        error.to_string(),
        "connect to agent at /nonexistent/agent.sock"
    );
}

#[tokio::test]
async fn a_launch_too_long_for_a_frame_is_refused_before_a_byte_is_sent() {
    let (mut ours, mut theirs) = connected();
    let long = Message::Input {
        bytes: vec![b'x'; 8 << 20],
    };
    assert!(matches!(
        ours.send(&long).await,
        Err(ConnectionError::TooLong { name: "input", .. })
    ));
    ours.send(&Message::Thaw).await.unwrap();
    assert_eq!(theirs.recv().await.unwrap(), Some(Message::Thaw));
}
