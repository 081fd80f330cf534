//! Of sessions, how far their transcripts were read, and what was said in them.

/// A session's columns.
macro_rules! session_columns {
    () => {
        "s.node, s.program, s.id, s.project_id, s.cwd, s.title, s.model, s.began_at, s.updated_at, s.requests, s.parent, \
         s.runner_id, s.transcript, s.program_cost, s.archive, s.archive_sha256"
    };
}

statements! {
    PLACE = "SELECT number, project_id, runner_id FROM sessions WHERE node = ?1 AND program = ?2 AND id = ?3";
    /// What is absent stays as it was. A runner's session is its project's, wherever its directory is.
    PUT = "INSERT INTO sessions (node, program, id, project_id, cwd, title, model, began_at, updated_at, requests, parent, \
           runner_id, transcript, program_cost, archive, archive_sha256) \
           VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16) \
           ON CONFLICT (node, program, id) DO UPDATE SET project_id = CASE \
           WHEN excluded.runner_id IS NULL AND sessions.runner_id IS NOT NULL THEN coalesce(sessions.project_id, excluded.project_id) \
           ELSE coalesce(excluded.project_id, sessions.project_id) END, \
           cwd = coalesce(nullif(excluded.cwd, ''), sessions.cwd), title = coalesce(excluded.title, sessions.title), \
           model = coalesce(excluded.model, sessions.model), began_at = min(excluded.began_at, sessions.began_at), \
           updated_at = max(excluded.updated_at, sessions.updated_at), requests = max(excluded.requests, sessions.requests), \
           parent = coalesce(excluded.parent, sessions.parent), runner_id = coalesce(excluded.runner_id, sessions.runner_id), \
           transcript = coalesce(excluded.transcript, sessions.transcript), \
           program_cost = coalesce(excluded.program_cost, sessions.program_cost), \
           archive = coalesce(excluded.archive, sessions.archive), \
           archive_sha256 = coalesce(excluded.archive_sha256, sessions.archive_sha256) RETURNING number, project_id, runner_id";
    GET = concat!("SELECT ", session_columns!(), " FROM sessions s WHERE s.node = ?1 AND s.program = ?2 AND s.id = ?3");
    /// A negative limit is none.
    LIST = concat!(
        "SELECT ", session_columns!(), " FROM sessions s WHERE (?1 IS NULL OR s.project_id = ?1) \
         AND (?2 IS NULL OR s.program = ?2) AND (?3 IS NULL OR s.runner_id = ?3) \
         AND (?4 IS NULL OR (s.id >= ?4 AND s.id < ?4 || char(1114111))) \
         ORDER BY s.updated_at DESC, s.number DESC LIMIT ?5"
    );

    TRANSCRIPTS = "SELECT path, file, offset, memory FROM transcripts WHERE node = ?1 AND gone = 0 ORDER BY path";
    KNOWN = "SELECT number, file, offset, gone FROM transcripts WHERE node = ?1 AND path = ?2";
    READ = "INSERT INTO transcripts (node, path, file, offset, memory) VALUES (?1, ?2, ?3, ?4, ?5) \
            ON CONFLICT (node, path) DO UPDATE SET file = excluded.file, offset = excluded.offset, \
            memory = excluded.memory, gone = 0 RETURNING number";
    GONE = "UPDATE transcripts SET gone = 1 WHERE node = ?1 AND path IN (SELECT value FROM json_each(?2))";
    LEFT_BEHIND = "UPDATE sessions SET transcript = NULL WHERE node = ?1 \
                   AND transcript IN (SELECT value FROM json_each(?2))";

    /// One row for each passage in a JSON array of `[offset, role, at, text]`.
    SAY = "INSERT INTO session_passages (session, transcript, offset, role, at, text) \
           SELECT ?2, ?3, value ->> 0, value ->> 1, value ->> 2, value ->> 3 FROM json_each(?1)";
    LAST_SAID = "SELECT coalesce(max(id), 0) FROM session_passages";
    INDEX = "INSERT INTO session_words (rowid, text) SELECT id, text FROM session_passages WHERE id > ?1";
    TAKE_WORDS = "INSERT INTO session_words (session_words, rowid, text) \
                  SELECT 'delete', id, text FROM session_passages WHERE transcript = ?1";
    TAKE_BACK = "DELETE FROM session_passages WHERE transcript = ?1";
    PASSAGES = "SELECT p.offset, p.role, p.at, p.text FROM sessions s JOIN session_passages p ON p.session = s.number \
                WHERE s.node = ?1 AND s.program = ?2 AND s.id = ?3 ORDER BY p.transcript, p.offset, p.id LIMIT ?4";
    SEARCH = concat!(
        "SELECT ", session_columns!(), ", p.offset, p.role, p.at, \
         snippet(session_words, 0, char(57344), char(57345), '…', 24) AS text \
         FROM session_words JOIN session_passages p ON p.id = session_words.rowid JOIN sessions s ON s.number = p.session \
         WHERE session_words MATCH ?1 AND (?2 IS NULL OR s.project_id = ?2) ORDER BY session_words.rank LIMIT ?3"
    );

    FORGET_PASSAGES = "DELETE FROM session_passages WHERE transcript IN \
                       (SELECT number FROM transcripts WHERE node = ?1 AND gone = 0)";
    REBUILD = "INSERT INTO session_words (session_words) VALUES ('rebuild')";
    FORGET_TRANSCRIPTS = "DELETE FROM transcripts WHERE node = ?1 AND gone = 0";
    /// But not what no file tells: who held it, and where its archive is.
    FORGET = "DELETE FROM sessions WHERE node = ?1 AND transcript IS NOT NULL AND runner_id IS NULL AND archive IS NULL \
              AND NOT EXISTS (SELECT 1 FROM session_passages p WHERE p.session = sessions.number)";
    FORGET_FIELDS = "UPDATE sessions SET title = NULL, model = NULL, requests = 0, program_cost = NULL \
                     WHERE node = ?1 AND transcript IS NOT NULL";
}
