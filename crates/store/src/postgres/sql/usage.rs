//! Of usage. Sums do not go beyond 64 bits: what does not fit is the greatest number.

macro_rules! sum {
    ($what:literal, $sum:expr) => {
        concat!(
            "least(coalesce(",
            $sum,
            ", 0), 9223372036854775807)::bigint AS ",
            $what
        )
    };
}

/// The columns of `SumRow`.
macro_rules! sums {
    () => {
        concat!(
            sum!("input", "sum(u.input)"),
            ", ",
            sum!("output", "sum(u.output)"),
            ", ",
            sum!("cache_write_5m", "sum(u.cache_write_5m)"),
            ", ",
            sum!("cache_write_1h", "sum(u.cache_write_1h)"),
            ", ",
            sum!("cache_read", "sum(u.cache_read)"),
            ", ",
            sum!("cost", "sum(u.cost_nanos)")
        )
    };
}

/// Tokens without a price.
macro_rules! unpriced {
    () => {
        sum!(
            "unpriced",
            "sum(u.input::numeric + u.output + u.cache_write_5m + u.cache_write_1h + u.cache_read) \
             FILTER (WHERE u.cost_nanos IS NULL)"
        )
    };
}

/// Usage in groups, for filters by time ($1, $2), project ($3), runner ($4) and session ($5).
macro_rules! grouped {
    ($key:literal, $join:literal, $group:literal) => {
        concat!(
            "SELECT ",
            $key,
            " AS key, count(*) AS messages, ",
            unpriced!(),
            ", ",
            sums!(),
            " FROM token_usage u ",
            $join,
            " WHERE ($1::timestamptz IS NULL OR u.at >= $1) AND ($2::timestamptz IS NULL OR u.at < $2) \
             AND ($3::uuid IS NULL OR u.project_id = $3) AND ($4::uuid IS NULL OR u.runner_id = $4) \
             AND ($5::text IS NULL OR u.session = $5)",
            $group
        )
    };
}

/// What a message costs by rates, at most the greatest number.
macro_rules! cost {
    () => {
        "least(least(input, 200000)::numeric * $2 + greatest(input - 200000, 0)::numeric * $7 \
         + least(output, 200000)::numeric * $3 + greatest(output - 200000, 0)::numeric * $8 \
         + least(cache_write_5m, 200000)::numeric * $4 + greatest(cache_write_5m - 200000, 0)::numeric * $9 \
         + least(cache_write_1h, 200000)::numeric * $5 + greatest(cache_write_1h - 200000, 0)::numeric * $10 \
         + least(cache_read, 200000)::numeric * $6 + greatest(cache_read - 200000, 0)::numeric * $11, \
         9223372036854775807)::bigint"
    };
}

statements! {
    TOGETHER = grouped!("''::text", "", "");
    /// By days of a time zone that is $6 seconds east.
    BY_DAY = grouped!(
        "to_char((u.at AT TIME ZONE 'UTC') + $6::bigint * interval '1 second', 'YYYY-MM-DD')", "", " GROUP BY 1"
    );
    BY_MODEL = grouped!("u.model", "", " GROUP BY u.model");
    BY_PROJECT = grouped!("p.name", "LEFT JOIN projects p ON p.id = u.project_id", " GROUP BY p.id");
    BY_SESSION = grouped!("u.session", "", " GROUP BY u.session");
    BY_RUNNER = grouped!("u.runner_id::text", "", " GROUP BY u.runner_id");

    /// Of one that is known the most counts.
    USE = "INSERT INTO token_usage (program, node, project_id, runner_id, message, session, model, at, input, output, \
           cache_write_5m, cache_write_1h, cache_read, cost_nanos) \
           SELECT $1, $2, $3, $4, e.message, e.session, e.model, e.at, e.input, e.output, e.cache_write_5m, \
           e.cache_write_1h, e.cache_read, e.cost_nanos \
           FROM UNNEST($5::text[], $6::text[], $7::text[], $8::timestamptz[], $9::bigint[], $10::bigint[], $11::bigint[], \
           $12::bigint[], $13::bigint[], $14::bigint[]) WITH ORDINALITY \
           AS e (message, session, model, at, input, output, cache_write_5m, cache_write_1h, cache_read, cost_nanos, n) \
           ORDER BY e.n ON CONFLICT (program, message) DO UPDATE SET model = excluded.model, \
           input = excluded.input, output = excluded.output, cache_write_5m = excluded.cache_write_5m, \
           cache_write_1h = excluded.cache_write_1h, cache_read = excluded.cache_read, cost_nanos = excluded.cost_nanos \
           WHERE excluded.input + excluded.output + excluded.cache_write_5m + excluded.cache_write_1h + excluded.cache_read \
           > token_usage.input + token_usage.output + token_usage.cache_write_5m + token_usage.cache_write_1h + token_usage.cache_read";
    /// What was used in a session since a runner came, before it was known who holds it.
    CLAIM = "UPDATE token_usage SET runner_id = $4, project_id = (SELECT project_id FROM runners WHERE id = $4) \
             WHERE node = $1 AND program = $2 AND session = $3 AND runner_id IS NULL \
             AND at >= (SELECT created_at FROM runners WHERE id = $4)";
    /// What was used outside of Stratavore belongs where its session does.
    MOVE = "UPDATE token_usage SET project_id = $4 WHERE $4::uuid IS NOT NULL AND node = $1 AND program = $2 AND session = $3 \
            AND runner_id IS NULL AND project_id IS DISTINCT FROM $4";
    /// By quarters of an hour, those before $1 as one, of what was used since $2.
    QUARTERS = concat!(
        "SELECT greatest(floor(extract(epoch FROM u.at) / 900)::bigint, $1::bigint - 1) AS quarter, u.session, u.project_id, \
         u.runner_id, u.model, count(*) AS messages, ", unpriced!(), ", ", sums!(), " FROM token_usage u \
         WHERE ($2::timestamptz IS NULL OR u.at >= $2) GROUP BY 1, 2, 3, 4, 5"
    );
    PROJECT_OF = "SELECT project_id FROM runners WHERE id = $1";
    MODELS = "SELECT DISTINCT model FROM token_usage ORDER BY model";
    PRICE = concat!(
        "UPDATE token_usage SET cost_nanos = ", cost!(), " WHERE model = $1 AND cost_nanos IS DISTINCT FROM ", cost!()
    );
    UNPRICE = "UPDATE token_usage SET cost_nanos = NULL WHERE model = $1 AND cost_nanos IS NOT NULL";
}
