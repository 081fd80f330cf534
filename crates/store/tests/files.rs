//! The database file and the key file: what is made, and what is refused with which words.

mod support;

use std::fs::{self, Permissions};
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::Path;

use stratavore_store::conformance::Ground;
use stratavore_store::{RunnerFilter, Store, StoreError};
use support::{FREE, Files, add_project, fresh, launch, new_runner, now, on_small_disk, role};

fn mode(path: &Path) -> u32 {
    fs::metadata(path).unwrap().mode() & 0o7777
}

/// Opens what must not be opened, and returns the words of the refusal, which name the file.
async fn refusal(files: &Files) -> String {
    let error = files.open().await.unwrap_err();
    assert!(
        matches!(
            error,
            StoreError::Unusable { .. } | StoreError::Newer { .. } | StoreError::BadKey { .. }
        ),
        "{error:?}"
    );
    let text = error.to_string();
    let names = [&files.database, &files.key]
        .into_iter()
        .any(|path| text.contains(&path.display().to_string()));
    assert!(names, "{text}");
    text
}

#[tokio::test]
async fn everything_made_is_private() {
    let directory = tempfile::tempdir().unwrap();
    let files = Files::within(&directory.path().join("made/on the way"));
    let store = files.open().await.unwrap();
    add_project(&store, None).await;
    assert_eq!(mode(files.database.parent().unwrap()), 0o700);
    for entry in fs::read_dir(files.database.parent().unwrap()).unwrap() {
        let path = entry.unwrap().path();
        assert_eq!(mode(&path), 0o600, "{}", path.display());
    }
    store.close().await;
    let left: Vec<_> = fs::read_dir(files.database.parent().unwrap())
        .unwrap()
        .map(|e| e.unwrap().file_name())
        .collect();
    assert_eq!(
        left.len(),
        2,
        "closing leaves the database and the key alone: {left:?}"
    );
}

#[tokio::test]
async fn a_database_that_others_could_read_is_made_private() {
    let ground = fresh().await;
    ground.store().close().await;
    fs::set_permissions(&ground.files.database, Permissions::from_mode(0o644)).unwrap();
    let store = ground.files.open().await.unwrap();
    assert_eq!(mode(&ground.files.database), 0o600);
    store.close().await;
}

#[tokio::test]
async fn opened_again_it_holds_what_it_held() {
    let ground = fresh().await;
    let store = ground.store();
    let project = add_project(&*store, None).await;
    let first = launch(&*store, &project).await.unwrap().runner;
    store.checkpoint_audit(now()).await.unwrap();
    store.close().await;
    let again = ground.files.open().await.unwrap();
    assert_eq!(again.instance(), store.instance());
    assert_eq!(again.runner(first.id).await.unwrap().runner, first);
    assert_eq!(
        *again.commits().borrow(),
        again.last_cursor().await.unwrap()
    );
    launch(&again, &project).await.unwrap();
    let report = again.verify_audit().await.unwrap();
    assert_eq!((report.events, report.faults), (3, vec![]));
    again.close().await;
}

#[tokio::test]
async fn dropped_without_closing_it_holds_what_was_answered() {
    let support::Fresh {
        store,
        files,
        directory,
    } = fresh().await;
    let project = add_project(&*store, None).await;
    let runner = launch(&*store, &project).await.unwrap().runner;
    drop(store);
    let again = files.open().await.unwrap();
    assert_eq!(again.runner(runner.id).await.unwrap().runner, runner);
    again.close().await;
    drop(directory);
}

#[tokio::test]
async fn two_stores_on_one_file_share_it() {
    let ground = fresh().await;
    let (one, two) = (ground.store(), ground.files.open().await.unwrap());
    assert_eq!(one.instance(), two.instance());
    let project = add_project(&*one, Some(30)).await;
    let launches = (0..40).map(|i| {
        let store: &dyn Store = if i % 2 == 0 { &*one } else { &two };
        store.launch(new_runner(&project), FREE, now())
    });
    let outcomes = futures::future::join_all(launches).await;
    assert_eq!(
        outcomes.iter().filter(|outcome| outcome.is_ok()).count(),
        30
    );
    assert_eq!(
        one.runners(RunnerFilter::default()).await.unwrap().len(),
        30
    );
    assert_eq!(two.verify_audit().await.unwrap().faults, []);
    two.close().await;
}

#[tokio::test]
async fn what_is_no_database_is_refused() {
    let directory = tempfile::tempdir().unwrap();
    let files = Files::within(directory.path());
    fs::write(&files.database, "dear diary, today I was not a database").unwrap();
    let text = refusal(&files).await;
    assert!(
        text.contains("no SQLite database") && text.contains("backup"),
        "{text}"
    );
    assert_eq!(
        fs::read_to_string(&files.database).unwrap().len(),
        38,
        "it is left as it was"
    );
    assert!(!files.key.exists());
    fs::remove_file(&files.database).unwrap();
    fs::create_dir(&files.database).unwrap();
    assert!(refusal(&files).await.contains("directory"));
}

#[tokio::test]
async fn a_damaged_database_is_refused() {
    let ground = fresh().await;
    let project = add_project(&*ground.store(), None).await;
    launch(&*ground.store(), &project).await.unwrap();
    ground.store().close().await;
    let mut bytes = fs::read(&ground.files.database).unwrap();
    bytes[100..4096].fill(0xa5);
    fs::write(&ground.files.database, &bytes).unwrap();
    let text = refusal(&ground.files).await;
    assert!(
        text.contains("damaged") && text.contains("backup"),
        "{text}"
    );
}

#[tokio::test]
async fn damage_found_later_is_told_and_harms_nothing_else() {
    let ground = fresh().await;
    let project = add_project(&*ground.store(), None).await;
    let runner = launch(&*ground.store(), &project).await.unwrap().runner;
    ground
        .files
        .tamper("UPDATE runners SET state_data = '{\"state\": \"dancing\"}'")
        .await;
    let error = ground.store().runner(runner.id).await.unwrap_err();
    assert!(matches!(error, StoreError::Corrupt { .. }), "{error:?}");
    assert!(
        error.to_string().contains(&runner.id.to_string()),
        "{error}"
    );
    launch(&*ground.store(), &project).await.unwrap();
}

#[tokio::test]
async fn a_newer_database_is_refused_and_left_alone() {
    let ground = fresh().await;
    ground.store().close().await;
    let newer = "INSERT INTO _sqlx_migrations (version, description, success, checksum, execution_time) \
                 VALUES (999, 'from the future', 1, x'00', 1)";
    ground.files.tamper(newer).await;
    let error = ground.files.open().await.unwrap_err();
    assert!(
        matches!(error, StoreError::Newer { found: 999, .. }),
        "{error:?}"
    );
    let text = refusal(&ground.files).await;
    assert!(text.contains("version 999"), "{text}");
}

#[tokio::test]
async fn the_database_of_another_program_is_refused() {
    let directory = tempfile::tempdir().unwrap();
    let files = Files::within(directory.path());
    fs::write(&files.database, "").unwrap();
    files
        .tamper("CREATE TABLE moz_bookmarks (id INTEGER)")
        .await;
    let before = fs::read(&files.database).unwrap();
    let text = refusal(&files).await;
    assert_eq!(
        fs::read(&files.database).unwrap(),
        before,
        "it is left as it was"
    );
    assert!(
        text.contains("another program") && text.contains("STRATAVORE_DATA_DIR"),
        "{text}"
    );
}

#[tokio::test]
async fn an_empty_file_is_a_beginning() {
    let directory = tempfile::tempdir().unwrap();
    let files = Files::within(directory.path());
    fs::write(&files.database, "").unwrap();
    let store = files.open().await.unwrap();
    add_project(&store, None).await;
    store.close().await;
}

#[tokio::test]
async fn what_belongs_to_somebody_else_is_refused() {
    let ground = fresh().await;
    ground.store().close().await;
    let files = ground.files.clone();
    if rustix::process::geteuid().is_root() {
        std::os::unix::fs::chown(&files.database, Some(65534), None).unwrap();
    } else {
        // Everybody may read it, and it is root's.
        fs::remove_file(&files.database).unwrap();
        std::os::unix::fs::symlink("/etc/passwd", &files.database).unwrap();
    }
    let text = refusal(&files).await;
    let told = text.contains("belongs to user 65534") && text.contains("chown");
    assert!(told || text.contains("permission denied"), "{text}");
}

#[tokio::test]
async fn a_key_that_is_not_ours_alone_is_refused() {
    let ground = fresh().await;
    ground.store().close().await;
    let files = ground.files.clone();
    fs::set_permissions(&files.key, Permissions::from_mode(0o640)).unwrap();
    let text = refusal(&files).await;
    assert!(
        text.contains("0640") && text.contains(&format!("chmod 600 {}", files.key.display())),
        "{text}"
    );
    fs::set_permissions(&files.key, Permissions::from_mode(0o600)).unwrap();
    if rustix::process::geteuid().is_root() {
        std::os::unix::fs::chown(&files.key, Some(65534), None).unwrap();
        let text = refusal(&files).await;
        assert!(
            text.contains("belongs to user 65534") && text.contains("chown"),
            "{text}"
        );
        std::os::unix::fs::chown(&files.key, Some(0), None).unwrap();
    }
    fs::write(&files.key, "stratavore-audit-1 abc xyz\n").unwrap();
    assert!(refusal(&files).await.contains("no key file"));
    fs::write(&files.key, "").unwrap();
    assert!(refusal(&files).await.contains("no key file"));
}

#[tokio::test]
async fn the_key_is_made_once_and_shown_nowhere() {
    let ground = fresh().await;
    ground.store().close().await;
    let key = fs::read_to_string(&ground.files.key).unwrap();
    let secret = key.split_ascii_whitespace().last().unwrap();
    assert_eq!(secret.len(), 64);
    let store = ground.files.open().await.unwrap();
    assert_eq!(fs::read_to_string(&ground.files.key).unwrap(), key);
    assert!(!format!("{store:?}").contains(secret));
    store.close().await;
}

#[test]
fn a_read_only_file_system_is_refused() {
    const TEST: &str = "a_read_only_file_system_is_refused";
    let Some(disk) = role() else {
        let directory = tempfile::tempdir().unwrap();
        on_small_disk(TEST, directory.path());
        return;
    };
    let files = Files::within(&disk);
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .unwrap();
    runtime.block_on(async {
        files.open().await.unwrap().close().await;
        let mounted = std::process::Command::new("mount")
            .args(["-o", "remount,ro"])
            .arg(&disk)
            .status()
            .unwrap();
        assert!(mounted.success());
        let text = refusal(&files).await;
        assert!(
            text.contains("read-only") && text.contains("STRATAVORE_DATA_DIR"),
            "{text}"
        );
    });
}
