//! What is wrong from the start, or goes wrong between the request and the spawn: told clearly, and nothing half done.

mod support;

use std::path::Path;

use stratavore_rpc::{Code, v1};
use stratavore_testkit::TempHome;
use stratavore_testkit::faults::give_away;
use support::{Host, expect_code, refused};

#[tokio::test(flavor = "multi_thread")]
async fn a_project_that_cannot_be_is_refused_and_leaves_nothing() {
    let host = Host::start().await;
    let file = host.home.path().join("file");
    std::fs::write(&file, "").unwrap();
    let good = host.home.project("good").to_str().unwrap().to_owned();
    let missing = format!("{good}/missing");
    let add = async |name: &str, path: &str| {
        let request = v1::AddProjectRequest {
            name: name.into(),
            path: path.into(),
            max_runners: None,
        };
        let added = host.client().add_project(request).await;
        stratavore_rpc::Failure::from(added.expect_err("it is refused"))
    };
    for (name, path, code, part) in [
        ("q", missing.as_str(), Code::Invalid, missing.as_str()),
        (
            "q",
            file.to_str().unwrap(),
            Code::Invalid,
            "is not a directory",
        ),
        ("q", "good", Code::Invalid, "\"good\" is not absolute"),
        ("q", "", Code::Invalid, "\"\" is not absolute"),
        ("p", &good, Code::Conflict, "\"p\""),
        ("", &good, Code::Invalid, "empty"),
        ("a\nb", &good, Code::Invalid, "control characters"),
        ("a/b", &good, Code::Invalid, "a '/'"),
    ] {
        let failure = add(name, path).await;
        assert_eq!(failure.code, code, "{failure:?}");
        assert!(failure.message.contains(part), "{failure:?} lacks {part:?}");
        assert!(failure.hint.is_some(), "{failure:?}");
    }
    assert_eq!(host.status().await.projects, 1, "the first one alone");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_directory_removed_before_the_spawn_fails_that_runner_alone() {
    let home = TempHome::new();
    std::fs::write(home.config_file(), "[quota]\nmax_runners = 1\n").unwrap();
    let host = Host::in_home(home).await;
    host.add_project("going", None).await;
    let first = host.launch("hold").await;
    let queued = |project: &str| v1::LaunchRequest {
        project: project.into(),
        queue: true,
        ..host.script("hold")
    };
    let doomed = host.try_launch(queued("going")).await.unwrap();
    let next = host.try_launch(queued("p")).await.unwrap();
    assert_eq!(
        (doomed.state.as_str(), next.state.as_str()),
        ("queued", "queued")
    );
    std::fs::remove_dir(host.home.path().join("projects/going")).unwrap();
    host.stop(&first.id, 1).await;
    let failed = host.state(&doomed.id, "failed").await;
    let reason = failed.exit.unwrap().reason;
    assert!(
        reason.contains("projects/going") && reason.contains("does not exist"),
        "{reason}"
    );
    // Its place is free again.
    host.state(&next.id, "running").await;
    assert_eq!(
        host.history_of(&doomed.id).await,
        ["runner.queued", "runner.starting", "runner.failed"]
    );
    let told = host.notifications().await;
    assert!(told.iter().any(|notice| notice.edge == "could-not-start"));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_too_long_to_be_executed_or_even_to_be_told_to_the_agent_says_so() {
    let host = Host::start().await;
    let mut request = host.script("hold");
    request.env = vec![v1::EnvVar {
        key: "LONG".into(),
        value: "x".repeat(8 << 20),
    }];
    expect_code(
        host.try_launch(request).await,
        Code::Invalid,
        "LONG has 8388613 bytes",
    );
    assert_eq!(host.all().await, vec![]);

    // Short enough to be executed, but each character takes six bytes in a message.
    let mut request = host.script("hold");
    request.args = vec!["\u{1}".repeat(120_000); 10];
    let failure = expect_code(
        host.try_launch(request).await,
        Code::CouldNotStart,
        "pass what is long in a file",
    );
    assert!(failure.message.contains("bytes"), "{failure:?}");
    let [failed] = host.all().await.try_into().unwrap();
    assert_eq!(failed.state, "failed");
    assert!(host.processes_of(&failed.id).is_empty());
    let runner = host.launch("hold").await;
    assert_eq!(runner.state, "running");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_damaged_lock_or_socket_of_another_time_is_no_hindrance() {
    let mut host = Host::start().await;
    let runner = host.launch("echo").await;
    let places = host.places();
    let socket = stratavore_rpc::find(&places).unwrap().socket;
    host.kill();
    // Nobody listens, the record is noise, and the lock holds the words of nobody.
    std::fs::remove_file(&socket).unwrap();
    std::fs::write(&socket, "no socket").unwrap();
    std::fs::write(places.host_record(), "{\"pid\":").unwrap();
    std::fs::write(places.host_lock(), [0xff; 64]).unwrap();
    host.begin().await;
    host.send(&runner.id, "again").await;
    host.shows(&runner.id, "you said: again").await;
}

#[test]
fn what_belongs_to_somebody_else_is_refused_with_the_mend() {
    let owned = |of: &dyn Fn(&TempHome) -> std::path::PathBuf| {
        let home = TempHome::new();
        let path = of(&home);
        if !path.exists() {
            std::fs::write(&path, "").unwrap();
        }
        give_away(&path).map(|()| {
            let (code, words) = refused(&home, |_| {});
            assert_ne!(code, 0);
            (words, path)
        })
    };
    let check = |words: &str, path: &Path| {
        assert!(words.contains("belongs to user 65534"), "{words}");
        assert!(words.contains(path.to_str().unwrap()), "{words}");
    };
    let places: [&dyn Fn(&TempHome) -> std::path::PathBuf; 3] = [
        &|home| home.data().join("stratavore.db"),
        &|home| home.data(),
        &|home| home.runtime(),
    ];
    for place in places {
        match owned(place) {
            Ok((words, path)) => check(&words, &path),
            Err(error) => return eprintln!("skipped: cannot give a file away: {error}"),
        }
    }
}
