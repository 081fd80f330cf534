//! Shows sessions, and goes on with them.

use std::collections::{HashMap, HashSet};

use stratavore_core::clock::to_rfc3339;
use stratavore_core::ids::ProjectId;
use stratavore_core::runner::Runner;
use stratavore_core::session::{Mode, Session};
use stratavore_programs::adapter;
use stratavore_store::{By, Hit, SearchQuery, SessionFilter, StoreError, UsageFilter, UsageRow};
use stratavore_supervisor::{ArchiveError, Format, Supervisor};

use super::{find as named, usage};
use crate::failure::{chain, store_failure};
use crate::{Code, Failure, Result, v1};
use uuid::Uuid;

/// Sessions that are listed when nobody says how many.
const LISTED: u32 = 100;
/// Hits that are returned when nobody says how many.
const HITS: u32 = 50;
/// The most of either.
const MOST: u32 = 10_000;
/// Of no more sessions usage is summed one by one; of more it is summed of all at once, which reads the whole ledger.
const ONE_BY_ONE: usize = 128;

/// What is shown of sessions beside themselves, asked for once.
struct Beside {
    projects: HashMap<ProjectId, String>,
    /// Who holds what now.
    holders: HashMap<String, Runner>,
    usage: HashMap<String, UsageRow>,
}

impl Beside {
    /// Asks for what is shown beside these.
    async fn ask<'s>(
        supervisor: &Supervisor,
        shown: impl Iterator<Item = &'s Session>,
    ) -> Result<Self> {
        let store = supervisor.store();
        let projects = store.projects(true).await.map_err(store_failure)?;
        let active = supervisor.active(None).await.map_err(store_failure)?;
        let shown: HashSet<&str> = shown.map(|session| session.key.id.as_str()).collect();
        let sums = |session| UsageFilter {
            by: By::Session,
            session,
            ..UsageFilter::default()
        };
        let mut usage = Vec::new();
        if shown.len() > ONE_BY_ONE {
            usage = store.usage(sums(None)).await.map_err(store_failure)?;
        } else {
            for id in shown {
                let sum = store.usage(sums(Some(id.to_owned()))).await;
                usage.extend(sum.map_err(store_failure)?);
            }
        }
        Ok(Self {
            projects: projects
                .into_iter()
                .map(|project| (project.id, project.name.to_string()))
                .collect(),
            holders: active
                .into_iter()
                .map(|view| view.runner)
                .filter_map(|runner| Some((supervisor.session_of(&runner)?, runner)))
                .collect(),
            usage: usage
                .into_iter()
                .map(|row| (row.key.clone(), row))
                .collect(),
        })
    }

    async fn show(&self, supervisor: &Supervisor, session: Session) -> v1::Session {
        supervisor.meet_node(&session.key.node).await;
        let holder = self.holders.get(&session.key.id);
        let obstacle = obstacle(supervisor, &session, holder);
        let runner = match (holder, session.runner) {
            (Some(holder), _) => Some((holder.name.to_string(), holder.id)),
            // One that is known no more is still the one that held it.
            (None, Some(id)) => Some(match supervisor.store().runner(id).await {
                Ok(view) => (view.runner.name.to_string(), id),
                Err(_) => (id.to_string(), id),
            }),
            (None, None) => None,
        };
        let (name, id) = runner.unzip();
        let used = self.usage.get(&session.key.id).cloned().unwrap_or_default();
        v1::Session {
            project: session
                .project
                .and_then(|id| self.projects.get(&id).cloned()),
            usage: Some(usage::usage(&used, session.program_cost)),
            id: session.key.id,
            program: session.key.program,
            cwd: session.cwd,
            title: session.title,
            model: session.model,
            began_at: to_rfc3339(session.began_at),
            updated_at: to_rfc3339(session.updated_at),
            requests: session.requests,
            parent: session.parent,
            runner: name,
            runner_id: id.map(|id| id.to_string()),
            held: holder.is_some(),
            resumable: obstacle.is_none(),
            obstacle,
            transcript: session.transcript,
            archive: session.archive.map(|(path, _)| path),
            node: supervisor.node_name(&session.key.node),
        }
    }
}

/// Says why a session cannot be gone on with, if so.
fn obstacle(supervisor: &Supervisor, session: &Session, holder: Option<&Runner>) -> Option<String> {
    let id = &session.key.id;
    if let Some(holder) = holder {
        return Some(format!("the runner {} holds it", holder.name));
    }
    if session.key.node != *supervisor.store().instance() {
        let node = supervisor.node_name(&session.key.node);
        return Some(format!("its files are on the node {node}"));
    }
    if session.transcript.is_none() && session.archive.is_some() {
        return Some("its program has deleted its transcript, of which a copy was kept".to_owned());
    }
    if session.transcript.is_none() {
        return Some("its program has deleted its transcript, or nothing was said yet".to_owned());
    }
    if session.project.is_none() {
        return Some(format!(
            "{} is in no project; add it with `stratavore project add`",
            session.cwd
        ));
    }
    stratavore_programs::adapter(&session.key.program)
        .begin(&Mode::Resume(id.clone()), uuid::Uuid::nil(), &[])
        .err()
        .map(|unsupported| unsupported.message)
}

/// Tells whether nothing but a transcript that was kept is missing here.
fn is_restorable(supervisor: &Supervisor, session: &Session) -> bool {
    session.key.node == *supervisor.store().instance()
        && session.transcript.is_none()
        && session.archive.is_some()
}

/// Finds a session by its id, or the beginning of it that names just one.
pub(super) async fn find(supervisor: &Supervisor, reference: &str) -> Result<Session> {
    let none = || {
        Failure::new(
            Code::NotFound,
            format!("no session has the id {reference:?}"),
        )
        .hint("list them with `stratavore sessions list`")
    };
    if reference.is_empty() {
        return Err(none());
    }
    let filter = SessionFilter {
        id: Some(reference.to_owned()),
        limit: Some(10),
        ..SessionFilter::default()
    };
    let mut found = supervisor.sessions(filter).await.map_err(store_failure)?;
    if let Some(whole) = found.iter().position(|session| session.key.id == reference) {
        return Ok(found.swap_remove(whole));
    }
    match found.len() {
        0 => Err(none()),
        1 => Ok(found.remove(0)),
        _ => {
            let ids: Vec<&str> = found
                .iter()
                .map(|session| session.key.id.as_str())
                .collect();
            Err(Failure::new(
                Code::Ambiguous,
                format!("several sessions begin with {reference:?}"),
            )
            .hint(format!("name one by more of its id: {}", ids.join(", "))))
        }
    }
}

pub(super) async fn list(
    supervisor: &Supervisor,
    request: v1::ListSessionsRequest,
) -> Result<v1::Sessions> {
    let filter = SessionFilter {
        project: project(supervisor, request.project.as_deref()).await?,
        program: request.program,
        runner: match &request.runner {
            Some(reference) => Some(named::runner(supervisor, reference).await?.runner.id),
            None => None,
        },
        id: None,
        limit: Some(request.limit.unwrap_or(LISTED).min(MOST)),
    };
    let listed = supervisor.sessions(filter).await.map_err(store_failure)?;
    let beside = Beside::ask(supervisor, listed.iter()).await?;
    let mut sessions = Vec::with_capacity(listed.len());
    for session in listed {
        sessions.push(beside.show(supervisor, session).await);
    }
    Ok(v1::Sessions { sessions })
}

async fn project(supervisor: &Supervisor, reference: Option<&str>) -> Result<Option<ProjectId>> {
    match reference {
        Some(reference) => Ok(Some(named::project(supervisor, reference).await?.id)),
        None => Ok(None),
    }
}

pub(super) async fn get(supervisor: &Supervisor, reference: &str) -> Result<v1::Session> {
    let session = find(supervisor, reference).await?;
    let beside = Beside::ask(supervisor, [&session].into_iter()).await?;
    Ok(beside.show(supervisor, session).await)
}

pub(super) async fn search(
    supervisor: &Supervisor,
    request: v1::SearchSessionsRequest,
) -> Result<v1::SearchHits> {
    if request.query.trim().is_empty() {
        return Err(
            Failure::new(Code::Invalid, "there is nothing to search for")
                .hint("name words that were said; those in quotes must follow one another"),
        );
    }
    let query = SearchQuery {
        text: request.query,
        project: project(supervisor, request.project.as_deref()).await?,
        limit: request.limit.unwrap_or(HITS).min(MOST),
    };
    let found = supervisor
        .search_sessions(query)
        .await
        .map_err(store_failure)?;
    let beside = Beside::ask(supervisor, found.iter().map(|hit| &hit.session)).await?;
    let mut hits = Vec::with_capacity(found.len());
    for hit in found {
        let Hit {
            session,
            offset,
            role,
            at,
            snippet,
        } = hit;
        hits.push(v1::SearchHit {
            session: Some(beside.show(supervisor, session).await),
            role: role.as_str().to_owned(),
            at: to_rfc3339(at),
            snippet: parts(&snippet),
            offset,
        });
    }
    Ok(v1::SearchHits { hits })
}

/// Takes a snippet apart at its marks.
fn parts(snippet: &str) -> Vec<v1::SnippetPart> {
    let mut parts = Vec::new();
    let mut found = false;
    for text in snippet.split_inclusive(['\u{e000}', '\u{e001}']) {
        let next = text.ends_with('\u{e000}');
        let text = text.trim_end_matches(['\u{e000}', '\u{e001}']);
        if !text.is_empty() {
            parts.push(v1::SnippetPart {
                text: text.to_owned(),
                found,
            });
        }
        found = next;
    }
    parts
}

pub(super) async fn export(
    supervisor: &Supervisor,
    request: v1::ExportSessionRequest,
) -> Result<v1::SessionExport> {
    let format = match request.format.as_str() {
        "" | "markdown" => Format::Markdown,
        "jsonl" => Format::Jsonl,
        other => {
            return Err(Failure::new(
                Code::Invalid,
                format!("a session cannot be exported as {other:?}"),
            )
            .hint("use markdown or jsonl"));
        }
    };
    let key = find(supervisor, &request.session).await?.key;
    let content = supervisor
        .export_session(&key, format)
        .await
        .map_err(archive_failure)?;
    Ok(v1::SessionExport { content })
}

pub(super) async fn archive(
    supervisor: &Supervisor,
    request: v1::ArchiveSessionsRequest,
) -> Result<v1::ArchiveSessionsReply> {
    let (sessions, bytes) = match &request.session {
        Some(reference) => {
            let key = find(supervisor, reference).await?.key;
            let bytes = supervisor.archive_session(&key).await;
            (1, bytes.map_err(archive_failure)?)
        }
        None => supervisor.archive_sessions().await.map_err(store_failure)?,
    };
    Ok(v1::ArchiveSessionsReply { sessions, bytes })
}

pub(super) async fn restore(
    supervisor: &Supervisor,
    reference: &str,
) -> Result<v1::RestoreSessionReply> {
    let key = find(supervisor, reference).await?.key;
    let restored = supervisor.restore_session(&key).await;
    let (transcript, bytes) = restored.map_err(archive_failure)?;
    Ok(v1::RestoreSessionReply {
        transcript: transcript.display().to_string(),
        bytes,
        session: key.id,
    })
}

fn archive_failure(error: ArchiveError) -> Failure {
    match error {
        ArchiveError::Store(error) => store_failure(error),
        ArchiveError::Elsewhere { ref node, .. } => Failure::new(Code::Conflict, error.to_string())
            .hint(format!("run the command on {node}")),
        ArchiveError::NoCopy { .. } => Failure::new(Code::NotFound, error.to_string())
            .hint("set sessions.archive to keep copies of transcripts to come"),
        ArchiveError::Taken { .. } => Failure::new(Code::Conflict, error.to_string())
            .hint("it is never replaced: go on with it, or move it away first"),
        ArchiveError::Unplaced { .. } | ArchiveError::Database { .. } => {
            Failure::new(Code::Conflict, error.to_string())
                .hint("what was said can be read: stratavore sessions export")
        }
        ArchiveError::NoTranscript { .. } => Failure::new(Code::NotFound, error.to_string())
            .hint("set sessions.archive to keep copies of those to come"),
        ArchiveError::File { .. } | ArchiveError::Damaged { .. } => {
            Failure::new(Code::Internal, chain(&error)).hint("look at that file and its disk")
        }
    }
}

/// What a resume is for: a session, or the runner that held it.
pub(super) async fn to_resume(supervisor: &Supervisor, target: &str) -> Result<Session> {
    let by_session = find(supervisor, target).await;
    if let Ok(session) = by_session {
        return Ok(session);
    }
    let runner = match named::runner(supervisor, target).await {
        Ok(view) => view.runner,
        Err(failure) if failure.code == Code::NotFound => {
            return Err(Failure::new(
                Code::NotFound,
                format!("no session and no runner is called {target:?}"),
            )
            .hint("list them with `stratavore sessions list`"));
        }
        Err(failure) => return Err(failure),
    };
    let filter = SessionFilter {
        runner: Some(runner.id),
        limit: Some(1),
        ..SessionFilter::default()
    };
    let latest = supervisor.sessions(filter).await.map_err(store_failure)?;
    latest.into_iter().next().ok_or_else(|| {
        Failure::new(
            Code::NotFound,
            format!("the runner {} held no session that is known", runner.name),
        )
        .hint(format!(
            "start it anew with `stratavore restart {}`",
            runner.name
        ))
    })
}

/// Finds how the runner that held a session last was launched: what goes on with it is given the same arguments and variables,
/// but for arguments that choose another conversation. Of a session that no runner here held nothing is known.
pub(super) async fn launched_before(
    supervisor: &Supervisor,
    session: &Session,
) -> Result<v1::LaunchRequest> {
    let Some(runner) = session.runner else {
        return Ok(v1::LaunchRequest::default());
    };
    let launch = match supervisor.store().runner(runner).await {
        Ok(view) => view.runner.launch,
        Err(StoreError::NoRunner(_)) => return Ok(v1::LaunchRequest::default()),
        Err(error) => return Err(store_failure(error)),
    };
    let args = launch.argv.get(1..).unwrap_or_default();
    let resume = Mode::Resume(session.key.id.clone());
    let same = launch.program == session.key.program
        && adapter(&launch.program)
            .begin(&resume, Uuid::nil(), args)
            .is_ok();
    Ok(v1::LaunchRequest {
        args: if same { args.to_vec() } else { Vec::new() },
        env: launch
            .env
            .into_iter()
            .map(|(key, value)| v1::EnvVar { key, value })
            .collect(),
        keep_descendants: launch.keep_descendants,
        record: launch.record,
        ..v1::LaunchRequest::default()
    })
}

/// Refuses to go on with a session that cannot be gone on with; a copy of one that is held can be begun.
pub(super) async fn resumable(
    supervisor: &Supervisor,
    session: &Session,
    fork: bool,
) -> Result<()> {
    let holder = supervisor
        .holder(&session.key.id)
        .await
        .map_err(store_failure)?;
    let holder = holder.filter(|_| !fork);
    match obstacle(supervisor, session, holder.as_ref()) {
        None => Ok(()),
        Some(obstacle) => Err(Failure::new(
            Code::Conflict,
            format!(
                "cannot go on with the session {}: {obstacle}",
                session.key.id
            ),
        )
        .hint(match holder {
            Some(holder) => format!(
                "attach to {0} with `stratavore attach {0}`, or begin a copy with --fork",
                holder.name
            ),
            None if is_restorable(supervisor, session) => format!(
                "put it back with `stratavore sessions restore {}`, and try again",
                session.key.id
            ),
            None => "begin a new one with `stratavore launch`".to_owned(),
        })),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_snippet_comes_apart_at_its_marks() {
        let shown: Vec<(String, bool)> = parts("a \u{e000}b\u{e001} c\u{e000}d\u{e001}")
            .into_iter()
            .map(|part| (part.text, part.found))
            .collect();
        let expected = [("a ", false), ("b", true), (" c", false), ("d", true)];
        assert_eq!(
            shown,
            expected.map(|(text, found)| (text.to_owned(), found))
        );
        assert!(parts("").is_empty());
    }
}
