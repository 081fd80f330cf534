//! Shows what was used and what bounds it.

use std::collections::{BTreeMap, HashMap};

use chrono::{Local as Zone, Offset, TimeZone};
use stratavore_core::budget::{Amount, AtLimit, Budget, Period, Scope, Spent};
use stratavore_core::calendar::stretches;
use stratavore_core::clock::{Timestamp, to_rfc3339};
use stratavore_core::ids::{BudgetId, RunnerId};
use stratavore_core::session::Session;
use stratavore_core::usage::NanoUsd;
use stratavore_store::{By, SessionFilter, StoreError, UsageFilter, UsageRow};
use stratavore_supervisor::Supervisor;

use super::{find, moment, sessions};
use crate::failure::store_failure;
use crate::{Code, Failure, Result, v1};

/// How a sum of usage is shown: its tokens are measured, its cost is estimated by the table of prices.
pub(super) fn usage(row: &UsageRow, program_cost: Option<NanoUsd>) -> v1::Usage {
    let tokens = &row.tokens;
    let writes = tokens.cache_write_5m.saturating_add(tokens.cache_write_1h);
    let priced = tokens.total() > row.unpriced || row.messages == 0;
    v1::Usage {
        input_tokens: tokens.input,
        output_tokens: tokens.output,
        cache_creation_input_tokens: writes,
        cache_read_input_tokens: tokens.cache_read,
        cost_usd: priced.then(|| row.cost.dollars()),
        cache_creation_1h_input_tokens: tokens.cache_write_1h,
        unpriced_tokens: row.unpriced,
        messages: row.messages,
        label: "estimated".to_owned(),
        program_cost_usd: program_cost.map(NanoUsd::dollars),
        tokens_label: "measured".to_owned(),
    }
}

pub(super) async fn report(
    supervisor: &Supervisor,
    request: v1::UsageRequest,
) -> Result<v1::UsageReport> {
    let zone = offset(supervisor.now());
    let by = match request.by.as_deref() {
        None | Some("") => By::Nothing,
        Some("day") => By::Day(zone),
        Some("model") => By::Model,
        Some("project") => By::Project,
        Some("session") => By::Session,
        Some("runner") => By::Runner,
        Some(other) => {
            return Err(Failure::new(
                Code::Invalid,
                format!("usage cannot be grouped by {other:?}"),
            )
            .hint("group it by day, model, project, session or runner"));
        }
    };
    let project = match &request.project {
        Some(reference) => Some(find::project(supervisor, reference).await?.id),
        None => None,
    };
    let runner = match &request.runner {
        Some(reference) => Some(find::runner(supervisor, reference).await?.runner.id),
        None => None,
    };
    let session = match &request.session {
        Some(reference) => Some(sessions::find(supervisor, reference).await?.key.id),
        None => None,
    };
    let filter = UsageFilter {
        by: By::Nothing,
        since: request
            .since
            .as_deref()
            .map(|text| moment(text, &Zone))
            .transpose()?,
        until: request
            .until
            .as_deref()
            .map(|text| moment(text, &Zone))
            .transpose()?,
        project,
        runner,
        session,
    };
    let store = supervisor.store();
    let sum = |by| {
        store.usage(UsageFilter {
            by,
            ..filter.clone()
        })
    };
    let models = sum(By::Model).await.map_err(store_failure)?;
    let rows = match by {
        By::Nothing => Vec::new(),
        By::Model => models.clone(),
        By::Day(_) => by_day(supervisor, &filter).await?,
        by => sum(by).await.map_err(store_failure)?,
    };
    let costs = program_costs(supervisor, &filter, by).await?;
    let sum_of_all = total(&models);
    let own = match &filter.session {
        Some(id) => costs.get(id).copied(),
        None => programs_own(supervisor, &filter, sum_of_all.cost).await?,
    };
    let mut shown = Vec::with_capacity(rows.len());
    for row in rows {
        let key = match by {
            By::Runner => runner_name(supervisor, &row.key).await?,
            _ => row.key.clone(),
        };
        shown.push(v1::UsageRow {
            key,
            usage: Some(usage(&row, costs.get(&row.key).copied())),
        });
    }
    let prices = supervisor.prices();
    Ok(v1::UsageReport {
        total: Some(usage(&sum_of_all, own)),
        rows: shown,
        prices_date: prices.date.to_string(),
        prices_source: prices.source.clone(),
        time_zone: zone_name(zone),
        unpriced_models: models
            .into_iter()
            .filter(|row| row.unpriced > 0)
            .map(|row| row.key)
            .collect(),
    })
}

/// Adds groups up.
fn total(rows: &[UsageRow]) -> UsageRow {
    rows.iter().fold(UsageRow::default(), |mut total, row| {
        total.messages = total.messages.saturating_add(row.messages);
        total.tokens += row.tokens;
        total.cost = NanoUsd(total.cost.0.saturating_add(row.cost.0));
        total.unpriced = total.unpriced.saturating_add(row.unpriced);
        total
    })
}

/// Nothing that is counted is older.
const FIRST_YEAR: i32 = 2023;

/// Sums by the days of the person's calendar: what was used before clocks were turned is of the day that it was then.
async fn by_day(supervisor: &Supervisor, filter: &UsageFilter) -> Result<Vec<UsageRow>> {
    let earliest = chrono::Utc.with_ymd_and_hms(FIRST_YEAR, 1, 1, 0, 0, 0);
    let now = supervisor.now();
    let from = filter.since.or(earliest.earliest()).unwrap_or(now);
    let to = filter.until.unwrap_or(now).max(from);
    let mut days: BTreeMap<String, UsageRow> = BTreeMap::new();
    for stretch in stretches(from, to, &Zone) {
        let within = UsageFilter {
            by: By::Day(stretch.east),
            since: stretch.began.or(filter.since),
            until: stretch.ends.or(filter.until),
            ..filter.clone()
        };
        let rows = supervisor.store().usage(within).await;
        for row in rows.map_err(store_failure)? {
            let day = days.entry(row.key.clone()).or_default();
            let key = row.key.clone();
            *day = total(&[std::mem::take(day), row]);
            day.key = key;
        }
    }
    Ok(days.into_values().collect())
}

/// Finds what programs say that sessions cost, where sums are of whole sessions: no program tells of parts.
async fn program_costs(
    supervisor: &Supervisor,
    filter: &UsageFilter,
    by: By,
) -> Result<HashMap<String, NanoUsd>> {
    let whole = filter.since.is_none() && filter.until.is_none();
    if !whole || (by != By::Session && filter.session.is_none()) {
        return Ok(HashMap::new());
    }
    let sessions = SessionFilter {
        id: filter.session.clone(),
        ..SessionFilter::default()
    };
    let sessions = supervisor.sessions(sessions).await.map_err(store_failure)?;
    let told = sessions
        .into_iter()
        .filter_map(|session| Some((session.key.id, session.program_cost?)));
    Ok(told.collect())
}

/// Adds to an estimate what programs say that sessions cost more than was estimated of them; nothing where none tells.
async fn programs_own(
    supervisor: &Supervisor,
    filter: &UsageFilter,
    estimated: NanoUsd,
) -> Result<Option<NanoUsd>> {
    // What one of its runners used is no whole session.
    if filter.since.is_some() || filter.until.is_some() || filter.runner.is_some() {
        return Ok(None);
    }
    let sessions = SessionFilter {
        project: filter.project,
        ..SessionFilter::default()
    };
    let sessions = supervisor.sessions(sessions).await.map_err(store_failure)?;
    if sessions
        .iter()
        .all(|session| session.program_cost.is_none())
    {
        return Ok(None);
    }
    let by_session = UsageFilter {
        by: By::Session,
        ..filter.clone()
    };
    let sums = supervisor.store().usage(by_session).await;
    let more = more(&sessions, &sums.map_err(store_failure)?);
    Ok(Some(NanoUsd(estimated.0.saturating_add(more))))
}

/// Sums what programs say more than is estimated. A copy's own cost has in it what it was copied from, and a message of both
/// counts for one of them: sessions and their copies cost together at least the most that is said of one.
fn more(sessions: &[Session], estimates: &[UsageRow]) -> u64 {
    let parents: HashMap<&str, &str> = sessions
        .iter()
        .filter_map(|session| Some((session.key.id.as_str(), session.parent.as_deref()?)))
        .collect();
    let mut together: HashMap<&str, (u64, u64)> = HashMap::new();
    for session in sessions {
        let (told, _) = together
            .entry(first_of(&session.key.id, &parents))
            .or_default();
        *told = session.program_cost.map_or(0, |cost| cost.0).max(*told);
    }
    for row in estimates {
        let (_, estimated) = together.entry(first_of(&row.key, &parents)).or_default();
        *estimated = estimated.saturating_add(row.cost.0);
    }
    together
        .values()
        .map(|(told, estimated)| told.saturating_sub(*estimated))
        .fold(0, u64::saturating_add)
}

/// Follows copies back to what was copied first.
fn first_of<'s>(id: &'s str, parents: &HashMap<&'s str, &'s str>) -> &'s str {
    let mut first = id;
    // Files may say that two are copies of each other.
    for _ in 0..parents.len() {
        let Some(parent) = parents.get(first) else {
            break;
        };
        first = parent;
    }
    first
}

/// Names a runner that used something; by its id where it is known no more.
async fn runner_name(supervisor: &Supervisor, key: &str) -> Result<String> {
    let Ok(id) = key.parse::<RunnerId>() else {
        return Ok(key.to_owned());
    };
    match supervisor.store().runner(id).await {
        Ok(view) => Ok(view.runner.name.to_string()),
        Err(StoreError::NoRunner(_)) => Ok(key.to_owned()),
        Err(error) => Err(store_failure(error)),
    }
}

/// The offset of the person's time zone now, in seconds east of UTC.
fn offset(now: Timestamp) -> i32 {
    Zone.offset_from_utc_datetime(&now.naive_utc())
        .fix()
        .local_minus_utc()
}

fn zone_name(seconds: i32) -> String {
    let sign = if seconds < 0 { '-' } else { '+' };
    let minutes = seconds.abs() / 60;
    format!("UTC{sign}{:02}:{:02}", minutes / 60, minutes % 60)
}

pub(super) async fn budgets(supervisor: &Supervisor) -> Result<v1::Budgets> {
    let mut budgets = Vec::new();
    for (budget, spent, began, ends) in supervisor.budgets().await.map_err(store_failure)? {
        budgets.push(shown(supervisor, &budget, &spent, began, ends).await?);
    }
    Ok(v1::Budgets { budgets })
}

pub(super) async fn set_budget(
    supervisor: &Supervisor,
    request: v1::SetBudgetRequest,
) -> Result<v1::Budget> {
    let limit = limit(&request)?;
    let period = Period::ALL
        .into_iter()
        .find(|period| period.as_str() == request.period)
        .ok_or_else(|| {
            Failure::new(
                Code::Invalid,
                format!("{:?} is no period of a budget", request.period),
            )
            .hint("use hour, day, week or month")
        })?;
    let at_limit = match request.at_limit.as_deref() {
        None | Some("") => AtLimit::default(),
        Some(word) => AtLimit::ALL
            .into_iter()
            .find(|at_limit| at_limit.as_str() == word)
            .ok_or_else(|| {
                Failure::new(
                    Code::Invalid,
                    format!("{word:?} is nothing to do at a limit"),
                )
                .hint("use warn, refuse, deny, pause or stop")
            })?,
    };
    let scope = scope(supervisor, &request).await?;
    let now = supervisor.now();
    let budget = Budget {
        id: BudgetId::new(now),
        scope,
        period,
        limit,
        at_limit,
        set_at: now,
    };
    let budget = supervisor.set_budget(budget).await.map_err(store_failure)?;
    let all = supervisor.budgets().await.map_err(store_failure)?;
    match all.into_iter().find(|(kept, ..)| kept.id == budget.id) {
        Some((budget, spent, began, ends)) => shown(supervisor, &budget, &spent, began, ends).await,
        None => Err(store_failure(StoreError::NoBudget(budget.id))),
    }
}

pub(super) async fn remove_budget(supervisor: &Supervisor, request: v1::BudgetRef) -> Result<()> {
    let id = request.id.parse().map_err(|_| {
        Failure::new(Code::Invalid, format!("{:?} is no budget's id", request.id))
            .hint("list them with `stratavore budget list`")
    })?;
    supervisor.remove_budget(id).await.map_err(store_failure)
}

fn limit(request: &v1::SetBudgetRequest) -> Result<Amount> {
    let invalid = |message: String| {
        Failure::new(Code::Invalid, message).hint("give tokens, or US dollars such as 2.50")
    };
    match (request.tokens, request.usd) {
        // No store keeps a greater number, and a lesser one is not what was asked for.
        (Some(tokens), None) if i64::try_from(tokens).is_err() => Err(invalid(format!(
            "a budget cannot be {tokens} tokens, only from 0 to {}",
            i64::MAX
        ))),
        (Some(tokens), None) => Ok(Amount::Tokens(tokens)),
        (None, Some(usd)) if usd.is_finite() && (0.0..=1e9).contains(&usd) => {
            NanoUsd::parse(&format!("{usd:.9}"))
                .map(Amount::Money)
                .ok_or_else(|| invalid(format!("a budget cannot be {usd} US dollars")))
        }
        (None, Some(usd)) => Err(invalid(format!(
            "a budget cannot be {usd} US dollars, only from 0 to 1000000000"
        ))),
        (None, None) => Err(invalid("the budget has no amount".to_owned())),
        (Some(_), Some(_)) => Err(invalid(
            "a budget is in tokens or in US dollars, not both; set two".to_owned(),
        )),
    }
}

async fn scope(supervisor: &Supervisor, request: &v1::SetBudgetRequest) -> Result<Scope> {
    let of = request.of.as_deref().filter(|of| !of.is_empty());
    match (request.scope.as_str(), of) {
        ("global", None) => Ok(Scope::Global),
        ("global", Some(of)) => Err(Failure::new(
            Code::Invalid,
            format!("a global budget is of all, not of {of:?}"),
        )
        .hint("name the scope project, runner or session")),
        ("project", Some(of)) => Ok(Scope::Project(find::project(supervisor, of).await?.id)),
        ("runner", Some(of)) => Ok(Scope::Runner(find::runner(supervisor, of).await?.runner.id)),
        ("session", Some(of)) => Ok(Scope::Session(sessions::find(supervisor, of).await?.key.id)),
        (scope @ ("project" | "runner" | "session"), None) => Err(Failure::new(
            Code::Invalid,
            format!("the {scope} of the budget is missing"),
        )
        .hint(format!("name the {scope}"))),
        (other, _) => Err(Failure::new(
            Code::Invalid,
            format!("{other:?} is no scope of a budget"),
        )
        .hint("use global, project, runner or session")),
    }
}

async fn shown(
    supervisor: &Supervisor,
    budget: &Budget,
    spent: &Spent,
    began: Timestamp,
    ends: Timestamp,
) -> Result<v1::Budget> {
    let of = match &budget.scope {
        Scope::Global => None,
        Scope::Project(id) => Some(match supervisor.store().project(*id).await {
            Ok(project) => project.name.to_string(),
            Err(StoreError::NoProject(_)) => id.to_string(),
            Err(error) => return Err(store_failure(error)),
        }),
        Scope::Runner(id) => Some(runner_name(supervisor, &id.to_string()).await?),
        Scope::Session(id) => Some(id.clone()),
    };
    let (tokens, usd) = match budget.limit {
        Amount::Tokens(tokens) => (Some(tokens), None),
        Amount::Money(money) => (None, Some(money.dollars())),
    };
    Ok(v1::Budget {
        id: budget.id.to_string(),
        scope: budget.scope.as_str().to_owned(),
        of,
        period: budget.period.as_str().to_owned(),
        tokens,
        usd,
        at_limit: budget.at_limit.as_str().to_owned(),
        spent_tokens: spent.tokens.total(),
        spent_usd: spent.cost.dollars(),
        percent: percent(budget, spent),
        began_at: to_rfc3339(began),
        ends_at: to_rfc3339(ends),
        exhausted_at: exhausted(budget, spent, began, ends, supervisor.now()).map(to_rfc3339),
        overshoot:
            "usage is counted when a message is complete: each running runner may still add the turn that it is in"
                .to_owned(),
    })
}

fn percent(budget: &Budget, spent: &Spent) -> u32 {
    let (used, limit) = (
        u128::from(spent.of(budget.limit)),
        u128::from(budget.limit.number()),
    );
    match limit {
        0 => 100,
        limit => u32::try_from(used * 100 / limit).unwrap_or(u32::MAX),
    }
}

/// When a budget will be spent at the pace of its period so far; nothing where that is not within it.
fn exhausted(
    budget: &Budget,
    spent: &Spent,
    began: Timestamp,
    ends: Timestamp,
    now: Timestamp,
) -> Option<Timestamp> {
    let (used, limit) = (spent.of(budget.limit), budget.limit.number());
    if used == 0 || used >= limit {
        return None;
    }
    let elapsed = u128::try_from((now - began).num_milliseconds()).ok()?;
    let needed = elapsed * u128::from(limit) / u128::from(used);
    let at = began + chrono::TimeDelta::milliseconds(i64::try_from(needed).ok()?);
    (at < ends).then_some(at)
}

#[cfg(test)]
mod tests {
    use super::*;
    use stratavore_core::usage::Tokens;

    #[test]
    fn a_budget_is_exhausted_at_the_pace_so_far_or_not_in_this_period() {
        let at = |minute: i64| Timestamp::UNIX_EPOCH + chrono::TimeDelta::minutes(minute);
        let budget = Budget {
            id: BudgetId::new(at(0)),
            scope: Scope::Global,
            period: Period::Hour,
            limit: Amount::Tokens(100),
            at_limit: AtLimit::Warn,
            set_at: at(0),
        };
        let spent = |tokens| Spent {
            tokens: Tokens {
                input: tokens,
                ..Tokens::default()
            },
            cost: NanoUsd(0),
        };
        let exhausted = |tokens| exhausted(&budget, &spent(tokens), at(0), at(60), at(30));
        assert_eq!(exhausted(75), Some(at(40)));
        assert_eq!(exhausted(50), None, "at the very end is not within");
        assert_eq!(exhausted(0), None);
        assert_eq!(exhausted(100), None, "it is spent already");
        assert_eq!(
            (percent(&budget, &spent(75)), percent(&budget, &spent(250))),
            (75, 250)
        );
    }

    #[test]
    fn a_budget_has_one_amount_that_can_be_counted() {
        let request = |tokens, usd| v1::SetBudgetRequest {
            tokens,
            usd,
            ..v1::SetBudgetRequest::default()
        };
        assert_eq!(limit(&request(Some(5), None)).unwrap(), Amount::Tokens(5));
        assert_eq!(
            limit(&request(None, Some(2.5))).unwrap(),
            Amount::Money(NanoUsd(2_500_000_000))
        );
        for usd in [-1.0, f64::NAN, f64::INFINITY, 1e30] {
            assert!(limit(&request(None, Some(usd))).is_err(), "{usd}");
        }
        assert!(limit(&request(None, None)).is_err());
        assert!(limit(&request(Some(1), Some(1.0))).is_err());
    }
}
