-- What is read of the programs' own files, and what bounds it. Sessions are the programs' conversations, each on the node whose
-- disk has it, by the program's own id.
CREATE TABLE sessions (
    number         INTEGER PRIMARY KEY,
    node           TEXT NOT NULL,
    program        TEXT NOT NULL,
    id             TEXT NOT NULL,
    project_id     BLOB,
    cwd            TEXT NOT NULL,
    title          TEXT,
    model          TEXT,
    began_at       INTEGER NOT NULL,
    updated_at     INTEGER NOT NULL,
    requests       INTEGER NOT NULL,
    parent         TEXT,
    runner_id      BLOB,
    transcript     TEXT,
    program_cost   INTEGER,
    archive        TEXT,
    archive_sha256 TEXT,
    UNIQUE (node, program, id)
) STRICT;

CREATE INDEX session_ages ON sessions (updated_at);
CREATE INDEX session_ids ON sessions (id);
CREATE INDEX session_projects ON sessions (project_id, updated_at);
CREATE INDEX session_runners ON sessions (runner_id, updated_at) WHERE runner_id IS NOT NULL;
CREATE INDEX session_transcripts ON sessions (transcript) WHERE transcript IS NOT NULL;

-- How far each transcript was read. One that is gone is kept for as long as its passages are.
CREATE TABLE transcripts (
    number INTEGER PRIMARY KEY,
    node   TEXT NOT NULL,
    path   TEXT NOT NULL,
    file   TEXT NOT NULL,
    offset INTEGER NOT NULL,
    memory TEXT NOT NULL,
    gone   INTEGER NOT NULL DEFAULT 0,
    UNIQUE (node, path)
) STRICT;

-- What was said, and the index of its words. Whoever takes a passage out takes its words out before.
CREATE TABLE session_passages (
    id         INTEGER PRIMARY KEY,
    session    INTEGER NOT NULL REFERENCES sessions (number),
    transcript INTEGER NOT NULL REFERENCES transcripts (number),
    offset     INTEGER NOT NULL,
    role       TEXT NOT NULL,
    at         INTEGER NOT NULL,
    text       TEXT NOT NULL
) STRICT;

CREATE INDEX passage_sessions ON session_passages (session, transcript, offset);
CREATE INDEX passage_transcripts ON session_passages (transcript);

CREATE VIRTUAL TABLE session_words USING fts5 (
    text,
    content = 'session_passages',
    content_rowid = 'id',
    tokenize = 'unicode61 remove_diacritics 2'
);

-- More is sorted in memory before it is written: twice as fast. A prefix index would halve that again, and finds nothing sooner.
INSERT INTO session_words (session_words, rank) VALUES ('hashsize', 16777216);

-- What each message used: once, whichever file had it first. Without cost_nanos its model had no price.
CREATE TABLE token_usage (
    id             INTEGER PRIMARY KEY,
    program        TEXT NOT NULL,
    message        TEXT NOT NULL,
    node           TEXT NOT NULL,
    session        TEXT NOT NULL,
    project_id     BLOB,
    runner_id      BLOB,
    model          TEXT NOT NULL,
    at             INTEGER NOT NULL,
    input          INTEGER NOT NULL,
    output         INTEGER NOT NULL,
    cache_write_5m INTEGER NOT NULL,
    cache_write_1h INTEGER NOT NULL,
    cache_read     INTEGER NOT NULL,
    cost_nanos     INTEGER,
    UNIQUE (program, message)
) STRICT;

CREATE INDEX usage_times ON token_usage (at);
CREATE INDEX usage_projects ON token_usage (project_id, at);
CREATE INDEX usage_runners ON token_usage (runner_id, at) WHERE runner_id IS NOT NULL;
CREATE INDEX usage_sessions ON token_usage (session, at);
CREATE INDEX usage_models ON token_usage (model);

-- Of project_id, runner_id and session the one that the scope names.
CREATE TABLE token_budgets (
    id         BLOB PRIMARY KEY NOT NULL,
    scope      TEXT NOT NULL,
    project_id BLOB,
    runner_id  BLOB,
    session    TEXT,
    period     TEXT NOT NULL,
    unit       TEXT NOT NULL,
    amount     INTEGER NOT NULL,
    at_limit   TEXT NOT NULL,
    set_at     INTEGER NOT NULL
) STRICT;

CREATE UNIQUE INDEX budget_subjects ON token_budgets (scope, coalesce(project_id, runner_id, session, ''), unit, period);

-- Which shares of a budget were told of in the period that began then.
CREATE TABLE budget_warnings (
    budget_id BLOB NOT NULL REFERENCES token_budgets (id) ON DELETE CASCADE,
    since     INTEGER NOT NULL,
    percent   INTEGER NOT NULL,
    at        INTEGER NOT NULL,
    PRIMARY KEY (budget_id, since, percent)
) STRICT, WITHOUT ROWID;

CREATE TABLE presets (
    person TEXT NOT NULL,
    name   TEXT NOT NULL,
    preset TEXT NOT NULL,
    set_at INTEGER NOT NULL,
    PRIMARY KEY (person, name)
) STRICT, WITHOUT ROWID;
