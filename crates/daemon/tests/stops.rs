//! Stops: that they reach what is meant, at once, whatever a project's files do.

mod support;

use std::os::unix::fs::OpenOptionsExt;
use std::time::{Duration, Instant};

use stratavore_rpc::v1::stop_request::Target;
use support::Host;

#[tokio::test(flavor = "multi_thread")]
async fn a_whole_name_is_never_taken_for_anothers_beginning() {
    let host = Host::start().await;
    let named = |name: &str| {
        let mut request = host.script("hold");
        request.name = Some(name.into());
        request
    };
    let short = host.try_launch(named("api-1")).await.unwrap();
    let long = host.try_launch(named("api-10")).await.unwrap();
    host.stop(&short.id, 0).await;
    // By its name: it has ended, and nothing else is meant.
    let stopped = host
        .try_stop(Target::Runner("api-1".into()), 0)
        .await
        .unwrap();
    assert_eq!(stopped[0].id, short.id);
    assert_eq!(host.runner(&long.id).await.state, "running");
    // A beginning that is nobody's whole name still does.
    assert_eq!(host.runner("api-10").await.id, long.id);
    assert_eq!(host.runner("api-1").await.id, short.id);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_second_stop_hastens_the_first_and_is_no_other_stop() {
    let host = Host::start().await;
    let runner = host.launch("ignore TERM HUP; print deaf; hold").await;
    host.shows(&runner.id, "deaf").await;
    let patient = {
        let (mut client, id) = (host.client(), runner.id.clone());
        tokio::spawn(async move {
            let request = stratavore_rpc::v1::StopRequest {
                target: Some(Target::Runner(id)),
                grace_seconds: Some(600),
                wait: true,
            };
            client.stop(request).await
        })
    };
    host.state(&runner.id, "stopping").await;
    let began = Instant::now();
    let stopped = host.stop(&runner.id, 0).await;
    assert_eq!(stopped.state, "terminated");
    assert!(began.elapsed() < Duration::from_secs(60));
    let first = patient.await.unwrap().unwrap().into_inner();
    assert_eq!(first.runners[0].state, "terminated");
    assert!(host.processes_of(&runner.id).is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_projects_settings_that_cannot_be_read_hold_up_no_stop() {
    let host = Host::start().await;
    let runner = host.launch("print ready; hold").await;
    host.shows(&runner.id, "ready").await;
    // Opening it would wait for a writer, reading it for ever.
    let path = host.home.project("p").join(".stratavore.toml");
    let made = std::process::Command::new("mkfifo").arg(&path).status();
    assert!(made.unwrap().success());
    let _writer = std::fs::OpenOptions::new()
        .read(true)
        .write(true)
        .custom_flags(rustix::fs::OFlags::NONBLOCK.bits().cast_signed())
        .open(&path)
        .unwrap();
    let request = stratavore_rpc::v1::StopRequest {
        target: Some(Target::All(true)),
        grace_seconds: None,
        wait: true,
    };
    let stopped = host.client().stop(request).await.unwrap().into_inner();
    assert_eq!(stopped.runners[0].state, "terminated");
    // Nor does what never ends.
    std::fs::remove_file(&path).unwrap();
    std::os::unix::fs::symlink("/dev/zero", &path).unwrap();
    let runner = host.launch("hold").await;
    assert_eq!(host.stop(&runner.id, 0).await.state, "terminated");
}
