//! OpenCode's database, copied: what is complete, once, and nothing made beside it.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;

use sqlx::sqlite::{SqliteConnectOptions, SqliteConnection, SqliteJournalMode};
use sqlx::{ConnectOptions, Connection};
use stratavore_core::clock::{Clock, SystemClock};
use stratavore_core::session::Role;
use stratavore_programs::{Findings, adapter};
use tempfile::TempDir;

const TABLES: &str = "
    CREATE TABLE session (id text PRIMARY KEY, parent_id text, directory text NOT NULL, title text NOT NULL,
        version text NOT NULL, cost real DEFAULT 0 NOT NULL, time_created integer NOT NULL, time_updated integer NOT NULL);
    CREATE TABLE message (id text PRIMARY KEY, session_id text NOT NULL, time_created integer NOT NULL,
        time_updated integer NOT NULL, data text NOT NULL);
    CREATE TABLE part (id text PRIMARY KEY, message_id text NOT NULL, data text NOT NULL);";

/// A database as OpenCode has it, and where its copies go.
struct Kept {
    dir: TempDir,
    database: PathBuf,
    copies: PathBuf,
}

impl Kept {
    async fn new() -> Self {
        let dir = tempfile::tempdir().expect("a directory");
        let database = dir.path().join("opencode.db");
        let copies = dir.path().join("copies");
        let kept = Self {
            dir,
            database,
            copies,
        };
        kept.run(TABLES).await;
        kept
    }

    async fn open(&self) -> SqliteConnection {
        let options = SqliteConnectOptions::new();
        let options = options.filename(&self.database).create_if_missing(true);
        let options = options.journal_mode(SqliteJournalMode::Wal);
        options.connect().await.expect("opened")
    }

    /// Writes, and closes the database.
    async fn run(&self, sql: &str) {
        let mut connection = self.open().await;
        sqlx::raw_sql(sqlx::AssertSqlSafe(sql.to_owned()))
            .execute(&mut connection)
            .await
            .expect("run");
        connection.close().await.expect("closed");
    }

    async fn begin(&self, id: &str, parent: Option<&str>) {
        let parent = parent.map_or("NULL".to_owned(), |parent| format!("'{parent}'"));
        self.run(&format!(
            "INSERT INTO session VALUES ('{id}', {parent}, '/p', 'New session - 1', '1.18.33', 0, 1000, 1000)"
        ))
        .await;
    }

    async fn asks(&self, session: &str, id: &str, at: i64, text: &str) {
        self.run(&format!(
            r#"INSERT INTO message VALUES ('{id}', '{session}', {at}, {at}, '{{"role":"user","time":{{"created":{at}}}}}');
               INSERT INTO part VALUES ('p{id}', '{id}', '{{"type":"text","text":"{text}"}}');"#
        ))
        .await;
    }

    async fn answers(&self, session: &str, id: &str, at: i64, completed: Option<i64>) {
        let updated = completed.unwrap_or(at);
        let completed = completed.map_or(String::new(), |at| format!(r#","completed":{at}"#));
        self.run(&format!(
            r#"INSERT OR REPLACE INTO message VALUES ('{id}', '{session}', {at}, {updated}, '{{"role":"assistant","modelID":"m",
                 "time":{{"created":{at}{completed}}},
                 "tokens":{{"input":1,"output":2,"reasoning":4,"cache":{{"read":8,"write":16}}}}}}');
               INSERT OR REPLACE INTO part VALUES ('p{id}', '{id}', '{{"type":"text","text":"answer {id}"}}');
               INSERT OR REPLACE INTO part VALUES ('t{id}', '{id}',
                 '{{"type":"tool","tool":"bash","state":{{"status":"completed","input":{{"command":"make"}},"output":"made"}}}}');"#
        ))
        .await;
    }

    /// Copies, and returns what all copies say together, with how many bytes were copied.
    fn read(&self) -> (u64, Findings) {
        let opencode = adapter("opencode");
        let copied = self.copy(None);
        let mut all = Findings::default();
        for transcript in opencode.transcripts(&self.copies).expect("listed") {
            let bytes = fs::read(&transcript.path).expect("read");
            let mut reader = opencode.reader(&transcript, None).expect("a reader");
            let found = reader.take(0, &bytes);
            assert_eq!(found.malformed, 0);
            all.entries.extend(found.entries);
            if !transcript.subagent {
                all.passages.extend(found.passages);
                all.title = found.title.or(all.title);
                all.requests += found.requests;
                all.cwd = found.cwd;
            }
        }
        (copied, all)
    }

    fn copy(&self, only: Option<&str>) -> u64 {
        let database = self.database.clone();
        let copies = self.copies.clone();
        let only = only.map(str::to_owned);
        // As the index does, off the threads of a runtime.
        std::thread::spawn(move || adapter("opencode").copy(&database, &copies, only.as_deref()))
            .join()
            .expect("no panic")
            .expect("copied")
            .expect("a database")
    }

    fn names(&self) -> Vec<String> {
        let entries = fs::read_dir(self.dir.path()).expect("listed");
        let names = entries.map(|it| it.expect("an entry").file_name());
        let mut names: Vec<_> = names.map(|it| it.to_string_lossy().into_owned()).collect();
        names.sort();
        names
    }
}

#[tokio::test]
async fn what_is_complete_is_copied_once_and_what_changes_in_its_place_is_not() {
    let kept = Kept::new().await;
    assert_eq!(kept.read(), (0, Findings::default()));
    kept.run("DROP TABLE part").await;
    assert_eq!(kept.copy(None), 0, "it is being made");
    kept.run(
        "CREATE TABLE part (id text PRIMARY KEY, message_id text NOT NULL, data text NOT NULL)",
    )
    .await;
    kept.begin("ses_1", None).await;
    kept.asks("ses_1", "m1", 2000, "make it").await;
    kept.answers("ses_1", "m2", 3000, None).await;
    let (bytes, found) = kept.read();
    assert!(bytes > 0);
    assert_eq!((found.requests, found.entries.len()), (1, 0));
    assert_eq!(found.title.as_deref(), Some("make it"));
    assert_eq!(found.cwd.as_deref(), Some("/p"));

    // It is at work: it comes without anything asked.
    kept.answers("ses_1", "m2", 3000, Some(4000)).await;
    let (_, found) = kept.read();
    let tokens = &found.entries[0].tokens;
    assert_eq!(found.entries.len(), 1);
    assert_eq!(
        (tokens.input, tokens.output, tokens.cache_read),
        (1, 6, 8),
        "what was thought was written"
    );
    assert_eq!((tokens.cache_write_5m, tokens.cache_write_1h), (16, 0));
    let said: Vec<_> = found
        .passages
        .iter()
        .map(|it| (it.role, it.text.as_str()))
        .collect();
    assert_eq!(
        said,
        [
            (Role::User, "make it"),
            (Role::Assistant, "answer m2"),
            (Role::Tool, r#"bash {"command":"make"}"#),
            (Role::Tool, "made"),
        ]
    );
    // Nothing has changed, or nothing that is copied.
    assert_eq!(kept.read().0, 0);
    kept.answers("ses_1", "m2", 3000, Some(4000)).await;
    assert_eq!(kept.read(), (0, found));
    // One that has been at rest for long is read again when something is asked in it.
    kept.answers("ses_1", "m4", 6000, Some(7000)).await;
    assert_eq!(kept.read().0, 0);
    kept.run("UPDATE session SET time_updated = 5000").await;
    assert_eq!(kept.read().1.entries.len(), 2);
    kept.run("UPDATE session SET title = 'Made'").await;
    assert_eq!(kept.read().1.title.as_deref(), Some("Made"));
}

#[tokio::test]
async fn an_answer_that_comes_without_anything_asked_is_copied() {
    let kept = Kept::new().await;
    kept.begin("ses_1", None).await;
    let now = SystemClock.now().timestamp_millis();
    kept.answers("ses_1", "m1", now - 2000, Some(now - 1000))
        .await;
    assert_eq!(kept.read().1.entries.len(), 1);
    kept.answers("ses_1", "m2", now, Some(now + 1)).await;
    assert_eq!(kept.read().1.entries.len(), 2);
}

#[tokio::test]
async fn nothing_is_made_or_changed_beside_a_database_and_a_writers_log_is_read() {
    let kept = Kept::new().await;
    kept.begin("ses_1", None).await;
    kept.asks("ses_1", "m1", 2000, "make it").await;
    let before = fs::read(&kept.database).expect("read");
    let names = kept.names();
    kept.answers("ses_1", "m2", 3000, Some(4000)).await;
    assert_ne!(fs::read(&kept.database).expect("read"), before);
    let before = fs::read(&kept.database).expect("read");
    kept.read();
    assert_eq!(fs::read(&kept.database).expect("read"), before);
    assert_eq!(kept.names(), [&["copies".to_owned()], &names[..]].concat());
    for (place, mode) in [("ses_1", 0o700), ("ses_1/ses_1.jsonl", 0o600)] {
        let metadata = fs::metadata(kept.copies.join(place)).expect("there");
        assert_eq!(metadata.permissions().mode() & 0o777, mode, "{place}");
    }
    // One that is at work, whose words are in its log only.
    let mut writer = kept.open().await;
    sqlx::query("UPDATE session SET title = 'At work'")
        .execute(&mut writer)
        .await
        .expect("written");
    assert_eq!(kept.read().1.title.as_deref(), Some("At work"));
    writer.close().await.expect("closed");
}

#[tokio::test]
async fn a_subagents_messages_are_its_sessions_and_a_fork_repeats_under_the_same_names() {
    let kept = Kept::new().await;
    for (id, parent) in [("ses_1", None), ("ses_2", Some("ses_1")), ("ses_3", None)] {
        kept.begin(id, parent).await;
    }
    kept.answers("ses_1", "m1", 2000, Some(3000)).await;
    kept.answers("ses_2", "m2", 2100, Some(2900)).await;
    kept.answers("ses_3", "m3", 2000, Some(3000)).await;
    // One alone brings its subagents.
    assert!(kept.copy(Some("ses_1")) > 0);
    let opencode = adapter("opencode");
    let found = opencode.transcripts(&kept.copies).expect("listed");
    let found: Vec<_> = found
        .iter()
        .map(|it| (it.session.as_deref(), it.subagent))
        .collect();
    assert_eq!(found, [(Some("ses_1"), false), (Some("ses_1"), true)]);
    assert_eq!(kept.copy(Some("ses_1")), 0);
    let (_, found) = kept.read();
    let names: Vec<_> = found.entries.iter().map(|it| it.message.as_str()).collect();
    assert_eq!(names[0], names[2], "a fork");
    assert_ne!(names[0], names[1]);
    assert_eq!(found.entries[1].session, "ses_1");
}

#[tokio::test]
async fn a_copy_that_was_cut_is_mended_and_that_of_a_deleted_session_goes() {
    let kept = Kept::new().await;
    kept.begin("ses_1", None).await;
    kept.answers("ses_1", "m1", 2000, Some(3000)).await;
    let whole = kept.read().1;
    let file = kept.copies.join("ses_1/ses_1.jsonl");
    let bytes = fs::read(&file).expect("read");
    fs::write(&file, &bytes[..bytes.len() - 10]).expect("written");
    // As another host finds it.
    let moved = kept.dir.path().join("moved");
    fs::rename(&kept.copies, &moved).expect("moved");
    let kept = Kept {
        copies: moved,
        ..kept
    };
    assert_eq!(kept.read().1, whole);
    assert_eq!(
        fs::read(kept.copies.join("ses_1/ses_1.jsonl")).expect("read"),
        bytes
    );
    kept.run("DELETE FROM session").await;
    kept.read();
    assert_eq!(
        adapter("opencode")
            .transcripts(&kept.copies)
            .expect("listed"),
        []
    );
}

#[test]
fn a_database_that_is_none_says_so_and_one_that_is_not_there_is_nothing() {
    let dir = tempfile::tempdir().expect("a directory");
    let (database, copies) = (dir.path().join("opencode.db"), dir.path().join("copies"));
    let opencode = adapter("opencode");
    assert_eq!(
        opencode.copy(&database, &copies, None).expect("copied"),
        Some(0)
    );
    fs::write(
        &database,
        "no database at all, but long enough to be read as one",
    )
    .expect("written");
    let refused = opencode
        .copy(&database, &copies, None)
        .expect_err("refused");
    assert!(refused.to_string().contains("not a database"), "{refused}");
}

#[test]
fn its_database_is_found_by_its_environment() {
    let of = |variables: &[(&str, &str)]| {
        let lookup = |name: &str| {
            let found = variables.iter().find(|(key, _)| *key == name);
            found.map(|(_, value)| (*value).to_owned())
        };
        adapter("opencode")
            .home(&lookup)
            .map(|it| it.display().to_string())
    };
    let home = ("HOME", "/h");
    let usual = "/h/.local/share/opencode/opencode.db";
    assert_eq!(of(&[home]).as_deref(), Some(usual));
    assert_eq!(of(&[]), None);
    let data = ("XDG_DATA_HOME", "/d");
    assert_eq!(
        of(&[home, data]).as_deref(),
        Some("/d/opencode/opencode.db")
    );
    assert_eq!(
        of(&[data, ("OPENCODE_DB", "x.db")]).as_deref(),
        Some("/d/opencode/x.db")
    );
    assert_eq!(
        of(&[data, ("OPENCODE_DB", "/x.db")]).as_deref(),
        Some("/x.db")
    );
}
