//! What a program is given depends on its version.

mod support;

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use stratavore_rpc::v1;
use stratavore_testkit::TempHome;
use support::Host;

/// Puts a program there, whole at once, that prints its version when it is asked, notes that it was, and else shows what it was given.
fn install(home: &TempHome, name: &str, version: &str) -> PathBuf {
    let (path, asked) = (home.path().join(name), home.path().join("asked"));
    let script = format!(
        "#!/bin/sh\nif [ \"$1\" = --version ]; then echo >> '{}'; {version}; exit; fi\n\
         for word; do case $word in *hooks*) ;; *) echo \"<$word>\";; esac; done\nexec sleep 600\n",
        asked.display()
    );
    let aside = path.with_extension("new");
    fs::write(&aside, script).unwrap();
    fs::set_permissions(&aside, fs::Permissions::from_mode(0o700)).unwrap();
    fs::rename(aside, &path).unwrap();
    path
}

/// Launches it, and returns what it shows that it was given, and the session that it is believed to hold.
async fn given(host: &Host, program: &str, name: &str) -> (String, Option<String>) {
    let request = v1::LaunchRequest {
        project: "p".into(),
        program: Some(program.into()),
        name: Some(name.into()),
        args: vec!["the".into(), "end".into()],
        ..v1::LaunchRequest::default()
    };
    let runner = host.try_launch(request).await.unwrap();
    host.shows(name, "<end>").await;
    let screen = host.screen(name).await;
    let words: Vec<_> = screen.split_whitespace().collect();
    (words.join(" "), runner.session_id)
}

fn asked(home: &Path) -> usize {
    fs::read_to_string(home.join("asked"))
        .unwrap()
        .lines()
        .count()
}

#[tokio::test(flavor = "multi_thread")]
async fn an_option_is_given_to_the_versions_that_take_it_alone() {
    let home = TempHome::new();
    let programs = ["codex", "gemini"].map(|name| (name, home.path().join(name)));
    let [(_, codex), (_, gemini)] = &programs;
    let settings = format!("[programs]\ncodex = {codex:?}\ngemini = {gemini:?}\n");
    fs::write(home.config_file(), settings).unwrap();
    let host = Host::in_home(home).await;

    install(&host.home, "codex", "echo codex-cli 0.156.0");
    let (words, _) = given(&host, "codex", "codex-new").await;
    assert!(words.contains("<--no-daemon> <the> <end>"), "{words}");
    given(&host, "codex", "codex-again").await;
    assert_eq!(asked(host.home.path()), 1, "it is remembered");
    // Another version was installed meanwhile.
    install(&host.home, "codex", "echo codex-cli 0.155.0");
    let (words, _) = given(&host, "codex", "codex-old").await;
    assert!(
        words.contains("<the> <end>") && !words.contains("daemon"),
        "{words}"
    );

    install(&host.home, "gemini", "echo 0.41.0");
    let (words, session) = given(&host, "gemini", "gemini-new").await;
    let session = session.expect("it is named");
    assert_eq!(words, format!("<--session-id> <{session}> <the> <end>"));
    install(&host.home, "gemini", "echo 0.40.1");
    let (words, session) = given(&host, "gemini", "gemini-old").await;
    assert_eq!((words.as_str(), session), ("<the> <end>", None));

    // One that does not know the question is taken for one that takes all, and is not waited for.
    for version in ["echo what; exec sleep 600", "exit 2"] {
        install(&host.home, "gemini", version);
        let name = format!("gemini-{}", version.len());
        let (words, session) = given(&host, "gemini", &name).await;
        assert!(
            words.starts_with("<--session-id>") && session.is_some(),
            "{words}"
        );
    }
}
