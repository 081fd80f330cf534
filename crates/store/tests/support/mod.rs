//! A SQLite store in a directory of its own.
#![allow(dead_code, unreachable_pub, reason = "each test file uses its part")]

use std::path::{Path, PathBuf};
use std::sync::Arc;

use stratavore_core::clock::{Clock, SystemClock, Timestamp};
use stratavore_core::ids::{InstanceId, ProjectId, RunnerId};
use stratavore_core::launch::Launch;
use stratavore_core::name::Name;
use stratavore_core::project::Project;
use stratavore_core::quota::Limits;
use stratavore_store::conformance::Ground;
use stratavore_store::sqlite::{Options, SqliteStore};
use stratavore_store::{Applied, NewProject, NewRunner, Result, Store};
use tempfile::TempDir;

pub const FREE: Limits = Limits {
    project: None,
    node: None,
    budgets: None,
};

pub fn now() -> Timestamp {
    SystemClock.now()
}

/// Where a store is kept.
#[derive(Clone, Debug)]
pub struct Files {
    pub database: PathBuf,
    pub key: PathBuf,
}

impl Files {
    pub fn within(directory: &Path) -> Self {
        Self {
            database: directory.join("stratavore.db"),
            key: directory.join("audit.key"),
        }
    }

    pub async fn open(&self) -> Result<SqliteStore> {
        SqliteStore::open(&self.database, &self.key, Options::default(), now()).await
    }

    /// Opens a connection behind the store's back.
    pub async fn connect(&self) -> sqlx::SqliteConnection {
        use sqlx::ConnectOptions;
        sqlx::sqlite::SqliteConnectOptions::new()
            .filename(&self.database)
            .connect()
            .await
            .unwrap()
    }

    pub async fn tamper(&self, sql: &str) {
        use sqlx::Connection;
        let mut connection = self.connect().await;
        sqlx::raw_sql(sqlx::AssertSqlSafe(sql))
            .execute(&mut connection)
            .await
            .unwrap();
        connection.close().await.unwrap();
    }
}

/// A fresh store and its directory.
pub struct Fresh {
    pub store: Arc<SqliteStore>,
    pub files: Files,
    pub directory: TempDir,
}

impl Ground for Fresh {
    fn store(&self) -> Arc<dyn Store> {
        Arc::clone(&self.store) as Arc<dyn Store>
    }
}

pub async fn fresh() -> Fresh {
    let directory = tempfile::tempdir().unwrap();
    let files = Files::within(directory.path());
    let store = Arc::new(files.open().await.unwrap());
    Fresh {
        store,
        files,
        directory,
    }
}

pub async fn add_project(store: &dyn Store, max_runners: Option<u32>) -> Project {
    let new = NewProject {
        id: ProjectId::new(now()),
        name: Name::new("api").unwrap(),
        path: "/srv".into(),
        max_runners,
    };
    store.add_project(new, now()).await.unwrap()
}

pub fn new_runner(project: &Project) -> NewRunner {
    let launch = Launch {
        env: vec![("TOKEN".into(), "hunter2".into())],
        ..Launch::new("claude", &["claude"], "/srv")
    };
    NewRunner {
        id: RunnerId::new(now()),
        name: None,
        project_id: project.id,
        node: InstanceId::from_stored("here".into()),
        person: "ada".into(),
        launch,
        queue: false,
        request_id: None,
    }
}

pub async fn launch(store: &dyn Store, project: &Project) -> Result<Applied> {
    store.launch(new_runner(project), FREE, now()).await
}

/// Runs this very test again as another process, which finds `directory` in the environment (see [`role`]). The words of
/// `wrapper` go before its own.
pub fn again(test: &str, directory: &Path, wrapper: &[&str]) -> std::process::Command {
    let mut words = wrapper
        .iter()
        .map(std::ffi::OsString::from)
        .collect::<Vec<_>>();
    words.push(std::env::current_exe().unwrap().into());
    let mut command = std::process::Command::new(&words[0]);
    command
        .args(&words[1..])
        .args(["--exact", test, "--nocapture", "--test-threads=1"])
        .env(ROLE, directory);
    command
}

const ROLE: &str = "STRATAVORE_STORE_TEST_DIRECTORY";

/// Returns the directory to work in when this process is the second one of a test.
pub fn role() -> Option<PathBuf> {
    std::env::var_os(ROLE).map(PathBuf::from)
}

/// Runs this test again with a small file system of its own mounted on `directory`, which nobody else sees. Returns
/// false, and prints why, where that is not allowed.
pub fn on_small_disk(test: &str, directory: &Path) -> bool {
    const REFUSED: i32 = 77;
    let mount = format!(
        "mount -t tmpfs -o size=4m,mode=0700 none '{}' || exit {REFUSED}; exec \"$@\"",
        directory.display()
    );
    let mut wrapper = vec!["unshare", "--mount"];
    if !rustix::process::geteuid().is_root() {
        wrapper.push("--map-root-user");
    }
    wrapper.extend(["sh", "-c", &mount, "sh"]);
    let output = match again(test, directory, &wrapper).output() {
        Ok(output) => output,
        Err(error) => {
            println!("skipped: unshare cannot be run: {error}");
            return false;
        }
    };
    let told = String::from_utf8_lossy(&output.stderr);
    let ran = String::from_utf8_lossy(&output.stdout).contains("running 1 test");
    if !ran && (output.status.code() == Some(REFUSED) || told.contains("unshare:")) {
        println!("skipped: no file system may be mounted here: {told}");
        return false;
    }
    assert!(
        ran && output.status.success(),
        "{}\n{told}",
        String::from_utf8_lossy(&output.stdout)
    );
    true
}
