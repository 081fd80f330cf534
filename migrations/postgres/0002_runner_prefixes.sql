-- A person names a runner by the beginning of its name; of one that has ended too.
CREATE INDEX runner_prefixes ON runners (name);
