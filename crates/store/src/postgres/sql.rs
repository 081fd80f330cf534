//! Every statement that PostgreSQL is asked, by concern. A test prepares each against the live schema.

/// Declares statements and lists them.
macro_rules! statements {
    ($($(#[$doc:meta])* $name:ident = $sql:expr;)*) => {
        $($(#[$doc])* pub(in crate::postgres) const $name: &str = $sql;)*

        #[cfg(test)]
        pub(in crate::postgres) const ALL: &[(&str, &str)] = &[$((stringify!($name), $name)),*];
    };
}

/// The columns of an event and its project's name.
macro_rules! event_columns {
    () => {
        "e.cursor, e.event_id AS id, e.aggregate_id, e.aggregate, p.name AS project, e.seq, e.payload, e.at"
    };
}

/// A runner with its project's name and the observation of its present attempt.
macro_rules! select_runner {
    ($rest:literal) => {
        concat!(
            "SELECT r.id, r.name, r.project_id, p.name AS project, r.node, r.person, r.state_data::text AS state_data, \
             r.launch::text AS launch, r.created_at, r.revision, r.seq, r.head, o.at AS observed_at, o.cpu_percent, \
             o.memory_bytes, o.viewers, o.title FROM runners r JOIN projects p ON p.id = r.project_id \
             LEFT JOIN observations o ON o.runner_id = r.id AND o.attempt = r.attempt ",
            $rest
        )
    };
}

/// The states that hold a place, as [`stratavore_core::quota::counts`] says.
macro_rules! holding {
    () => {
        "('starting', 'running', 'paused', 'stopping', 'backoff')"
    };
}

/// The states in which nothing happens any more, as `StateName::is_final` says.
macro_rules! ended {
    () => {
        "('terminated', 'failed', 'cancelled')"
    };
}

/// Changes an aggregate's row and appends its events, with their outbox rows and notices, if the row was as expected: one
/// statement, one round trip. The change is the CTE `changed`, whose own parameters begin with $13; where it changes no row,
/// nothing is appended and 0 returned. The row's lock comes before the events' ids, so those ascend with their seqs.
macro_rules! append {
    ($changed:expr) => {
        concat!(
            "WITH changed AS (", $changed, " RETURNING 1), \
             fresh AS (INSERT INTO events (event_id, aggregate, aggregate_id, seq, project_id, type, payload, at, key_id, mac) \
             SELECT t.event_id, $1, $2, t.seq, $3, t.type, t.payload, $4, $5, t.mac \
             FROM UNNEST($6::uuid[], $7::bigint[], $8::text[], $9::text[], $10::bytea[]) \
             AS t (event_id, seq, type, payload, mac) CROSS JOIN (SELECT 1 FROM changed LIMIT 1) c ORDER BY t.seq \
             RETURNING id, event_id, seq), \
             waiting AS (INSERT INTO outbox (event, aggregate_id, shard) SELECT f.id, $2, $11 FROM fresh f), \
             told AS (INSERT INTO notices (event, aggregate_id, occasion, edge, person) \
             SELECT f.id, $2, (n.value ->> 1)::bigint, n.value ->> 2, n.value ->> 3 FROM fresh f \
             JOIN jsonb_array_elements($12::jsonb) AS n (value) ON (n.value ->> 0)::bigint = f.seq \
             ON CONFLICT (aggregate_id, occasion, edge) DO NOTHING) \
             SELECT count(*) FROM changed"
        )
    };
}

pub(super) mod preset;
pub(super) mod session;
#[macro_use]
pub(super) mod usage;
pub(super) mod budget;

pub(super) mod line {
    statements! {
        /// What waits longer than this fails; a client that went away in the middle of a transaction holds nothing up.
        LIMITS = "SET statement_timeout = '10s'; SET lock_timeout = '5s'; SET idle_in_transaction_session_timeout = '20s'";
        PING = "SELECT 1";
    }
}

pub(super) mod schema {
    statements! {
        /// Ours has a list of migrations; an empty schema has nothing.
        MIGRATED = "SELECT to_regclass('_sqlx_migrations') IS NOT NULL";
        VERSION = "SELECT coalesce(max(version), 0) FROM _sqlx_migrations WHERE success";
    }
}

pub(super) mod project {
    macro_rules! columns {
        () => {
            "id, name, path, max_runners, created_at, archived_at, revision, seq, head"
        };
    }

    statements! {
        INSERT = append!(
            "INSERT INTO projects (id, name, path, max_runners, created_at, revision, seq, head) \
             VALUES ($2, $13, $14, $15, $4, $16, $17, $18)"
        );
        GET = concat!("SELECT ", columns!(), " FROM projects WHERE id = $1");
        LIST = concat!("SELECT ", columns!(), " FROM projects WHERE archived_at IS NULL OR $1 ORDER BY name, created_at, id");
        ARCHIVE = append!(
            "UPDATE projects SET archived_at = $4, revision = $13, seq = $14, head = $15 WHERE id = $2 AND seq = $16"
        );
        NOTE = append!("UPDATE projects SET seq = $13, head = $14 WHERE id = $2 AND seq = $15");
        UNENDED = concat!("SELECT count(*) FROM runners WHERE project_id = $1 AND state NOT IN ", ended!());
    }
}

pub(super) mod runner {
    statements! {
        INSERT = append!(
            "INSERT INTO runners (id, project_id, name, node, person, state, attempt, state_data, created_at, revision, seq, \
             head, request_id, launch) \
             VALUES ($2, $3, $13, $14, $15, $16, $17, $18::text::json, $4, $19, $20, $21, $22, $23::text::json)"
        );
        UPDATE = append!(
            "UPDATE runners SET state = $13, attempt = $14, state_data = $15::text::json, revision = $16, seq = $17, \
             head = $18, unanswered = $19 WHERE id = $2 AND seq = $20"
        );
        NOTE = append!("UPDATE runners SET seq = $13, head = $14 WHERE id = $2 AND seq = $15");
        GET = select_runner!("WHERE r.id = $1");
        /// A limit of null is none.
        LIST = select_runner!(
            "WHERE ($1::uuid IS NULL OR r.project_id = $1) AND ($3::text IS NULL OR r.node = $3) \
             ORDER BY r.created_at DESC, r.id DESC LIMIT $2"
        );
        LIST_IN_STATES = select_runner!(
            "WHERE r.state = ANY($4) AND ($1::uuid IS NULL OR r.project_id = $1) AND ($3::text IS NULL OR r.node = $3) \
             ORDER BY r.created_at DESC, r.id DESC LIMIT $2"
        );
        /// Names sort by their bytes, so all that begin with $1 stand between it and it with the last character behind it.
        CALLED = select_runner!(
            "WHERE r.id IN (SELECT id FROM runners WHERE name >= $1 AND name < $1 || chr(1114111) \
             UNION SELECT id FROM runners WHERE id BETWEEN $2 AND $3) ORDER BY r.created_at DESC, r.id DESC"
        );
        COUNTS = "SELECT state, count(*) FROM runners GROUP BY state";
        INTERRUPTED = select_runner!("WHERE r.unanswered AND r.node = $1 ORDER BY r.created_at DESC");
        ANSWER = "UPDATE runners SET unanswered = false WHERE unanswered AND node = $1 RETURNING id";
        QUEUED = select_runner!("WHERE r.state = 'queued' AND r.node = $1 ORDER BY r.created_at, r.id");
        UNENDED_ON = concat!(
            "SELECT id FROM runners WHERE node = $1 AND state NOT IN ", ended!(), " ORDER BY created_at, id"
        );
        /// All that a launch is decided by: the project, how much of its and the node's places are taken, how many the node
        /// registered with, whether the name ($3) is taken, the least number that makes one of the project's name (cut to $4
        /// characters), the runner of an earlier request with the same id ($5), and whether budgets hold launches back, and all
        /// of them together.
        WEIGH = concat!(
            "SELECT p.id, p.name, p.path, p.max_runners, p.created_at, p.archived_at, p.revision, p.seq, p.head, \
             (SELECT count(*) FROM runners r WHERE r.project_id = p.id AND r.state IN ", holding!(), ") AS in_project, \
             (SELECT count(*) FROM runners r WHERE r.node = $2 AND r.state IN ", holding!(), ") AS on_node, \
             (SELECT n.max_runners FROM nodes n WHERE n.id = $2) AS places, \
             EXISTS (SELECT 1 FROM runners r WHERE r.name = $3 AND r.state NOT IN ", ended!(), ") AS taken, \
             CASE WHEN $3 IS NULL THEN (WITH RECURSIVE numbers (n) AS (SELECT 1::bigint UNION ALL SELECT n + 1 FROM numbers \
             WHERE EXISTS (SELECT 1 FROM runners r WHERE r.name = left(p.name, $4) || '-' || n AND r.state NOT IN ", ended!(),
            ")) SELECT max(n) FROM numbers) END AS number, \
             (SELECT r.id FROM runners r WHERE r.request_id = $5) AS repeated, \
             EXISTS (SELECT 1 FROM token_budgets b WHERE b.at_limit <> 'warn') AS budgeted, \
             EXISTS (SELECT 1 FROM token_budgets b WHERE b.at_limit <> 'warn' AND b.scope = 'global') AS budgeted_together \
             FROM projects p WHERE p.id = $1"
        );
        HOLDERS = concat!(
            "SELECT name FROM runners WHERE ($1::uuid IS NULL OR project_id = $1) AND ($2::text IS NULL OR node = $2) \
             AND state IN ", holding!(), " ORDER BY created_at, id"
        );
        /// Only the present attempt of a runner whose program may still run, and only what is newer than what is known; what is
        /// older by more than a minute is newer too, by a clock that was set back. In the order of the runners, so that two that
        /// write the same ones do not wait for each other in a circle.
        OBSERVE = "INSERT INTO observations (runner_id, attempt, at, cpu_percent, memory_bytes, viewers, title) \
                   SELECT DISTINCT ON (r.id) r.id, r.attempt, h.at, h.cpu_percent, h.memory_bytes, h.viewers, h.title \
                   FROM UNNEST($1::uuid[], $2::bigint[], $3::timestamptz[], $4::double precision[], $5::bigint[], \
                   $6::bigint[], $7::text[]) AS h (runner_id, attempt, at, cpu_percent, memory_bytes, viewers, title) \
                   JOIN runners r ON r.id = h.runner_id AND r.attempt = h.attempt \
                   WHERE r.state IN ('starting', 'running', 'paused', 'stopping') ORDER BY r.id, h.at DESC \
                   ON CONFLICT (runner_id) DO UPDATE SET attempt = excluded.attempt, at = excluded.at, \
                   cpu_percent = excluded.cpu_percent, memory_bytes = excluded.memory_bytes, \
                   viewers = excluded.viewers, title = excluded.title \
                   WHERE (excluded.attempt, excluded.at) > (observations.attempt, observations.at) \
                   OR (excluded.attempt = observations.attempt \
                   AND excluded.at < observations.at - interval '1 minute')";
    }
}

pub(super) mod event {
    statements! {
        UNNUMBERED = "SELECT EXISTS (SELECT 1 FROM events WHERE cursor IS NULL)";
        IS_THERE = "SELECT EXISTS (SELECT 1 FROM events WHERE aggregate_id = $1 AND at = $2 AND payload = $3)";
        /// Gives cursors to the events that have none, and wakes every node. Two statements, since what waited for the lock
        /// must not look with the eyes of before; together one transaction.
        NUMBER = "SELECT pg_advisory_xact_lock(6002236404431963734); \
                  WITH fresh AS (SELECT id, row_number() OVER (ORDER BY id) AS n FROM events WHERE cursor IS NULL), \
                  numbered AS (UPDATE events e SET cursor = l.cursor + f.n FROM fresh f, log l WHERE e.id = f.id \
                  RETURNING e.cursor), \
                  moved AS (UPDATE log SET cursor = greatest(log.cursor, (SELECT max(cursor) FROM numbered)) \
                  WHERE EXISTS (SELECT 1 FROM numbered)) \
                  SELECT CASE WHEN EXISTS (SELECT 1 FROM numbered) THEN pg_notify('stratavore', '')::text END";
        AFTER = concat!(
            "SELECT ", event_columns!(), " FROM events e JOIN projects p ON p.id = e.project_id \
             WHERE e.cursor > $1 ORDER BY e.cursor LIMIT $2"
        );
        LAST = "SELECT cursor FROM log";
        /// Has every node look at the outbox, although there is no new event.
        WAKE = "SELECT pg_notify('stratavore', 'outbox')::text";
    }
}

pub(super) mod outbox {
    /// The shards of $1 that still have the epochs of $2, held fast while the statement runs.
    macro_rules! held {
        () => {
            "held AS MATERIALIZED (SELECT s.number FROM shards s \
             JOIN UNNEST($1::smallint[], $2::bigint[]) AS ours (number, epoch) \
             ON ours.number = s.number AND ours.epoch = s.epoch FOR SHARE OF s)"
        };
    }

    statements! {
        LOCK = "SELECT number, epoch, owner, held_until > clock_timestamp() AS live FROM shards ORDER BY number FOR UPDATE";
        WANT = "INSERT INTO deliverers (owner, until) \
                VALUES ($1, clock_timestamp() + $2 * interval '1 microsecond') \
                ON CONFLICT (owner) DO UPDATE SET until = excluded.until";
        FORGET_DEAD = "DELETE FROM deliverers WHERE until <= clock_timestamp()";
        DELIVERERS = "SELECT count(*) FROM deliverers";
        RENEW = "UPDATE shards SET held_until = clock_timestamp() + $2 * interval '1 microsecond' WHERE number = ANY($1)";
        TAKE = "UPDATE shards SET owner = $3, epoch = epoch + 1, \
                held_until = clock_timestamp() + $2 * interval '1 microsecond' WHERE number = ANY($1) RETURNING number, epoch";
        GIVE_UP = "UPDATE shards SET owner = NULL, held_until = '-infinity' WHERE number = ANY($1)";
        RELEASE = "WITH gone AS (DELETE FROM deliverers WHERE owner = $1) \
                   UPDATE shards SET owner = NULL, held_until = '-infinity' WHERE owner = $1";
        WAITING = concat!(
            "SELECT o.event AS position, o.attempts, ", event_columns!(), " FROM outbox o \
             JOIN events e ON e.id = o.event JOIN projects p ON p.id = e.project_id \
             WHERE o.shard = ANY($1) AND e.cursor IS NOT NULL AND NOT EXISTS \
             (SELECT 1 FROM outbox x WHERE x.aggregate_id = o.aggregate_id AND x.parked_at IS NOT NULL) \
             ORDER BY o.event LIMIT $2"
        );
        DELIVERED = concat!(
            "WITH ", held!(), ", gone AS (DELETE FROM outbox o USING held h WHERE o.event = ANY($3) AND o.shard = h.number) \
             SELECT count(*) FROM held"
        );
        FAILED = concat!(
            "WITH ", held!(), ", failed AS (UPDATE outbox o SET attempts = attempts + 1, error = $4, \
             parked_at = CASE WHEN attempts + 1 >= $5 THEN $6::timestamptz END FROM held h \
             WHERE o.event = $3 AND o.shard = h.number AND o.parked_at IS NULL RETURNING o.parked_at) \
             SELECT (SELECT count(*) FROM held), EXISTS (SELECT 1 FROM failed WHERE parked_at IS NOT NULL)"
        );
        DEPTH = "SELECT count(*) FROM outbox";
        /// Without their payloads, which may weigh megabytes.
        DEAD = "SELECT o.event AS position, o.attempts, o.error, e.aggregate, e.aggregate_id, p.name AS project, e.seq, \
                e.type AS kind FROM outbox o JOIN events e ON e.id = o.event JOIN projects p ON p.id = e.project_id \
                WHERE o.parked_at IS NOT NULL ORDER BY o.event";
        RETRY = "UPDATE outbox SET parked_at = NULL, attempts = 0, error = NULL \
                 WHERE parked_at IS NOT NULL AND ($1::uuid IS NULL OR aggregate_id = $1)";
        DROP = "DELETE FROM outbox WHERE event = $1 AND parked_at IS NOT NULL";
    }
}

pub(super) mod notice {
    statements! {
        KNOW = "INSERT INTO consumers (person, consumer) VALUES ($1, $2) ON CONFLICT DO NOTHING";
        /// One at a time claims for a person and consumer.
        LOCK = "SELECT cursor FROM consumers WHERE person = $1 AND consumer = $2 FOR UPDATE";
        NOW = "SELECT clock_timestamp()";
        CLAIM_AGAIN = "UPDATE notifications SET claimed_at = $3 WHERE person = $1 AND consumer = $2 AND shown_at IS NULL \
                       AND claimed_at < $4 RETURNING id";
        /// Claims what became visible after $4, which moves on as far as was looked.
        CLAIM = "WITH seen AS (SELECT cursor FROM log), \
                 fresh AS (SELECT n.id FROM events e JOIN notices n ON n.event = e.id \
                 WHERE e.cursor > $4 AND n.person IN ($1, '') ORDER BY e.cursor), \
                 moved AS (UPDATE consumers c SET cursor = s.cursor FROM seen s WHERE c.person = $1 AND c.consumer = $2 \
                 AND c.cursor < s.cursor) \
                 INSERT INTO notifications (id, person, consumer, notice_id, claimed_at) \
                 SELECT gen_random_uuid(), $1, $2, f.id, $3 FROM fresh f \
                 ON CONFLICT (consumer, notice_id) DO NOTHING RETURNING id";
        CLAIMED = concat!(
            "SELECT n.id AS notification_id, i.edge, r.name AS runner, ", event_columns!(), " FROM notifications n \
             JOIN notices i ON i.id = n.notice_id JOIN events e ON e.id = i.event \
             JOIN projects p ON p.id = e.project_id LEFT JOIN runners r ON r.id = e.aggregate_id \
             WHERE n.id = ANY($1) ORDER BY e.cursor"
        );
        SHOWN = "UPDATE notifications SET shown_at = $2 WHERE id = $1 AND shown_at IS NULL";
    }
}

pub(super) mod node {
    /// What is known of a node, and whether it has left or not been heard from for too long.
    macro_rules! select_node {
        ($rest:literal) => {
            concat!(
                "SELECT n.id, n.name, n.version, n.max_runners, n.registered_at, n.heard_at, \
                 greatest(0, (extract(epoch FROM clock_timestamp() - n.heard_at) * 1000000)::bigint) AS elapsed, \
                 (n.incarnation IS NULL OR n.heard_at < clock_timestamp() - n.ttl * interval '1 microsecond') AS silent, \
                 (SELECT count(*) FROM runners r WHERE r.node = n.id AND r.state IN ",
                holding!(),
                ") AS active FROM nodes n ",
                $rest
            )
        };
    }

    statements! {
        REGISTER = "INSERT INTO nodes AS n (id, name, version, max_runners, seat, incarnation, ttl, registered_at, heard_at) \
                    VALUES ($1, $2, $3, $4, $5, $6, $7, clock_timestamp(), clock_timestamp()) \
                    ON CONFLICT (id) DO UPDATE SET name = excluded.name, version = excluded.version, \
                    max_runners = excluded.max_runners, seat = excluded.seat, incarnation = excluded.incarnation, \
                    ttl = excluded.ttl, registered_at = clock_timestamp(), heard_at = clock_timestamp() \
                    WHERE n.incarnation IS NULL OR n.incarnation = excluded.incarnation OR n.seat = excluded.seat \
                    OR n.heard_at < clock_timestamp() - n.ttl * interval '1 microsecond' RETURNING n.id";
        HEARD = "UPDATE nodes SET heard_at = clock_timestamp() WHERE id = $1 AND incarnation = $2 RETURNING id";
        LEFT = "UPDATE nodes SET heard_at = clock_timestamp(), incarnation = NULL WHERE id = $1 AND incarnation = $2";
        GET = select_node!("WHERE n.id = $1");
        LIST = select_node!("ORDER BY n.name, n.id");
        LOCK = "SELECT id FROM nodes WHERE id = $1 FOR UPDATE";
        FORGET = "DELETE FROM nodes WHERE id = $1";
    }
}

pub(super) mod audit {
    macro_rules! checkpoint_columns {
        () => {
            "id, cursor, events, heads, pruned, bases, at, key_id, mac"
        };
    }

    statements! {
        /// One at a time signs. A lock of its own, so that the log may be read meanwhile.
        LOCK = "BEGIN; SET LOCAL statement_timeout = '15min'; SET LOCAL lock_timeout = '1min'; \
                SELECT pg_advisory_xact_lock(6002236404431963735)";
        SNAPSHOT = "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY; SET LOCAL statement_timeout = '15min'";
        KNOW_KEY = "INSERT INTO audit_keys (id, node) VALUES ($1, $2) ON CONFLICT DO NOTHING";
        KEYS = "SELECT id FROM audit_keys";
        /// What committed without a cursor yet comes after what has one.
        CHAINS = "SELECT coalesce(cursor, 9223372036854775807 - 2147483648 + id % 2147483648) AS cursor, event_id AS id, \
                  aggregate_id, seq, project_id, type, payload, at, key_id, mac FROM events \
                  ORDER BY aggregate_id, seq";
        HEADS = "SELECT id AS aggregate_id, seq, head FROM runners UNION ALL SELECT id, seq, head FROM projects";
        COUNT_UNTIL = "SELECT count(*) FROM events WHERE cursor <= $1";
        LAST_CHECKPOINT = concat!("SELECT ", checkpoint_columns!(), " FROM checkpoints ORDER BY id DESC LIMIT 1");
        CHECKPOINTS = concat!("SELECT ", checkpoint_columns!(), " FROM checkpoints ORDER BY id");
        GROWN = "SELECT DISTINCT ON (aggregate_id) aggregate_id, seq, mac, count(*) OVER chain AS events, \
                 max(cursor) OVER chain AS cursor FROM events WHERE cursor > $1 \
                 WINDOW chain AS (PARTITION BY aggregate_id) ORDER BY aggregate_id, seq DESC";
        INSERT = "INSERT INTO checkpoints (id, cursor, events, heads, pruned, bases, at, key_id, mac) \
                  VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)";
        /// The last event of each chain that may go together with all before it.
        PRUNABLE = concat!(
            "WITH aggregates AS (SELECT id, seq, (state NOT IN ", ended!(), ")::int AS lives FROM runners \
             UNION ALL SELECT id, seq, (archived_at IS NULL)::int FROM projects), \
             bounds AS (SELECT a.id, least(a.seq - a.lives, coalesce((SELECT min(e.seq) - 1 FROM events e \
             LEFT JOIN outbox o ON o.event = e.id WHERE e.aggregate_id = a.id \
             AND (e.at >= $1 OR o.event IS NOT NULL OR e.cursor IS NULL)), a.seq)) AS seq FROM aggregates a) \
             SELECT e.aggregate_id, e.seq, e.mac AS head FROM bounds b \
             JOIN events e ON e.aggregate_id = b.id AND e.seq = b.seq"
        );
        BEGIN_PRUNING = "SELECT set_config('stratavore.pruning', 'on', true)";
        PRUNE_NOTIFICATIONS = "DELETE FROM notifications WHERE notice_id IN (SELECT n.id FROM notices n \
                               JOIN events e ON e.id = n.event JOIN UNNEST($1::uuid[], $2::bigint[]) AS p (id, seq) \
                               ON p.id = e.aggregate_id AND e.seq <= p.seq)";
        PRUNE_NOTICES = "DELETE FROM notices n USING events e, UNNEST($1::uuid[], $2::bigint[]) AS p (id, seq) \
                         WHERE e.id = n.event AND p.id = e.aggregate_id AND e.seq <= p.seq";
        PRUNE = "DELETE FROM events e USING UNNEST($1::uuid[], $2::bigint[]) AS p (id, seq) \
                 WHERE p.id = e.aggregate_id AND e.seq <= p.seq";
    }
}
