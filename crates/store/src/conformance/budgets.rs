//! Budgets: what was spent of them, who was told, and what they hold back.

use std::sync::Arc;

use stratavore_core::budget::{Amount, AtLimit, Budget, Period, Reserve, Scope, Spent, Terms};
use stratavore_core::fact::Fact;
use stratavore_core::ids::{BudgetId, RunnerId};
use stratavore_core::notice::Edge;
use stratavore_core::project::Project;
use stratavore_core::quota::Limits;
use stratavore_core::runner::{Input, Runner, StateName};
use stratavore_core::session::Session;
use stratavore_core::usage::NanoUsd;
use tokio::task::JoinSet;

use super::reading::{at, entry};
use super::world::{FREE, GRACE, PERSON, World};
use crate::{Digest, NewRunner, Store, StoreError};

/// Everything counts, whatever the period.
fn terms(reserve: u64) -> Terms {
    Terms {
        began: [at(0); 4],
        reserve: Reserve {
            tokens: reserve,
            cost: NanoUsd(reserve),
        },
    }
}

fn held(reserve: u64) -> Limits {
    Limits {
        budgets: Some(terms(reserve)),
        ..FREE
    }
}

impl World {
    fn budget(&self, scope: Scope, tokens: u64) -> Budget {
        Budget {
            id: BudgetId::new(self.now()),
            scope,
            period: Period::Day,
            limit: Amount::Tokens(tokens),
            at_limit: AtLimit::Refuse,
            set_at: self.now(),
        }
    }

    async fn set(&self, budget: &Budget) -> Budget {
        let set = self.store.set_budget(budget.clone()).await;
        set.expect("the budget is set")
    }

    /// Uses tokens in a project, by a runner where there is one.
    async fn spend(&self, project: &Project, runner: Option<RunnerId>, tokens: u64) {
        let id = format!("s{}", self.now().timestamp_micros());
        let digest = Digest {
            session: Session {
                project: Some(project.id),
                ..self.a_session(&id)
            },
            entries: vec![entry(&id, tokens)],
            runner,
            ..self.first(&id, 9)
        };
        self.digest(digest).await;
    }

    async fn spent(&self, id: BudgetId) -> Spent {
        let budgets = self.store.budgets(terms(0)).await.unwrap();
        let found = budgets.into_iter().find(|(budget, _)| budget.id == id);
        found.expect("it is listed").1
    }

    async fn launch_held(&self, project: &Project, reserve: u64) -> crate::Result<Runner> {
        let launched = self.try_launch(self.new_runner(project), held(reserve));
        launched.await.map(|applied| applied.runner)
    }
}

/// Asserts that a budget refused, and returns which and for how many runners something is set aside.
fn refused<T: std::fmt::Debug>(result: crate::Result<T>) -> (BudgetId, u32) {
    match result {
        Err(StoreError::BudgetSpent { id, set_aside, .. }) => (id, set_aside),
        other => panic!("expected a spent budget, got {other:?}"),
    }
}

pub async fn a_budget_is_set_replaced_and_removed(store: Arc<dyn Store>) {
    let world = World::new(store);
    let project = world.project("api", None).await;
    let first = world.budget(Scope::Global, 10);
    assert_eq!(world.set(&first).await, first);
    let scopes = [
        Scope::Project(project.id),
        Scope::Runner(RunnerId::new(world.now())),
        Scope::Session("s1".into()),
    ];
    for scope in scopes {
        let budget = world.budget(scope, u64::MAX / 2);
        assert_eq!(world.set(&budget).await, budget);
    }
    let hourly = Budget {
        period: Period::Hour,
        at_limit: AtLimit::Stop,
        ..world.budget(Scope::Global, 3)
    };
    let money = Budget {
        limit: Amount::Money(NanoUsd(7)),
        ..world.budget(Scope::Global, 0)
    };
    world.set(&hourly).await;
    world.set(&money).await;
    let again = Budget {
        at_limit: AtLimit::Warn,
        ..world.budget(Scope::Global, 20)
    };
    let kept = world.set(&again).await;
    assert_eq!(
        kept,
        Budget {
            id: first.id,
            ..again
        }
    );
    let list = async || -> Vec<Budget> {
        let budgets = world.store.budgets(terms(0)).await.unwrap();
        budgets.into_iter().map(|(budget, _)| budget).collect()
    };
    let listed = list().await;
    assert_eq!(listed.len(), 6);
    for budget in [&kept, &hourly, &money] {
        assert!(listed.contains(budget), "{budget:?}");
    }
    world.store.remove_budget(first.id).await.unwrap();
    assert_eq!(list().await.len(), 5);
    let gone = world.store.remove_budget(first.id).await.unwrap_err();
    assert!(
        matches!(gone, StoreError::NoBudget(id) if id == first.id),
        "{gone:?}"
    );
}

pub async fn what_was_spent_is_summed_for_each_scope_and_period(store: Arc<dyn Store>) {
    let world = World::new(store);
    let (api, web) = (
        world.project("api", None).await,
        world.project("web", None).await,
    );
    let runner = RunnerId::new(world.now());
    let digest = |id: &str, project: &Project, runner, seconds, tokens| {
        let mut used = entry(id, tokens);
        used.0.session = id.to_owned();
        used.0.at = at(seconds);
        Digest {
            session: Session {
                project: Some(project.id),
                ..world.a_session(id)
            },
            entries: vec![used],
            runner,
            ..world.first(id, 9)
        }
    };
    world.digest(digest("s1", &api, Some(runner), 100, 1)).await;
    world.digest(digest("s2", &api, None, 200, 20)).await;
    world.digest(digest("s3", &web, None, 300, 300)).await;
    let periods = Terms {
        began: [at(300), at(200), at(101), at(0)],
        ..terms(0)
    };
    for (scope, expected) in [
        (Scope::Global, [300, 320, 320, 321]),
        (Scope::Project(api.id), [0, 20, 20, 21]),
        (Scope::Runner(runner), [0, 0, 0, 1]),
        (Scope::Session("s2".into()), [0, 20, 20, 20]),
    ] {
        for (period, tokens) in Period::ALL.into_iter().zip(expected) {
            let budget = Budget {
                period,
                ..world.budget(scope.clone(), 5)
            };
            let id = world.set(&budget).await.id;
            let budgets = world.store.budgets(periods).await.unwrap();
            let (_, spent) = budgets
                .into_iter()
                .find(|(budget, _)| budget.id == id)
                .unwrap();
            assert_eq!(spent.tokens.input, tokens, "{scope:?} {period:?}");
            assert_eq!(spent.cost, NanoUsd(tokens));
        }
    }
}

pub async fn a_share_is_told_of_once_a_period(store: Arc<dyn Store>) {
    let world = World::new(store);
    let project = world.project("api", None).await;
    let budget = world
        .set(&world.budget(Scope::Project(project.id), 100))
        .await;
    world.spend(&project, None, 92).await;
    let reach = async |since, percent, told| {
        let (id, now) = (budget.id, world.now());
        let reached = world.store.budget_reached(id, since, percent, told, now);
        reached.await
    };
    assert!(reach(at(0), 90, Some(project.id)).await.unwrap());
    assert!(!reach(at(0), 90, Some(project.id)).await.unwrap());
    assert!(reach(at(0), 100, None).await.unwrap(), "another share");
    assert!(
        reach(at(9), 90, Some(project.id)).await.unwrap(),
        "another period"
    );
    let facts = world.facts_of(project.id.as_uuid()).await;
    let told: Vec<&Fact> = facts
        .iter()
        .filter(|fact| fact.kind() == "project.budget_reached")
        .collect();
    assert_eq!(told.len(), 2);
    assert_eq!(
        *told[0],
        Fact::BudgetReached {
            budget: budget.id,
            scope: "project".into(),
            period: Period::Day,
            percent: 90,
            spent: Amount::Tokens(92),
            limit: Amount::Tokens(100),
        }
    );
    let notices = world
        .store
        .claim_notices(PERSON, "desk", world.now())
        .await
        .unwrap();
    assert_eq!(notices.len(), 2);
    assert!(
        notices
            .iter()
            .all(|notice| notice.edge == Edge::BudgetReached)
    );
    let (unknown, now) = (BudgetId::new(world.now()), world.now());
    let error = world
        .store
        .budget_reached(unknown, at(0), 75, None, now)
        .await
        .unwrap_err();
    assert!(matches!(error, StoreError::NoBudget(_)), "{error:?}");
}

pub async fn a_share_that_is_reached_anew_is_told_of_anew(store: Arc<dyn Store>) {
    let world = World::new(store);
    let project = world.project("api", None).await;
    let budget = world.set(&world.budget(Scope::Global, 100)).await;
    world.spend(&project, None, 92).await;
    let reach = async |percent| {
        let (id, now) = (budget.id, world.now());
        let reached = world.store.budget_reached(id, at(0), percent, None, now);
        reached.await.unwrap()
    };
    assert!(reach(75).await && reach(90).await);
    // 92 of 115 are 80 %.
    let raised = Budget {
        limit: Amount::Tokens(115),
        ..budget.clone()
    };
    world.set(&raised).await;
    assert!(!reach(75).await, "it is still reached");
    world.spend(&project, None, 20).await;
    assert!(reach(90).await, "it was not meanwhile");
    world.set(&raised).await;
    assert!(!reach(90).await, "nothing has changed");
}

pub async fn a_spent_session_is_not_gone_on_with(store: Arc<dyn Store>) {
    let world = World::new(store);
    let project = world.project("api", None).await;
    let digest = Digest {
        entries: vec![entry("s1", 100)],
        ..world.first("s1", 9)
    };
    world.digest(digest).await;
    let budget = world
        .set(&world.budget(Scope::Session("s1".into()), 100))
        .await;
    let goes_on = async |session: Option<&str>, queue: bool| {
        let mut new = world.new_runner(&project);
        new.launch.session = session.map(str::to_owned);
        new.queue = queue;
        world.try_launch(new, held(0)).await
    };
    let outcome = goes_on(Some("s1"), false).await;
    assert_eq!(
        outcome.as_ref().unwrap_err().to_string(),
        "the budget of the session for this day leaves no room: 100 tokens of 100 tokens are spent"
    );
    assert_eq!(refused(outcome), (budget.id, 0));
    goes_on(None, false).await.expect("a new session");
    goes_on(Some("s2"), false).await.expect("another session");
    // What waits in line for it waits on, and starts when more is allowed.
    let waiting = goes_on(Some("s1"), true).await.expect("it waits").runner;
    assert_eq!(waiting.state.name(), StateName::Queued);
    let admit = async || {
        world
            .store
            .admit_queued(held(0), world.now())
            .await
            .unwrap()
    };
    assert_eq!(admit().await.len(), 0);
    let raised = Budget {
        limit: Amount::Tokens(101),
        ..budget
    };
    world.set(&raised).await;
    let admitted = admit().await;
    assert_eq!(admitted.len(), 1);
    assert_eq!(admitted[0].runner.id, waiting.id);
}

pub async fn a_spent_budget_refuses_launches_and_says_so(store: Arc<dyn Store>) {
    let world = World::new(store);
    let (api, web) = (
        world.project("api", None).await,
        world.project("web", None).await,
    );
    let budget = world.set(&world.budget(Scope::Project(api.id), 100)).await;
    world.spend(&api, None, 99).await;
    world.launch_held(&api, 0).await.expect("one is left");
    world.spend(&api, None, 3).await;
    let outcome = world.launch_held(&api, 0).await;
    let message = outcome.as_ref().unwrap_err().to_string();
    assert_eq!(
        message,
        "the budget of the project \"api\" for this day leaves no room: 102 tokens of 100 tokens are spent"
    );
    assert_eq!(refused(outcome), (budget.id, 0));
    let fact = world.facts_of(api.id.as_uuid()).await.pop().unwrap();
    assert_eq!(
        fact,
        Fact::BudgetRefused {
            budget: budget.id,
            scope: "project".into(),
            period: Period::Day,
            spent: Amount::Tokens(102),
            limit: Amount::Tokens(100),
            program: "claude".into(),
        }
    );
    let told = world
        .store
        .claim_notices(PERSON, "desk", world.now())
        .await
        .unwrap();
    assert_eq!(told.len(), 1);
    assert_eq!(told[0].edge, Edge::BudgetRefused);
    world.launch_held(&web, 0).await.expect("another project");
    world.launch(&api).await;
    // Of all, in money.
    let all = Budget {
        limit: Amount::Money(NanoUsd(102)),
        ..world.budget(Scope::Global, 0)
    };
    let all = world.set(&all).await;
    assert_eq!(refused(world.launch_held(&web, 0).await), (all.id, 0));
    // Raised, it lets go on.
    world.store.remove_budget(all.id).await.unwrap();
    let raised = Budget {
        limit: Amount::Tokens(103),
        ..budget
    };
    world.set(&raised).await;
    world.launch_held(&api, 0).await.expect("it was raised");
    assert_eq!(world.store.verify_audit().await.unwrap().faults, []);
}

pub async fn something_is_set_aside_for_every_active_runner(store: Arc<dyn Store>) {
    let world = World::new(store);
    let (api, web) = (
        world.project("api", None).await,
        world.project("web", None).await,
    );
    let all = world.set(&world.budget(Scope::Global, 100)).await;
    let own = world.set(&world.budget(Scope::Project(api.id), 45)).await;
    let one = world.launch_held(&api, 20).await.expect("20 of 45");
    world.launch_held(&api, 20).await.expect("40 of 45");
    assert_eq!(refused(world.launch_held(&api, 20).await), (own.id, 3));
    world.launch_held(&web, 20).await.expect("60 of 100");
    world.spend(&web, None, 21).await;
    assert_eq!(refused(world.launch_held(&web, 20).await), (all.id, 4));
    world.exit(&one, 0).await;
    world.launch_held(&web, 20).await.expect("81 of 100");
}

pub async fn a_budget_that_only_warns_refuses_nothing(store: Arc<dyn Store>) {
    let world = World::new(store);
    let project = world.project("api", None).await;
    let budget = Budget {
        at_limit: AtLimit::Warn,
        ..world.budget(Scope::Global, 0)
    };
    let budget = world.set(&budget).await;
    world.spend(&project, None, 5).await;
    assert!(budget.is_spent(&world.spent(budget.id).await));
    world.launch_held(&project, 9).await.expect("it only warns");
}

pub async fn a_restart_is_held_to_the_budgets(store: Arc<dyn Store>) {
    let world = World::new(store);
    let project = world.project("api", None).await;
    let runner = world.launch(&project).await;
    let other = world.launch(&project).await;
    let budget = world.set(&world.budget(Scope::Runner(runner.id), 10)).await;
    world.spend(&project, Some(runner.id), 10).await;
    for runner in [&runner, &other] {
        world.exit(runner, 1).await;
    }
    let restart = async |runner: &Runner| {
        let input = Input::Restart { grace: GRACE };
        let now = world.now();
        let applied = world.store.apply(runner.id, input, held(0), now).await;
        applied.map(|applied| applied.runner.state.name())
    };
    let outcome = restart(&runner).await;
    let message = outcome.as_ref().unwrap_err().to_string();
    assert!(message.contains("runner \"api-1\""), "{message}");
    assert_eq!(refused(outcome), (budget.id, 0));
    let kinds = world.kinds_of(project.id.as_uuid()).await;
    assert_eq!(kinds, ["project.added", "project.budget_refused"]);
    assert_eq!(world.state(runner.id).await, StateName::Failed);
    assert_eq!(restart(&other).await.unwrap(), StateName::Starting);
    let all = world.set(&world.budget(Scope::Global, 10)).await;
    world.store.remove_budget(budget.id).await.unwrap();
    assert_eq!(refused(restart(&runner).await), (all.id, 0));
    world.store.remove_budget(all.id).await.unwrap();
    assert_eq!(restart(&runner).await.unwrap(), StateName::Starting);
}

pub async fn queued_runners_wait_while_a_budget_is_spent(store: Arc<dyn Store>) {
    let world = World::new(store);
    let (api, web) = (
        world.project("api", None).await,
        world.project("web", None).await,
    );
    let budget = world.set(&world.budget(Scope::Project(api.id), 10)).await;
    world.spend(&api, None, 10).await;
    let first = world.queue(&api, held(4)).await;
    let second = world.queue(&api, held(4)).await;
    assert_eq!(first.state.name(), StateName::Queued);
    assert_eq!(
        world.queue(&web, held(4)).await.state.name(),
        StateName::Starting
    );
    let admit = async |reserve| -> Vec<RunnerId> {
        let admitted = world.store.admit_queued(held(reserve), world.now()).await;
        let admitted = admitted.expect("they are admitted");
        admitted.iter().map(|applied| applied.runner.id).collect()
    };
    assert!(admit(4).await.is_empty());
    let raised = Budget {
        limit: Amount::Tokens(17),
        ..budget
    };
    world.set(&raised).await;
    assert_eq!(
        admit(4).await,
        [first.id],
        "for the other 4 more would be needed"
    );
    let all = world.set(&world.budget(Scope::Global, 5)).await;
    assert!(admit(0).await.is_empty());
    world.store.remove_budget(all.id).await.unwrap();
    assert_eq!(admit(0).await, [second.id]);
    let kinds = world.kinds_of(api.id.as_uuid()).await;
    assert_eq!(kinds, ["project.added"], "whoever waits was not refused");
}

pub async fn launches_at_once_never_take_more_than_is_left(store: Arc<dyn Store>) {
    let world = World::new(store);
    let (api, web) = (
        world.project("api", None).await,
        world.project("web", None).await,
    );
    world.set(&world.budget(Scope::Global, 79)).await;
    world.spend(&api, None, 9).await;
    let mut launches = JoinSet::new();
    for n in 0..50 {
        let new: NewRunner = world.new_runner(if n % 2 == 0 { &api } else { &web });
        let world = world.clone();
        launches.spawn(async move { world.try_launch(new, held(10)).await });
    }
    let outcomes = launches.join_all().await;
    assert_eq!(outcomes.iter().filter(|outcome| outcome.is_ok()).count(), 7);
    for outcome in outcomes.into_iter().filter(|outcome| outcome.is_err()) {
        assert_eq!(refused(outcome).1, 8);
    }
    assert_eq!(world.active().await, 7);
}
