//! The api of the supervisor in this process.

mod attention;
mod directory;
mod find;
mod launch;
mod listing;
mod notices;
mod presets;
mod sessions;
mod usage;
mod view;

use std::time::Duration;

use async_trait::async_trait;
use chrono::TimeZone;
use futures::stream::{self, BoxStream, StreamExt};
use stratavore_core::clock::{Timestamp, to_rfc3339};
use stratavore_core::config::Config;
use stratavore_core::ids::{NoticeId, ProjectId, RunnerId};
use stratavore_core::name::Name;
use stratavore_core::quota::counts;
use stratavore_core::runner::{Input, Runner};
use stratavore_store::{
    Availability, Cursor, NewProject, NodeView, Position, RunnerFilter, RunnerView,
};
use stratavore_supervisor::{Supervisor, Where};
use tokio::sync::mpsc;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::failure::{launch_failure, store_failure, terminal_failure};
use crate::{Api, Code, Failure, HostKind, Result, v1};

/// The most events one request without `follow` returns when it sets no limit.
const ALL: u32 = 100_000;
/// How much longer than its grace a stop is waited for.
const STOP_MARGIN: Duration = Duration::from_secs(20);
/// How long after a text its Enter is typed. Programs take an Enter that comes at once with a text, or soon after, for a line break in
/// what was pasted: Codex for 120 ms (its `paste_burst.rs`).
const ENTER_AFTER: Duration = Duration::from_millis(200);

/// Asks the supervisor in this process.
pub struct Local {
    supervisor: Supervisor,
    host: HostKind,
    started_at: Timestamp,
    shutdown: mpsc::UnboundedSender<v1::ShutdownRequest>,
    /// Ends streams when the host does; a stream that stays open would hold its server up.
    ended: CancellationToken,
}

impl Local {
    /// Makes the api of a supervisor. What is asked of [`Api::shutdown`] goes to `shutdown`.
    #[must_use]
    pub fn new(
        supervisor: Supervisor,
        host: HostKind,
        shutdown: mpsc::UnboundedSender<v1::ShutdownRequest>,
        ended: CancellationToken,
    ) -> Self {
        let started_at = supervisor.now();
        Self {
            supervisor,
            host,
            started_at,
            shutdown,
            ended,
        }
    }

    async fn view(&self, view: RunnerView) -> v1::Runner {
        self.supervisor.meet_node(&view.runner.node).await;
        let known = self.supervisor.known().await;
        view::runner(&self.supervisor, view, &known)
    }

    async fn apply(&self, reference: &str, input: Input) -> Result<v1::Runner> {
        let runner = find::runner(&self.supervisor, reference).await?.runner;
        self.supervisor
            .apply(runner.id, input)
            .await
            .map_err(store_failure)?;
        let view = self
            .supervisor
            .store()
            .runner(runner.id)
            .await
            .map_err(store_failure)?;
        Ok(self.view(view).await)
    }

    async fn active_in(&self, project: ProjectId) -> Result<u32> {
        let active = self
            .supervisor
            .active(Some(project))
            .await
            .map_err(store_failure)?;
        Ok(u32::try_from(
            active
                .iter()
                .filter(|view| counts(view.runner.state.name()))
                .count(),
        )
        .unwrap_or(u32::MAX))
    }

    /// Lists what could not be delivered, each with the name of what it is of.
    async fn dead_letters(&self) -> Result<Vec<v1::DeadLetter>> {
        let store = self.supervisor.store();
        let mut letters = Vec::new();
        for letter in store.dead_letters().await.map_err(store_failure)? {
            let runner = match letter.aggregate.as_str() {
                "runner" => {
                    let id = RunnerId::from_uuid(letter.aggregate_id);
                    let view = store.runner(id).await.map_err(store_failure)?;
                    Some(view.runner.name.to_string())
                }
                _ => None,
            };
            letters.push(view::dead_letter(letter, runner));
        }
        Ok(letters)
    }

    fn node_views(&self, nodes: Vec<NodeView>) -> Vec<v1::Node> {
        let here = self.supervisor.store().instance();
        nodes
            .into_iter()
            .map(|node| view::node(node, here))
            .collect()
    }

    /// Describes the store.
    fn store(&self) -> v1::Server {
        let address = match self.supervisor.config().store_url() {
            Some(url) => url.to_string(),
            None => self.supervisor.places().database().display().to_string(),
        };
        let away = match &*self.supervisor.store().availability().borrow() {
            Availability::Here => None,
            Availability::Away { since, reason } => Some((*since, reason.clone())),
        };
        view::server(address, away)
    }

    /// Describes the broker, if there is one.
    fn broker(&self) -> Option<v1::Server> {
        let url = self.supervisor.config().broker_url()?;
        let away = self.supervisor.undelivered();
        Some(view::server(url.to_string(), away))
    }

    async fn config_in(&self, directory: &str) -> Result<Config> {
        let config = self.supervisor.config_of(directory).await;
        config.map_err(|error| launch_failure(error.into()))
    }

    /// Stops runners, all at once; with `wait`, returns when nothing of them is left.
    async fn stop_all(
        &self,
        targets: Vec<Runner>,
        grace: Option<Duration>,
        wait: bool,
    ) -> Result<Vec<v1::Runner>> {
        let graces = futures::future::join_all(targets.iter().map(async |runner| match grace {
            Some(grace) => grace,
            None => self.supervisor.grace(runner).await,
        }))
        .await;
        let longest = graces.iter().copied().max().unwrap_or_default();
        for (runner, grace) in targets.iter().zip(graces) {
            self.supervisor
                .apply(runner.id, Input::Stop { grace })
                .await
                .map_err(store_failure)?;
        }
        let patience = if wait {
            longest + STOP_MARGIN
        } else {
            Duration::ZERO
        };
        let deadline = Instant::now() + patience;
        let mut stopped = Vec::with_capacity(targets.len());
        for runner in &targets {
            let view = self
                .supervisor
                .wait(runner.id, deadline, |supervisor, runner| {
                    supervisor.is_gone(runner)
                })
                .await
                .map_err(store_failure)?;
            if wait && !self.supervisor.is_gone(&view.runner) {
                let message = format!(
                    "the runner {} has not ended within {} s",
                    runner.name,
                    patience.as_secs()
                );
                return Err(Failure::new(Code::Timeout, message).hint(format!(
                    "see what it does with `stratavore show {}`",
                    runner.name
                )));
            }
            stopped.push(self.view(view).await);
        }
        Ok(stopped)
    }
}

#[async_trait]
impl Api for Local {
    async fn status(&self) -> Result<v1::Status> {
        let store = self.supervisor.store();
        let counts = store.runner_counts().await.map_err(store_failure)?;
        let runners = counts
            .into_iter()
            .map(|(state, count)| (state.to_string(), u32::try_from(count).unwrap_or(u32::MAX)))
            .collect();
        let mut interrupted = Vec::new();
        for view in store.interrupted().await.map_err(store_failure)? {
            interrupted.push(self.view(view).await);
        }
        let dead_letters = self.dead_letters().await?;
        let places = self.supervisor.places();
        Ok(v1::Status {
            version: env!("CARGO_PKG_VERSION").to_owned(),
            instance_id: store.instance().to_string(),
            node_id: store.instance().to_string(),
            host: self.host.as_str().to_owned(),
            host_pid: std::process::id(),
            started_at: to_rfc3339(self.started_at),
            data_dir: places.data_dir.display().to_string(),
            runtime_dir: places.runtime_dir.display().to_string(),
            runners,
            projects: u32::try_from(store.projects(false).await.map_err(store_failure)?.len())
                .unwrap_or(u32::MAX),
            outbox_waiting: store.outbox_depth().await.map_err(store_failure)?,
            problems: self
                .supervisor
                .trouble()
                .into_iter()
                .chain(view::problems(&dead_letters))
                .collect(),
            dead_letters,
            interrupted,
            max_runners: self.supervisor.config().max_runners(),
            store: Some(self.store()),
            broker: self.broker(),
            nodes: self.node_views(self.supervisor.nodes()),
            person: self.supervisor.person().to_owned(),
        })
    }

    async fn doctor(&self) -> Result<v1::DoctorReport> {
        let checks = self
            .supervisor
            .doctor()
            .await
            .into_iter()
            .map(view::check)
            .collect();
        Ok(v1::DoctorReport { checks })
    }

    async fn config(&self, request: v1::ConfigRequest) -> Result<v1::Config> {
        let config = match &request.project {
            None => self.supervisor.config().clone(),
            Some(reference) => {
                let project = find::project(&self.supervisor, reference).await?;
                self.config_in(&project.path).await?
            }
        };
        let settings = config
            .list()
            .map(|(key, value, source)| v1::Setting {
                key: key.to_owned(),
                value: value.into_owned(),
                source: source.to_string(),
            })
            .collect();
        Ok(v1::Config { settings })
    }

    async fn add_project(&self, request: v1::AddProjectRequest) -> Result<v1::Project> {
        let name = name(request.name)?;
        let path = directory::of_project(&request.path)?;
        let new = NewProject {
            id: ProjectId::new(self.supervisor.now()),
            name,
            path,
            max_runners: request.max_runners,
        };
        let project = self
            .supervisor
            .add_project(new)
            .await
            .map_err(store_failure)?;
        Ok(view::project(project, 0))
    }

    async fn projects(&self, request: v1::ListProjectsRequest) -> Result<v1::Projects> {
        let mut active = std::collections::HashMap::<ProjectId, u32>::new();
        for view in self.supervisor.active(None).await.map_err(store_failure)? {
            if counts(view.runner.state.name()) {
                *active.entry(view.runner.project_id).or_default() += 1;
            }
        }
        let projects = self
            .supervisor
            .store()
            .projects(request.archived)
            .await
            .map_err(store_failure)?;
        let projects = projects
            .into_iter()
            .map(|project| {
                let count = active.get(&project.id).copied().unwrap_or_default();
                view::project(project, count)
            })
            .collect();
        Ok(v1::Projects { projects })
    }

    async fn project(&self, request: v1::ProjectRef) -> Result<v1::Project> {
        let project = find::project(&self.supervisor, &request.project).await?;
        let active = self.active_in(project.id).await?;
        Ok(view::project(project, active))
    }

    async fn archive_project(&self, request: v1::ProjectRef) -> Result<v1::Project> {
        let project = find::project(&self.supervisor, &request.project).await?;
        let project = self
            .supervisor
            .archive_project(project.id)
            .await
            .map_err(store_failure)?;
        Ok(view::project(project, 0))
    }

    async fn programs(&self) -> Result<v1::Programs> {
        let programs = self
            .supervisor
            .programs()
            .await
            .into_iter()
            .map(|(program, path, version)| v1::Program {
                name: program.name.to_owned(),
                title: program.title.to_owned(),
                path: path.map(|path| path.display().to_string()),
                version,
                install: program.install.to_owned(),
            })
            .collect();
        Ok(v1::Programs { programs })
    }

    async fn launch(&self, request: v1::LaunchRequest) -> Result<v1::Runner> {
        let project = find::project(&self.supervisor, &request.project).await?;
        let request = presets::lay_under(&self.supervisor, &project, request).await?;
        let begins = launch::begins(&self.supervisor, &request).await?;
        let config = self.config_in(&project.path).await?;
        let on = match request.node.as_deref() {
            None => Where::Here,
            Some(launch::LEAST_LOADED) => Where::LeastLoaded,
            Some(node) => Where::Node(find::node(&self.supervisor, node).await?.id),
        };
        let request = launch::request(&config, project, on, begins, request)?;
        let view = self
            .supervisor
            .launch(request)
            .await
            .map_err(launch_failure)?;
        launch::started(&view.runner)?;
        Ok(self.view(view).await)
    }

    async fn runners(&self, request: v1::ListRunnersRequest) -> Result<v1::Runners> {
        let project = match &request.project {
            None => None,
            Some(reference) => Some(find::project(&self.supervisor, reference).await?.id),
        };
        let views = if request.all {
            let filter = RunnerFilter {
                project,
                ..RunnerFilter::default()
            };
            self.supervisor.store().runners(filter).await
        } else {
            self.supervisor.active(project).await
        };
        let mut runners = Vec::new();
        for view in views.map_err(store_failure)? {
            runners.push(self.view(view).await);
        }
        Ok(v1::Runners { runners })
    }

    async fn runner(&self, request: v1::RunnerRef) -> Result<v1::Runner> {
        let view = find::runner(&self.supervisor, &request.runner).await?;
        Ok(self.view(view).await)
    }

    async fn stop(&self, request: v1::StopRequest) -> Result<v1::Runners> {
        use v1::stop_request::Target;
        let targets = match request.target {
            Some(Target::Runner(reference)) => {
                vec![find::runner(&self.supervisor, &reference).await?.runner]
            }
            Some(Target::Project(reference)) => {
                let project = find::project(&self.supervisor, &reference).await?;
                let active = self
                    .supervisor
                    .active(Some(project.id))
                    .await
                    .map_err(store_failure)?;
                active.into_iter().map(|view| view.runner).collect()
            }
            Some(Target::All(true)) => {
                self.supervisor.active_here().await.map_err(store_failure)?
            }
            Some(Target::All(false)) | None => {
                return Err(Failure::new(Code::Invalid, "nothing to stop was named")
                    .hint("name a runner, a project, or all"));
            }
        };
        let grace = request
            .grace_seconds
            .map(|seconds| Duration::from_secs(seconds.into()));
        let runners = self.stop_all(targets, grace, request.wait).await?;
        Ok(v1::Runners { runners })
    }

    async fn pause(&self, request: v1::RunnerRef) -> Result<v1::Runner> {
        self.apply(&request.runner, Input::Pause).await
    }

    async fn go_on(&self, request: v1::RunnerRef) -> Result<v1::Runner> {
        self.apply(&request.runner, Input::Continue).await
    }

    async fn restart(&self, request: v1::RunnerRef) -> Result<v1::Runner> {
        let runner = find::runner(&self.supervisor, &request.runner)
            .await?
            .runner;
        let view = self
            .supervisor
            .restart(runner.id)
            .await
            .map_err(store_failure)?;
        launch::started(&view.runner)?;
        Ok(self.view(view).await)
    }

    async fn answer_interrupted(&self, request: v1::InterruptedAnswer) -> Result<v1::Runners> {
        let ids = self
            .supervisor
            .answer_interrupted(request.start)
            .await
            .map_err(store_failure)?;
        let mut runners = Vec::new();
        for id in ids {
            let view = self
                .supervisor
                .store()
                .runner(id)
                .await
                .map_err(store_failure)?;
            runners.push(self.view(view).await);
        }
        Ok(v1::Runners { runners })
    }

    async fn decide(&self, request: v1::DecideRequest) -> Result<()> {
        attention::decide(&self.supervisor, request).await
    }

    async fn sessions(&self, request: v1::ListSessionsRequest) -> Result<v1::Sessions> {
        sessions::list(&self.supervisor, request).await
    }

    async fn session(&self, request: v1::SessionRef) -> Result<v1::Session> {
        sessions::get(&self.supervisor, &request.session).await
    }

    async fn search_sessions(&self, request: v1::SearchSessionsRequest) -> Result<v1::SearchHits> {
        sessions::search(&self.supervisor, request).await
    }

    async fn export_session(&self, request: v1::ExportSessionRequest) -> Result<v1::SessionExport> {
        sessions::export(&self.supervisor, request).await
    }

    async fn archive_sessions(
        &self,
        request: v1::ArchiveSessionsRequest,
    ) -> Result<v1::ArchiveSessionsReply> {
        sessions::archive(&self.supervisor, request).await
    }

    async fn restore_session(&self, request: v1::SessionRef) -> Result<v1::RestoreSessionReply> {
        sessions::restore(&self.supervisor, &request.session).await
    }

    async fn resume(&self, request: v1::ResumeRequest) -> Result<v1::Runner> {
        let session = sessions::to_resume(&self.supervisor, &request.target).await?;
        sessions::resumable(&self.supervisor, &session, request.fork).await?;
        let project = session.project.ok_or_else(|| {
            Failure::new(
                Code::Conflict,
                format!("the session {} is in no project", session.key.id),
            )
        })?;
        let before = sessions::launched_before(&self.supervisor, &session).await?;
        let (resume, fork) = match request.fork {
            true => (None, Some(session.key.id)),
            false => (Some(session.key.id), None),
        };
        self.launch(v1::LaunchRequest {
            project: project.to_string(),
            program: Some(session.key.program),
            args: before.args,
            env: before.env,
            keep_descendants: before.keep_descendants,
            record: before.record,
            name: request.name,
            columns: request.columns,
            rows: request.rows,
            resume,
            fork,
            ..v1::LaunchRequest::default()
        })
        .await
    }

    async fn reindex(&self) -> Result<v1::ReindexReply> {
        let scanned = self.supervisor.reindex().await.map_err(store_failure)?;
        Ok(v1::ReindexReply {
            sessions: scanned.transcripts,
            bytes: scanned.bytes,
        })
    }

    async fn usage(&self, request: v1::UsageRequest) -> Result<v1::UsageReport> {
        usage::report(&self.supervisor, request).await
    }

    async fn budgets(&self) -> Result<v1::Budgets> {
        usage::budgets(&self.supervisor).await
    }

    async fn set_budget(&self, request: v1::SetBudgetRequest) -> Result<v1::Budget> {
        usage::set_budget(&self.supervisor, request).await
    }

    async fn remove_budget(&self, request: v1::BudgetRef) -> Result<()> {
        usage::remove_budget(&self.supervisor, request).await
    }

    async fn presets(&self, request: v1::ListPresetsRequest) -> Result<v1::Presets> {
        presets::list(&self.supervisor, request).await
    }

    async fn save_preset(&self, request: v1::SavePresetRequest) -> Result<v1::Preset> {
        presets::save(&self.supervisor, request).await
    }

    async fn remove_preset(&self, request: v1::PresetRef) -> Result<()> {
        presets::remove(&self.supervisor, request).await
    }

    async fn terminal(&self, request: v1::RunnerRef) -> Result<v1::Terminal> {
        let runner = find::runner(&self.supervisor, &request.runner)
            .await?
            .runner;
        self.supervisor
            .reachable(&runner)
            .map_err(terminal_failure)?;
        let socket = self.supervisor.terminal(&runner).ok_or_else(|| {
            Failure::new(
                Code::Conflict,
                format!(
                    "the runner {} is {} and has no terminal to attach to",
                    runner.name,
                    runner.state.name()
                ),
            )
            .hint(format!(
                "see what it showed last with `stratavore logs {}`",
                runner.name
            ))
        })?;
        let config = self.supervisor.config_for(&runner).await;
        Ok(v1::Terminal {
            socket: socket.display().to_string(),
            runner_id: runner.id.to_string(),
            attempt: runner.state.attempt(),
            runner_name: runner.name.to_string(),
            clipboard: config.terminal_clipboard().to_owned(),
            notifications: config.terminal_notifications().to_owned(),
        })
    }

    async fn send(&self, request: v1::SendRequest) -> Result<()> {
        let runner = find::runner(&self.supervisor, &request.runner)
            .await?
            .runner;
        let send = async |bytes| {
            let sent = self.supervisor.send(&runner, bytes).await;
            sent.map_err(terminal_failure)
        };
        let text = request.text.into_bytes();
        if !request.enter {
            return send(text).await;
        }
        if !text.is_empty() {
            send(text).await?;
            tokio::time::sleep(ENTER_AFTER).await;
        }
        send(vec![b'\r']).await
    }

    async fn screen(&self, request: v1::ScreenRequest) -> Result<v1::Screen> {
        let runner = find::runner(&self.supervisor, &request.runner)
            .await?
            .runner;
        let content = self
            .supervisor
            .screen(&runner, request.ansi)
            .await
            .map_err(terminal_failure)?;
        Ok(v1::Screen { content })
    }

    async fn history(&self, request: v1::HistoryRequest) -> Result<v1::History> {
        let runner = find::runner(&self.supervisor, &request.runner)
            .await?
            .runner;
        let content = self
            .supervisor
            .history(&runner, request.ansi)
            .await
            .map_err(terminal_failure)?;
        Ok(v1::History { content })
    }

    async fn events(
        &self,
        request: v1::EventsRequest,
    ) -> Result<BoxStream<'static, Result<v1::Event>>> {
        let after = match &request.since {
            Some(cursor) => view::parse_cursor(cursor)?,
            None if request.follow => self
                .supervisor
                .store()
                .last_cursor()
                .await
                .map_err(store_failure)?,
            None => Cursor::default(),
        };
        let limit = request
            .limit
            .unwrap_or(if request.follow { u32::MAX } else { ALL });
        let listing = listing::Listing {
            supervisor: self.supervisor.clone(),
            commits: self.supervisor.store().commits(),
            after,
            left: limit,
            follow: request.follow,
            ended: self.ended.clone(),
        };
        Ok(stream::unfold(listing, listing::Listing::page)
            .map(stream::iter)
            .flatten()
            .boxed())
    }

    async fn watch(&self) -> Result<BoxStream<'static, Result<v1::Nudge>>> {
        let changes = view::nudges(self.supervisor.changes());
        Ok(changes
            .map(Ok)
            .take_until(self.ended.clone().cancelled_owned())
            .boxed())
    }

    async fn verify_audit(&self) -> Result<v1::AuditReport> {
        let report = self
            .supervisor
            .store()
            .verify_audit()
            .await
            .map_err(store_failure)?;
        Ok(view::audit(report))
    }

    async fn nodes(&self) -> Result<v1::Nodes> {
        let nodes = self.supervisor.store().nodes().await;
        Ok(v1::Nodes {
            nodes: self.node_views(nodes.map_err(store_failure)?),
        })
    }

    async fn forget_node(&self, request: v1::NodeRef) -> Result<v1::Runners> {
        let node = find::node(&self.supervisor, &request.node).await?;
        let ended = self.supervisor.forget_node(&node.id).await;
        let mut runners = Vec::new();
        for runner in ended.map_err(store_failure)? {
            let view = RunnerView {
                runner,
                observation: None,
            };
            runners.push(self.view(view).await);
        }
        Ok(v1::Runners { runners })
    }

    async fn prune(&self, request: v1::PruneRequest) -> Result<v1::Pruned> {
        let before = moment(&request.before, &chrono::Utc)?;
        let store = self.supervisor.store();
        let pruned = store.prune(before, self.supervisor.now()).await;
        let pruned = pruned.map_err(store_failure)?;
        Ok(v1::Pruned {
            events: pruned.events,
            chains: pruned.chains,
        })
    }

    async fn retry_outbox(&self, request: v1::RetryOutboxRequest) -> Result<v1::RetryOutboxReply> {
        let aggregate = request.aggregate_id.as_deref().map(aggregate).transpose()?;
        let events = self.supervisor.retry_outbox(aggregate).await;
        Ok(v1::RetryOutboxReply {
            events: events.map_err(store_failure)?,
        })
    }

    async fn drop_outbox(&self, request: v1::DropOutboxRequest) -> Result<()> {
        let dropped = self.supervisor.drop_outbox(Position(request.number)).await;
        dropped.map_err(store_failure)
    }

    async fn claim_notifications(
        &self,
        request: v1::ClaimNotificationsRequest,
    ) -> Result<v1::Notifications> {
        notices::claim(&self.supervisor, &request.consumer).await
    }

    async fn notification_shown(&self, request: v1::NotificationShownRequest) -> Result<()> {
        let id: NoticeId = request.id.parse().map_err(|_| {
            Failure::new(
                Code::Invalid,
                format!("{:?} is no notification's id", request.id),
            )
        })?;
        self.supervisor
            .notice_shown(id)
            .await
            .map_err(store_failure)
    }

    async fn shutdown(&self, request: v1::ShutdownRequest) -> Result<()> {
        if request.stop_runners {
            let targets = self.supervisor.active_here().await.map_err(store_failure)?;
            self.stop_all(targets, None, true).await?;
        }
        // Nobody listens any more: it is ending already.
        let _ = self.shutdown.send(request);
        Ok(())
    }
}

/// Reads a date, which means its beginning in a time zone, or a time.
fn moment<Z: TimeZone>(text: &str, zone: &Z) -> Result<Timestamp> {
    let date = text.parse::<chrono::NaiveDate>().ok();
    let begins = date.and_then(|date| date.and_hms_opt(0, 0, 0));
    begins
        .and_then(|begins| zone.from_local_datetime(&begins).earliest())
        .map(|begins| begins.to_utc())
        .or_else(|| text.parse().ok())
        .ok_or_else(|| {
            Failure::new(Code::Invalid, format!("{text:?} is no date and no time"))
                .hint("write 2026-01-31, or 2026-01-31T12:00:00Z")
        })
}

fn aggregate(text: &str) -> Result<uuid::Uuid> {
    text.parse().map_err(|_| {
        Failure::new(
            Code::Invalid,
            format!("{text:?} is no id of a runner or a project"),
        )
    })
}

fn name(text: String) -> Result<Name> {
    Name::new(text).map_err(|error| {
        Failure::new(Code::Invalid, error.to_string())
            .hint("use up to 64 printable characters, without '/' and not beginning with '-'")
    })
}
