//! `stratavore resume`.

use std::collections::BTreeMap;
use std::process::ExitCode;

use stratavore_rpc::v1;

use super::launch;
use crate::age;
use crate::args::ResumeArgs;
use crate::attach::Manner;
use crate::failure::Result;
use crate::host::Host;
use crate::invocation::Invocation;
use crate::runner::has_ended;
use crate::session::short_ids;
use crate::table::{Side, Table};
use crate::terminal::require_terminal;
use crate::terminal::tty::size_of_stdout;

/// How many of the latest sessions are looked through for those that can be resumed.
const LOOKED_THROUGH: u32 = 1000;

pub(super) async fn run(call: &Invocation, args: ResumeArgs) -> Result<ExitCode> {
    if args.attach {
        require_terminal("attach", "resume without --attach")?;
    }
    let Some(target) = args.target else {
        list(call).await?;
        return Ok(ExitCode::SUCCESS);
    };
    let mut host = call.host().await?;
    let size = size_of_stdout();
    let request = v1::ResumeRequest {
        target,
        fork: args.fork,
        name: args.name,
        columns: size.map(|size| size.columns.into()),
        rows: size.map(|size| size.rows.into()),
    };
    let runner = host
        .ask(async |client| client.resume(request).await)
        .await?;
    if args.attach {
        return launch::attach_started(call, &mut host, runner, Manner::default()).await;
    }
    launch::tell_launched(call, &runner)?;
    Ok(ExitCode::SUCCESS)
}

/// A runner that ended, and the session that it can go on with.
struct Resumable {
    runner: v1::Runner,
    session: v1::Session,
}

/// Says which runners that ended can be resumed.
async fn list(call: &Invocation) -> Result {
    let mut host = call.host().await?;
    let resumable = resumable(&mut host).await?;
    let runners: Vec<&v1::Runner> = resumable.iter().map(|one| &one.runner).collect();
    call.output.data(&runners, |_| {
        if resumable.is_empty() {
            call.output.note(
                "no runner that ended can be resumed; other sessions are in `stratavore sessions list`",
            );
            return String::new();
        }
        call.output
            .note("resume one with `stratavore resume RUNNER`");
        let mut table = Table::new(&[
            ("RUNNER", Side::Left),
            ("PROJECT", Side::Left),
            ("PROGRAM", Side::Left),
            ("ENDED", Side::Right),
            ("SESSION", Side::Left),
            ("TITLE", Side::Left),
        ]);
        let ids = short_ids(resumable.iter().map(|one| one.session.id.as_str()));
        for (Resumable { runner, session }, id) in resumable.iter().zip(ids) {
            let ended_at = runner.ended_at.as_deref().unwrap_or_default();
            table.row([
                runner.name.clone(),
                runner.project.clone(),
                runner.program.clone(),
                age::since(ended_at, call.now()),
                id.to_owned(),
                session.title.clone().unwrap_or_default(),
            ]);
        }
        table.render(call.output.stdout)
    })
}

/// Finds the runners that ended and whose session nothing keeps from being resumed, the latest first.
async fn resumable(host: &mut Host) -> Result<Vec<Resumable>> {
    let request = v1::ListSessionsRequest {
        limit: Some(LOOKED_THROUGH),
        ..v1::ListSessionsRequest::default()
    };
    let sessions = host
        .ask(async |client| client.list_sessions(request).await)
        .await?
        .sessions;
    let mut sessions: BTreeMap<String, v1::Session> = sessions
        .into_iter()
        .filter(|session| session.resumable)
        .map(|session| (session.id.clone(), session))
        .collect();
    let mut runners = host.runners(None, true).await?;
    runners.retain(has_ended);
    // Of several that held one session, the last goes on with it.
    runners.sort_by(|a, b| b.ended_at.cmp(&a.ended_at));
    let resumable = runners.into_iter().filter_map(|runner| {
        let session = sessions.remove(runner.session_id.as_deref()?)?;
        Some(Resumable { runner, session })
    });
    Ok(resumable.collect())
}
