//! What a host knows of runners' terminals while their agents live.

mod support;

use stratavore_testkit::wait_until_async;
use stratavore_wire::client::Connection;
use stratavore_wire::{Attach, Hello, Message, Role};
use support::{Host, SOON, reference};

async fn attach(host: &Host, id: &str, place: &str, columns: u16) -> Connection {
    let terminal = host.client().get_terminal(reference(id)).await.unwrap();
    let mut connection = Connection::connect(terminal.into_inner().socket)
        .await
        .unwrap();
    connection
        .greet(Hello::new(Role::Viewer, "test"))
        .await
        .unwrap();
    let attach = Attach {
        columns,
        rows: 30,
        place: place.into(),
        ..Attach::default()
    };
    connection.send(&Message::Attach(attach)).await.unwrap();
    connection
}

/// Waits until so many look on, and gives where they are.
async fn places(host: &Host, id: &str, count: u32) -> Vec<String> {
    wait_until_async(SOON, &format!("{count} look on"), || async {
        let runner = host.runner(id).await;
        if runner.viewers == count && runner.attachments.len() == count as usize {
            let places = runner.attachments.into_iter();
            Ok(places.map(|attachment| attachment.place).collect())
        } else {
            Err(format!("{runner:?}"))
        }
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn who_looks_on_is_told_at_once_and_again_by_the_next_host() {
    // The second heartbeat would come in an hour.
    let mut host = Host::with_settings("[heartbeat]\ninterval_seconds = 3600\n").await;
    let runner = host.launch("print ready; hold").await;
    host.shows(&runner.id, "ready").await;
    wait_until_async(SOON, "the first heartbeat", || async {
        host.runner(&runner.id).await.memory_bytes.is_some()
    })
    .await;
    let window = attach(&host, &runner.id, "window", 100).await;
    assert_eq!(places(&host, &runner.id, 1).await, ["window"]);
    let _terminal = attach(&host, &runner.id, "pts/7", 90).await;
    assert_eq!(places(&host, &runner.id, 2).await, ["window", "pts/7"]);
    let seen = host.runner(&runner.id).await;
    let deciding: Vec<bool> = seen.attachments.iter().map(|one| one.decides).collect();
    assert_eq!(deciding, [false, true]);
    assert_eq!(
        (seen.attachments[0].columns, seen.attachments[0].rows),
        (100, 30)
    );
    host.kill();
    host.begin().await;
    assert_eq!(places(&host, &runner.id, 2).await, ["window", "pts/7"]);
    drop(window);
    assert_eq!(places(&host, &runner.id, 1).await, ["pts/7"]);
    host.stop(&runner.id, 5).await;
    let ended = host.runner(&runner.id).await;
    assert_eq!((ended.viewers, ended.attachments.len()), (0, 0));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_program_reports_of_itself_reaches_the_host_and_the_next_one() {
    let mut host = Host::start().await;
    let runner = host
        .launch(r"write \e]7501\sstate=working\a; print ready; hold")
        .await;
    let reported = |host: &Host| {
        let (client, id) = (host.client(), runner.id.clone());
        async move {
            wait_until_async(SOON, "a report", || {
                let (mut client, id) = (client.clone(), id.clone());
                async move {
                    let runner = client.get_runner(reference(&id)).await.unwrap();
                    runner.into_inner().report.ok_or("none")
                }
            })
            .await
        }
    };
    let first = reported(&host).await;
    assert_eq!(first.text, "state=working");
    assert!(first.at.ends_with('Z'));
    host.kill();
    host.begin().await;
    assert_eq!(reported(&host).await, first);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_run_is_recorded_when_its_launch_asks_and_again_after_a_restart() {
    let host = Host::start().await;
    let unrecorded = host.launch("print ready; hold").await;
    assert_eq!(unrecorded.recording, None);
    let mut request = host.script("print take me down; wait-line");
    request.record = true;
    let runner = host.try_launch(request).await.unwrap();
    host.shows(&runner.id, "take me down").await;
    let path = runner.recording.unwrap();
    let recorded = std::fs::read_to_string(&path).unwrap();
    assert!(recorded.contains("take me down"), "{recorded}");
    host.send(&runner.id, "").await;
    host.state(&runner.id, "terminated").await;
    let again = host
        .client()
        .restart(reference(&runner.id))
        .await
        .unwrap()
        .into_inner();
    host.shows(&runner.id, "take me down").await;
    let next = again.recording.unwrap();
    assert_ne!(next, path);
    assert!(std::fs::read_to_string(next).unwrap().contains("take me"));
}
