//! Copies of what OpenCode keeps in its database, a file of rows for each session, in a directory of ours.
//!
//! All that reads transcripts reads files that only grow: from there on the copies are as any other program's. The database is only
//! read, nothing is made beside it, and a message is copied once it is complete, for before that it changes in its place.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::fs::{self, File, OpenOptions};
use std::io::{self, BufRead, BufReader, Write};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, OnceLock, PoisonError};
use std::time::Duration;

use serde_json::{Value, json};
use sqlx::sqlite::{SqliteConnectOptions, SqliteConnection};
use sqlx::{ConnectOptions, Connection, Row};

use crate::Transcript;

/// How long another may hold the database.
const PATIENCE: Duration = Duration::from_secs(2);

/// How long after the last message of a session another may come that nobody asked for, in milliseconds.
const AT_REST: i64 = 600_000;

/// The directory of subagents' files beside their session's.
const SUBAGENTS: &str = "subagents";

/// What was seen of databases, so that what has not changed costs one look. All of it can be seen again.
static SEEN: OnceLock<Mutex<HashMap<PathBuf, Seen>>> = OnceLock::new();

/// What was seen of one database.
#[derive(Default)]
struct Seen {
    /// What its files were when it was copied as a whole.
    whole: Option<Stamp>,
    /// What they were when the copy of one session was brought up to date.
    single: HashMap<String, Stamp>,
    sessions: HashMap<String, Copied>,
}

/// What a session's copy holds.
struct Copied {
    /// The row of the session itself, as it was written last.
    session: String,
    messages: HashSet<String>,
    /// When the session was updated last, where all of it was copied and nothing more has come for long.
    at_rest: Option<i64>,
}

/// Length, time and number of the database and its log.
type Stamp = [Option<(u64, i64, i64, u64)>; 2];

/// A session, as the database has it.
struct Session {
    id: String,
    parent: Option<String>,
    /// When a person asked something last, in milliseconds.
    updated: i64,
    row: String,
}

fn stamp(database: &Path) -> Stamp {
    let of = |path: &Path| {
        let metadata = fs::metadata(path).ok()?;
        let (seconds, nanos) = (metadata.mtime(), metadata.mtime_nsec());
        Some((metadata.len(), seconds, nanos, metadata.ino()))
    };
    [of(database), of(&log(database))]
}

/// When the database was written last, in milliseconds.
fn written(stamp: &Stamp) -> i64 {
    let times = stamp
        .iter()
        .flatten()
        .map(|(_, seconds, ..)| seconds * 1000);
    times.max().unwrap_or_default()
}

/// The write-ahead log.
fn log(database: &Path) -> PathBuf {
    let mut name = database.as_os_str().to_owned();
    name.push("-wal");
    PathBuf::from(name)
}

/// Brings copies up to date, those of one session and its subagents, or of all, and returns how many bytes that were.
pub(super) fn follow(database: &Path, place: &Path, only: Option<&str>) -> io::Result<u64> {
    let seen = SEEN.get_or_init(Mutex::default);
    let mut seen = seen.lock().unwrap_or_else(PoisonError::into_inner);
    let seen = seen.entry(place.to_owned()).or_default();
    // Before it is read: what changes meanwhile is read again.
    let now = stamp(database);
    let single = only.and_then(|id| seen.single.get(id));
    if now[0].is_none() || seen.whole == Some(now) || single == Some(&now) {
        return Ok(0);
    }
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    let bytes = runtime
        .block_on(copy(database, place, only, seen, written(&now)))
        .map_err(|error| match error {
            sqlx::Error::Io(error) => error,
            error => io::Error::other(error),
        })?;
    match only {
        None => seen.whole = Some(now),
        Some(id) => {
            seen.single.insert(id.to_owned(), now);
        }
    }
    Ok(bytes)
}

async fn open(database: &Path) -> Result<SqliteConnection, sqlx::Error> {
    // Without its log nobody has it open, or nobody has written: read so, nothing is made beside it.
    let alone = !log(database).exists();
    SqliteConnectOptions::new()
        .filename(database)
        .read_only(true)
        .immutable(alone)
        .busy_timeout(PATIENCE)
        .disable_statement_logging()
        .connect()
        .await
}

async fn copy(
    database: &Path,
    place: &Path,
    only: Option<&str>,
    seen: &mut Seen,
    written: i64,
) -> Result<u64, sqlx::Error> {
    let mut connection = open(database).await?;
    // One view of all.
    let mut view = connection.begin().await?;
    if !has_tables(&mut view).await? {
        return Ok(0);
    }
    let sessions = sessions(&mut view, only).await?;
    let mut bytes = 0;
    for session in sessions.values() {
        let root = root(&sessions, session);
        let file = file(place, &root, &session.id);
        let copied = match seen.sessions.remove(&session.id) {
            Some(copied) if file.exists() => copied,
            _ => load(&file)?,
        };
        let (copied, appended) =
            if copied.at_rest == Some(session.updated) && copied.session == session.row {
                (copied, 0)
            } else {
                append(&mut view, session, &file, copied, written).await?
            };
        bytes += appended;
        seen.sessions.insert(session.id.clone(), copied);
    }
    view.rollback().await?;
    connection.close().await?;
    if only.is_none() {
        forget(place, &sessions)?;
        seen.sessions.retain(|id, _| sessions.contains_key(id));
        seen.single.retain(|id, _| sessions.contains_key(id));
    }
    Ok(bytes)
}

/// Tells whether the tables are there: a database that is being made has none yet.
async fn has_tables(view: &mut SqliteConnection) -> Result<bool, sqlx::Error> {
    const TABLES: &str = "SELECT count(*) FROM sqlite_master
        WHERE type = 'table' AND name IN ('session', 'message', 'part')";
    let found: i64 = sqlx::query_scalar(TABLES).fetch_one(view).await?;
    Ok(found == 3)
}

async fn sessions(
    view: &mut SqliteConnection,
    only: Option<&str>,
) -> Result<BTreeMap<String, Session>, sqlx::Error> {
    const ALL: &str = "SELECT id, parent_id, directory, title, version, cost, time_created, time_updated FROM session";
    const ONE: &str = "WITH RECURSIVE of(id) AS (
            SELECT ?1 UNION SELECT session.id FROM session JOIN of ON session.parent_id = of.id)
        SELECT id, parent_id, directory, title, version, cost, time_created, time_updated FROM session WHERE id IN (SELECT id FROM of)";
    let rows = match only {
        None => sqlx::query(ALL).fetch_all(view).await?,
        Some(id) => sqlx::query(ONE).bind(id).fetch_all(view).await?,
    };
    let mut sessions = BTreeMap::new();
    for row in rows {
        let id: String = row.try_get("id")?;
        let parent: Option<String> = row.try_get("parent_id")?;
        let text = json!({
            "session": id, "parent": parent,
            "directory": row.try_get::<String, _>("directory")?,
            "title": row.try_get::<String, _>("title")?,
            "version": row.try_get::<String, _>("version")?,
            "cost": row.try_get::<f64, _>("cost")?,
            "created": row.try_get::<i64, _>("time_created")?,
        });
        let session = Session {
            parent,
            updated: row.try_get("time_updated")?,
            row: text.to_string(),
            id: id.clone(),
        };
        sessions.insert(id, session);
    }
    Ok(sessions)
}

/// Returns the session that a person began, of which this one is or is a subagent's.
fn root(sessions: &BTreeMap<String, Session>, session: &Session) -> String {
    let mut root = session;
    // A circle ends.
    for _ in 0..16 {
        match root.parent.as_ref().and_then(|parent| sessions.get(parent)) {
            Some(parent) => root = parent,
            None => break,
        }
    }
    root.id.clone()
}

fn file(place: &Path, root: &str, id: &str) -> PathBuf {
    let directory = place.join(name(root));
    if root == id {
        directory.join(format!("{}.jsonl", name(id)))
    } else {
        directory
            .join(SUBAGENTS)
            .join(format!("{}.jsonl", name(id)))
    }
}

/// An id as a part of a path.
fn name(id: &str) -> String {
    let plain = |c: char| if c.is_ascii_alphanumeric() { c } else { '_' };
    id.chars().map(plain).collect()
}

/// Reads what a copy holds, and takes away the half of a row that a writer which was killed has left.
fn load(file: &Path) -> io::Result<Copied> {
    let mut copied = Copied {
        session: String::new(),
        messages: HashSet::new(),
        at_rest: None,
    };
    let opened = match File::open(file) {
        Ok(opened) => opened,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(copied),
        Err(error) => return Err(error),
    };
    let (mut reader, mut row, mut whole) = (BufReader::new(opened), String::new(), 0);
    loop {
        row.clear();
        let read = reader.read_line(&mut row)?;
        if !row.ends_with('\n') {
            break;
        }
        whole += read as u64;
        match serde_json::from_str::<Value>(&row) {
            Ok(value) if value["message"].is_string() => {
                let id = value["message"].as_str().unwrap_or_default();
                copied.messages.insert(id.to_owned());
            }
            Ok(_) => copied.session = row.trim_end().to_owned(),
            Err(_) => {}
        }
    }
    if fs::metadata(file)?.len() != whole {
        OpenOptions::new().write(true).open(file)?.set_len(whole)?;
    }
    Ok(copied)
}

/// Appends what is complete and not there yet.
async fn append(
    view: &mut SqliteConnection,
    session: &Session,
    file: &Path,
    mut copied: Copied,
    written: i64,
) -> Result<(Copied, u64), sqlx::Error> {
    let messages = sqlx::query(
        "SELECT id, time_updated, data FROM message WHERE session_id = ? ORDER BY time_created, id",
    )
    .bind(&session.id)
    .fetch_all(&mut *view)
    .await?;
    let mut text = String::new();
    if copied.session != session.row {
        copied.session.clone_from(&session.row);
        text = format!("{}\n", session.row);
    }
    let last = messages.len().saturating_sub(1);
    let mut whole = true;
    for (at, row) in messages.iter().enumerate() {
        let id: String = row.try_get("id")?;
        if copied.messages.contains(&id) {
            continue;
        }
        let Ok(info) = serde_json::from_str::<Value>(row.try_get("data")?) else {
            continue;
        };
        // What a person asks is whole when it is being answered.
        let complete = match info["role"].as_str() {
            Some("user") => at < last,
            _ => info["time"]["completed"].is_number(),
        };
        if !complete {
            whole = false;
            continue;
        }
        let mut parts = Vec::new();
        let rows = sqlx::query("SELECT data FROM part WHERE message_id = ? ORDER BY id")
            .bind(&id)
            .fetch_all(&mut *view)
            .await?;
        for row in rows {
            if let Ok(part) = serde_json::from_str::<Value>(row.try_get("data")?) {
                parts.push(part);
            }
        }
        text += &json!({ "message": id, "info": info, "parts": parts }).to_string();
        text.push('\n');
        copied.messages.insert(id);
    }
    if !text.is_empty()
        && let Err(error) = write(file, &text)
    {
        return Err(sqlx::Error::Io(error));
    }
    let latest = messages
        .last()
        .map(|row| row.try_get::<i64, _>("time_updated"));
    let latest = latest.transpose()?.unwrap_or(session.updated);
    copied.at_rest = (whole && latest + AT_REST < written).then_some(session.updated);
    Ok((copied, text.len() as u64))
}

fn write(file: &Path, text: &str) -> io::Result<()> {
    if let Some(directory) = file.parent() {
        let mut builder = fs::DirBuilder::new();
        builder.recursive(true).mode(0o700).create(directory)?;
    }
    let mut options = OpenOptions::new();
    let mut opened = options.create(true).append(true).mode(0o600).open(file)?;
    opened.write_all(text.as_bytes())
}

/// Takes away the copies of sessions that a person has deleted.
fn forget(place: &Path, sessions: &BTreeMap<String, Session>) -> io::Result<()> {
    let known: HashSet<String> = sessions.keys().map(|id| name(id)).collect();
    for transcript in transcripts(place)? {
        let id = transcript.path.file_stem().unwrap_or_default();
        if !known.contains(&*id.to_string_lossy()) {
            fs::remove_file(&transcript.path)?;
        }
    }
    Ok(())
}

/// Lists the copies.
pub(super) fn transcripts(place: &Path) -> io::Result<Vec<Transcript>> {
    let mut found = Vec::new();
    for root in entries(place)? {
        let session = root.file_name().map(|id| id.to_string_lossy().into_owned());
        for (directory, subagent) in [(root.clone(), false), (root.join(SUBAGENTS), true)] {
            let files = entries(&directory)?;
            let rows = files
                .into_iter()
                .filter(|it| it.extension().is_some_and(|it| it == "jsonl"));
            found.extend(rows.map(|path| Transcript {
                path,
                session: session.clone(),
                subagent,
            }));
        }
    }
    Ok(found)
}

fn entries(directory: &Path) -> io::Result<Vec<PathBuf>> {
    let listed = match fs::read_dir(directory) {
        Ok(listed) => listed,
        Err(error)
            if matches!(
                error.kind(),
                io::ErrorKind::NotFound | io::ErrorKind::NotADirectory
            ) =>
        {
            return Ok(Vec::new());
        }
        Err(error) => return Err(error),
    };
    let mut paths = listed
        .map(|entry| entry.map(|entry| entry.path()))
        .collect::<io::Result<Vec<_>>>()?;
    paths.sort();
    Ok(paths)
}
