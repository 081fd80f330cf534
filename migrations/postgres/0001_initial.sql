-- What a team's nodes share. Numbered as for SQLite, and alike where the two can be.

-- seq and head are the aggregate's last event: the next one takes seq + 1 and is chained to head.
CREATE TABLE projects (
    id          uuid PRIMARY KEY,
    name        text COLLATE "C" NOT NULL,
    path        text NOT NULL,
    max_runners bigint,
    created_at  timestamptz NOT NULL,
    archived_at timestamptz,
    revision    bigint NOT NULL,
    seq         bigint NOT NULL,
    head        bytea NOT NULL
);

CREATE UNIQUE INDEX project_names ON projects (name) WHERE archived_at IS NULL;

-- state and attempt repeat what state_data says, for the indexes and the guards. What a launch says may hold any character,
-- which json keeps and jsonb does not (\u0000).
CREATE TABLE runners (
    id         uuid PRIMARY KEY,
    project_id uuid NOT NULL REFERENCES projects (id),
    name       text COLLATE "C" NOT NULL,
    state      text NOT NULL,
    attempt    bigint NOT NULL,
    state_data json NOT NULL,
    created_at timestamptz NOT NULL,
    revision   bigint NOT NULL,
    seq        bigint NOT NULL,
    head       bytea NOT NULL,
    -- Failed as interrupted, and nobody has answered the offer to start it again.
    unanswered boolean NOT NULL DEFAULT false,
    request_id uuid,
    launch     json NOT NULL
);

CREATE UNIQUE INDEX runner_names ON runners (name) WHERE state NOT IN ('terminated', 'failed', 'cancelled');
CREATE UNIQUE INDEX runner_requests ON runners (request_id) WHERE request_id IS NOT NULL;
CREATE INDEX runner_states ON runners (state, created_at);
CREATE INDEX runner_ages ON runners (created_at, id);

-- Apart from the runners, with room on each page: a heartbeat rewrites one short row in place, and no index.
CREATE TABLE observations (
    runner_id    uuid PRIMARY KEY REFERENCES runners (id),
    attempt      bigint NOT NULL,
    at           timestamptz NOT NULL,
    cpu_percent  double precision NOT NULL,
    memory_bytes bigint NOT NULL,
    viewers      bigint NOT NULL,
    title        text
) WITH (fillfactor = 50);

-- The audit log. payload holds the exact bytes that mac covers. cursor is the place in the order in which the events became
-- visible, given after the commit to those that have none, so that whoever lists by it skips no late commit; the mac does not
-- cover it. Events of one aggregate are written under the lock of its row, so their ids ascend as their seqs do.
CREATE TABLE events (
    id           bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    cursor       bigint,
    event_id     uuid NOT NULL UNIQUE,
    aggregate    text NOT NULL,
    aggregate_id uuid NOT NULL,
    seq          bigint NOT NULL,
    project_id   uuid NOT NULL,
    type         text NOT NULL,
    payload      text NOT NULL,
    at           timestamptz NOT NULL,
    key_id       text NOT NULL,
    mac          bytea NOT NULL,
    UNIQUE (aggregate_id, seq)
);

CREATE UNIQUE INDEX event_cursors ON events (cursor) WHERE cursor IS NOT NULL;
CREATE INDEX events_without_cursor ON events (id) WHERE cursor IS NULL;

-- The last cursor that was given. It outlives the event that has it.
CREATE TABLE log (
    only_row boolean PRIMARY KEY DEFAULT true CHECK (only_row),
    cursor   bigint NOT NULL
);

INSERT INTO log (cursor) VALUES (0);

CREATE FUNCTION stratavore_append_only() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION '% are append-only', TG_TABLE_NAME;
END
$$;

-- But for the cursor, once.
CREATE TRIGGER events_never_change BEFORE UPDATE ON events FOR EACH ROW
    WHEN (
        OLD.cursor IS NOT NULL
        OR (OLD.id, OLD.event_id, OLD.aggregate, OLD.aggregate_id, OLD.seq, OLD.project_id, OLD.type, OLD.payload, OLD.at, OLD.key_id, OLD.mac)
        IS DISTINCT FROM
        (NEW.id, NEW.event_id, NEW.aggregate, NEW.aggregate_id, NEW.seq, NEW.project_id, NEW.type, NEW.payload, NEW.at, NEW.key_id, NEW.mac)
    )
    EXECUTE FUNCTION stratavore_append_only();

-- But for a pruning, which says so within its own transaction.
CREATE TRIGGER events_never_vanish BEFORE DELETE ON events FOR EACH ROW
    WHEN (current_setting('stratavore.pruning', true) IS DISTINCT FROM 'on')
    EXECUTE FUNCTION stratavore_append_only();

CREATE TRIGGER events_are_never_emptied BEFORE TRUNCATE ON events
    EXECUTE FUNCTION stratavore_append_only();

-- Each signs the heads of the chains that grew since the one before, and the number of all events so far.
CREATE TABLE checkpoints (
    id     bigint PRIMARY KEY,
    cursor bigint NOT NULL,
    events bigint NOT NULL,
    heads  bytea NOT NULL,
    at     timestamptz NOT NULL,
    key_id text NOT NULL,
    mac    bytea NOT NULL
);

CREATE TRIGGER checkpoints_never_change BEFORE UPDATE OR DELETE ON checkpoints FOR EACH ROW
    EXECUTE FUNCTION stratavore_append_only();

CREATE TRIGGER checkpoints_are_never_emptied BEFORE TRUNCATE ON checkpoints
    EXECUTE FUNCTION stratavore_append_only();

-- Whose keys sealed events and checkpoints. The keys themselves stay in each node's data directory.
CREATE TABLE audit_keys (
    id   text PRIMARY KEY,
    node text NOT NULL
);

-- Events that wait for their delivery. What was delivered is deleted, so the table stays short and is vacuumed often.
CREATE TABLE outbox (
    event        bigint PRIMARY KEY REFERENCES events (id),
    aggregate_id uuid NOT NULL,
    shard        smallint NOT NULL CHECK (shard BETWEEN 0 AND 7),
    attempts     bigint NOT NULL DEFAULT 0,
    error        text,
    -- When it became a dead letter. It parks its whole aggregate until it is delivered.
    parked_at    timestamptz
) WITH (autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 5000);

CREATE INDEX outbox_waiting ON outbox (shard, event);
CREATE INDEX outbox_parked ON outbox (aggregate_id) WHERE parked_at IS NOT NULL;

-- Who delivers which part of the outbox. Each owner that takes a shard over raises its epoch, and what an earlier one marks
-- is refused by that. All times are the database's.
CREATE TABLE shards (
    number     smallint PRIMARY KEY,
    epoch      bigint NOT NULL DEFAULT 0,
    owner      uuid,
    held_until timestamptz NOT NULL DEFAULT '-infinity'
) WITH (fillfactor = 50);

INSERT INTO shards (number) SELECT generate_series(0, 7);

-- Who wants some of them, so that the shares are fair.
CREATE TABLE deliverers (
    owner uuid PRIMARY KEY,
    until timestamptz NOT NULL
);

-- The edges that a person is to be told of, written with the event. occasion is the attempt of a runner, the seq of a
-- project's event: one edge of one occasion is one notice, however often it is noted.
CREATE TABLE notices (
    id           bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    event        bigint NOT NULL UNIQUE REFERENCES events (id),
    aggregate_id uuid NOT NULL,
    occasion     bigint NOT NULL,
    edge         text NOT NULL,
    UNIQUE (aggregate_id, occasion, edge)
);

-- One row for each consumer that claimed a notice.
CREATE TABLE notifications (
    id         uuid PRIMARY KEY,
    consumer   text NOT NULL,
    notice_id  bigint NOT NULL REFERENCES notices (id),
    claimed_at timestamptz NOT NULL,
    shown_at   timestamptz,
    UNIQUE (consumer, notice_id)
);

CREATE INDEX notifications_of_notice ON notifications (notice_id);
