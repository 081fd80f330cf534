//! A host made up for tests: it holds what it is given, and records what it was asked.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;
use futures::StreamExt;
use futures::stream::{self, BoxStream};
use stratavore_api::{Api, Code, Failure, Result, v1};
use tokio::sync::broadcast;
use tokio_util::sync::CancellationToken;

/// Answers from what it holds.
pub(crate) struct FakeHost {
    /// Its version, by which tests tell hosts apart.
    pub(crate) version: String,
    /// What it holds.
    pub(crate) state: Mutex<State>,
    /// What it nudges about.
    pub(crate) nudges: broadcast::Sender<v1::Nudge>,
    /// Cancelled, it is gone: nudges end and nothing is answered.
    pub(crate) gone: CancellationToken,
}

/// What a host holds.
#[derive(Default)]
pub(crate) struct State {
    /// Runners.
    pub(crate) runners: Vec<v1::Runner>,
    /// Projects.
    pub(crate) projects: Vec<v1::Project>,
    /// Events.
    pub(crate) events: Vec<v1::Event>,
    /// Where every runner's agent listens.
    pub(crate) socket: String,
    /// What a runner showed.
    pub(crate) history: Vec<u8>,
    /// What every request is refused with.
    pub(crate) refusal: Option<Failure>,
    /// What a person has not been told; each is given once.
    pub(crate) notices: Vec<v1::Notification>,
    /// What is counted as failed.
    pub(crate) failed: u32,
    /// The setting that lets permissions be given outside of the window is off.
    pub(crate) decide_off: bool,
    /// Presets, of every project.
    pub(crate) presets: Vec<v1::Preset>,
    /// What was asked, oldest first.
    pub(crate) asked: Vec<String>,
}

impl FakeHost {
    /// Makes one that holds nothing.
    #[must_use]
    pub(crate) fn new(version: &str) -> Self {
        Self {
            version: version.to_owned(),
            state: Mutex::default(),
            nudges: broadcast::Sender::new(64),
            gone: CancellationToken::new(),
        }
    }

    /// Gives what it holds.
    pub(crate) fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Nudges.
    pub(crate) fn nudge(&self, entity: &str) {
        let _ = self.nudges.send(v1::Nudge {
            entity: entity.to_owned(),
            id: String::new(),
        });
    }

    fn ask(&self, what: impl Into<String>) -> Result<MutexGuard<'_, State>> {
        if self.gone.is_cancelled() {
            return Err(Failure::new(Code::Unavailable, "the host is gone"));
        }
        let mut state = self.state();
        state.asked.push(what.into());
        match &state.refusal {
            Some(refusal) => Err(refusal.clone()),
            None => Ok(state),
        }
    }

    fn one(&self, act: &str, runner: &str) -> Result<v1::Runner> {
        let state = self.ask(format!("{act} {runner}"))?;
        state
            .runners
            .iter()
            .find(|known| known.id == runner || known.name == runner)
            .cloned()
            .ok_or_else(|| {
                Failure::new(Code::NotFound, format!("no runner {runner:?}"))
                    .hint("run `stratavore runners`")
            })
    }
}

#[async_trait]
impl Api for FakeHost {
    async fn status(&self) -> Result<v1::Status> {
        let state = self.ask("status")?;
        Ok(v1::Status {
            version: self.version.clone(),
            instance_id: "i1".into(),
            runners: BTreeMap::from([("failed".into(), state.failed)]),
            ..v1::Status::default()
        })
    }
    async fn doctor(&self) -> Result<v1::DoctorReport> {
        self.ask("doctor").map(|_| v1::DoctorReport::default())
    }
    async fn config(&self, request: v1::ConfigRequest) -> Result<v1::Config> {
        drop(self.ask(format!("config {:?}", request.project))?);
        let decide = !self.state().decide_off;
        let setting = |key: &str, value: &str| v1::Setting {
            key: key.into(),
            value: value.into(),
            source: "default".into(),
        };
        Ok(v1::Config {
            settings: vec![
                setting("launch.program", "codex"),
                setting("notifications.decide", &decide.to_string()),
            ],
        })
    }
    async fn add_project(&self, request: v1::AddProjectRequest) -> Result<v1::Project> {
        let mut state = self.ask(format!("add-project {} {}", request.name, request.path))?;
        let project = v1::Project {
            id: "p9".into(),
            name: request.name,
            path: request.path,
            ..v1::Project::default()
        };
        state.projects.push(project.clone());
        Ok(project)
    }
    async fn projects(&self, request: v1::ListProjectsRequest) -> Result<v1::Projects> {
        let state = self.ask(format!("projects archived={}", request.archived))?;
        Ok(v1::Projects {
            projects: state.projects.clone(),
        })
    }
    async fn project(&self, request: v1::ProjectRef) -> Result<v1::Project> {
        self.ask(format!("project {}", request.project))
            .map(|_| v1::Project::default())
    }
    async fn archive_project(&self, request: v1::ProjectRef) -> Result<v1::Project> {
        self.ask(format!("archive-project {}", request.project))
            .map(|_| v1::Project::default())
    }
    async fn programs(&self) -> Result<v1::Programs> {
        self.ask("programs").map(|_| v1::Programs::default())
    }
    async fn launch(&self, request: v1::LaunchRequest) -> Result<v1::Runner> {
        let mut asked = format!("launch {} {:?}", request.project, request.command);
        if let Some(preset) = &request.preset {
            asked.push_str(&format!(" preset={preset}"));
        }
        if request.continue_last {
            asked.push_str(" continue");
        }
        if let Some(worktree) = &request.worktree {
            asked.push_str(&format!(" worktree={worktree:?}"));
        }
        let mut state = self.ask(asked)?;
        let runner = v1::Runner {
            id: "r9".into(),
            project: request.project,
            ..v1::Runner::default()
        };
        state.runners.push(runner.clone());
        Ok(runner)
    }
    async fn runners(&self, request: v1::ListRunnersRequest) -> Result<v1::Runners> {
        let state = self.ask(format!("runners {:?} all={}", request.project, request.all))?;
        let mut runners = state.runners.clone();
        runners.retain(|runner| request.all || runner.state != "terminated");
        Ok(v1::Runners { runners })
    }
    async fn runner(&self, request: v1::RunnerRef) -> Result<v1::Runner> {
        self.one("runner", &request.runner)
    }
    async fn stop(&self, request: v1::StopRequest) -> Result<v1::Runners> {
        let mut state = self.ask(format!("stop {:?} wait={}", request.target, request.wait))?;
        Ok(v1::Runners {
            runners: std::mem::take(&mut state.runners),
        })
    }
    async fn pause(&self, request: v1::RunnerRef) -> Result<v1::Runner> {
        self.one("pause", &request.runner)
    }
    async fn go_on(&self, request: v1::RunnerRef) -> Result<v1::Runner> {
        self.one("continue", &request.runner)
    }
    async fn restart(&self, request: v1::RunnerRef) -> Result<v1::Runner> {
        self.one("restart", &request.runner)
    }
    async fn answer_interrupted(&self, request: v1::InterruptedAnswer) -> Result<v1::Runners> {
        self.ask(format!("answer-interrupted {}", request.start))
            .map(|_| v1::Runners::default())
    }
    async fn decide(&self, request: v1::DecideRequest) -> Result<()> {
        let mut state = self.ask(format!(
            "decide {} {} allow={}",
            request.runner, request.ask, request.allow
        ))?;
        let attention = state
            .runners
            .iter_mut()
            .filter(|runner| runner.id == request.runner)
            .find_map(|runner| runner.attention.as_mut());
        match attention {
            Some(attention)
                if attention
                    .ask
                    .as_ref()
                    .is_some_and(|ask| ask.id == request.ask) =>
            {
                attention.ask = None;
                attention.state = "working".into();
                Ok(())
            }
            _ => Err(Failure::new(
                Code::Conflict,
                format!("{} no longer waits for that", request.runner),
            )
            .hint("see what it does now")),
        }
    }
    async fn sessions(&self, request: v1::ListSessionsRequest) -> Result<v1::Sessions> {
        self.ask(format!("sessions {:?}", request.project))
            .map(|_| v1::Sessions::default())
    }
    async fn session(&self, request: v1::SessionRef) -> Result<v1::Session> {
        self.ask(format!("session {}", request.session))
            .map(|_| v1::Session::default())
    }
    async fn search_sessions(&self, request: v1::SearchSessionsRequest) -> Result<v1::SearchHits> {
        self.ask(format!("search-sessions {}", request.query))
            .map(|_| v1::SearchHits::default())
    }
    async fn export_session(&self, request: v1::ExportSessionRequest) -> Result<v1::SessionExport> {
        self.ask(format!("export-session {}", request.session))
            .map(|_| v1::SessionExport::default())
    }
    async fn archive_sessions(
        &self,
        request: v1::ArchiveSessionsRequest,
    ) -> Result<v1::ArchiveSessionsReply> {
        self.ask(format!("archive-sessions {:?}", request.session))
            .map(|_| v1::ArchiveSessionsReply::default())
    }
    async fn restore_session(&self, request: v1::SessionRef) -> Result<v1::RestoreSessionReply> {
        self.ask(format!("restore-session {}", request.session))
            .map(|_| v1::RestoreSessionReply::default())
    }
    async fn resume(&self, request: v1::ResumeRequest) -> Result<v1::Runner> {
        self.ask(format!("resume {} fork={}", request.target, request.fork))
            .map(|_| v1::Runner::default())
    }
    async fn reindex(&self) -> Result<v1::ReindexReply> {
        self.ask("reindex").map(|_| v1::ReindexReply::default())
    }
    async fn usage(&self, request: v1::UsageRequest) -> Result<v1::UsageReport> {
        self.ask(format!("usage by={:?}", request.by))
            .map(|_| v1::UsageReport::default())
    }
    async fn budgets(&self) -> Result<v1::Budgets> {
        self.ask("budgets").map(|_| v1::Budgets::default())
    }
    async fn set_budget(&self, request: v1::SetBudgetRequest) -> Result<v1::Budget> {
        self.ask(format!("set-budget {} {}", request.scope, request.period))
            .map(|_| v1::Budget::default())
    }
    async fn remove_budget(&self, request: v1::BudgetRef) -> Result<()> {
        self.ask(format!("remove-budget {}", request.id)).map(drop)
    }
    async fn presets(&self, request: v1::ListPresetsRequest) -> Result<v1::Presets> {
        let state = self.ask(format!("presets {:?}", request.project))?;
        Ok(v1::Presets {
            presets: state.presets.clone(),
        })
    }
    async fn save_preset(&self, request: v1::SavePresetRequest) -> Result<v1::Preset> {
        self.ask(format!("save-preset {}", request.name))
            .map(|_| v1::Preset::default())
    }
    async fn remove_preset(&self, request: v1::PresetRef) -> Result<()> {
        self.ask(format!("remove-preset {}", request.name))
            .map(drop)
    }
    async fn terminal(&self, request: v1::RunnerRef) -> Result<v1::Terminal> {
        let state = self.ask(format!("terminal {}", request.runner))?;
        Ok(v1::Terminal {
            socket: state.socket.clone(),
            ..v1::Terminal::default()
        })
    }
    async fn send(&self, _: v1::SendRequest) -> Result<()> {
        self.ask("send").map(drop)
    }
    async fn screen(&self, _: v1::ScreenRequest) -> Result<v1::Screen> {
        self.ask("screen").map(|_| v1::Screen::default())
    }
    async fn history(&self, request: v1::HistoryRequest) -> Result<v1::History> {
        let state = self.ask(format!("history {}", request.runner))?;
        Ok(v1::History {
            content: state.history.clone(),
        })
    }
    async fn events(
        &self,
        request: v1::EventsRequest,
    ) -> Result<BoxStream<'static, Result<v1::Event>>> {
        let state = self.ask(format!(
            "events {:?} follow={} {:?}",
            request.since, request.follow, request.limit
        ))?;
        Ok(stream::iter(state.events.clone().into_iter().map(Ok)).boxed())
    }
    async fn watch(&self) -> Result<BoxStream<'static, Result<v1::Nudge>>> {
        drop(self.ask("watch")?);
        let nudges = self.nudges.subscribe();
        let gone = self.gone.clone();
        Ok(stream::unfold(nudges, |mut nudges| async move {
            Some((Ok(nudges.recv().await.ok()?), nudges))
        })
        .take_until(gone.cancelled_owned())
        .boxed())
    }
    async fn verify_audit(&self) -> Result<v1::AuditReport> {
        self.ask("verify-audit").map(|_| v1::AuditReport::default())
    }
    async fn nodes(&self) -> Result<v1::Nodes> {
        self.ask("nodes").map(|_| v1::Nodes::default())
    }
    async fn forget_node(&self, request: v1::NodeRef) -> Result<v1::Runners> {
        self.ask(format!("forget-node {}", request.node))
            .map(|_| v1::Runners::default())
    }
    async fn prune(&self, request: v1::PruneRequest) -> Result<v1::Pruned> {
        self.ask(format!("prune {}", request.before))
            .map(|_| v1::Pruned::default())
    }
    async fn retry_outbox(&self, _: v1::RetryOutboxRequest) -> Result<v1::RetryOutboxReply> {
        self.ask("retry-outbox")
            .map(|_| v1::RetryOutboxReply::default())
    }
    async fn drop_outbox(&self, request: v1::DropOutboxRequest) -> Result<()> {
        self.ask(format!("drop-outbox {}", request.number))
            .map(drop)
    }
    async fn claim_notifications(
        &self,
        _: v1::ClaimNotificationsRequest,
    ) -> Result<v1::Notifications> {
        let mut state = self.ask("claim")?;
        Ok(v1::Notifications {
            notifications: std::mem::take(&mut state.notices),
        })
    }
    async fn notification_shown(&self, _: v1::NotificationShownRequest) -> Result<()> {
        self.ask("shown").map(drop)
    }
    async fn shutdown(&self, _: v1::ShutdownRequest) -> Result<()> {
        self.ask("shutdown").map(drop)
    }
}
