-- What is read of the programs' own files, and what bounds it. Sessions are the programs' conversations, each on the node whose
-- disk has it, by the program's own id.
CREATE TABLE sessions (
    number         bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    node           text NOT NULL,
    program        text NOT NULL,
    id             text COLLATE "C" NOT NULL,
    project_id     uuid,
    cwd            text NOT NULL,
    title          text,
    model          text,
    began_at       timestamptz NOT NULL,
    updated_at     timestamptz NOT NULL,
    requests       bigint NOT NULL,
    parent         text,
    runner_id      uuid,
    transcript     text,
    program_cost   bigint,
    archive        text,
    archive_sha256 text,
    UNIQUE (node, program, id)
);

CREATE INDEX session_ages ON sessions (updated_at);
CREATE INDEX session_ids ON sessions (id);
CREATE INDEX session_projects ON sessions (project_id, updated_at);
CREATE INDEX session_runners ON sessions (runner_id, updated_at) WHERE runner_id IS NOT NULL;
CREATE INDEX session_transcripts ON sessions (transcript) WHERE transcript IS NOT NULL;

-- How far each transcript was read. One that is gone is kept for as long as its passages are.
CREATE TABLE transcripts (
    number   bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    node     text NOT NULL,
    path     text NOT NULL,
    file     text NOT NULL,
    "offset" bigint NOT NULL,
    memory   text NOT NULL,
    gone     boolean NOT NULL DEFAULT false,
    UNIQUE (node, path)
) WITH (fillfactor = 70);

-- What was said, and its words as lexemes of the configuration 'simple', without accents.
CREATE TABLE session_passages (
    id         bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    session    bigint NOT NULL REFERENCES sessions (number),
    transcript bigint NOT NULL REFERENCES transcripts (number),
    "offset"   bigint NOT NULL,
    role       text NOT NULL,
    at         timestamptz NOT NULL,
    text       text NOT NULL,
    words      tsvector NOT NULL
);

CREATE INDEX passage_sessions ON session_passages (session, transcript, "offset");
CREATE INDEX passage_transcripts ON session_passages (transcript);
CREATE INDEX session_words ON session_passages USING gin (words);

-- What each message used: once, whichever file of whichever node had it first. Without cost_nanos its model had no price.
CREATE TABLE token_usage (
    id             bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    program        text NOT NULL,
    message        text NOT NULL,
    node           text NOT NULL,
    session        text NOT NULL,
    project_id     uuid,
    runner_id      uuid,
    model          text NOT NULL,
    at             timestamptz NOT NULL,
    input          bigint NOT NULL,
    output         bigint NOT NULL,
    cache_write_5m bigint NOT NULL,
    cache_write_1h bigint NOT NULL,
    cache_read     bigint NOT NULL,
    cost_nanos     bigint,
    UNIQUE (program, message)
);

CREATE INDEX usage_times ON token_usage (at);
CREATE INDEX usage_projects ON token_usage (project_id, at);
CREATE INDEX usage_runners ON token_usage (runner_id, at) WHERE runner_id IS NOT NULL;
CREATE INDEX usage_sessions ON token_usage (session, at);
CREATE INDEX usage_models ON token_usage (model);

-- Of project_id, runner_id and session the one that the scope names.
CREATE TABLE token_budgets (
    id         uuid PRIMARY KEY,
    scope      text NOT NULL,
    project_id uuid,
    runner_id  uuid,
    session    text,
    period     text NOT NULL,
    unit       text NOT NULL,
    amount     bigint NOT NULL,
    at_limit   text NOT NULL,
    set_at     timestamptz NOT NULL
);

CREATE UNIQUE INDEX budget_subjects ON token_budgets (scope, coalesce(project_id::text, runner_id::text, session, ''), unit, period);

-- Which shares of a budget were told of in the period that began then.
CREATE TABLE budget_warnings (
    budget_id uuid NOT NULL REFERENCES token_budgets (id) ON DELETE CASCADE,
    since     timestamptz NOT NULL,
    percent   smallint NOT NULL,
    at        timestamptz NOT NULL,
    PRIMARY KEY (budget_id, since, percent)
);

CREATE TABLE presets (
    person text NOT NULL,
    name   text COLLATE "C" NOT NULL,
    preset json NOT NULL,
    set_at timestamptz NOT NULL,
    PRIMARY KEY (person, name)
);
