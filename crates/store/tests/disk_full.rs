//! A full disk: what was answered stays, what could not be written says so, and with room again all goes on.

mod support;

use std::fs::{self, File};
use std::io::Write;

use stratavore_core::ids::RunnerId;
use stratavore_store::{NewRunner, Result, RunnerFilter, Store, StoreError};
use support::{FREE, Files, add_project, launch, new_runner, now, on_small_disk, role};

#[test]
fn nothing_answered_is_lost_and_all_goes_on_with_room_again() {
    const TEST: &str = "nothing_answered_is_lost_and_all_goes_on_with_room_again";
    let Some(disk) = role() else {
        let directory = tempfile::tempdir().unwrap();
        on_small_disk(TEST, directory.path());
        return;
    };
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .unwrap();
    runtime.block_on(fill(&Files::within(&disk), &disk.join("ballast")));
}

async fn fill(files: &Files, ballast: &std::path::Path) {
    let store = files.open().await.unwrap();
    let project = add_project(&store, None).await;
    let mut answered: Vec<RunnerId> = vec![launch(&store, &project).await.unwrap().runner.id];

    let mut file = File::create(ballast).unwrap();
    while file.write_all(&[0; 4096]).is_ok() {}
    drop(file);
    // Little ones, that may still fit into what the log has, and big ones that do not.
    let big = |i: usize| -> NewRunner {
        let mut new = new_runner(&project);
        new.launch
            .argv
            .push("x".repeat(if i % 5 == 4 { 400_000 } else { 10 }));
        new
    };
    let outcomes =
        futures::future::join_all((0..100).map(|i| store.launch(big(i), FREE, now()))).await;
    let refused: Vec<String> = outcomes
        .iter()
        .filter_map(|o| o.as_ref().err().map(|e| e.to_string()))
        .collect();
    answered.extend(outcomes.iter().flatten().map(|applied| applied.runner.id));
    assert!(refused.len() >= 20, "{refused:?}");
    for (outcome, text) in outcomes
        .iter()
        .filter(|outcome| outcome.is_err())
        .zip(&refused)
    {
        assert!(matches!(outcome, Err(StoreError::DiskFull(_))), "{text}");
        assert!(
            text.contains("launch the runner") && text.contains("free some space"),
            "{text}"
        );
    }
    // Reading goes on.
    assert_eq!(
        store.runners(RunnerFilter::default()).await.unwrap().len(),
        answered.len()
    );

    fs::remove_file(ballast).unwrap();
    answered.push(launch(&store, &project).await.unwrap().runner.id);
    whole(&store, &answered).await.unwrap();
    store.close().await;
    let again = files.open().await.unwrap();
    whole(&again, &answered).await.unwrap();
    again.close().await;
}

async fn whole(store: &dyn Store, answered: &[RunnerId]) -> Result<()> {
    assert_eq!(
        store.runners(RunnerFilter::default()).await?.len(),
        answered.len()
    );
    for id in answered {
        store.runner(*id).await?;
    }
    let report = store.verify_audit().await?;
    assert_eq!(
        (report.events, report.faults),
        (1 + answered.len() as u64, vec![])
    );
    assert_eq!(store.outbox_depth().await?, report.events);
    Ok(())
}
