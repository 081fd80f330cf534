//! What is asked of both databases to copy the one into the other. Rows travel as JSON: identities and bytes as hexadecimal
//! digits, moments as microseconds.

/// Nobody else writes meanwhile.
pub(super) const LOCK: &str = "LOCK TABLE projects, runners, events, outbox, checkpoints, log, sessions, transcripts, session_passages, token_usage, \
     token_budgets, budget_warnings, presets IN EXCLUSIVE MODE";

/// Where the chains end that there are, in the file.
pub(super) const SENT_HEADS: &str =
    "SELECT id, seq, head FROM projects UNION ALL SELECT id, seq, head FROM runners ORDER BY id";

/// Where the chains end that there are, on the server.
pub(super) const HEADS: &str = SENT_HEADS;

/// How many projects, runners, events and undelivered events there are, in the file.
pub(super) const SENT_COUNTS: &str = "SELECT (SELECT count(*) FROM projects), (SELECT count(*) FROM runners), \
    (SELECT count(*) FROM events), (SELECT count(*) FROM outbox WHERE delivered = 0)";

/// The same on the server, where what was delivered is gone.
pub(super) const COUNTS: &str = "SELECT (SELECT count(*) FROM projects), (SELECT count(*) FROM runners), \
    (SELECT count(*) FROM events), (SELECT count(*) FROM outbox)";

/// How many rows there are of what was read of the programs' files, and of what bounds it; alike in both.
pub(super) const KNOWLEDGE: &str = "SELECT (SELECT count(*) FROM sessions), (SELECT count(*) FROM transcripts), \
    (SELECT count(*) FROM session_passages), (SELECT count(*) FROM token_usage), (SELECT count(*) FROM token_budgets), \
    (SELECT count(*) FROM budget_warnings), (SELECT count(*) FROM presets)";

/// What was said, as it lies together.
pub(super) const PASSAGES: &str = "SELECT session, transcript, offset, role, at, text FROM session_passages ORDER BY session, transcript, id";

/// The log goes on behind what was copied.
pub(super) const SETTLE: &str = "UPDATE log SET cursor = greatest(0, (SELECT max(cursor) FROM events), \
    (SELECT max(cursor) FROM checkpoints)); \
    SELECT setval(pg_get_serial_sequence('events', 'id'), greatest(1, (SELECT max(id) FROM events))); \
    SELECT setval(pg_get_serial_sequence('notices', 'id'), greatest(1, (SELECT max(id) FROM notices))); \
    SELECT setval(pg_get_serial_sequence('sessions', 'number'), greatest(1, (SELECT max(number) FROM sessions))); \
    SELECT setval(pg_get_serial_sequence('transcripts', 'number'), greatest(1, (SELECT max(number) FROM transcripts)))";

/// A moment from its microseconds.
macro_rules! moment {
    ($column:literal) => {
        concat!(
            "timestamptz 'epoch' + ",
            $column,
            " * interval '1 microsecond'"
        )
    };
}

/// Of each table, in the order in which they depend on each other: what reads it, a JSON object a row, and what writes an
/// array of those.
pub(super) const TABLES: &[(&str, &str)] = &[
    (
        "SELECT json_object('id', hex(id), 'name', name, 'path', path, 'max_runners', max_runners, 'created_at', created_at, \
         'archived_at', archived_at, 'revision', revision, 'seq', seq, 'head', hex(head)) FROM projects",
        concat!(
            "INSERT INTO projects (id, name, path, max_runners, created_at, archived_at, revision, seq, head) \
             SELECT t.id, t.name, t.path, t.max_runners, ",
            moment!("t.created_at"),
            ", ",
            moment!("t.archived_at"),
            ", t.revision, t.seq, decode(t.head, 'hex') FROM json_to_recordset($1::text::json) AS t (id uuid, name text, \
             path text, max_runners bigint, created_at bigint, archived_at bigint, revision bigint, seq bigint, head text)"
        ),
    ),
    (
        "SELECT json_object('id', hex(id), 'project_id', hex(project_id), 'name', name, 'node', node, 'person', person, \
         'state', state, 'attempt', attempt, 'state_data', state_data, 'created_at', created_at, 'revision', revision, \
         'seq', seq, 'head', hex(head), 'unanswered', unanswered, 'request_id', CASE WHEN request_id IS NOT NULL THEN \
         hex(request_id) END, 'launch', launch) FROM runners",
        concat!(
            "INSERT INTO runners (id, project_id, name, node, person, state, attempt, state_data, created_at, revision, seq, \
             head, unanswered, request_id, launch) SELECT t.id, t.project_id, t.name, t.node, t.person, t.state, t.attempt, \
             t.state_data::json, ",
            moment!("t.created_at"),
            ", t.revision, t.seq, decode(t.head, 'hex'), t.unanswered <> 0, \
             t.request_id, t.launch::json FROM json_to_recordset($1::text::json) AS t (id uuid, project_id uuid, name text, \
             node text, person text, state text, attempt bigint, state_data text, created_at bigint, revision bigint, \
             seq bigint, head text, unanswered int, request_id uuid, launch text)"
        ),
    ),
    (
        "SELECT json_object('id', hex(runner_id), 'attempt', attempt, 'at', at, 'cpu', cpu_percent, 'memory', memory_bytes, \
         'viewers', viewers, 'title', title) FROM observations",
        concat!(
            "INSERT INTO observations (runner_id, attempt, at, cpu_percent, memory_bytes, viewers, title) \
             SELECT t.id, t.attempt, ",
            moment!("t.at"),
            ", t.cpu, t.memory, t.viewers, t.title \
             FROM json_to_recordset($1::text::json) AS t (id uuid, attempt bigint, at bigint, cpu double precision, \
             memory bigint, viewers bigint, title text)"
        ),
    ),
    (
        "SELECT json_object('cursor', cursor, 'id', hex(id), 'aggregate', aggregate, 'aggregate_id', hex(aggregate_id), \
         'seq', seq, 'project_id', hex(project_id), 'type', type, 'payload', payload, 'at', at, 'key_id', key_id, \
         'mac', hex(mac)) FROM events ORDER BY cursor",
        concat!(
            "INSERT INTO events (id, cursor, event_id, aggregate, aggregate_id, seq, project_id, type, payload, at, key_id, mac) \
             OVERRIDING SYSTEM VALUE SELECT t.cursor, t.cursor, t.id, t.aggregate, t.aggregate_id, t.seq, t.project_id, \
             t.type, t.payload, ",
            moment!("t.at"),
            ", t.key_id, decode(t.mac, 'hex') \
             FROM json_to_recordset($1::text::json) AS t (cursor bigint, id uuid, aggregate text, aggregate_id uuid, \
             seq bigint, project_id uuid, type text, payload text, at bigint, key_id text, mac text)"
        ),
    ),
    (
        "SELECT json_object('event', e.cursor, 'aggregate_id', hex(o.aggregate_id), 'shard', o.shard, 'attempts', o.attempts, \
         'error', o.error, 'parked_at', o.parked_at) \
         FROM outbox o JOIN events e ON e.id = o.event_id WHERE o.delivered = 0",
        concat!(
            "INSERT INTO outbox (event, aggregate_id, shard, attempts, error, parked_at) SELECT t.event, t.aggregate_id, \
             t.shard, t.attempts, t.error, ",
            moment!("t.parked_at"),
            " FROM json_to_recordset($1::text::json) AS t \
             (event bigint, aggregate_id uuid, shard smallint, attempts bigint, error text, parked_at bigint)"
        ),
    ),
    (
        "SELECT json_object('id', n.id, 'event', e.cursor, 'aggregate_id', hex(n.aggregate_id), 'occasion', n.occasion, \
         'edge', n.edge, 'person', n.person) FROM notices n JOIN events e ON e.id = n.event_id",
        "INSERT INTO notices (id, event, aggregate_id, occasion, edge, person) OVERRIDING SYSTEM VALUE \
         SELECT t.id, t.event, t.aggregate_id, t.occasion, t.edge, t.person FROM json_to_recordset($1::text::json) AS t \
         (id bigint, event bigint, aggregate_id uuid, occasion bigint, edge text, person text)",
    ),
    (
        "SELECT json_object('id', hex(id), 'person', person, 'consumer', consumer, 'notice_id', notice_id, \
         'claimed_at', claimed_at, 'shown_at', shown_at) FROM notifications",
        concat!(
            "INSERT INTO notifications (id, person, consumer, notice_id, claimed_at, shown_at) SELECT t.id, t.person, \
             t.consumer, t.notice_id, ",
            moment!("t.claimed_at"),
            ", ",
            moment!("t.shown_at"),
            " FROM json_to_recordset($1::text::json) AS t (id uuid, person text, consumer text, notice_id bigint, \
             claimed_at bigint, shown_at bigint)"
        ),
    ),
    (
        "SELECT json_object('person', c.person, 'consumer', c.consumer, 'cursor', max(e.cursor)) FROM notifications c \
         JOIN notices n ON n.id = c.notice_id JOIN events e ON e.id = n.event_id GROUP BY c.person, c.consumer",
        "INSERT INTO consumers (person, consumer, cursor) SELECT t.person, t.consumer, t.cursor \
         FROM json_to_recordset($1::text::json) AS t (person text, consumer text, cursor bigint)",
    ),
    (
        "SELECT json_object('id', id, 'cursor', cursor, 'events', events, 'heads', hex(heads), 'pruned', pruned, \
         'bases', hex(bases), 'at', at, 'key_id', key_id, 'mac', hex(mac)) FROM checkpoints ORDER BY id",
        concat!(
            "INSERT INTO checkpoints (id, cursor, events, heads, pruned, bases, at, key_id, mac) SELECT t.id, t.cursor, \
             t.events, decode(t.heads, 'hex'), t.pruned, decode(t.bases, 'hex'), ",
            moment!("t.at"),
            ", t.key_id, \
             decode(t.mac, 'hex') FROM json_to_recordset($1::text::json) AS t (id bigint, cursor bigint, events bigint, \
             heads text, pruned bigint, bases text, at bigint, key_id text, mac text)"
        ),
    ),
    (
        "SELECT json_object('number', number, 'node', node, 'program', program, 'id', id, \
         'project_id', CASE WHEN project_id IS NOT NULL THEN hex(project_id) END, 'cwd', cwd, 'title', title, 'model', model, \
         'began_at', began_at, 'updated_at', updated_at, 'requests', requests, 'parent', parent, \
         'runner_id', CASE WHEN runner_id IS NOT NULL THEN hex(runner_id) END, 'transcript', transcript, \
         'program_cost', program_cost, 'archive', archive, 'archive_sha256', archive_sha256) FROM sessions",
        concat!(
            "INSERT INTO sessions (number, node, program, id, project_id, cwd, title, model, began_at, updated_at, requests, \
             parent, runner_id, transcript, program_cost, archive, archive_sha256) OVERRIDING SYSTEM VALUE \
             SELECT t.number, t.node, t.program, t.id, t.project_id, t.cwd, t.title, t.model, ",
            moment!("t.began_at"),
            ", ",
            moment!("t.updated_at"),
            ", t.requests, t.parent, t.runner_id, t.transcript, t.program_cost, t.archive, t.archive_sha256 \
             FROM json_to_recordset($1::text::json) AS t (number bigint, node text, program text, id text, project_id uuid, \
             cwd text, title text, model text, began_at bigint, updated_at bigint, requests bigint, parent text, \
             runner_id uuid, transcript text, program_cost bigint, archive text, archive_sha256 text)"
        ),
    ),
    (
        "SELECT json_object('number', number, 'node', node, 'path', path, 'file', file, 'at', offset, 'memory', memory, \
         'gone', gone) FROM transcripts",
        "INSERT INTO transcripts (number, node, path, file, \"offset\", memory, gone) OVERRIDING SYSTEM VALUE \
         SELECT t.number, t.node, t.path, t.file, t.at, t.memory, t.gone <> 0 FROM json_to_recordset($1::text::json) AS t \
         (number bigint, node text, path text, file text, at bigint, memory text, gone int)",
    ),
    (
        "SELECT json_object('program', program, 'message', message, 'node', node, 'session', session, \
         'project_id', CASE WHEN project_id IS NOT NULL THEN hex(project_id) END, \
         'runner_id', CASE WHEN runner_id IS NOT NULL THEN hex(runner_id) END, 'model', model, 'at', at, 'input', input, \
         'output', output, 'cache_write_5m', cache_write_5m, 'cache_write_1h', cache_write_1h, 'cache_read', cache_read, \
         'cost_nanos', cost_nanos) FROM token_usage ORDER BY id",
        concat!(
            "INSERT INTO token_usage (program, message, node, session, project_id, runner_id, model, at, input, output, \
             cache_write_5m, cache_write_1h, cache_read, cost_nanos) SELECT t.program, t.message, t.node, t.session, \
             t.project_id, t.runner_id, t.model, ",
            moment!("t.at"),
            ", t.input, t.output, t.cache_write_5m, t.cache_write_1h, t.cache_read, t.cost_nanos \
             FROM json_to_recordset($1::text::json) AS t (program text, message text, node text, session text, \
             project_id uuid, runner_id uuid, model text, at bigint, input bigint, output bigint, cache_write_5m bigint, \
             cache_write_1h bigint, cache_read bigint, cost_nanos bigint)"
        ),
    ),
    (
        "SELECT json_object('id', hex(id), 'scope', scope, \
         'project_id', CASE WHEN project_id IS NOT NULL THEN hex(project_id) END, \
         'runner_id', CASE WHEN runner_id IS NOT NULL THEN hex(runner_id) END, 'session', session, 'period', period, \
         'unit', unit, 'amount', amount, 'at_limit', at_limit, 'set_at', set_at) FROM token_budgets",
        concat!(
            "INSERT INTO token_budgets (id, scope, project_id, runner_id, session, period, unit, amount, at_limit, set_at) \
             SELECT t.id, t.scope, t.project_id, t.runner_id, t.session, t.period, t.unit, t.amount, t.at_limit, ",
            moment!("t.set_at"),
            " FROM json_to_recordset($1::text::json) AS t (id uuid, scope text, project_id uuid, runner_id uuid, \
             session text, period text, unit text, amount bigint, at_limit text, set_at bigint)"
        ),
    ),
    (
        "SELECT json_object('id', hex(budget_id), 'since', since, 'percent', percent, 'at', at) FROM budget_warnings",
        concat!(
            "INSERT INTO budget_warnings (budget_id, since, percent, at) SELECT t.id, ",
            moment!("t.since"),
            ", t.percent, ",
            moment!("t.at"),
            " FROM json_to_recordset($1::text::json) AS t (id uuid, since bigint, percent smallint, at bigint)"
        ),
    ),
    (
        "SELECT json_object('person', person, 'name', name, 'preset', preset, 'set_at', set_at) FROM presets",
        concat!(
            "INSERT INTO presets (person, name, preset, set_at) SELECT t.person, t.name, t.preset::json, ",
            moment!("t.set_at"),
            " FROM json_to_recordset($1::text::json) AS t (person text, name text, preset text, set_at bigint)"
        ),
    ),
];
