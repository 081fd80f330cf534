//! Transcripts that their programs deleted, put back from the copies that were kept of them.

mod support;

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use stratavore_rpc::{Code, Failure, v1};
use stratavore_testkit::TempHome;
use support::Host;
use support::transcript::{SESSION, answer, place};

const LONG_AGO: &str = "2026-01-05T10:00:00.000Z";

/// A host with one session, of which a copy was kept.
struct Scene {
    host: Host,
    transcript: PathBuf,
    text: String,
}

impl Scene {
    async fn begin() -> Self {
        let home = TempHome::new();
        let cwd = home.project("p");
        let transcript = place(&home, SESSION);
        let row = |number, text| answer(SESSION, number, LONG_AGO, &cwd, text, 20);
        let text = row(1, "Aubergine.") + &row(2, "Bergamot.");
        fs::write(&transcript, &text).unwrap();
        let host = Host::in_home(home).await;
        let scene = Self {
            host,
            transcript,
            text,
        };
        scene.reindex().await;
        let one = v1::ArchiveSessionsRequest {
            session: Some(SESSION.into()),
        };
        scene.host.client().archive_sessions(one).await.unwrap();
        scene
    }

    /// Has everything read anew.
    async fn reindex(&self) {
        let read = self.host.client().reindex(v1::ReindexRequest {}).await;
        read.unwrap();
    }

    /// Deletes the transcript, and where it lies, as its program does after a while.
    async fn delete(&self) {
        fs::remove_dir_all(self.directory()).unwrap();
        self.reindex().await;
        assert_eq!(self.session().await.transcript, None);
    }

    fn directory(&self) -> &Path {
        self.transcript.parent().unwrap()
    }

    fn copy(&self) -> PathBuf {
        let archive = self.host.home.data().join("archive/claude");
        archive.join(format!("{SESSION}.jsonl.gz"))
    }

    async fn session(&self) -> v1::Session {
        let reference = v1::SessionRef {
            session: SESSION.into(),
        };
        let found = self.host.client().get_session(reference).await;
        found.unwrap().into_inner()
    }

    async fn restore(&self, session: &str) -> Result<v1::RestoreSessionReply, Failure> {
        let reference = v1::SessionRef {
            session: session.into(),
        };
        let restored = self.host.client().restore_session(reference).await;
        restored.map(|it| it.into_inner()).map_err(Failure::from)
    }

    async fn used(&self) -> (u64, u64) {
        let usage = self
            .host
            .client()
            .get_usage(v1::UsageRequest::default())
            .await;
        let total = usage.unwrap().into_inner().total.unwrap();
        (total.messages, total.output_tokens)
    }

    async fn finds(&self, word: &str) -> usize {
        let query = v1::SearchSessionsRequest {
            query: word.into(),
            ..v1::SearchSessionsRequest::default()
        };
        let found = self.host.client().search_sessions(query).await.unwrap();
        found.into_inner().hits.len()
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_deleted_transcript_is_put_back_as_it_was_and_nothing_of_it_counts_twice() {
    let scene = Scene::begin().await;
    let there = scene.restore(SESSION).await.unwrap_err();
    assert_eq!(there.code, Code::Conflict, "{there:?}");
    assert!(
        there
            .message
            .contains(&scene.transcript.display().to_string())
    );

    scene.delete().await;
    let gone = scene.session().await;
    assert!(!gone.resumable);
    let obstacle = gone.obstacle.unwrap();
    assert!(obstacle.contains("a copy was kept"), "{obstacle}");
    let refused = scene
        .host
        .client()
        .resume(v1::ResumeRequest {
            target: SESSION.into(),
            ..v1::ResumeRequest::default()
        })
        .await;
    let refused = Failure::from(refused.unwrap_err());
    let command = format!("`stratavore sessions restore {SESSION}`");
    assert!(refused.hint.unwrap().contains(&command));

    // The beginning of its id will do.
    let restored = scene.restore(&SESSION[..8]).await.unwrap();
    assert_eq!(
        restored,
        v1::RestoreSessionReply {
            session: SESSION.into(),
            transcript: scene.transcript.display().to_string(),
            bytes: scene.text.len() as u64,
        }
    );
    assert_eq!(fs::read_to_string(&scene.transcript).unwrap(), scene.text);
    let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!(
        (mode(&scene.transcript), mode(scene.directory())),
        (0o600, 0o700)
    );
    assert_eq!(fs::read_dir(scene.directory()).unwrap().count(), 1);
    let back = scene.session().await;
    assert_eq!((back.obstacle, back.resumable), (None, true));
    for _ in 0..2 {
        scene.reindex().await;
        assert_eq!(scene.used().await, (2, 40));
        assert_eq!(scene.finds("bergamot").await, 1);
        assert!(scene.session().await.resumable);
    }
    // And it can be kept, lost and put back again.
    scene.delete().await;
    scene.restore(SESSION).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_put_back_that_is_damaged_or_in_the_place_of_another() {
    let scene = Scene::begin().await;
    scene.delete().await;
    let copy = scene.copy();
    let whole = fs::read(&copy).unwrap();
    for (bytes, word) in [
        (&whole[..whole.len() / 2], "cannot read"),
        // The sum behind what it holds.
        (
            &[&whole[..whole.len() - 8], &[0; 8]].concat()[..],
            "cannot read",
        ),
        (&b""[..], "cannot read"),
    ] {
        fs::write(&copy, bytes).unwrap();
        let damaged = scene.restore(SESSION).await.unwrap_err();
        let told = damaged.message.contains(word) && damaged.message.contains(".jsonl.gz");
        assert!(told, "{damaged:?}");
        assert!(!scene.directory().exists(), "not even its directory");
    }
    // Whole, but another's: the sum that was kept is not its own.
    let other = std::process::Command::new("sh")
        .args(["-c", "echo other | gzip > \"$0\""])
        .arg(&copy)
        .status();
    assert!(other.unwrap().success());
    let damaged = scene.restore(SESSION).await.unwrap_err();
    assert!(damaged.message.contains("is damaged"), "{damaged:?}");
    assert!(!scene.directory().exists());
    fs::remove_file(&copy).unwrap();
    let gone = scene.restore(SESSION).await.unwrap_err();
    assert!(gone.message.contains("cannot read"), "{gone:?}");

    // Something else lies where it was: a directory, which no index takes for a transcript.
    fs::write(&copy, &whole).unwrap();
    fs::create_dir_all(scene.transcript.join("kept")).unwrap();
    let taken = scene.restore(SESSION).await.unwrap_err();
    assert_eq!(taken.code, Code::Conflict, "{taken:?}");
    assert!(scene.transcript.join("kept").is_dir());
    assert_eq!(fs::read_dir(scene.directory()).unwrap().count(), 1);
    fs::remove_dir_all(&scene.transcript).unwrap();
    scene.restore(SESSION).await.unwrap();
    assert_eq!(fs::read_to_string(&scene.transcript).unwrap(), scene.text);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_never_kept_cannot_be_put_back_and_that_is_said() {
    const OTHER: &str = "00000000-8a51-4f0e-9d55-0a2b6c1d3e4f";
    let scene = Scene::begin().await;
    let cwd = scene.host.home.project("p");
    let other = place(&scene.host.home, OTHER);
    fs::write(&other, answer(OTHER, 1, LONG_AGO, &cwd, "Said.", 1)).unwrap();
    scene.reindex().await;
    fs::remove_file(&other).unwrap();
    let none = scene.restore(OTHER).await.unwrap_err();
    assert_eq!(none.code, Code::NotFound, "{none:?}");
    assert!(none.hint.unwrap().contains("sessions.archive"));
    let unknown = scene.restore("ffff").await.unwrap_err();
    assert_eq!(unknown.code, Code::NotFound, "{unknown:?}");
}
