//! The records on disk, and recorded ones of version 1.

use proptest::prelude::*;
use stratavore_wire::*;

const RUNNER: &str = include_str!("records/runner.json");
const EXITED: &str = include_str!("records/exited.json");
const SIGNALLED: &str = include_str!("records/signalled.json");
const SPAWN_FAILED: &str = include_str!("records/spawn-failed.json");

#[test]
fn recorded_runner_is_read_for_ever() {
    let record = RunnerRecord::parse(RUNNER).unwrap();
    assert_eq!(record.runner_id, "0195c5e2-0000-7000-8000-000000000001");
    assert_eq!(record.command, ["sh", "-c", "echo ünï"]);
    assert_eq!(
        record.process,
        Some(ProgramState {
            pid: 4243,
            start_time: 991,
            boot_id: "b0071d".to_owned()
        })
    );
    assert_eq!(record.started_at, Some(Timestamp(1_700_000_000_001_000)));
    assert_eq!(record.serialize().unwrap(), RUNNER);
}

#[test]
fn recorded_exits_are_read_for_ever() {
    let exited = ExitRecord::parse(EXITED).unwrap();
    assert_eq!(
        exited.end,
        End::Exited {
            exit: Exit::Code(3)
        }
    );
    assert_eq!(exited.leftovers, 2);
    assert_eq!(exited.serialize().unwrap(), EXITED);

    let signalled = ExitRecord::parse(SIGNALLED).unwrap();
    assert_eq!(
        signalled.end,
        End::Stopped {
            exit: Exit::Signal(15)
        }
    );
    assert_eq!(signalled.serialize().unwrap(), SIGNALLED);

    let failed = ExitRecord::parse(SPAWN_FAILED).unwrap();
    assert_eq!(
        failed.end,
        End::SpawnFailed {
            failure: SpawnFailure::NotFound,
            message: "claude is not installed".to_owned()
        }
    );
    assert_eq!(
        (failed.end.reason(), failed.end.exit()),
        ("spawn-failed", None)
    );
    assert_eq!(failed.serialize().unwrap(), SPAWN_FAILED);
}

#[test]
fn another_version_is_refused_by_name_before_anything_else_is_read() {
    let error = RunnerRecord::parse(r#"{"version": 2, "runner": {}}"#).unwrap_err();
    assert_eq!(
        error.to_string(),
        "runner.json has version 2, this build reads version 1: use the stratavore that wrote it"
    );
    let error = ExitRecord::parse(r#"{"version": 9}"#).unwrap_err();
    assert!(error.to_string().starts_with("exit.json has version 9"));
}

#[test]
fn a_record_cut_anywhere_is_malformed() {
    for whole in [RUNNER, EXITED, SIGNALLED, SPAWN_FAILED] {
        let text = whole.trim_end();
        for end in (0..text.len()).filter(|end| text.is_char_boundary(*end)) {
            assert!(matches!(
                RunnerRecord::parse(&text[..end]),
                Err(RecordError::Malformed { .. })
            ));
            assert!(matches!(
                ExitRecord::parse(&text[..end]),
                Err(RecordError::Malformed { .. })
            ));
        }
    }
}

proptest! {
    #[test]
    fn garbage_is_no_record(text in ".{0,200}") {
        prop_assert!(RunnerRecord::parse(&text).is_err());
        prop_assert!(ExitRecord::parse(&text).is_err());
    }
}
