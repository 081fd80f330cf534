//! Of sessions, how far their transcripts were read, and what was said in them.

/// A session's columns.
macro_rules! session_columns {
    () => {
        "s.node, s.program, s.id, s.project_id, s.cwd, s.title, s.model, s.began_at, s.updated_at, s.requests, s.parent, \
         s.runner_id, s.transcript, s.program_cost, s.archive, s.archive_sha256"
    };
}

statements! {
    PLACE = "SELECT number, project_id, runner_id FROM sessions WHERE node = $1 AND program = $2 AND id = $3";
    /// What is absent stays as it was. A runner's session is its project's, wherever its directory is.
    PUT = "INSERT INTO sessions AS s (node, program, id, project_id, cwd, title, model, began_at, updated_at, requests, \
           parent, runner_id, transcript, program_cost, archive, archive_sha256) \
           VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16) \
           ON CONFLICT (node, program, id) DO UPDATE SET project_id = CASE \
           WHEN excluded.runner_id IS NULL AND s.runner_id IS NOT NULL THEN coalesce(s.project_id, excluded.project_id) \
           ELSE coalesce(excluded.project_id, s.project_id) END, \
           cwd = coalesce(nullif(excluded.cwd, ''), s.cwd), title = coalesce(excluded.title, s.title), \
           model = coalesce(excluded.model, s.model), began_at = least(excluded.began_at, s.began_at), \
           updated_at = greatest(excluded.updated_at, s.updated_at), requests = greatest(excluded.requests, s.requests), \
           parent = coalesce(excluded.parent, s.parent), runner_id = coalesce(excluded.runner_id, s.runner_id), \
           transcript = coalesce(excluded.transcript, s.transcript), \
           program_cost = coalesce(excluded.program_cost, s.program_cost), \
           archive = coalesce(excluded.archive, s.archive), \
           archive_sha256 = coalesce(excluded.archive_sha256, s.archive_sha256) RETURNING number, project_id, runner_id";
    GET = concat!("SELECT ", session_columns!(), " FROM sessions s WHERE s.node = $1 AND s.program = $2 AND s.id = $3");
    /// A limit of null is none.
    LIST = concat!(
        "SELECT ", session_columns!(), " FROM sessions s WHERE ($1::uuid IS NULL OR s.project_id = $1) \
         AND ($2::text IS NULL OR s.program = $2) AND ($3::uuid IS NULL OR s.runner_id = $3) \
         AND ($4::text IS NULL OR (s.id >= $4 AND s.id < $4 || chr(1114111))) \
         ORDER BY s.updated_at DESC, s.number DESC LIMIT $5"
    );

    TRANSCRIPTS = "SELECT path, file, \"offset\", memory FROM transcripts WHERE node = $1 AND NOT gone ORDER BY path";
    KNOWN = "SELECT number, file, \"offset\", gone FROM transcripts WHERE node = $1 AND path = $2";
    READ = "INSERT INTO transcripts (node, path, file, \"offset\", memory) VALUES ($1, $2, $3, $4, $5) \
            ON CONFLICT (node, path) DO UPDATE SET file = excluded.file, \"offset\" = excluded.\"offset\", \
            memory = excluded.memory, gone = false RETURNING number";
    GONE = "UPDATE transcripts SET gone = true WHERE node = $1 AND path = ANY($2)";
    LEFT_BEHIND = "UPDATE sessions SET transcript = NULL WHERE node = $1 AND transcript = ANY($2)";

    SAY = "INSERT INTO session_passages (session, transcript, \"offset\", role, at, text, words) \
           SELECT $1, $2, p.\"offset\", p.role, p.at, p.text, p.words::tsvector \
           FROM UNNEST($3::bigint[], $4::text[], $5::timestamptz[], $6::text[], $7::text[]) \
           AS p (\"offset\", role, at, text, words)";
    TAKE_BACK = "DELETE FROM session_passages WHERE transcript = $1";
    PASSAGES = "SELECT p.\"offset\", p.role, p.at, p.text FROM sessions s JOIN session_passages p ON p.session = s.number \
                WHERE s.node = $1 AND s.program = $2 AND s.id = $3 ORDER BY p.transcript, p.\"offset\", p.id LIMIT $4";
    SEARCH = concat!(
        "SELECT ", session_columns!(), ", p.\"offset\", p.role, p.at, p.text \
         FROM session_passages p JOIN sessions s ON s.number = p.session \
         WHERE p.words @@ $1::text::tsquery AND ($2::uuid IS NULL OR s.project_id = $2) \
         ORDER BY ts_rank(p.words, $1::text::tsquery, 1) DESC, p.id DESC LIMIT $3"
    );

    /// It may take its time over many passages.
    AT_LEISURE = "SET LOCAL statement_timeout = '15min'";
    FORGET_PASSAGES = "DELETE FROM session_passages p USING transcripts t \
                       WHERE t.number = p.transcript AND t.node = $1 AND NOT t.gone";
    FORGET_TRANSCRIPTS = "DELETE FROM transcripts WHERE node = $1 AND NOT gone";
    /// But not what no file tells: who held it, and where its archive is.
    FORGET = "DELETE FROM sessions s WHERE s.node = $1 AND s.transcript IS NOT NULL AND s.runner_id IS NULL \
              AND s.archive IS NULL AND NOT EXISTS (SELECT 1 FROM session_passages p WHERE p.session = s.number)";
    FORGET_FIELDS = "UPDATE sessions SET title = NULL, model = NULL, requests = 0, program_cost = NULL \
                     WHERE node = $1 AND transcript IS NOT NULL";
}
