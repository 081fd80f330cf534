//! The window's types are those of the messages.
//!
//! `STRATAVORE_WRITE_TYPES=1 cargo test -p stratavore-rpc --features ts --test types` writes them anew.

use std::collections::BTreeMap;
use std::path::Path;

use stratavore_rpc::v1;
use ts_rs::{Config, TS};

fn export(dir: &Path) {
    // JavaScript's numbers hold every count and revision that can come up.
    let config = Config::new().with_large_int("number").with_out_dir(dir);
    macro_rules! export {
        ($($message:ty),* $(,)?) => { $(<$message>::export_all(&config).unwrap();)* };
    }
    export!(
        v1::Status,
        v1::DoctorReport,
        v1::Config,
        v1::AddProjectRequest,
        v1::Projects,
        v1::Programs,
        v1::LaunchRequest,
        v1::Runners,
        v1::StopRequest,
        v1::Event,
        v1::Nudge,
        v1::DecideRequest,
        v1::ListSessionsRequest,
        v1::Sessions,
        v1::SearchSessionsRequest,
        v1::SearchHits,
        v1::ResumeRequest,
        v1::UsageRequest,
        v1::UsageReport,
        v1::SetBudgetRequest,
        v1::Budgets,
        v1::ListPresetsRequest,
        v1::SavePresetRequest,
        v1::Presets,
        v1::Notification,
    );
}

fn files(dir: &Path) -> BTreeMap<String, String> {
    std::fs::read_dir(dir)
        .unwrap()
        .flatten()
        .map(|entry| {
            (
                entry.file_name().to_string_lossy().into_owned(),
                std::fs::read_to_string(entry.path()).unwrap(),
            )
        })
        .collect()
}

#[test]
fn the_windows_types_are_the_messages() {
    let kept = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../ui/src/backend/types");
    let fresh = tempfile::tempdir().unwrap();
    export(fresh.path());
    let fresh = files(fresh.path());
    if std::env::var_os("STRATAVORE_WRITE_TYPES").is_some() {
        std::fs::remove_dir_all(&kept).unwrap();
        std::fs::create_dir_all(&kept).unwrap();
        for (name, text) in &fresh {
            std::fs::write(kept.join(name), text).unwrap();
        }
    }
    assert_eq!(
        files(&kept),
        fresh,
        "write them anew as the head of this test says"
    );
}
