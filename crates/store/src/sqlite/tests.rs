//! What only the inside can show: the statements, the batches, the migrations.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::sync::Arc;

use sqlx::migrate::{Migration, MigrationType};
use sqlx::{Connection, Executor, SqlSafeStr};
use stratavore_core::clock::{Clock, SystemClock};
use stratavore_core::name::Name;
use stratavore_core::quota;
use stratavore_core::runner::StateName;
use tempfile::TempDir;

use super::*;

struct Home {
    directory: TempDir,
}

fn now() -> Timestamp {
    SystemClock.now()
}

impl Home {
    fn new() -> Self {
        Self {
            directory: tempfile::tempdir().unwrap(),
        }
    }

    fn database(&self) -> PathBuf {
        self.directory.path().join("stratavore.db")
    }

    async fn open_with(&self, migrator: &Migrator) -> Result<SqliteStore> {
        let key = self.directory.path().join("audit.key");
        SqliteStore::open_with(migrator, &self.database(), &key, Options::default(), now()).await
    }

    async fn open(&self) -> SqliteStore {
        self.open_with(&MIGRATIONS).await.unwrap()
    }

    async fn connect(&self) -> sqlx::SqliteConnection {
        let url = format!("sqlite://{}", self.database().display());
        sqlx::SqliteConnection::connect(&url).await.unwrap()
    }
}

fn project(name: &str) -> NewProject {
    NewProject {
        id: ProjectId::new(now()),
        name: Name::new(name).unwrap(),
        path: "/".into(),
        max_runners: None,
    }
}

fn statements() -> Vec<(&'static str, &'static str, &'static str)> {
    let all = [
        ("batch", sql::batch::ALL),
        ("instance", sql::instance::ALL),
        ("project", sql::project::ALL),
        ("runner", sql::runner::ALL),
        ("event", sql::event::ALL),
        ("outbox", sql::outbox::ALL),
        ("notice", sql::notice::ALL),
        ("node", sql::node::ALL),
        ("audit", sql::audit::ALL),
        ("session", sql::session::ALL),
        ("usage", sql::usage::ALL),
        ("budget", sql::budget::ALL),
        ("preset", sql::preset::ALL),
    ];
    let grouped = sql::usage::GROUPED.into_iter().flatten();
    all.into_iter()
        .flat_map(|(concern, list)| list.iter().map(move |(name, text)| (concern, *name, *text)))
        .chain(grouped.map(|text| ("usage", "GROUPED", text)))
        .collect()
}

#[tokio::test]
async fn every_statement_is_prepared_against_the_live_schema() {
    let home = Home::new();
    home.open().await.close().await;
    let mut connection = home.connect().await;
    let statements = statements();
    assert!(statements.len() > 40);
    for (concern, name, text) in statements {
        if let Err(error) = connection.prepare(text.into_sql_str()).await {
            panic!("{concern}::{name}: {error}");
        }
    }
}

/// What is asked at every launch, change, delivery or heartbeat must not grow slower with history.
#[tokio::test]
async fn no_frequent_statement_reads_a_whole_table() {
    let home = Home::new();
    home.open().await.close().await;
    let mut connection = home.connect().await;
    let whole = [
        "project::LIST",
        "runner::LIST",
        // Over an index that holds nothing but states.
        "runner::COUNTS",
        "audit::CHAINS",
        "audit::HEADS",
        "audit::CHECKPOINTS",
        "audit::PRUNABLE",
        "audit::PRUNE_NOTIFICATIONS",
        "audit::PRUNE_NOTICES",
        "audit::PRUNE_OUTBOX",
        "audit::PRUNE",
        "audit::END_PRUNING",
        "instance::ID",
        "node::LIST",
        // By the index over times.
        "session::LIST",
        // When everything is read anew.
        "session::FORGET_PASSAGES",
        "session::REBUILD",
        "session::FORGET_TRANSCRIPTS",
        "session::FORGET",
        "session::FORGET_FIELDS",
        "usage::MODELS",
        "preset::LIST_ALL",
    ];
    for (concern, name, text) in statements() {
        if concern == "batch" || whole.contains(&format!("{concern}::{name}").as_str()) {
            continue;
        }
        let explain = sqlx::AssertSqlSafe(format!("EXPLAIN QUERY PLAN {text}"));
        let plan: Vec<(i64, i64, i64, String)> = sqlx::query_as(explain)
            .fetch_all(&mut connection)
            .await
            .unwrap();
        for (_, _, _, step) in plan {
            // These hold what is under way, not what is past.
            let small = [
                "json_each",
                " h VIRTUAL TABLE",
                // By its words.
                "session_words VIRTUAL TABLE INDEX",
                // There are a handful of budgets.
                "SCAN b",
                "runner_places",
                "CONSTANT ROW",
                "SCAN numbers",
                "runner_names",
                "runner_offers",
                "outbox_waiting",
                "outbox_parked",
            ];
            assert!(
                !step.starts_with("SCAN") || small.iter().any(|small| step.contains(small)),
                "{concern}::{name}: {step}"
            );
        }
    }
}

#[test]
fn the_sets_of_states_in_sql_are_those_of_the_domain() {
    let words = |set: fn(StateName) -> bool| -> String {
        let words: Vec<String> = StateName::ALL
            .into_iter()
            .filter(|state| set(*state))
            .map(|state| format!("'{state}'"))
            .collect();
        format!("({})", words.join(", "))
    };
    assert!(sql::runner::USAGE.contains(&words(quota::counts)));
    assert!(sql::runner::NAME_TAKEN.contains(&words(StateName::is_final)));
    let schema = include_str!("../../../../migrations/sqlite/0001_initial.sql");
    for set in [words(quota::counts), words(StateName::is_final)] {
        assert!(schema.contains(&set), "{set}");
    }
}

/// Occupies the writer until told, so that what is asked meanwhile shares one batch.
async fn hold(store: &SqliteStore) -> impl FnOnce() + use<> {
    let (release, held) = tokio::sync::oneshot::channel::<()>();
    let (begun, begin) = tokio::sync::oneshot::channel();
    let (request, _) = request::<()>(
        Class::Lazy,
        "hold",
        Box::new(move |_| {
            Box::pin(async move {
                let _ = begun.send(());
                let _ = held.await;
                Ok(())
            })
        }),
    );
    store
        .requests
        .lock()
        .unwrap()
        .as_ref()
        .unwrap()
        .try_send(request)
        .ok()
        .unwrap();
    begin.await.unwrap();
    move || release.send(()).unwrap()
}

fn ask<T: Send + 'static>(
    store: &SqliteStore,
    work: Work<T>,
) -> tokio::sync::oneshot::Receiver<Result<T>> {
    let (request, answer) = request(Class::Durable, "try it", work);
    store
        .requests
        .lock()
        .unwrap()
        .as_ref()
        .unwrap()
        .try_send(request)
        .ok()
        .unwrap();
    answer
}

#[tokio::test]
async fn an_error_or_panic_in_one_request_harms_no_other_of_its_batch() {
    let home = Home::new();
    let store = home.open().await;
    let release = hold(&store).await;
    let first = ask(&store, work!(add_project(project("one"), now())));
    let failing = ask::<()>(
        &store,
        Box::new(|ledger| {
            Box::pin(async move {
                ledger
                    .add_project(project("undone by an error"), now())
                    .await?;
                sqlx::query("SELECT * FROM nowhere")
                    .execute(ledger.connection())
                    .await?;
                Ok(())
            })
        }),
    );
    let panicking = ask::<()>(
        &store,
        Box::new(|ledger| {
            Box::pin(async move {
                ledger
                    .add_project(project("undone by a panic"), now())
                    .await?;
                panic!("as it must in this test");
            })
        }),
    );
    let last = ask(&store, work!(add_project(project("two"), now())));
    release();
    first.await.unwrap().unwrap();
    let error = failing.await.unwrap().unwrap_err();
    assert!(
        matches!(
            &error,
            StoreError::Database {
                operation: "try it",
                ..
            }
        ),
        "{error:?}"
    );
    let error = panicking.await.unwrap().unwrap_err();
    assert!(matches!(error, StoreError::Panicked("try it")), "{error:?}");
    last.await.unwrap().unwrap();
    let names: Vec<String> = store
        .projects(true)
        .await
        .unwrap()
        .into_iter()
        .map(|project| project.name.into())
        .collect();
    assert_eq!(names, ["one", "two"]);
    assert_eq!(store.verify_audit().await.unwrap().faults, []);
    assert_eq!(
        store.last_cursor().await.unwrap(),
        *store.commits().borrow()
    );
    store.close().await;
}

/// SQLite itself rolls a transaction back on a full disk; an explicit rollback stands for it here.
#[tokio::test]
async fn a_lost_transaction_fails_what_was_in_it_and_the_rest_begins_anew() {
    let home = Home::new();
    let store = home.open().await;
    let commits = store.commits();
    let release = hold(&store).await;
    let before = ask(&store, work!(add_project(project("before"), now())));
    let loses = ask::<()>(
        &store,
        Box::new(|ledger| {
            Box::pin(async move {
                sqlx::query("ROLLBACK").execute(ledger.connection()).await?;
                Err(Trouble::DiskFull)
            })
        }),
    );
    let after = ask(&store, work!(add_project(project("after"), now())));
    release();
    for error in [
        before.await.unwrap().map(drop).unwrap_err(),
        loses.await.unwrap().unwrap_err(),
    ] {
        assert!(matches!(error, StoreError::DiskFull("try it")), "{error:?}");
    }
    after.await.unwrap().unwrap();
    let names: Vec<String> = store
        .projects(true)
        .await
        .unwrap()
        .into_iter()
        .map(|project| project.name.into())
        .collect();
    assert_eq!(names, ["after"]);
    assert_eq!(*commits.borrow(), store.last_cursor().await.unwrap());
    assert_eq!(store.verify_audit().await.unwrap().faults, []);
    store.close().await;
}

#[tokio::test]
async fn a_batch_with_anything_durable_is_synced_in_full() {
    async fn level(store: &SqliteStore, class: Class) -> i64 {
        let work: Work<i64> = Box::new(|ledger| {
            Box::pin(async move {
                Ok(sqlx::query_scalar("PRAGMA synchronous")
                    .fetch_one(ledger.connection())
                    .await?)
            })
        });
        let (request, answer) = request(class, "read the level", work);
        store
            .requests
            .lock()
            .unwrap()
            .as_ref()
            .unwrap()
            .try_send(request)
            .ok()
            .unwrap();
        answer.await.unwrap().unwrap()
    }
    const NORMAL: i64 = 1;
    const FULL: i64 = 2;
    let home = Home::new();
    let store = home.open().await;
    assert_eq!(level(&store, Class::Durable).await, FULL);
    assert_eq!(level(&store, Class::Lazy).await, NORMAL);
    assert_eq!(level(&store, Class::Durable).await, FULL);
    let release = hold(&store).await;
    let (lazy, durable) = futures::future::join(level(&store, Class::Lazy), async {
        let durable = level(&store, Class::Durable);
        futures::future::join(durable, async { release() }).await.0
    })
    .await;
    assert_eq!((lazy, durable), (FULL, FULL));
    store.close().await;
}

#[tokio::test]
async fn an_answer_nobody_waits_for_is_written_all_the_same() {
    let home = Home::new();
    let store = home.open().await;
    let release = hold(&store).await;
    drop(ask(&store, work!(add_project(project("kept"), now()))));
    release();
    store.close().await;
    assert_eq!(home.open().await.projects(false).await.unwrap().len(), 1);
}

fn newest() -> i64 {
    MIGRATIONS.iter().last().unwrap().version
}

fn with_another(sql: &'static str) -> Migrator {
    let mut migrations: Vec<Migration> = MIGRATIONS.iter().cloned().collect();
    migrations.push(Migration::new(
        newest() + 1,
        "another".into(),
        MigrationType::Simple,
        sql.into_sql_str(),
        false,
    ));
    Migrator::with_migrations(migrations)
}

#[tokio::test]
async fn a_migration_is_preceded_by_a_backup() {
    let home = Home::new();
    let store = home.open().await;
    store.add_project(project("api"), now()).await.unwrap();
    store.close().await;
    let backup = PathBuf::from(format!(
        "{}.before-{}",
        home.database().display(),
        newest() + 1
    ));
    assert!(!backup.exists(), "a new database needs no backup");

    let store = home
        .open_with(&with_another("CREATE TABLE later (id INTEGER)"))
        .await
        .unwrap();
    assert_eq!(store.projects(false).await.unwrap().len(), 1);
    store.close().await;
    assert_eq!(
        fs::metadata(&backup).unwrap().permissions().mode() & 0o777,
        0o600
    );
    let refused = home.open_with(&MIGRATIONS).await.unwrap_err();
    assert!(
        matches!(
            refused,
            StoreError::Newer { found, known, .. } if found == known + 1 && known == newest()
        ),
        "{refused:?}"
    );

    fs::rename(&backup, home.database()).unwrap();
    let store = home.open().await;
    assert_eq!(store.projects(false).await.unwrap().len(), 1);
    assert_eq!(store.verify_audit().await.unwrap().faults, []);
    store.close().await;
}

#[tokio::test]
async fn a_migration_that_fails_changes_nothing() {
    let home = Home::new();
    let store = home.open().await;
    store.add_project(project("api"), now()).await.unwrap();
    store.close().await;
    let broken = with_another("CREATE TABLE half (id INTEGER); INSERT INTO nowhere VALUES (1)");
    for _ in 0..2 {
        let error = home.open_with(&broken).await.unwrap_err();
        assert!(
            matches!(
                error,
                StoreError::Unusable {
                    operation: "migrate",
                    ..
                }
            ),
            "{error:?}"
        );
    }
    let store = home.open().await;
    assert_eq!(store.projects(false).await.unwrap().len(), 1);
    let half = "SELECT EXISTS (SELECT 1 FROM sqlite_schema WHERE name = 'half')";
    assert!(
        !sqlx::query_scalar::<_, bool>(half)
            .fetch_one(&mut home.connect().await)
            .await
            .unwrap()
    );
    store.close().await;
}

#[tokio::test]
async fn a_write_waits_for_another_process_that_writes() {
    let home = Home::new();
    let store = Arc::new(home.open().await);
    let mut other = home.connect().await;
    sqlx::query("BEGIN IMMEDIATE")
        .execute(&mut other)
        .await
        .unwrap();
    let (waiting, _) = request::<()>(
        Class::Lazy,
        "wait",
        Box::new(|_| Box::pin(async { Ok(()) })),
    );
    store
        .requests
        .lock()
        .unwrap()
        .as_ref()
        .unwrap()
        .try_send(waiting)
        .ok()
        .unwrap();
    let adding = tokio::spawn({
        let store = Arc::clone(&store);
        async move { store.add_project(project("api"), now()).await }
    });
    assert!(
        store.projects(false).await.unwrap().is_empty(),
        "reading goes on"
    );
    sqlx::query("COMMIT").execute(&mut other).await.unwrap();
    adding.await.unwrap().unwrap();
    store.close().await;
}
