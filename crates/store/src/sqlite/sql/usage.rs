//! Of usage. Sums do not go beyond 64 bits: halves are summed, and what does not fit is the greatest number.

macro_rules! sum {
    ($what:literal, $column:literal) => {
        sum!(@ $what, concat!("sum(u.", $column, " >> 32)"), concat!("sum(u.", $column, " & 4294967295)"))
    };
    (@ $what:literal, $high:expr, $low:expr) => {
        concat!(
            "iif(coalesce(", $high, " + (", $low, " >> 32), 0) > 2147483647, 9223372036854775807, \
             coalesce((", $high, " + (", $low, " >> 32)) << 32 | (", $low, " & 4294967295), 0)) AS ", $what
        )
    };
}

/// The columns of `SumRow`.
macro_rules! sums {
    () => {
        concat!(
            sum!("input", "input"),
            ", ",
            sum!("output", "output"),
            ", ",
            sum!("cache_write_5m", "cache_write_5m"),
            ", ",
            sum!("cache_write_1h", "cache_write_1h"),
            ", ",
            sum!("cache_read", "cache_read"),
            ", ",
            sum!("cost", "cost_nanos")
        )
    };
}

/// Tokens without a price.
macro_rules! unpriced {
    () => {
        sum!(@ "unpriced",
            "sum((u.input >> 32) + (u.output >> 32) + (u.cache_write_5m >> 32) + (u.cache_write_1h >> 32) \
             + (u.cache_read >> 32)) FILTER (WHERE u.cost_nanos IS NULL)",
            "sum((u.input & 4294967295) + (u.output & 4294967295) + (u.cache_write_5m & 4294967295) \
             + (u.cache_write_1h & 4294967295) + (u.cache_read & 4294967295)) FILTER (WHERE u.cost_nanos IS NULL)")
    };
}

/// Usage in groups, for filters by time (?1, ?2), project (?3), runner (?4) and session (?5).
macro_rules! grouped {
    ($key:expr, $join:literal, $group:literal, $scope:literal) => {
        concat!(
            "SELECT ", $key, " AS key, count(*) AS messages, ", unpriced!(), ", ", sums!(), " FROM token_usage u ", $join,
            " WHERE u.at >= coalesce(?1, -9223372036854775808) AND u.at < coalesce(?2, 9223372036854775807) \
             AND (?3 IS NULL OR u.project_id = ?3) AND (?4 IS NULL OR u.runner_id = ?4) \
             AND (?5 IS NULL OR u.session = ?5)", $scope, $group
        )
    };
}

/// The same by each index: of all, of a project, of a runner, of a session.
macro_rules! by {
    ($key:expr, $join:literal, $group:literal) => {
        [
            grouped!($key, $join, $group, ""),
            grouped!($key, $join, $group, " AND u.project_id = ?3"),
            grouped!($key, $join, $group, " AND u.runner_id = ?4"),
            grouped!($key, $join, $group, " AND u.session = ?5"),
        ]
    };
}

/// What a message costs by rates, at most the greatest number: where integers overflow SQLite goes on with floats.
macro_rules! cost {
    () => {
        "CAST(min(input, 200000) * ?2 + max(input - 200000, 0) * ?7 \
         + min(output, 200000) * ?3 + max(output - 200000, 0) * ?8 \
         + min(cache_write_5m, 200000) * ?4 + max(cache_write_5m - 200000, 0) * ?9 \
         + min(cache_write_1h, 200000) * ?5 + max(cache_write_1h - 200000, 0) * ?10 \
         + min(cache_read, 200000) * ?6 + max(cache_read - 200000, 0) * ?11 AS INTEGER)"
    };
}

pub(in crate::sqlite) const TOGETHER: [&str; 4] = by!("''", "", "");
/// By days of a time zone that is ?6 seconds east.
pub(in crate::sqlite) const BY_DAY: [&str; 4] =
    by!("date(u.at / 1000000 + ?6, 'unixepoch')", "", " GROUP BY 1");
pub(in crate::sqlite) const BY_MODEL: [&str; 4] = by!("u.model", "", " GROUP BY u.model");
pub(in crate::sqlite) const BY_PROJECT: [&str; 4] = by!(
    "p.name",
    "LEFT JOIN projects p ON p.id = u.project_id",
    " GROUP BY p.id"
);
pub(in crate::sqlite) const BY_SESSION: [&str; 4] = by!("u.session", "", " GROUP BY u.session");
pub(in crate::sqlite) const BY_RUNNER: [&str; 4] = by!(
    "CASE WHEN u.runner_id IS NOT NULL THEN lower(substr(hex(u.runner_id), 1, 8) || '-' \
     || substr(hex(u.runner_id), 9, 4) || '-' || substr(hex(u.runner_id), 13, 4) || '-' \
     || substr(hex(u.runner_id), 17, 4) || '-' || substr(hex(u.runner_id), 21)) END",
    "",
    " GROUP BY u.runner_id"
);

#[cfg(test)]
pub(in crate::sqlite) const GROUPED: [[&str; 4]; 6] = [
    TOGETHER, BY_DAY, BY_MODEL, BY_PROJECT, BY_SESSION, BY_RUNNER,
];

statements! {
    /// One row for each message in a JSON array of `[message, session, model, at, five kinds of tokens, cost]`. Of one
    /// that is known the most counts.
    USE = "INSERT INTO token_usage (program, node, project_id, runner_id, message, session, model, at, input, output, \
           cache_write_5m, cache_write_1h, cache_read, cost_nanos) SELECT ?2, ?3, ?4, ?5, value ->> 0, value ->> 1, \
           value ->> 2, value ->> 3, value ->> 4, value ->> 5, value ->> 6, value ->> 7, value ->> 8, value ->> 9 \
           FROM json_each(?1) WHERE true ON CONFLICT (program, message) DO UPDATE SET model = excluded.model, \
           input = excluded.input, output = excluded.output, cache_write_5m = excluded.cache_write_5m, \
           cache_write_1h = excluded.cache_write_1h, cache_read = excluded.cache_read, cost_nanos = excluded.cost_nanos \
           WHERE excluded.input + excluded.output + excluded.cache_write_5m + excluded.cache_write_1h + excluded.cache_read \
           > token_usage.input + token_usage.output + token_usage.cache_write_5m + token_usage.cache_write_1h + token_usage.cache_read";
    /// What was used in a session since a runner came, before it was known who holds it.
    CLAIM = "UPDATE token_usage SET runner_id = ?4, project_id = (SELECT project_id FROM runners WHERE id = ?4) \
             WHERE node = ?1 AND program = ?2 AND session = ?3 AND runner_id IS NULL \
             AND at >= (SELECT created_at FROM runners WHERE id = ?4)";
    /// What was used outside of Stratavore belongs where its session does.
    MOVE = "UPDATE token_usage SET project_id = ?4 WHERE ?4 IS NOT NULL AND node = ?1 AND program = ?2 AND session = ?3 \
            AND runner_id IS NULL AND project_id IS NOT ?4";
    /// By quarters of an hour, those before ?1 as one, of what was used since ?2.
    QUARTERS = concat!(
        "SELECT max(u.at / 900000000, ?1 - 1) AS quarter, u.session, u.project_id, u.runner_id, u.model, \
         count(*) AS messages, ", unpriced!(), ", ", sums!(), " FROM token_usage u \
         WHERE u.at >= coalesce(?2, -9223372036854775808) GROUP BY 1, 2, 3, 4, 5"
    );
    PROJECT_OF = "SELECT project_id FROM runners WHERE id = ?1";
    MODELS = "SELECT DISTINCT model FROM token_usage";
    PRICE = concat!(
        "UPDATE token_usage SET cost_nanos = ", cost!(), " WHERE model = ?1 AND cost_nanos IS NOT ", cost!()
    );
    UNPRICE = "UPDATE token_usage SET cost_nanos = NULL WHERE model = ?1 AND cost_nanos IS NOT NULL";
}
