//! What `audit verify` finds when somebody changes the log behind the store's back.

mod support;

use std::fs;

use stratavore_core::runner::{Exit, Input, Process};
use stratavore_store::conformance::Ground;
use stratavore_store::{AuditFault, Store};
use support::{FREE, Fresh, add_project, fresh, launch, now};
use uuid::Uuid;

const OPEN_UP: &str = "DROP TRIGGER events_never_change; DROP TRIGGER events_never_vanish; \
                       DROP TRIGGER checkpoints_never_change; DROP TRIGGER checkpoints_never_vanish; \
                       PRAGMA foreign_keys = OFF;";

/// A runner with four events, another with one, signed by a checkpoint after the second.
struct Log {
    ground: Fresh,
    runner: Uuid,
}

impl Log {
    async fn new() -> Self {
        let ground = fresh().await;
        let store = ground.store();
        let project = add_project(&*store, None).await;
        let runner = launch(&*store, &project).await.unwrap().runner.id;
        launch(&*store, &project).await.unwrap();
        let process = Process {
            pid: 1,
            start_time: 1,
            boot_id: "b".into(),
        };
        let apply = async |input| store.apply(runner, input, FREE, now()).await.unwrap();
        apply(Input::Started {
            attempt: 1,
            process,
            at: now(),
        })
        .await;
        store.checkpoint_audit(now()).await.unwrap();
        apply(Input::Pause).await;
        apply(Input::Exited {
            attempt: 1,
            exit: Exit::Code(1),
            at: now(),
        })
        .await;
        assert_eq!(store.verify_audit().await.unwrap().faults, []);
        Self {
            ground,
            runner: runner.as_uuid(),
        }
    }

    /// Changes the database; `RUNNER` stands for the runner's id.
    async fn tamper(&self, sql: &str) -> Vec<AuditFault> {
        let id = format!("x'{}'", self.runner.simple());
        self.ground
            .files
            .tamper(&format!("{OPEN_UP} {}", sql.replace("RUNNER", &id)))
            .await;
        self.faults().await
    }

    async fn faults(&self) -> Vec<AuditFault> {
        self.ground.store().verify_audit().await.unwrap().faults
    }

    /// Asserts that just one fault is found.
    fn one(&self, faults: &[AuditFault], kind: &str, seq: u64) {
        let [fault] = faults else {
            panic!("expected one fault, found {faults:#?}")
        };
        assert_eq!(
            (fault.kind, fault.seq, fault.aggregate_id),
            (kind, seq, self.runner),
            "{fault:?}"
        );
    }
}

#[tokio::test]
async fn the_log_cannot_be_changed_by_accident() {
    let log = Log::new().await;
    let mut connection = log.ground.files.connect().await;
    for sql in [
        "UPDATE events SET payload = '{}'",
        "DELETE FROM events",
        "UPDATE checkpoints SET events = 0",
        "DELETE FROM checkpoints",
    ] {
        let error = sqlx::query(sql).execute(&mut connection).await.unwrap_err();
        assert!(error.to_string().contains("append-only"), "{error}");
    }
    assert_eq!(log.faults().await, []);
}

#[tokio::test]
async fn a_changed_event_is_found() {
    for change in [
        "payload = replace(payload, '\"attempt\":1', '\"attempt\":2')",
        "payload = payload || ' '",
        "type = 'runner.paused '",
        "at = at + 1",
        "id = randomblob(16)",
        "project_id = randomblob(16)",
    ] {
        let log = Log::new().await;
        let faults = log
            .tamper(&format!(
                "UPDATE events SET {change} WHERE aggregate_id = RUNNER AND seq = 3"
            ))
            .await;
        log.one(&faults, "changed", 3);
    }
}

#[tokio::test]
async fn a_changed_seal_is_found() {
    let log = Log::new().await;
    let faults = log
        .tamper("UPDATE events SET mac = randomblob(32) WHERE aggregate_id = RUNNER AND seq = 4")
        .await;
    assert!(
        faults
            .iter()
            .all(|fault| fault.kind == "changed" && fault.seq == 4),
        "{faults:#?}"
    );
    assert!(!faults.is_empty());
}

#[tokio::test]
async fn a_missing_event_is_found() {
    let log = Log::new().await;
    let faults = log
        .tamper("DELETE FROM events WHERE aggregate_id = RUNNER AND seq = 3")
        .await;
    log.one(&faults, "gap", 3);
    let log = Log::new().await;
    let faults = log
        .tamper("DELETE FROM events WHERE aggregate_id = RUNNER AND seq = 1")
        .await;
    log.one(&faults, "gap", 1);
}

#[tokio::test]
async fn a_gap_that_was_closed_again_is_found() {
    let log = Log::new().await;
    let close = "DELETE FROM events WHERE aggregate_id = RUNNER AND seq = 2; \
                 UPDATE events SET seq = seq - 1 WHERE aggregate_id = RUNNER AND seq > 2; \
                 UPDATE runners SET seq = 3 WHERE id = RUNNER;";
    let faults = log.tamper(close).await;
    assert!(
        faults
            .iter()
            .any(|fault| fault.kind == "changed" && fault.seq == 2),
        "{faults:#?}"
    );
}

#[tokio::test]
async fn exchanged_events_are_found() {
    let log = Log::new().await;
    let exchange = "UPDATE events SET seq = -2 WHERE aggregate_id = RUNNER AND seq = 2; \
                    UPDATE events SET seq = 2 WHERE aggregate_id = RUNNER AND seq = 3; \
                    UPDATE events SET seq = 3 WHERE aggregate_id = RUNNER AND seq = -2;";
    let faults = log.tamper(exchange).await;
    log.one(&faults, "reordered", 2);
    // Their places in the listing exchanged, their seqs not.
    let log = Log::new().await;
    let exchange = "UPDATE events SET cursor = -cursor WHERE aggregate_id = RUNNER AND seq IN (2, 3); \
                    UPDATE events SET cursor = (SELECT -e.cursor FROM events e WHERE e.aggregate_id = RUNNER AND e.seq = 2) \
                    WHERE aggregate_id = RUNNER AND seq = 3; \
                    UPDATE events SET cursor = -cursor + 1 WHERE aggregate_id = RUNNER AND seq = 2;";
    let faults = log.tamper(exchange).await;
    log.one(&faults, "reordered", 3);
}

#[tokio::test]
async fn a_cut_tail_is_found_by_the_row() {
    let log = Log::new().await;
    let faults = log
        .tamper("DELETE FROM events WHERE aggregate_id = RUNNER AND seq > 2")
        .await;
    log.one(&faults, "truncated", 3);
}

#[tokio::test]
async fn a_cut_tail_with_a_forged_row_is_found_by_the_checkpoint() {
    let log = Log::new().await;
    let cut = "DELETE FROM events WHERE aggregate_id = RUNNER AND seq > 1; \
               UPDATE runners SET seq = 1, head = (SELECT mac FROM events WHERE aggregate_id = RUNNER) WHERE id = RUNNER;";
    let faults = log.tamper(cut).await;
    log.one(&faults, "truncated", 2);
    assert!(faults[0].detail.contains("checkpoint"), "{faults:?}");
}

#[tokio::test]
async fn a_whole_chain_that_is_gone_is_found() {
    let log = Log::new().await;
    let faults = log
        .tamper("DELETE FROM events WHERE aggregate_id = RUNNER")
        .await;
    log.one(&faults, "truncated", 1);
    let log = Log::new().await;
    let faults = log
        .tamper(
            "DELETE FROM events WHERE aggregate_id = RUNNER; DELETE FROM runners WHERE id = RUNNER",
        )
        .await;
    log.one(&faults, "truncated", 1);
    assert!(faults[0].detail.contains("checkpoint"), "{faults:?}");
}

#[tokio::test]
async fn a_row_that_disowns_its_chain_is_found() {
    let log = Log::new().await;
    let faults = log
        .tamper("UPDATE runners SET seq = 2 WHERE id = RUNNER")
        .await;
    log.one(&faults, "changed", 4);
    let log = Log::new().await;
    let faults = log
        .tamper("UPDATE runners SET head = randomblob(32) WHERE id = RUNNER")
        .await;
    log.one(&faults, "changed", 4);
    let log = Log::new().await;
    let faults = log.tamper("DELETE FROM runners WHERE id = RUNNER").await;
    log.one(&faults, "changed", 4);
}

#[tokio::test]
async fn an_event_with_a_forged_seal_is_found() {
    // Without the key, the best that can be done is a seal of the right length.
    let log = Log::new().await;
    let forge = "INSERT INTO events (id, aggregate, aggregate_id, seq, project_id, type, payload, at, key_id, mac) \
                 SELECT randomblob(16), aggregate, aggregate_id, 5, project_id, type, payload, at, key_id, randomblob(32) \
                 FROM events WHERE aggregate_id = RUNNER AND seq = 4; \
                 UPDATE runners SET seq = 5, head = (SELECT mac FROM events WHERE aggregate_id = RUNNER AND seq = 5) \
                 WHERE id = RUNNER;";
    let faults = log.tamper(forge).await;
    log.one(&faults, "changed", 5);
}

#[tokio::test]
async fn a_changed_or_missing_checkpoint_is_found() {
    for change in [
        "events = events - 1",
        "cursor = cursor + 1",
        "heads = x''",
        "mac = randomblob(32)",
        "at = at + 1",
    ] {
        let log = Log::new().await;
        log.ground.store().checkpoint_audit(now()).await.unwrap();
        let faults = log
            .tamper(&format!("UPDATE checkpoints SET {change} WHERE id = 1"))
            .await;
        assert!(
            faults
                .iter()
                .any(|fault| fault.kind == "changed" && fault.seq == 1),
            "{change}: {faults:#?}"
        );
    }
    let log = Log::new().await;
    log.ground.store().checkpoint_audit(now()).await.unwrap();
    let faults = log.tamper("DELETE FROM checkpoints WHERE id = 1").await;
    assert!(
        faults.iter().any(|fault| fault.kind == "gap"),
        "{faults:#?}"
    );
}

#[tokio::test]
async fn an_unknown_key_is_found() {
    let log = Log::new().await;
    let faults = log
        .tamper("UPDATE events SET key_id = 'feedface' WHERE aggregate_id = RUNNER AND seq = 3")
        .await;
    log.one(&faults, "unknown key", 3);
}

#[tokio::test]
async fn with_a_new_key_the_old_events_are_unknown_and_the_chain_goes_on() {
    let log = Log::new().await;
    log.ground.store().close().await;
    let old = fs::read_to_string(&log.ground.files.key).unwrap();
    fs::remove_file(&log.ground.files.key).unwrap();
    let store = log.ground.files.open().await.unwrap();
    let project = store.projects(false).await.unwrap().remove(0);
    launch(&store, &project).await.unwrap();
    let report = store.verify_audit().await.unwrap();
    assert_eq!(report.events, 7);
    assert_eq!(
        report.faults.len(),
        6 + 1,
        "six events and a checkpoint: {:#?}",
        report.faults
    );
    assert!(
        report
            .faults
            .iter()
            .all(|fault| fault.kind == "unknown key")
    );
    store.close().await;
    // The old key may stand behind the new one.
    let new = fs::read_to_string(&log.ground.files.key).unwrap();
    fs::write(&log.ground.files.key, new + &old).unwrap();
    let store = log.ground.files.open().await.unwrap();
    assert_eq!(store.verify_audit().await.unwrap().faults, []);
    store.checkpoint_audit(now()).await.unwrap();
    assert_eq!(store.verify_audit().await.unwrap().faults, []);
    store.close().await;
}

/// A log of which everything old was pruned; one runner lives on.
async fn pruned() -> Log {
    let log = Log::new().await;
    let store = log.ground.store();
    let shards = store
        .outbox_hold(Uuid::nil(), std::time::Duration::from_secs(60))
        .await
        .unwrap();
    let rows = store.outbox_waiting(&shards, 1000).await.unwrap();
    let positions = rows.iter().map(|row| row.position).collect();
    store.outbox_delivered(&shards, positions).await.unwrap();
    let runner = stratavore_core::ids::RunnerId::from_uuid(log.runner);
    let restart = Input::Restart {
        grace: std::time::Duration::ZERO,
    };
    let before = now();
    store.apply(runner, restart, FREE, before).await.unwrap();
    let lost = Input::Lost {
        attempt: 2,
        interrupted: false,
    };
    store.apply(runner, lost, FREE, now()).await.unwrap();
    let cut = store.prune(before, now()).await.unwrap();
    assert_eq!((cut.events, cut.chains), (4, 1));
    assert_eq!(log.faults().await, []);
    log
}

#[tokio::test]
async fn what_was_pruned_further_than_signed_is_found() {
    let log = pruned().await;
    let faults = log
        .tamper("DELETE FROM events WHERE aggregate_id = RUNNER AND seq = 5")
        .await;
    log.one(&faults, "gap", 5);
    let log = pruned().await;
    let faults = log
        .tamper("DELETE FROM events WHERE aggregate_id = RUNNER")
        .await;
    log.one(&faults, "truncated", 5);
}

#[tokio::test]
async fn an_event_changed_after_a_pruning_is_found() {
    for change in ["payload = payload || ' '", "mac = randomblob(32)"] {
        let log = pruned().await;
        let faults = log
            .tamper(&format!(
                "UPDATE events SET {change} WHERE aggregate_id = RUNNER AND seq = 5"
            ))
            .await;
        assert!(
            faults
                .iter()
                .any(|fault| fault.kind == "changed" && fault.seq == 5),
            "{faults:#?}"
        );
    }
}

#[tokio::test]
async fn a_forged_pruning_is_found() {
    for change in [
        "bases = x''",
        "pruned = pruned + 1",
        "bases = randomblob(56)",
    ] {
        let log = pruned().await;
        let faults = log
            .tamper(&format!("UPDATE checkpoints SET {change} WHERE pruned > 0"))
            .await;
        assert!(
            faults
                .iter()
                .any(|fault| fault.kind == "changed" && fault.aggregate_id.is_nil()),
            "{change}: {faults:#?}"
        );
    }
}
