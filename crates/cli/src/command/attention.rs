//! `stratavore attention`.

use std::collections::BTreeMap;
use std::process::ExitCode;
use std::time::Duration;

use stratavore_core::attention::Need;
use stratavore_rpc::v1;
use tokio::signal::ctrl_c;
use tokio::time::timeout;
use tonic::{Status, Streaming};

use crate::args::AttentionArgs;
use crate::attention::{need, rest, short, sort, table, what};
use crate::failure::{Failure, Kind, Result};
use crate::host::{Host, is_lost};
use crate::invocation::Invocation;
use crate::runner::{exit_text, has_ended};
use crate::terminal::signals::Signal;
use crate::text::printable;

pub(super) async fn run(call: &Invocation, args: AttentionArgs) -> Result<ExitCode> {
    let mut host = call.host().await?;
    if !args.follow {
        let mut runners = host.runners(args.project, false).await?;
        runners.retain(|runner| runner.attention.is_some());
        list(call, runners, args.all)?;
        return Ok(ExitCode::SUCCESS);
    }
    tokio::select! {
        followed = follow(call, &mut host, args) => followed.map(|()| ExitCode::SUCCESS),
        interrupted = ctrl_c() => match interrupted {
            Ok(()) => Ok(ExitCode::from(Signal::Interrupt.exit_code())),
            Err(error) => Err(Failure::caused(Kind::Internal, "cannot heed ctrl-c", &error)),
        },
    }
}

/// Prints who needs a person, or all.
fn list(call: &Invocation, mut runners: Vec<v1::Runner>, all: bool) -> Result {
    sort(&mut runners);
    let (needy, others): (Vec<_>, Vec<_>) = runners
        .into_iter()
        .partition(|runner| all || need(runner).is_some_and(Need::needs_a_person));
    call.output.data(&needy, |needy| {
        let in_doubt = others
            .iter()
            .any(|runner| need(runner) == Some(Need::Unknown));
        let others = rest(&others);
        match (needy.is_empty(), others.as_str()) {
            (true, "") => call.output.note("nobody needs you: no program runs"),
            // Of whom nothing is known may well need a person.
            (true, others) if in_doubt => call
                .output
                .note(format!("nobody is known to need you: {others}")),
            (true, others) => call.output.note(format!("nobody needs you: {others}")),
            (false, "") => {}
            (false, others) => call.output.note(format!("besides: {others}")),
        }
        if needy.is_empty() {
            return String::new();
        }
        if let Some(name) = decidable(needy) {
            call.output.note(format!(
                "answer with `stratavore decide {name} allow` or `deny`, or in its terminal with `stratavore attach {name}`"
            ));
        }
        table(needy, call.now(), call.output.stdout)
    })
}

/// Names the first runner that can be answered from here.
fn decidable(runners: &[v1::Runner]) -> Option<&str> {
    let asks = |runner: &&v1::Runner| {
        let attention = runner.attention.as_ref();
        !runner.unreachable && attention.is_some_and(|attention| attention.ask.is_some())
    };
    runners.iter().find(asks).map(|runner| runner.name.as_str())
}

/// Prints who needs a person now, and each change of anyone from then on. Returns when stdout is gone.
async fn follow(call: &Invocation, host: &mut Host, args: AttentionArgs) -> Result {
    let mut follower = Follower {
        project: args.project,
        all: args.all,
        seen: None,
    };
    loop {
        match follower.watch(call, host).await {
            Err(Interruption::Failure(failure)) => return Err(failure),
            Err(Interruption::Stream(status)) if is_lost(&status) => {
                // Whoever ended the host may have meant it: a follower starts none.
                call.output
                    .note("the host went away; waiting for one to follow it");
                host.await_follower().await;
            }
            Err(Interruption::Stream(status)) => return Err(status.into()),
            Ok(never) => match never {},
        }
    }
}

enum Interruption {
    Stream(Status),
    Failure(Failure),
}

impl From<Status> for Interruption {
    fn from(status: Status) -> Self {
        Self::Stream(status)
    }
}

impl From<Failure> for Interruption {
    fn from(failure: Failure) -> Self {
        Self::Failure(failure)
    }
}

/// What was printed of each runner last.
struct Follower {
    project: Option<String>,
    all: bool,
    /// By the runner's id; absent: nothing was asked yet.
    seen: Option<BTreeMap<String, Told>>,
}

/// What makes a change worth a line.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Told {
    name: String,
    need: Option<Need>,
    detail: Option<String>,
    ask: Option<String>,
}

impl Told {
    fn of(runner: &v1::Runner) -> Self {
        let attention = runner.attention.as_ref();
        let known = attention.filter(|_| !runner.unreachable);
        Self {
            name: runner.name.clone(),
            need: need(runner),
            detail: known.and_then(|attention| attention.detail.clone()),
            ask: known
                .and_then(|attention| attention.ask.as_ref())
                .map(|ask| ask.id.clone()),
        }
    }
}

impl Follower {
    async fn watch(
        &mut self,
        call: &Invocation,
        host: &mut Host,
    ) -> Result<std::convert::Infallible, Interruption> {
        // Watching comes before looking: a change between the two would else be missed.
        let request = v1::WatchRequest {};
        let mut nudges = host.client().watch(request).await?.into_inner();
        loop {
            self.look(call, host).await?;
            changed(&mut nudges).await?;
        }
    }

    /// Asks for the runners, and prints what changed about them.
    async fn look(&mut self, call: &Invocation, host: &mut Host) -> Result<(), Interruption> {
        let request = v1::ListRunnersRequest {
            project: self.project.clone(),
            all: false,
        };
        let listed = host.client().list_runners(request).await?.into_inner();
        let mut runners = listed.runners;
        runners.retain(|runner| runner.attention.is_some());
        sort(&mut runners);
        let now: BTreeMap<_, _> = runners
            .iter()
            .map(|runner| (runner.id.clone(), Told::of(runner)))
            .collect();
        let Some(before) = self.seen.replace(now.clone()) else {
            let needs = |runner: &v1::Runner| need(runner).is_some_and(Need::needs_a_person);
            let mut first = runners.iter().filter(|runner| self.all || needs(runner));
            first.try_for_each(|runner| print(call, runner))?;
            if !runners.iter().any(needs) {
                call.output.note("nobody needs you now");
            }
            return Ok(());
        };
        for runner in &runners {
            if before.get(&runner.id) != now.get(&runner.id) {
                print(call, runner)?;
            }
        }
        for (id, told) in &before {
            if now.contains_key(id) {
                continue;
            }
            let runner = v1::RunnerRef { runner: id.clone() };
            match host.client().get_runner(runner).await {
                Ok(runner) => print(call, runner.get_ref())?,
                Err(status) if is_lost(&status) => return Err(status.into()),
                // Removed altogether: there is nothing left to tell but that.
                Err(_) => call.output.note(format!("{} is gone", told.name)),
            }
        }
        Ok(())
    }
}

/// Waits for a change that may be one of attention; several that came at once are one.
async fn changed(nudges: &mut Streaming<v1::Nudge>) -> Result<(), Status> {
    let matters = |nudge: &v1::Nudge| {
        matches!(
            nudge.entity.as_str(),
            "runner" | "observations" | "status" | "nodes"
        )
    };
    loop {
        match nudges.message().await? {
            Some(nudge) if matters(&nudge) => break,
            Some(_) => {}
            None => return Err(Status::unavailable("the host went away")),
        }
    }
    while let Ok(nudge) = timeout(Duration::ZERO, nudges.message()).await {
        if nudge?.is_none() {
            return Err(Status::unavailable("the host went away"));
        }
    }
    Ok(())
}

fn print(call: &Invocation, runner: &v1::Runner) -> Result {
    call.output.data(runner, |runner| {
        let now = call.now();
        let time = now.format("%Y-%m-%dT%H:%M:%S%.3fZ");
        let (name, project) = (printable(&runner.name), printable(&runner.project));
        let how = if has_ended(runner) {
            format!("ended  {}", exit_text(runner))
        } else {
            let state = match runner.attention {
                Some(_) => short(runner, now),
                None => runner.state.clone(),
            };
            format!("{}  {}", printable(&state), printable(&what(runner, now)))
        };
        format!("{time}  {project}  {name}  {}\n", how.trim_end())
    })
}
