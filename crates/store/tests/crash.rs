//! A host that is killed while it writes: every answer holds, and nothing is half written.

mod support;

use std::io::{BufRead, BufReader, Write};
use std::process::Stdio;
use std::sync::Arc;

use stratavore_core::ids::RunnerId;
use stratavore_core::runner::{Input, Process, StateName};
use stratavore_store::{RunnerFilter, Store};
use support::{FREE, Files, add_project, again, launch, now, role};

/// How often the host is killed, each time on the database that the last one left.
const KILLS: usize = 4;
/// After how many answers.
const ANSWERS: usize = 150;

#[test]
fn every_answer_outlives_a_kill_and_nothing_is_half_written() {
    const TEST: &str = "every_answer_outlives_a_kill_and_nothing_is_half_written";
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .unwrap();
    if let Some(directory) = role() {
        return runtime.block_on(write_until_killed(&Files::within(&directory)));
    }
    let directory = tempfile::tempdir().unwrap();
    let files = Files::within(directory.path());
    runtime.block_on(async {
        let store = files.open().await.unwrap();
        add_project(&store, None).await;
        store.close().await;
    });
    let mut answers: Vec<(RunnerId, bool)> = Vec::new();
    for _ in 0..KILLS {
        let mut writer = again(TEST, directory.path(), &[])
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(writer.stdout.take().unwrap()).lines();
        let told = answers.len();
        while answers.len() < told + ANSWERS {
            let line = lines.next().expect("the writer goes on").unwrap();
            answers.extend(answer(&line));
        }
        writer.kill().unwrap();
        writer.wait().unwrap();
        // What it said before it died counts too.
        answers.extend(lines.map_while(Result::ok).filter_map(|line| answer(&line)));
        runtime.block_on(check(&files, &answers));
    }
}

/// Reads `launched ID` or `started ID`; the test harness prints other lines.
fn answer(line: &str) -> Option<(RunnerId, bool)> {
    let (word, id) = line.split_once(' ')?;
    let started = match word {
        "launched" => false,
        "started" => true,
        _ => return None,
    };
    Some((id.parse().ok()?, started))
}

async fn write_until_killed(files: &Files) {
    let store: Arc<dyn Store> = Arc::new(files.open().await.unwrap());
    let project = store.projects(false).await.unwrap().remove(0);
    let mut tasks = tokio::task::JoinSet::new();
    for _ in 0..8 {
        let (store, project) = (Arc::clone(&store), project.clone());
        tasks.spawn(async move {
            loop {
                let runner = launch(&*store, &project).await.unwrap().runner;
                say(&format!("launched {}", runner.id));
                let process = Process {
                    pid: 1,
                    start_time: 1,
                    boot_id: "b".into(),
                };
                let input = Input::Started {
                    attempt: 1,
                    process,
                    at: now(),
                };
                store.apply(runner.id, input, FREE, now()).await.unwrap();
                say(&format!("started {}", runner.id));
            }
        });
    }
    tasks.join_all().await;
}

fn say(line: &str) {
    // One write a line, so that a kill cuts none in two; and past the harness, which would keep it.
    std::io::stdout()
        .write_all(format!("{line}\n").as_bytes())
        .unwrap();
    std::io::stdout().flush().unwrap();
}

async fn check(files: &Files, answers: &[(RunnerId, bool)]) {
    let store = files.open().await.unwrap();
    for (id, started) in answers {
        let state = store.runner(*id).await.unwrap().runner.state.name();
        assert!(
            !started || state == StateName::Running,
            "{id} was started, and is {state}"
        );
    }
    let report = store.verify_audit().await.unwrap();
    assert_eq!(report.faults, []);
    // Each runner has one event for each step that it took, and each event its place in the outbox.
    let runners = store.runners(RunnerFilter::default()).await.unwrap();
    let steps: u64 = runners.iter().map(|view| view.runner.revision).sum();
    assert_eq!(report.events, 1 + steps);
    assert_eq!(store.outbox_depth().await.unwrap(), report.events);
    store.close().await;
}
