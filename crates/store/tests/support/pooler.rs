//! A private PostgreSQL with PgBouncer before it, in session mode.
#![allow(dead_code, unreachable_pub, reason = "each test file uses its part")]

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use stratavore_testkit::kept::Kept;
use stratavore_testkit::postgres::{Postgres, run_sql};
use stratavore_testkit::wait_until;
use tempfile::TempDir;

/// Runs both until it is dropped.
pub struct Pooler {
    _pooler: Kept,
    directory: TempDir,
    _server: Postgres,
}

impl Pooler {
    pub fn start() -> Self {
        let server = Postgres::start().unwrap();
        let directory = tempfile::Builder::new()
            .prefix("stratavore-pooler-")
            .tempdir()
            .unwrap();
        let path = directory.path();
        let (users, settings) = (path.join("users"), path.join("pgbouncer.ini"));
        fs::write(&users, "\"postgres\" \"\"\n").unwrap();
        // With auth_type any, everybody is the one user of the server.
        let text = format!(
            "[databases]\n* = host={} port=5432 user=postgres\n[pgbouncer]\nlisten_addr =\nlisten_port = 6543\n\
             unix_socket_dir = {}\nauth_type = any\nauth_file = {}\nadmin_users = postgres\npool_mode = session\n\
             default_pool_size = 20\nmax_client_conn = 1000\nserver_reset_query = DISCARD ALL\nlogfile = {}\n",
            server.directory().display(),
            path.display(),
            users.display(),
            path.join("log").display(),
        );
        fs::write(&settings, text).unwrap();
        let mut pooler = Kept::start(command(path, &[&users, &settings], &settings))
            .expect("pgbouncer is installed");
        let socket = path.join(".s.PGSQL.6543");
        wait_until(Duration::from_secs(20), "the pooler's socket", || {
            assert!(pooler.ended().unwrap().is_none(), "the pooler ended");
            std::os::unix::net::UnixStream::connect(&socket).is_ok()
        });
        Self {
            _pooler: pooler,
            directory,
            _server: server,
        }
    }

    /// Gives the URL of a database, through the pooler.
    pub fn url(&self, database: &str) -> String {
        format!(
            "postgres://postgres@localhost:6543/{database}?host={}",
            self.directory.path().display()
        )
    }

    /// How many transactions it has passed on.
    pub fn passed(&self) -> u64 {
        let totals = run_sql(&self.url("pgbouncer"), "SHOW STATS_TOTALS").unwrap();
        let of_one = |line: &str| line.split('|').nth(1)?.parse::<u64>().ok();
        totals.lines().filter_map(of_one).sum()
    }
}

fn command(directory: &Path, files: &[&PathBuf], settings: &Path) -> Command {
    let root = rustix::process::geteuid().is_root();
    let mut pooler = Command::new(if root { "setpriv" } else { "pgbouncer" });
    if root {
        // It refuses root, and so does the directory of the server's socket anybody else than its owner.
        for path in [&directory.to_owned()].iter().chain(files) {
            let mut given = Command::new("chown");
            assert!(given.arg("postgres:").arg(path).status().unwrap().success());
        }
        pooler.args([
            "--reuid=postgres",
            "--regid=postgres",
            "--init-groups",
            "--pdeathsig",
            "KILL",
            "--",
            "pgbouncer",
        ]);
    }
    pooler
        .arg(settings)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null());
    pooler
}
