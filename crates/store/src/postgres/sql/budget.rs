//! Of budgets. There are a handful.

macro_rules! budget_columns {
    () => {
        "b.id, b.scope, b.project_id, b.runner_id, b.session, b.period, b.unit, b.amount, b.at_limit, b.set_at"
    };
}

/// Budgets of a scope with what was used since their hour ($1), day, week or month ($4) began.
macro_rules! spent {
    ($scope:literal, $usage:literal, $which:literal) => {
        concat!(
            "SELECT ",
            budget_columns!(),
            ", ",
            sums!(),
            " FROM token_budgets b LEFT JOIN token_usage u \
             ON u.at >= CASE b.period WHEN 'hour' THEN $1::timestamptz WHEN 'day' THEN $2::timestamptz \
             WHEN 'week' THEN $3::timestamptz ELSE $4::timestamptz END",
            $usage,
            " WHERE b.scope = '",
            $scope,
            "'",
            $which,
            " GROUP BY b.id"
        )
    };
}

statements! {
    LIST = concat!(
        spent!("global", "", ""), " UNION ALL ",
        spent!("project", " AND u.project_id = b.project_id", ""), " UNION ALL ",
        spent!("runner", " AND u.runner_id = b.runner_id", ""), " UNION ALL ",
        spent!("session", " AND u.session = b.session", "")
    );
    /// Those that hold back the launch of a project ($5), of a runner ($6) where there is one already, of a session ($7) where
    /// it is gone on with.
    HOLDING = concat!(
        spent!("global", "", " AND b.at_limit <> 'warn'"), " UNION ALL ",
        spent!("project", " AND u.project_id = b.project_id", " AND b.at_limit <> 'warn' AND b.project_id = $5"), " UNION ALL ",
        spent!("runner", " AND u.runner_id = b.runner_id", " AND b.at_limit <> 'warn' AND b.runner_id = $6"), " UNION ALL ",
        spent!("session", " AND u.session = b.session", " AND b.at_limit <> 'warn' AND b.session = $7")
    );
    /// How many runners are active, everywhere and in a project.
    ACTIVE = concat!(
        "SELECT count(*), count(*) FILTER (WHERE project_id = $1) FROM runners WHERE state IN ", holding!()
    );

    GET = concat!("SELECT ", budget_columns!(), " FROM token_budgets b WHERE b.id = $1");
    /// Of what is set anew, the id stays.
    SET = "INSERT INTO token_budgets (id, scope, project_id, runner_id, session, period, unit, amount, at_limit, set_at) \
           VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10) \
           ON CONFLICT (scope, coalesce(project_id::text, runner_id::text, session, ''), unit, period) DO UPDATE SET \
           amount = excluded.amount, at_limit = excluded.at_limit, set_at = excluded.set_at RETURNING id";
    REMOVE = "DELETE FROM token_budgets WHERE id = $1";
    WARN = "INSERT INTO budget_warnings (budget_id, since, percent, at) VALUES ($1, $2, $3, $4) ON CONFLICT DO NOTHING";
    LAST_WARNED = "SELECT max(since) FROM budget_warnings WHERE budget_id = $1";
    /// Those of a share that is not reached any more.
    UNWARN = "DELETE FROM budget_warnings WHERE budget_id = $1 AND percent > $2";
}
