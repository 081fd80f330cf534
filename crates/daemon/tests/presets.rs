//! Named launches and fresh worktrees, through a real host.

mod support;

use std::path::Path;
use std::process::Command;

use stratavore_rpc::{Code, Failure, v1};
use support::{Host, expect_code};

fn launch(preset: &str) -> v1::LaunchRequest {
    v1::LaunchRequest {
        project: "p".into(),
        preset: Some(preset.into()),
        ..v1::LaunchRequest::default()
    }
}

async fn save(host: &Host, name: &str, toml: &str) -> Result<v1::Preset, Failure> {
    let request = v1::SavePresetRequest {
        name: name.into(),
        toml: toml.into(),
    };
    let saved = host.client().save_preset(request).await;
    saved.map(|reply| reply.into_inner()).map_err(Failure::from)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_preset_launches_what_it_says_and_what_it_inherits() {
    let host = Host::start().await;
    save(
        &host,
        "base",
        r#"command = ["sh", "-c", "echo $GREETING; exec sleep 1000"]"#,
    )
    .await
    .unwrap();
    let kept = save(
        &host,
        "loud",
        "inherits = \"base\"\ndescription = \"says hello\"\nenv = { GREETING = \"HELLO\" }",
    )
    .await
    .unwrap();
    assert_eq!(
        (kept.of.as_str(), kept.command.len(), kept.problem),
        ("person", 3, None)
    );
    let runner = host.try_launch(launch("loud")).await.unwrap();
    host.shows(&runner.id, "HELLO").await;

    // What the launch itself says goes before it.
    let mut own = launch("loud");
    own.env = vec![v1::EnvVar {
        key: "GREETING".into(),
        value: "MINE".into(),
    }];
    let runner = host.try_launch(own).await.unwrap();
    host.shows(&runner.id, "MINE").await;

    let failure = expect_code(
        host.try_launch(launch("quiet")).await,
        Code::NotFound,
        "quiet",
    );
    assert!(failure.message.contains("base, loud"), "{failure:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_circle_and_a_mistake_are_told_and_not_kept() {
    let host = Host::start().await;
    save(&host, "a", "inherits = \"b\"").await.unwrap();
    let circle = save(&host, "b", "inherits = \"a\"").await.unwrap_err();
    assert!(circle.message.contains("b → a → b"), "{circle:?}");
    let both = save(&host, "c", "program = \"claude\"\ncommand = [\"x\"]")
        .await
        .unwrap_err();
    assert!(both.message.contains("both"), "{both:?}");
    let unknown = save(&host, "d", "colour = \"red\"").await.unwrap_err();
    assert!(unknown.message.contains("colour"), "{unknown:?}");
    let listed = host
        .client()
        .list_presets(v1::ListPresetsRequest::default())
        .await
        .unwrap();
    let names: Vec<String> = listed
        .into_inner()
        .presets
        .into_iter()
        .map(|preset| preset.name)
        .collect();
    assert_eq!(names, ["a"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_project_has_presets_of_its_own_that_go_before_a_persons() {
    let host = Host::start().await;
    let project = host.home.project("p");
    std::fs::write(
        project.join(".stratavore.toml"),
        "[stop]\ngrace_seconds = 1\n[presets.greet]\ncommand = [\"sh\", \"-c\", \"echo OURS; exec sleep 1000\"]\n",
    )
    .unwrap();
    save(
        &host,
        "greet",
        r#"command = ["sh", "-c", "echo MINE; exec sleep 1000"]"#,
    )
    .await
    .unwrap();
    let runner = host.try_launch(launch("greet")).await.unwrap();
    host.shows(&runner.id, "OURS").await;
}

fn git(directory: &Path, words: &[&str]) -> String {
    let output = Command::new("git")
        .arg("-C")
        .arg(directory)
        .args(["-c", "user.name=t", "-c", "user.email=t@example.org"])
        .args(words)
        .output()
        .unwrap();
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    String::from_utf8_lossy(&output.stdout).into_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_worktree_is_fresh_out_of_the_way_and_never_taken_twice() {
    let host = Host::start().await;
    let project = host.home.project("p");
    let request = |name: &str| v1::LaunchRequest {
        project: "p".into(),
        command: vec!["sh".into(), "-c".into(), "pwd; exec sleep 1000".into()],
        worktree: Some(name.into()),
        ..v1::LaunchRequest::default()
    };
    expect_code(
        host.try_launch(request("one")).await,
        Code::Conflict,
        "not a git repository",
    );

    git(&project, &["init", "-q"]);
    std::fs::write(project.join("file"), "kept").unwrap();
    git(&project, &["add", "."]);
    git(&project, &["commit", "-q", "-m", "first"]);
    let runner = host.try_launch(request("one")).await.unwrap();
    let worktree = project.join(".stratavore/worktrees/one");
    assert_eq!(runner.cwd, worktree.display().to_string());
    assert_eq!(runner.worktree.as_deref(), Some(runner.cwd.as_str()));
    assert_eq!(
        std::fs::read_to_string(worktree.join("file")).unwrap(),
        "kept"
    );
    assert_eq!(
        git(&worktree, &["branch", "--show-current"]).trim(),
        "stratavore/one"
    );
    assert_eq!(
        git(&project, &["status", "--porcelain"]),
        "",
        "it is no business of the repository"
    );

    expect_code(
        host.try_launch(request("one")).await,
        Code::Conflict,
        "is there already",
    );
    expect_code(
        host.try_launch(request("../out")).await,
        Code::Conflict,
        "a name has letters",
    );
    host.stop(&runner.id, 0).await;
    assert!(worktree.is_dir(), "what was launched into is never removed");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_worktree_of_a_launch_that_is_refused_is_taken_back() {
    let host = Host::with_settings("[quota]\nmax_runners = 0\n").await;
    let project = host.home.project("p");
    git(&project, &["init", "-q"]);
    git(&project, &["commit", "-q", "--allow-empty", "-m", "first"]);
    let request = v1::LaunchRequest {
        project: "p".into(),
        command: vec!["true".into()],
        worktree: Some("one".into()),
        ..v1::LaunchRequest::default()
    };
    expect_code(host.try_launch(request).await, Code::QuotaFull, "quota");
    assert!(!project.join(".stratavore/worktrees/one").exists());
    assert_eq!(git(&project, &["branch", "--list", "stratavore/*"]), "");
}
