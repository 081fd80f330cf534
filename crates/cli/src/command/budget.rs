//! `stratavore budget`.

use stratavore_rpc::v1;

use super::status;
use crate::age;
use crate::args::{AtLimit, BudgetCommand, BudgetScope, BudgetSetArgs};
use crate::failure::{Failure, Kind, Result};
use crate::host::Host;
use crate::invocation::Invocation;
use crate::output::names;
use crate::runner::{rows_text, when};
use crate::session::short_ids;
use crate::table::{Side, Table};
use crate::text::printable;
use crate::usage::{dollars, grouped};

pub(super) async fn run(call: &Invocation, command: BudgetCommand) -> Result {
    match command {
        BudgetCommand::Set(args) => set(call, args).await,
        BudgetCommand::List => {
            let mut host = call.host().await?;
            let budgets = budgets(&mut host).await?;
            status::age(call, &mut host).await;
            call.output.data(&budgets, |budgets| list(call, budgets))
        }
        BudgetCommand::Show { id } => {
            let mut host = call.host().await?;
            let budget = find(&mut host, &id).await?;
            status::age(call, &mut host).await;
            call.output.data(&budget, |budget| card(call, budget))
        }
        BudgetCommand::Remove { id } => {
            let mut host = call.host().await?;
            let budget = find(&mut host, &id).await?;
            let request = v1::BudgetRef {
                id: budget.id.clone(),
            };
            host.ask(async |client| client.remove_budget(request).await)
                .await?;
            call.output.data(&budget, |budget| {
                call.output
                    .note(format!("removed the budget of {}", sentence(budget)));
                String::new()
            })
        }
    }
}

async fn set(call: &Invocation, args: BudgetSetArgs) -> Result {
    let BudgetSetArgs {
        scope,
        of,
        per,
        limit,
        at_limit,
    } = args;
    if let (BudgetScope::Global, Some(of)) = (scope, &of) {
        let message = format!(
            "a global budget is of everything, not of {:?} alone",
            printable(of)
        );
        return Err(
            Failure::new(Kind::Usage, message).hint("name its scope: project, runner or session")
        );
    }
    let tokens = limit.tokens.map(|tokens| tokens.0);
    let usd = limit.usd.map(|usd| usd.0);
    let nothing = tokens == Some(0) || usd.is_some_and(|usd| usd <= 0.0);
    if nothing && at_limit == AtLimit::Warn {
        return Err(Failure::new(
            Kind::Usage,
            "a budget of 0 that only warns would warn of everything and hold nothing back",
        )
        .hint("let nothing be used with --at-limit refuse, deny, pause or stop; or name a number above 0"));
    }
    let request = v1::SetBudgetRequest {
        scope: scope.as_str().to_owned(),
        of,
        period: per.as_str().to_owned(),
        tokens,
        usd,
        at_limit: Some(at_limit.as_str().to_owned()),
    };
    let mut host = call.host().await?;
    let budget = host
        .ask(async |client| client.set_budget(request).await)
        .await?;
    call.output.data(&budget, |budget| {
        call.output.note(format!(
            "set {}; {}% of it is spent; at the limit: {}",
            sentence(budget),
            budget.percent,
            at_limit_words(&budget.at_limit)
        ));
        String::new()
    })
}

async fn budgets(host: &mut Host) -> Result<Vec<v1::Budget>> {
    let request = v1::ListBudgetsRequest {};
    Ok(host
        .ask(async |client| client.list_budgets(request).await)
        .await?
        .budgets)
}

/// Finds the budget of an id or the beginning of one.
async fn find(host: &mut Host, id: &str) -> Result<v1::Budget> {
    let mut near = budgets(host).await?;
    near.retain(|budget| budget.id.starts_with(id) && !id.is_empty());
    if let Some(exact) = near.iter().position(|budget| budget.id == id) {
        return Ok(near.swap_remove(exact));
    }
    match near.len() {
        1 => Ok(near.swap_remove(0)),
        0 => Err(
            Failure::new(Kind::NotFound, format!("no budget has the id {id:?}"))
                .hint("list them with `stratavore budget list`"),
        ),
        _ => Err(
            Failure::new(Kind::Ambiguous, format!("{id:?} means several budgets")).hint(format!(
                "name one: {}",
                names(near.iter().map(|budget| budget.id.as_str()))
            )),
        ),
    }
}

fn limit(budget: &v1::Budget) -> String {
    match (budget.tokens, budget.usd) {
        (Some(tokens), _) => format!("{} tokens", grouped(tokens)),
        (None, Some(usd)) => dollars(usd),
        (None, None) => String::new(),
    }
}

fn spent(budget: &v1::Budget) -> String {
    if budget.tokens.is_some() {
        format!("{} tokens", grouped(budget.spent_tokens))
    } else {
        dollars(budget.spent_usd)
    }
}

/// Tells whose it is, how much, and in which time.
fn sentence(budget: &v1::Budget) -> String {
    let of = match &budget.of {
        Some(of) => format!("{} {of}", budget.scope),
        None => "everything".to_owned(),
    };
    format!("{} each {} for {of}", limit(budget), budget.period)
}

fn at_limit_words(word: &str) -> &str {
    match word {
        "warn" => "you are told",
        "refuse" => "nothing more is launched",
        "deny" => "nothing more is launched, and what runs is refused further tools and prompts",
        "pause" => "nothing more is launched, and what runs is paused",
        "stop" => "nothing more is launched, and what runs is stopped",
        other => other,
    }
}

fn list(call: &Invocation, budgets: &[v1::Budget]) -> String {
    if budgets.is_empty() {
        call.output
            .note("no budgets; set one with `stratavore budget set`");
        return String::new();
    }
    let now = call.now();
    let mut table = Table::new(&[
        ("ID", Side::Left),
        ("OF", Side::Left),
        ("PER", Side::Left),
        ("LIMIT", Side::Right),
        ("SPENT", Side::Right),
        ("", Side::Right),
        ("AT LIMIT", Side::Left),
        ("RENEWS IN", Side::Right),
        ("LASTS", Side::Right),
    ]);
    let ids = short_ids(budgets.iter().map(|budget| budget.id.as_str()));
    for (budget, id) in budgets.iter().zip(ids) {
        let of = match &budget.of {
            Some(of) => format!("{} {of}", budget.scope),
            None => budget.scope.clone(),
        };
        let exhausted = budget.exhausted_at.as_deref();
        table.row([
            id.to_owned(),
            of,
            budget.period.clone(),
            limit(budget),
            spent(budget),
            format!("{}%", budget.percent),
            budget.at_limit.clone(),
            age::until(&budget.ends_at, now),
            exhausted
                .map(|time| age::until(time, now))
                .unwrap_or_default(),
        ]);
    }
    table.render(call.output.stdout)
}

fn card(call: &Invocation, budget: &v1::Budget) -> String {
    let now = call.now();
    let ahead = |time: &str| match age::until(time, now) {
        left if left.is_empty() => time.to_owned(),
        left => format!("{time} (in {left})"),
    };
    rows_text(&[
        ("id", budget.id.clone()),
        ("scope", budget.scope.clone()),
        ("of", budget.of.clone().unwrap_or_default()),
        ("limit", format!("{} each {}", limit(budget), budget.period)),
        ("spent", format!("{} ({}%)", spent(budget), budget.percent)),
        (
            "at limit",
            format!("{}: {}", budget.at_limit, at_limit_words(&budget.at_limit)),
        ),
        ("began", when(&budget.began_at, now)),
        ("renews", ahead(&budget.ends_at)),
        (
            "used up",
            budget
                .exhausted_at
                .as_deref()
                .map(ahead)
                .unwrap_or_default(),
        ),
        ("overshoot", budget.overshoot.clone()),
    ])
}
