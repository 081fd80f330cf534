//! The hooks that a program is given beside what a person gave it.

mod support;

use std::fs;

use stratavore_rpc::v1;
use stratavore_testkit::TempHome;
use support::stand_in::{StandIn, host_in};

#[tokio::test(flavor = "multi_thread")]
async fn settings_in_the_directory_of_the_launch_stay_in_force_and_the_hooks_run_beside_them() {
    let home = TempHome::new();
    let own = home.project("p").join("own.json");
    fs::write(&own, r#"{"model":"a-model-of-my-own"}"#).unwrap();
    let host = host_in(home, "").await;
    let request = v1::LaunchRequest {
        args: vec!["--settings".into(), "own.json".into()],
        ..v1::LaunchRequest::default()
    };
    let mut program = StandIn::launch_as(&host, "r", request).await;
    program.order("hook UserPromptSubmit");
    let working = program.needs(&host, "working").await;
    assert_eq!(working.attention.unwrap().source, "hook");
    let pid = working.pid.unwrap();
    let words = fs::read_to_string(format!("/proc/{pid}/cmdline")).unwrap();
    assert!(words.contains("a-model-of-my-own"), "{words}");
}
