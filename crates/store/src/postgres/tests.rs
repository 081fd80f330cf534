//! What only the inside can show: the statements, the limits of a connection, the schema's versions.

use sqlx::migrate::{Migration, MigrationType};
use sqlx::{Executor, SqlSafeStr};
use stratavore_core::quota;
use stratavore_testkit::postgres::{Database, Postgres};

use super::*;

struct Home {
    database: Database,
    directory: tempfile::TempDir,
}

impl Home {
    fn new() -> Self {
        Self {
            database: Database::fresh().unwrap(),
            directory: tempfile::tempdir().unwrap(),
        }
    }

    fn address(&self) -> Address {
        Address::parse(self.database.url()).unwrap()
    }

    async fn open(&self) -> PostgresStore {
        let instance = InstanceId::from_stored("here".into());
        let key = self.directory.path().join("audit.key");
        PostgresStore::open(self.database.url(), instance, key, Options::default())
            .await
            .unwrap()
    }
}

fn statements() -> Vec<(&'static str, &'static str, &'static str)> {
    let all = [
        ("line", sql::line::ALL),
        ("schema", sql::schema::ALL),
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
    all.into_iter()
        .flat_map(|(concern, list)| list.iter().map(move |(name, text)| (concern, *name, *text)))
        .collect()
}

#[tokio::test]
async fn every_statement_is_prepared_against_the_live_schema() {
    let home = Home::new();
    home.open().await.close().await;
    prepares_every_statement(&home.address()).await;
}

#[tokio::test]
async fn so_it_is_on_the_oldest_version_that_is_supported() {
    let server = Postgres::oldest().unwrap();
    let url = server.database().unwrap();
    migrate(&url).await.unwrap();
    prepares_every_statement(&Address::parse(&url).unwrap()).await;
}

async fn prepares_every_statement(address: &Address) {
    let mut connection = schema::connect(address).await.unwrap();
    let statements = statements();
    assert!(statements.len() > 50);
    for (concern, name, text) in statements {
        // Some are sent together, as one transaction or to begin one.
        for part in text.split("; ") {
            let part = sqlx::AssertSqlSafe(part.to_owned());
            if let Err(error) = connection.prepare(part.into_sql_str()).await {
                panic!("{concern}::{name}: {error}");
            }
        }
    }
}

#[tokio::test]
async fn every_column_has_the_type_that_postgresql_has_for_what_it_holds() {
    let home = Home::new();
    home.open().await.close().await;
    let mut connection = schema::connect(&home.address()).await.unwrap();
    let columns: Vec<(String, String, String)> = sqlx::query_as(
        "SELECT c.table_name::text, c.column_name::text, c.data_type::text FROM information_schema.columns c \
         JOIN information_schema.tables t USING (table_schema, table_name) \
         WHERE c.table_schema = 'public' AND t.table_type = 'BASE TABLE' AND c.table_name <> '_sqlx_migrations' ORDER BY 1, 2",
    )
    .fetch_all(&mut connection)
    .await
    .unwrap();
    assert!(columns.len() > 100, "{columns:?}");
    let moment = |name: &str| {
        name.ends_with("_at") || name.ends_with("until") || ["at", "since"].contains(&name)
    };
    // What is made here. Keys, nodes and sessions are named by others or by their digest, notices by their number.
    let made_here = |table: &str, name: &str| match name {
        "id" => ["projects", "runners", "notifications", "token_budgets"].contains(&table),
        "owner" | "incarnation" => true,
        "key_id" | "notice_id" => false,
        name => name.ends_with("_id"),
    };
    let kept_as_told = ["state_data", "launch", "preset"];
    let either = ["unanswered", "gone", "only_row"];
    for (table, name, kind) in columns {
        let wanted: &[&str] = match name.as_str() {
            name if moment(name) => &["timestamp with time zone"],
            name if made_here(&table, name) => &["uuid"],
            // Not jsonb, which knows no \u0000.
            name if kept_as_told.contains(&name) => &["json"],
            name if either.contains(&name) => &["boolean"],
            "mac" | "head" | "heads" | "bases" => &["bytea"],
            _ => &["text", "bigint", "smallint", "double precision", "tsvector"],
        };
        assert!(wanted.contains(&kind.as_str()), "{table}.{name} is {kind}");
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
    let schema = concat!(
        include_str!("../../../../migrations/postgres/0001_initial.sql"),
        include_str!("../../../../migrations/postgres/0003_nodes.sql")
    );
    for set in [words(quota::counts), words(StateName::is_final)] {
        assert!(sql::runner::WEIGH.contains(&set), "{set}");
        assert!(schema.contains(&set), "{set}");
    }
}

#[test]
fn the_schemas_of_both_databases_are_numbered_alike() {
    let versions = |migrator: &Migrator| -> Vec<(i64, String)> {
        migrator
            .iter()
            .map(|migration| (migration.version, migration.description.to_string()))
            .collect()
    };
    let sqlite: Migrator = sqlx::migrate!("../../migrations/sqlite");
    assert_eq!(versions(&MIGRATIONS), versions(&sqlite));
}

#[tokio::test]
async fn every_connection_has_its_limits() {
    let home = Home::new();
    let store = home.open().await;
    for (setting, expected) in [
        ("SHOW statement_timeout", "10s"),
        ("SHOW lock_timeout", "5s"),
        ("SHOW idle_in_transaction_session_timeout", "20s"),
    ] {
        let found: String = store
            .run(
                "read a setting",
                Box::new(move |ledger| {
                    Box::pin(async move {
                        Ok(sqlx::query_scalar(setting)
                            .fetch_one(&mut *ledger.connection)
                            .await?)
                    })
                }),
            )
            .await
            .unwrap();
        assert_eq!(found, expected, "{setting}");
    }
    store.close().await;
}

#[tokio::test]
async fn a_statement_that_takes_too_long_is_ended_and_told() {
    let home = Home::new();
    let store = home.open().await;
    let slow: Work<()> = Box::new(|ledger| {
        Box::pin(async move {
            let limited = "SET statement_timeout = '100ms'";
            ledger.connection.execute(limited).await?;
            let endless = "SELECT pg_sleep(600)";
            ledger.connection.execute(endless).await?;
            Ok(())
        })
    });
    let error = store.run("wait", slow).await.unwrap_err();
    assert!(
        matches!(&error, StoreError::Away { reason } if reason.contains("took longer")),
        "{error}"
    );
    assert!(store.projects(true).await.unwrap().is_empty(), "it goes on");
    store.close().await;
}

#[tokio::test]
async fn a_failure_in_a_transaction_leaves_no_lock() {
    let home = Home::new();
    let store = home.open().await;
    let failing: Work<()> = Box::new(|ledger| {
        Box::pin(async move {
            use sqlx::Connection;
            let lock = "BEGIN; SELECT pg_advisory_xact_lock(1)";
            let mut transaction = ledger.connection.begin_with(lock).await?;
            sqlx::query("SELECT * FROM nowhere")
                .execute(&mut *transaction)
                .await?;
            Ok(())
        })
    });
    let error = store.run("fail", failing).await.unwrap_err();
    assert!(
        matches!(
            error,
            StoreError::Database {
                operation: "fail",
                ..
            }
        ),
        "{error:?}"
    );
    let free = home
        .database
        .run_sql("SELECT pg_try_advisory_lock(1)")
        .unwrap();
    assert_eq!(free, "t");
    store.close().await;
}

#[tokio::test]
async fn a_newer_schema_is_refused_and_left_alone() {
    let home = Home::new();
    home.open().await.close().await;
    let address = home.address();
    let mut migrations: Vec<Migration> = MIGRATIONS.iter().cloned().collect();
    let newest = migrations.last().unwrap().version;
    migrations.push(Migration::new(
        newest + 1,
        "another".into(),
        MigrationType::Simple,
        "CREATE TABLE later (id bigint)".into_sql_str(),
        false,
    ));
    let newer = Migrator::with_migrations(migrations);
    let (keys, _) = Keyring::open(&home.directory.path().join("other.key")).unwrap();
    let instance = InstanceId::from_stored("other".into());
    schema::prepare(&address, &newer, &keys, &instance)
        .await
        .unwrap();
    let refused = schema::prepare(&address, &MIGRATIONS, &keys, &instance)
        .await
        .unwrap_err();
    assert!(
        matches!(&refused, StoreError::Newer { found, known, .. } if *found == newest + 1 && *known == newest),
        "{refused}"
    );
    let told = schema(home.database.url()).await.unwrap();
    assert_eq!((told.found, told.known), (newest + 1, newest));
}

#[tokio::test]
async fn an_empty_database_is_told_and_migrated_once() {
    let home = Home::new();
    let newest = MIGRATIONS.iter().last().unwrap().version;
    let url = home.database.url();
    let before = Schema {
        found: 0,
        known: newest,
    };
    assert_eq!(schema(url).await.unwrap(), before);
    let (one, two) = futures::future::join(migrate(url), migrate(url)).await;
    assert!(one.is_ok() && two.is_ok(), "{one:?} {two:?}");
    assert_eq!(schema(url).await.unwrap().found, newest);
}
