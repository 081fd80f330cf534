-- Whose runner it is: the node whose host starts and ends it, and the person who launched it ('' where not recorded).
ALTER TABLE runners ADD COLUMN node text NOT NULL DEFAULT '';
ALTER TABLE runners ADD COLUMN person text NOT NULL DEFAULT '';

CREATE INDEX runner_places ON runners (project_id, node)
    WHERE state IN ('starting', 'running', 'paused', 'stopping', 'backoff');
CREATE INDEX runner_nodes ON runners (node)
    WHERE state NOT IN ('terminated', 'failed', 'cancelled');
CREATE INDEX runner_offers ON runners (node, created_at) WHERE unanswered;

-- Who is to be told, and who claimed it.
ALTER TABLE notices ADD COLUMN person text NOT NULL DEFAULT '';
ALTER TABLE notifications ADD COLUMN person text NOT NULL DEFAULT '';
CREATE INDEX notifications_unshown ON notifications (consumer, person, claimed_at) WHERE shown_at IS NULL;

-- Up to which event each consumer has claimed a person's notices.
CREATE TABLE consumers (
    person   text NOT NULL,
    consumer text NOT NULL,
    cursor   bigint NOT NULL DEFAULT 0,
    PRIMARY KEY (person, consumer)
);

-- The hosts that use this database. incarnation is the present host's, gone once it has left; seat its machine and data
-- directory. All times are the database's.
CREATE TABLE nodes (
    id            text PRIMARY KEY,
    name          text NOT NULL,
    version       text NOT NULL,
    max_runners   bigint,
    seat          text NOT NULL,
    incarnation   uuid,
    ttl           bigint NOT NULL,
    registered_at timestamptz NOT NULL,
    heard_at      timestamptz NOT NULL
) WITH (fillfactor = 50);

-- How many events were ever pruned, and behind which event each chain begins that this checkpoint saw pruned.
ALTER TABLE checkpoints ADD COLUMN pruned bigint NOT NULL DEFAULT 0;
ALTER TABLE checkpoints ADD COLUMN bases bytea NOT NULL DEFAULT '';
