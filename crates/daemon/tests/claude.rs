//! The real thing: Claude Code, launched, asked, lost sight of and found again, through the product.

mod support;

use stratavore_rpc::v1;
use stratavore_testkit::claude::{ClaudeCode, PROMPT, transcripts};
use stratavore_testkit::closed_proxy::ClosedProxy;
use stratavore_testkit::model_api::{Answer, ModelApi};
use stratavore_testkit::{Process, wait_until};
use support::{Host, SOON};

#[tokio::test(flavor = "multi_thread")]
async fn claude_code_survives_its_host_and_stops_for_good() {
    let api = ModelApi::start().expect("started");
    let proxy = ClosedProxy::start().expect("started");
    let claude = ClaudeCode::install().expect("installed");
    api.answer_when("good morning", Answer::text("Good morning from loopback."));
    api.answer_when("and again", Answer::text("Still the same conversation."));

    let mut host = Host::with_settings(&format!(
        "[programs]\nclaude = {:?}\n",
        claude.program().to_str().unwrap()
    ))
    .await;
    let project = host.home.project("p");
    let environment = claude.prepare(&host.home, &api, &proxy).expect("prepared");
    let request = v1::LaunchRequest {
        project: "p".into(),
        program: Some("claude".into()),
        // What follows the program's name; the product finds the program itself.
        args: claude.argv()[1..].to_vec(),
        env: environment
            .into_iter()
            .map(|(key, value)| v1::EnvVar { key, value })
            .collect(),
        name: Some("morning".into()),
        ..v1::LaunchRequest::default()
    };
    let runner = host.try_launch(request).await.unwrap();
    assert_eq!(
        (runner.program.as_str(), runner.state.as_str()),
        ("claude", "running")
    );
    host.shows("morning", PROMPT).await;
    host.send("morning", "good morning").await;
    host.shows("morning", "Good morning from loopback.").await;

    let program = host.program(&runner);
    let agent = host.agent(&runner);
    host.kill();
    assert!(program.is_alive() && agent.is_alive());
    host.begin().await;
    let adopted = host.state("morning", "running").await;
    assert_eq!(
        (adopted.id.as_str(), adopted.pid, adopted.attempt),
        (runner.id.as_str(), runner.pid, 1)
    );
    host.shows("morning", "Good morning from loopback.").await;
    host.send("morning", "and again").await;
    host.shows("morning", "Still the same conversation.").await;

    let peers: Vec<_> = program
        .descendants()
        .into_iter()
        .chain([program])
        .flat_map(|process| process.tcp_peers())
        .collect();
    assert!(
        peers.iter().all(|peer| peer.ip().is_loopback()),
        "{peers:?}"
    );
    assert_eq!(
        proxy.attempts(),
        Vec::<String>::new(),
        "it asked for more than loopback"
    );
    assert!(
        api.conversations()
            .iter()
            .any(|asked| asked.last_message().contains("and again"))
    );
    assert!(
        transcripts(&host.home, &project).is_dir(),
        "its transcript is in the private home"
    );

    let tree: Vec<Process> = program
        .descendants()
        .into_iter()
        .chain([program, agent])
        .collect();
    let stopped = host.stop("morning", 5).await;
    assert_eq!(stopped.state, "terminated");
    assert_eq!(stopped.exit.as_ref().unwrap().reason, "stopped");
    wait_until(SOON, "nothing of it is left", || {
        tree.iter().all(|process| !process.is_alive())
    });
    let types = host.history_of(&runner.id).await;
    assert_eq!(
        types,
        [
            "runner.starting",
            "runner.started",
            "runner.stopping",
            "runner.terminated"
        ]
    );
    // It has left the alternate screen, as programs do; what its terminal then shows is kept after the agent.
    host.history("morning").await;
    assert!(host.attempt_dir(&stopped).join("screen.ansi").exists());
    host.audit_is_whole().await;
}
