-- Whose runner it is: the node whose host starts and ends it, and the person who launched it ('' before this version).
ALTER TABLE runners ADD COLUMN node TEXT NOT NULL DEFAULT '';
ALTER TABLE runners ADD COLUMN person TEXT NOT NULL DEFAULT '';
UPDATE runners SET node = (SELECT id FROM instance);

DROP INDEX runner_places;
CREATE INDEX runner_places ON runners (project_id, node)
    WHERE state IN ('starting', 'running', 'paused', 'stopping', 'backoff');

-- Who is to be told, and who claimed it.
ALTER TABLE notices ADD COLUMN person TEXT NOT NULL DEFAULT '';
ALTER TABLE notifications ADD COLUMN person TEXT NOT NULL DEFAULT '';
DROP INDEX notifications_unshown;
CREATE INDEX notifications_unshown ON notifications (consumer, person, claimed_at) WHERE shown_at IS NULL;
CREATE INDEX notifications_claimed ON notifications (consumer, person, notice_id);

-- The hosts that use this database. incarnation is the present host's, gone once it has left; seat its machine and data
-- directory.
CREATE TABLE nodes (
    id            TEXT PRIMARY KEY NOT NULL,
    name          TEXT NOT NULL,
    version       TEXT NOT NULL,
    max_runners   INTEGER,
    seat          TEXT NOT NULL,
    incarnation   BLOB,
    ttl           INTEGER NOT NULL,
    registered_at INTEGER NOT NULL,
    heard_at      INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

-- What a pruning under way may remove: of each chain the events up to seq. Empty between transactions.
CREATE TABLE pruning (
    aggregate_id BLOB PRIMARY KEY NOT NULL,
    seq          INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

DROP TRIGGER events_never_vanish;
CREATE TRIGGER events_never_vanish BEFORE DELETE ON events
WHEN NOT EXISTS (SELECT 1 FROM pruning p WHERE p.aggregate_id = OLD.aggregate_id AND OLD.seq <= p.seq)
BEGIN
    SELECT RAISE(ABORT, 'events are append-only');
END;

-- How many events were ever pruned, and behind which event each chain begins that this checkpoint saw pruned.
ALTER TABLE checkpoints ADD COLUMN pruned INTEGER NOT NULL DEFAULT 0;
ALTER TABLE checkpoints ADD COLUMN bases BLOB NOT NULL DEFAULT x'';
