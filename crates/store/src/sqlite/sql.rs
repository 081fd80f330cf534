//! Every statement that SQLite is asked, by concern. A test prepares each against the live schema.

/// Declares statements and lists them.
macro_rules! statements {
    ($($(#[$doc:meta])* $name:ident = $sql:expr;)*) => {
        $($(#[$doc])* pub(in crate::sqlite) const $name: &str = $sql;)*

        #[cfg(test)]
        pub(in crate::sqlite) const ALL: &[(&str, &str)] = &[$((stringify!($name), $name)),*];
    };
}

/// The columns of an event and its project's name.
macro_rules! event_columns {
    () => {
        "e.cursor, e.id, e.aggregate_id, e.aggregate, p.name AS project, e.seq, e.payload, e.at"
    };
}

/// A runner with its project's name and the observation of its present attempt.
macro_rules! select_runner {
    ($rest:literal) => {
        concat!(
            "SELECT r.id, r.name, r.project_id, p.name AS project, r.node, r.person, r.state_data, r.launch, r.created_at, r.revision, \
             r.seq, r.head, o.at AS observed_at, o.cpu_percent, o.memory_bytes, o.viewers, o.title \
             FROM runners r JOIN projects p ON p.id = r.project_id \
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

pub(super) mod preset;
pub(super) mod session;
#[macro_use]
pub(super) mod usage;
pub(super) mod budget;

pub(super) mod batch {
    statements! {
        BEGIN = "BEGIN IMMEDIATE";
        COMMIT = "COMMIT";
        ROLLBACK = "ROLLBACK";
        SAVEPOINT = "SAVEPOINT request";
        RELEASE = "RELEASE request";
        UNDO = "ROLLBACK TO request";
        SYNC_FULL = "PRAGMA synchronous = FULL";
        SYNC_NORMAL = "PRAGMA synchronous = NORMAL";
    }
}

pub(super) mod instance {
    statements! {
        CREATE = "INSERT INTO instance (only_row, id, created_at) VALUES (1, ?1, ?2) ON CONFLICT DO NOTHING";
        ID = "SELECT id FROM instance";
    }
}

pub(super) mod project {
    statements! {
        INSERT = "INSERT INTO projects (id, name, path, max_runners, created_at, revision, seq, head) \
                  VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)";
        NAME_TAKEN = "SELECT EXISTS (SELECT 1 FROM projects WHERE name = ?1 AND archived_at IS NULL)";
        GET = "SELECT id, name, path, max_runners, created_at, archived_at, revision, seq, head \
               FROM projects WHERE id = ?1";
        LIST = "SELECT id, name, path, max_runners, created_at, archived_at, revision, seq, head \
                FROM projects WHERE archived_at IS NULL OR ?1 ORDER BY name, created_at, id";
        ARCHIVE = "UPDATE projects SET archived_at = ?2, revision = ?3, seq = ?4, head = ?5 WHERE id = ?1";
        HEAD = "UPDATE projects SET seq = ?2, head = ?3 WHERE id = ?1";
        UNENDED = concat!("SELECT count(*) FROM runners WHERE project_id = ?1 AND state NOT IN ", ended!());
    }
}

pub(super) mod runner {
    statements! {
        INSERT = "INSERT INTO runners \
                  (id, project_id, name, node, person, state, attempt, state_data, created_at, revision, seq, head, \
                  request_id, launch) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14)";
        UPDATE = "UPDATE runners SET state = ?2, attempt = ?3, state_data = ?4, revision = ?5, seq = ?6, head = ?7, \
                  unanswered = ?8 WHERE id = ?1";
        HEAD = "UPDATE runners SET seq = ?2, head = ?3 WHERE id = ?1";
        GET = select_runner!("WHERE r.id = ?1");
        BY_REQUEST = select_runner!("WHERE r.request_id = ?1");
        LIST = select_runner!(
            "WHERE (?1 IS NULL OR r.project_id = ?1) AND (?3 IS NULL OR r.node = ?3) \
             ORDER BY r.created_at DESC, r.id DESC LIMIT ?2"
        );
        LIST_IN_STATES = select_runner!(
            "WHERE r.state IN (SELECT value FROM json_each(?4)) AND (?1 IS NULL OR r.project_id = ?1) \
             AND (?3 IS NULL OR r.node = ?3) ORDER BY r.created_at DESC, r.id DESC LIMIT ?2"
        );
        /// Names sort by their bytes, so all that begin with ?1 stand between it and it with the last character behind it.
        CALLED = select_runner!(
            "WHERE r.id IN (SELECT id FROM runners WHERE name >= ?1 AND name < ?1 || char(1114111) \
             UNION SELECT id FROM runners WHERE id BETWEEN ?2 AND ?3) ORDER BY r.created_at DESC, r.id DESC"
        );
        COUNTS = "SELECT state, count(*) FROM runners GROUP BY state";
        INTERRUPTED = select_runner!("WHERE r.unanswered = 1 AND r.node = ?1 ORDER BY r.created_at DESC");
        QUEUED = select_runner!("WHERE r.state = 'queued' AND r.node = ?1 ORDER BY r.created_at, r.id");
        ANSWER = "UPDATE runners SET unanswered = 0 WHERE unanswered = 1 AND node = ?1 RETURNING id";
        NAME_TAKEN = concat!("SELECT EXISTS (SELECT 1 FROM runners WHERE name = ?1 AND state NOT IN ", ended!(), ")");
        /// The least number that, put behind ?1, makes a name that is free.
        FREE_NUMBER = concat!(
            "WITH RECURSIVE numbers (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM numbers WHERE EXISTS \
             (SELECT 1 FROM runners WHERE name = ?1 || n AND state NOT IN ",
            ended!(),
            ")) SELECT max(n) FROM numbers"
        );
        USAGE = concat!(
            "SELECT (SELECT count(*) FROM runners WHERE project_id = ?1 AND state IN ", holding!(), "), \
             (SELECT count(*) FROM runners WHERE node = ?2 AND state IN ", holding!(), ")"
        );
        UNENDED_ON = concat!("SELECT id FROM runners INDEXED BY runner_names WHERE node = ?1 AND state NOT IN ", ended!(), " ORDER BY created_at, id");
        HOLDERS = concat!(
            "SELECT name FROM runners WHERE (?1 IS NULL OR project_id = ?1) AND (?2 IS NULL OR node = ?2) AND state IN ", holding!(),
            " ORDER BY created_at, id"
        );
        /// One row for each heartbeat in a JSON array of `[runner, attempt, at, cpu, memory, viewers, title]`. Only the
        /// present attempt of a runner whose program may still run, and only what is newer than what is known; what is older
        /// by more than a minute is newer too, by a clock that was set back.
        OBSERVE = "INSERT INTO observations (runner_id, attempt, at, cpu_percent, memory_bytes, viewers, title) \
                   SELECT r.id, r.attempt, h.value ->> 2, h.value ->> 3, h.value ->> 4, h.value ->> 5, h.value ->> 6 \
                   FROM json_each(?1) h \
                   CROSS JOIN runners r ON r.id = unhex(h.value ->> 0) AND r.attempt = h.value ->> 1 \
                   WHERE r.state IN ('starting', 'running', 'paused', 'stopping') \
                   ON CONFLICT (runner_id) DO UPDATE SET attempt = excluded.attempt, at = excluded.at, \
                   cpu_percent = excluded.cpu_percent, memory_bytes = excluded.memory_bytes, \
                   viewers = excluded.viewers, title = excluded.title \
                   WHERE (excluded.attempt, excluded.at) > (observations.attempt, observations.at) \
                   OR (excluded.attempt = observations.attempt AND excluded.at < observations.at - 60000000)";
    }
}

pub(super) mod event {
    statements! {
        INSERT = "INSERT INTO events (id, aggregate, aggregate_id, seq, project_id, type, payload, at, key_id, mac) \
                  VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10)";
        AFTER = concat!(
            "SELECT ", event_columns!(), " FROM events e JOIN projects p ON p.id = e.project_id \
             WHERE e.cursor > ?1 ORDER BY e.cursor LIMIT ?2"
        );
        LAST = "SELECT coalesce(max(cursor), 0) FROM events";
        IS_THERE = "SELECT EXISTS (SELECT 1 FROM events WHERE aggregate_id = ?1 AND at = ?2 AND payload = ?3)";
    }
}

pub(super) mod outbox {
    statements! {
        INSERT = "INSERT INTO outbox (event_id, aggregate_id, seq, shard) VALUES (?1, ?2, ?3, ?4)";
        WAITING = concat!(
            "SELECT o.id AS position, o.attempts, ", event_columns!(), " FROM outbox o \
             JOIN events e ON e.id = o.event_id JOIN projects p ON p.id = e.project_id \
             WHERE o.delivered = 0 AND o.shard IN (SELECT value FROM json_each(?1)) AND NOT EXISTS \
             (SELECT 1 FROM outbox x WHERE x.aggregate_id = o.aggregate_id AND x.parked_at IS NOT NULL) \
             ORDER BY o.id LIMIT ?2"
        );
        DELIVERED = "UPDATE outbox SET delivered = 1, parked_at = NULL, error = NULL \
                     WHERE id IN (SELECT value FROM json_each(?2)) AND delivered = 0 \
                     AND shard IN (SELECT value FROM json_each(?1))";
        FAILED = "UPDATE outbox SET attempts = attempts + 1, error = ?3, \
                  parked_at = CASE WHEN attempts + 1 >= ?4 THEN ?5 END \
                  WHERE id = ?2 AND delivered = 0 AND parked_at IS NULL \
                  AND shard IN (SELECT value FROM json_each(?1)) RETURNING parked_at IS NOT NULL";
        RETRY = "UPDATE outbox SET parked_at = NULL, attempts = 0, error = NULL \
                 WHERE parked_at IS NOT NULL AND (?1 IS NULL OR aggregate_id = ?1)";
        /// What it failed with stays, to be looked up.
        DROP = "UPDATE outbox SET parked_at = NULL, delivered = 1 WHERE id = ?1 AND parked_at IS NOT NULL";
        DEPTH = "SELECT count(*) FROM outbox WHERE delivered = 0";
        /// Without their payloads, which may weigh megabytes.
        DEAD = "SELECT o.id AS position, o.attempts, o.error, e.aggregate, e.aggregate_id, p.name AS project, e.seq, \
                e.type AS kind FROM outbox o INDEXED BY outbox_parked JOIN events e ON e.id = o.event_id \
                JOIN projects p ON p.id = e.project_id WHERE o.parked_at IS NOT NULL ORDER BY o.id";
    }
}

pub(super) mod notice {
    statements! {
        INSERT = "INSERT INTO notices (event_id, aggregate_id, occasion, edge, person) VALUES (?1, ?2, ?3, ?4, ?5) \
                  ON CONFLICT (aggregate_id, occasion, edge) DO NOTHING";
        /// Notices become visible in the order of their ids, since one writer commits them all.
        UNCLAIMED = "SELECT id FROM notices WHERE person IN (?1, '') AND id > \
                     (SELECT coalesce(max(notice_id), 0) FROM notifications WHERE consumer = ?2 AND person = ?1) ORDER BY id";
        CLAIM = "INSERT INTO notifications (id, person, consumer, notice_id, claimed_at) VALUES (?1, ?2, ?3, ?4, ?5) \
                 ON CONFLICT (consumer, notice_id) DO NOTHING RETURNING id";
        CLAIM_AGAIN = "UPDATE notifications SET claimed_at = ?3 WHERE person = ?1 AND consumer = ?2 AND shown_at IS NULL \
                       AND claimed_at < ?4 RETURNING id";
        /// Those whose ids a JSON array of hexadecimal digits lists.
        CLAIMED = concat!(
            "SELECT n.id AS notification_id, i.edge, r.name AS runner, ", event_columns!(), " FROM notifications n \
             JOIN notices i ON i.id = n.notice_id JOIN events e ON e.id = i.event_id \
             JOIN projects p ON p.id = e.project_id LEFT JOIN runners r ON r.id = e.aggregate_id \
             WHERE n.id IN (SELECT unhex(value) FROM json_each(?1)) ORDER BY n.notice_id"
        );
        SHOWN = "UPDATE notifications SET shown_at = ?2 WHERE id = ?1 AND shown_at IS NULL";
    }
}

/// Of nodes; the clock is the database's, in microseconds.
pub(super) mod node {
    macro_rules! clock {
        () => {
            "CAST(unixepoch('subsec') * 1000000 AS INTEGER)"
        };
    }

    /// What is known of a node, and whether it has left or not been heard from for too long.
    macro_rules! select_node {
        ($rest:literal) => {
            concat!(
                "SELECT n.id, n.name, n.version, n.max_runners, n.registered_at, n.heard_at, max(0, ",
                clock!(),
                " - n.heard_at) AS elapsed, (n.incarnation IS NULL OR n.heard_at < ",
                clock!(),
                " - n.ttl) AS silent, (SELECT count(*) FROM runners r WHERE r.node = n.id AND r.state IN ",
                holding!(),
                ") AS active FROM nodes n ",
                $rest
            )
        };
    }

    statements! {
        REGISTER = concat!(
            "INSERT INTO nodes (id, name, version, max_runners, seat, incarnation, ttl, registered_at, heard_at) \
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ", clock!(), ", ", clock!(), ") \
             ON CONFLICT (id) DO UPDATE SET name = excluded.name, version = excluded.version, \
             max_runners = excluded.max_runners, seat = excluded.seat, incarnation = excluded.incarnation, \
             ttl = excluded.ttl, registered_at = excluded.registered_at, heard_at = excluded.heard_at \
             WHERE nodes.incarnation IS NULL OR nodes.incarnation = excluded.incarnation OR nodes.seat = excluded.seat \
             OR nodes.heard_at < excluded.heard_at - nodes.ttl RETURNING id"
        );
        HEARD = concat!("UPDATE nodes SET heard_at = ", clock!(), " WHERE id = ?1 AND incarnation = ?2 RETURNING id");
        LEFT = concat!("UPDATE nodes SET heard_at = ", clock!(), ", incarnation = NULL WHERE id = ?1 AND incarnation = ?2");
        GET = select_node!("WHERE n.id = ?1");
        LIST = select_node!("ORDER BY n.name, n.id");
        PLACES = "SELECT max_runners FROM nodes WHERE id = ?1";
        FORGET = "DELETE FROM nodes WHERE id = ?1";
    }
}

pub(super) mod audit {
    macro_rules! checkpoint_columns {
        () => {
            "id, cursor, events, heads, pruned, bases, at, key_id, mac"
        };
    }

    statements! {
        CHAINS = "SELECT cursor, id, aggregate_id, seq, project_id, type, payload, at, key_id, mac \
                  FROM events ORDER BY aggregate_id, seq, cursor";
        HEADS = "SELECT id AS aggregate_id, seq, head FROM runners UNION ALL SELECT id, seq, head FROM projects";
        COUNT_UNTIL = "SELECT count(*) FROM events WHERE cursor <= ?1";
        LAST_CHECKPOINT = concat!(
            "SELECT ", checkpoint_columns!(), " FROM checkpoints WHERE id = (SELECT max(id) FROM checkpoints)"
        );
        CHECKPOINTS = concat!("SELECT ", checkpoint_columns!(), " FROM checkpoints ORDER BY id");
        /// Here mac is that of the row with the greatest seq: SQLite defines it so for max(). By cursor, not by the index
        /// over aggregates, which would read the whole log.
        GROWN = "SELECT aggregate_id, max(seq) AS seq, mac, count(*) AS events, max(cursor) AS cursor FROM events NOT INDEXED \
                 WHERE cursor > ?1 GROUP BY aggregate_id ORDER BY aggregate_id";
        INSERT = "INSERT INTO checkpoints (id, cursor, events, heads, pruned, bases, at, key_id, mac) \
                  VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)";
        /// The last event of each chain that may go together with all before it. The very last event stays, since the next
        /// one's cursor is the one behind it.
        PRUNABLE = concat!(
            "WITH aggregates AS (SELECT id, seq, state NOT IN ", ended!(), " AS lives FROM runners \
             UNION ALL SELECT id, seq, archived_at IS NULL FROM projects), \
             bounds AS (SELECT a.id, min(a.seq - a.lives, coalesce((SELECT min(e.seq) - 1 FROM events e \
             JOIN outbox o ON o.event_id = e.id WHERE e.aggregate_id = a.id AND (e.at >= ?1 OR o.delivered = 0 OR e.cursor = (SELECT max(cursor) FROM events))), a.seq)) \
             AS seq FROM aggregates a) \
             SELECT e.aggregate_id, e.seq, e.mac AS head FROM bounds b \
             JOIN events e ON e.aggregate_id = b.id AND e.seq = b.seq"
        );
        BEGIN_PRUNING = "INSERT INTO pruning (aggregate_id, seq) \
                         SELECT unhex(value ->> 0), value ->> 1 FROM json_each(?1)";
        PRUNE_NOTIFICATIONS = "DELETE FROM notifications WHERE notice_id IN (SELECT n.id FROM notices n \
                               JOIN events e ON e.id = n.event_id \
                               JOIN pruning p ON p.aggregate_id = e.aggregate_id AND e.seq <= p.seq)";
        PRUNE_NOTICES = "DELETE FROM notices WHERE event_id IN (SELECT e.id FROM pruning p \
                         JOIN events e ON e.aggregate_id = p.aggregate_id AND e.seq <= p.seq)";
        PRUNE_OUTBOX = "DELETE FROM outbox WHERE event_id IN (SELECT e.id FROM pruning p \
                        JOIN events e ON e.aggregate_id = p.aggregate_id AND e.seq <= p.seq)";
        PRUNE = "DELETE FROM events WHERE cursor IN (SELECT e.cursor FROM pruning p \
                 JOIN events e ON e.aggregate_id = p.aggregate_id AND e.seq <= p.seq)";
        END_PRUNING = "DELETE FROM pruning";
    }
}
