//! The real Claude Code against the stand-in for the API, in a real terminal.

use std::time::{Duration, Instant};

use stratavore_testkit::claude::{ClaudeCode, PROMPT, transcripts};
use stratavore_testkit::closed_proxy::ClosedProxy;
use stratavore_testkit::model_api::{Answer, ModelApi};
use stratavore_testkit::terminal::Terminal;
use stratavore_testkit::{TempHome, wait_until};

const SOON: Duration = Duration::from_secs(60);

#[test]
fn it_answers_a_request_runs_a_tool_and_reaches_nothing_but_loopback() {
    let home = TempHome::new();
    let api = ModelApi::start().expect("started");
    let proxy = ClosedProxy::start().expect("started");
    let claude = ClaudeCode::install().expect("installed");
    let environment = claude.prepare(&home, &api, &proxy).expect("prepared");
    let project = home.project("demo");
    api.answer_when("good morning", Answer::text("Good morning from loopback."));
    api.answer_when("make the file", Answer::bash("touch made-by-claude"));

    let begun = Instant::now();
    let mut terminal = Terminal::start(claude.argv(), &environment, &project, (100, 30));
    let screen = terminal.wait_for(PROMPT, SOON);
    eprintln!("--- prompt after {:?}\n{screen}", begun.elapsed());

    terminal.type_text("good morning\r");
    let screen = terminal.wait_for("Good morning from loopback.", SOON);
    eprintln!("--- answered after {:?}\n{screen}", begun.elapsed());

    terminal.type_text("make the file\r");
    let screen = terminal.wait_for("Do you want to proceed?", SOON);
    eprintln!("--- asked after {:?}\n{screen}", begun.elapsed());
    assert!(!project.join("made-by-claude").exists(), "it did not ask");
    terminal.type_until_gone("\r", "Do you want to proceed?", SOON);
    wait_until(SOON, "the file", || project.join("made-by-claude").exists());
    let screen = terminal.wait_for("I heard:", SOON);
    eprintln!("--- done after {:?}\n{screen}", begun.elapsed());

    let process = terminal.process().expect("alive");
    let peers: Vec<_> = process
        .descendants()
        .into_iter()
        .chain([process])
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

    terminal.type_text("/exit\r");
    let exit = terminal.wait_exit(SOON);
    assert!(exit.success(), "{exit:?}\n{}", terminal.screen());

    assert!(
        api.conversations()
            .iter()
            .any(|it| it.last_message().contains("good morning"))
    );
    assert!(transcripts(&home, &project).is_dir());
    home.assert_nothing_left(SOON);
}
