//! Hosts and runners inside of runners.

mod support;

use stratavore_testkit::binary::built;
use support::Host;

#[tokio::test(flavor = "multi_thread")]
async fn stratavored_refuses_to_start_inside_of_a_runner() {
    let host = Host::start().await;
    let other = host.home.path().join("other");
    let daemon = built("stratavore-daemon", "stratavored");
    let mut request = host.script("hold");
    let script = format!(
        "STRATAVORE_DATA_DIR={0} STRATAVORE_RUNTIME_DIR={0}/run {1}; echo ended with $?; sleep 600",
        other.display(),
        daemon.display(),
    );
    request.command = vec!["sh".into(), "-c".into(), script];
    let runner = host.try_launch(request).await.unwrap();
    host.shows(&runner.id, "ended with 1").await;
    let screen = host.screen(&runner.id).await.replace('\n', "");
    assert!(screen.contains("inside of the runner"), "{screen}");
    assert!(!other.join("stratavore.db").exists());
    host.stop(&runner.id, 0).await;
}
