-- What one machine keeps. Moments are microseconds since 1970 in UTC; identities are the 16 bytes of a UUID.

-- 'STRV': tells this file from another program's database.
PRAGMA application_id = 1398035030;

CREATE TABLE instance (
    only_row   INTEGER PRIMARY KEY CHECK (only_row = 1),
    id         TEXT NOT NULL,
    created_at INTEGER NOT NULL
) STRICT;

-- seq and head are the aggregate's last event: the next one takes seq + 1 and is chained to head.
CREATE TABLE projects (
    id          BLOB PRIMARY KEY NOT NULL,
    name        TEXT NOT NULL,
    path        TEXT NOT NULL,
    max_runners INTEGER,
    created_at  INTEGER NOT NULL,
    archived_at INTEGER,
    revision    INTEGER NOT NULL,
    seq         INTEGER NOT NULL,
    head        BLOB NOT NULL
) STRICT;

CREATE UNIQUE INDEX project_names ON projects (name) WHERE archived_at IS NULL;

-- state and attempt repeat what state_data says, for the indexes and the guards.
CREATE TABLE runners (
    id         BLOB PRIMARY KEY NOT NULL,
    project_id BLOB NOT NULL REFERENCES projects (id),
    name       TEXT NOT NULL,
    state      TEXT NOT NULL,
    attempt    INTEGER NOT NULL,
    state_data TEXT NOT NULL,
    created_at INTEGER NOT NULL,
    revision   INTEGER NOT NULL,
    seq        INTEGER NOT NULL,
    head       BLOB NOT NULL,
    -- Failed as interrupted, and nobody has answered the offer to start it again.
    unanswered INTEGER NOT NULL DEFAULT 0,
    request_id BLOB,
    launch     TEXT NOT NULL
) STRICT;

CREATE UNIQUE INDEX runner_names ON runners (name) WHERE state NOT IN ('terminated', 'failed', 'cancelled');
CREATE UNIQUE INDEX runner_requests ON runners (request_id) WHERE request_id IS NOT NULL;
CREATE INDEX runner_places ON runners (project_id)
    WHERE state IN ('starting', 'running', 'paused', 'stopping', 'backoff');
CREATE INDEX runner_states ON runners (state, created_at);
CREATE INDEX runner_ages ON runners (created_at, id);
CREATE INDEX runner_offers ON runners (created_at) WHERE unanswered = 1;

-- Apart from the runners, so that a heartbeat rewrites one short row and no index.
CREATE TABLE observations (
    runner_id    BLOB PRIMARY KEY NOT NULL REFERENCES runners (id),
    attempt      INTEGER NOT NULL,
    at           INTEGER NOT NULL,
    cpu_percent  REAL NOT NULL,
    memory_bytes INTEGER NOT NULL,
    viewers      INTEGER NOT NULL,
    title        TEXT
) STRICT, WITHOUT ROWID;

-- The audit log. payload holds the exact bytes that mac covers.
CREATE TABLE events (
    cursor       INTEGER PRIMARY KEY,
    id           BLOB NOT NULL UNIQUE,
    aggregate    TEXT NOT NULL,
    aggregate_id BLOB NOT NULL,
    seq          INTEGER NOT NULL,
    project_id   BLOB NOT NULL,
    type         TEXT NOT NULL,
    payload      TEXT NOT NULL,
    at           INTEGER NOT NULL,
    key_id       TEXT NOT NULL,
    mac          BLOB NOT NULL,
    UNIQUE (aggregate_id, seq)
) STRICT;

CREATE TRIGGER events_never_change BEFORE UPDATE ON events
BEGIN
    SELECT RAISE(ABORT, 'events are append-only');
END;

CREATE TRIGGER events_never_vanish BEFORE DELETE ON events
BEGIN
    SELECT RAISE(ABORT, 'events are append-only');
END;

-- Each signs the heads of the chains that grew since the one before, and the number of all events so far.
CREATE TABLE checkpoints (
    id     INTEGER PRIMARY KEY,
    cursor INTEGER NOT NULL,
    events INTEGER NOT NULL,
    heads  BLOB NOT NULL,
    at     INTEGER NOT NULL,
    key_id TEXT NOT NULL,
    mac    BLOB NOT NULL
) STRICT;

CREATE TRIGGER checkpoints_never_change BEFORE UPDATE ON checkpoints
BEGIN
    SELECT RAISE(ABORT, 'checkpoints are append-only');
END;

CREATE TRIGGER checkpoints_never_vanish BEFORE DELETE ON checkpoints
BEGIN
    SELECT RAISE(ABORT, 'checkpoints are append-only');
END;

CREATE TABLE outbox (
    id           INTEGER PRIMARY KEY,
    event_id     BLOB NOT NULL UNIQUE REFERENCES events (id),
    aggregate_id BLOB NOT NULL,
    seq          INTEGER NOT NULL,
    shard        INTEGER NOT NULL,
    delivered    INTEGER NOT NULL DEFAULT 0,
    attempts     INTEGER NOT NULL DEFAULT 0,
    error        TEXT,
    -- When it became a dead letter. It parks its whole aggregate until it is delivered.
    parked_at    INTEGER,
    UNIQUE (aggregate_id, seq)
) STRICT;

-- One process owns all shards here, so the order of ids is enough.
CREATE INDEX outbox_waiting ON outbox (id) WHERE delivered = 0;
CREATE INDEX outbox_parked ON outbox (aggregate_id) WHERE parked_at IS NOT NULL;

-- The edges that a person is to be told of, written with the event. occasion is the attempt of a runner, the seq of a
-- project's event: one edge of one occasion is one notice, however often it is noted.
CREATE TABLE notices (
    id           INTEGER PRIMARY KEY,
    event_id     BLOB NOT NULL UNIQUE REFERENCES events (id),
    aggregate_id BLOB NOT NULL,
    occasion     INTEGER NOT NULL,
    edge         TEXT NOT NULL,
    UNIQUE (aggregate_id, occasion, edge)
) STRICT;

-- One row for each consumer that claimed a notice.
CREATE TABLE notifications (
    id         BLOB PRIMARY KEY NOT NULL,
    consumer   TEXT NOT NULL,
    notice_id  INTEGER NOT NULL REFERENCES notices (id),
    claimed_at INTEGER NOT NULL,
    shown_at   INTEGER,
    UNIQUE (consumer, notice_id)
) STRICT;

CREATE INDEX notifications_unshown ON notifications (consumer, claimed_at) WHERE shown_at IS NULL;
