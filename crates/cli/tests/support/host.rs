//! A host that answers what a test tells it to.

use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard};
use std::thread::JoinHandle;

use futures::StreamExt;
use futures::stream::{self, BoxStream};
use stratavore_core::places::Places;
use stratavore_rpc::v1::stratavore_server::{Stratavore, StratavoreServer};
use stratavore_rpc::{Code, Failure, HostRecord, v1};
use tokio::sync::{broadcast, oneshot};
use tokio_stream::wrappers::{BroadcastStream, UnixListenerStream};
use tonic::{Request, Response, Status};

/// What the host knows, and what it was asked.
#[derive(Debug, Default)]
pub struct World {
    /// The failure that every request meets, if any.
    pub failure: Option<Failure>,
    pub projects: Vec<v1::Project>,
    pub runners: Vec<v1::Runner>,
    pub interrupted: Vec<v1::Runner>,
    pub events: Vec<v1::Event>,
    pub checks: Vec<v1::Check>,
    pub faults: Vec<v1::AuditFault>,
    pub settings: Vec<v1::Setting>,
    pub store: Option<v1::Server>,
    pub nodes: Vec<v1::Node>,
    pub dead_letters: Vec<v1::DeadLetter>,
    pub sessions: Vec<v1::Session>,
    pub hits: Vec<v1::SearchHit>,
    pub transcript: Vec<u8>,
    pub usage: v1::UsageReport,
    pub budgets: Vec<v1::Budget>,
    pub presets: Vec<v1::Preset>,
    pub screen: Vec<u8>,
    /// The state in which a launch leaves a runner.
    pub launched: Option<v1::Runner>,
    /// Where the agents answer.
    pub agent: PathBuf,
    /// Whether launches and stops are heard and never answered.
    pub silent: bool,
    /// Every request, as Rust shows it.
    pub asked: Vec<String>,
}

impl World {
    fn find(&self, name: &str) -> Result<v1::Runner, Status> {
        let runners = || self.runners.iter().chain(&self.interrupted);
        let exact = runners().find(|runner| runner.name == name || runner.id == name);
        let mut near =
            runners().filter(|runner| runner.name.starts_with(name) || runner.id.starts_with(name));
        match (exact, near.next(), near.next()) {
            (Some(runner), ..) | (None, Some(runner), None) => Ok(runner.clone()),
            (None, Some(a), Some(b)) => Err(Failure::new(
                Code::Ambiguous,
                format!("{name:?} means several runners"),
            )
            .hint(format!("name one: {}, {}", a.name, b.name))
            .into()),
            (None, None, _) => Err(Failure::new(
                Code::NotFound,
                format!("there is no runner {name:?}"),
            )
            .hint("list them with `stratavore runners --all`")
            .into()),
        }
    }

    fn find_session(&self, id: &str) -> Result<v1::Session, Status> {
        let found = self.sessions.iter().find(|one| one.id.starts_with(id));
        found.cloned().ok_or_else(|| {
            Failure::new(Code::NotFound, format!("there is no session {id:?}"))
                .hint("list them with `stratavore sessions list`")
                .into()
        })
    }

    fn find_project(&self, name: &str) -> Result<v1::Project, Status> {
        self.projects
            .iter()
            .find(|project| project.name == name)
            .cloned()
            .ok_or_else(|| {
                Failure::new(Code::NotFound, format!("there is no project {name:?}"))
                    .hint("list them with `stratavore project list`")
                    .into()
            })
    }
}

/// A host in a thread of the test; ends at drop.
pub struct FakeHost {
    world: Arc<Mutex<World>>,
    nudges: broadcast::Sender<v1::Nudge>,
    end: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl FakeHost {
    /// Takes the lock of these places and answers.
    pub fn start(places: &Places, world: World) -> Self {
        Self::share(places, Arc::new(Mutex::new(world)))
    }

    /// Starts one that goes on with the world of another.
    pub fn share(places: &Places, world: Arc<Mutex<World>>) -> Self {
        let (nudges, _) = broadcast::channel(64);
        let (end, ended) = oneshot::channel();
        let (ready, is_ready) = std::sync::mpsc::channel();
        let fake = Fake {
            world: Arc::clone(&world),
            nudges: nudges.clone(),
            places: places.clone(),
        };
        let places = places.clone();
        let thread = std::thread::spawn(move || serve(&places, fake, ended, &ready));
        is_ready.recv().expect("the host gets ready");
        Self {
            world,
            nudges,
            end: Some(end),
            thread: Some(thread),
        }
    }

    pub fn world(&self) -> MutexGuard<'_, World> {
        self.world.lock().expect("no request panicked")
    }

    pub fn shared(&self) -> Arc<Mutex<World>> {
        Arc::clone(&self.world)
    }

    /// Counts those who watch.
    pub fn watchers(&self) -> usize {
        self.nudges.receiver_count()
    }

    /// Changes a runner, and says so to who watches.
    pub fn change(&self, name: &str, change: impl FnOnce(&mut v1::Runner)) {
        let mut world = self.world();
        let runner = world
            .runners
            .iter_mut()
            .find(|runner| runner.name == name)
            .expect("that runner");
        change(runner);
        runner.revision += 1;
        let nudge = v1::Nudge {
            entity: "runner".into(),
            id: runner.id.clone(),
        };
        drop(world);
        // Nobody needs to watch.
        let _ = self.nudges.send(nudge);
    }

    /// Says that something changed.
    pub fn nudge(&self, entity: &str) {
        let nudge = v1::Nudge {
            entity: entity.into(),
            id: String::new(),
        };
        let _ = self.nudges.send(nudge);
    }

    /// Tells whether a request was made that shows `text`.
    pub fn was_asked(&self, text: &str) -> bool {
        self.world().asked.iter().any(|asked| asked.contains(text))
    }
}

impl Drop for FakeHost {
    fn drop(&mut self) {
        drop(self.end.take());
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

fn serve(
    places: &Places,
    fake: Fake,
    ended: oneshot::Receiver<()>,
    ready: &std::sync::mpsc::Sender<()>,
) {
    let lock = stratavore_wire::lock::take(&places.host_lock())
        .expect("a lock file")
        .expect("the lock is free");
    let socket = places.runtime_dir.join("host.sock");
    let _ = std::fs::remove_file(&socket);
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .expect("a runtime");
    runtime.block_on(async {
        let listener = tokio::net::UnixListener::bind(&socket).expect("a socket");
        let record = HostRecord {
            host: "stratavored".into(),
            pid: std::process::id(),
            socket: socket.clone(),
            instance_id: "0190-instance".into(),
            version: "0.1.0".into(),
        };
        std::fs::write(
            places.host_record(),
            serde_json::to_vec(&record).expect("JSON"),
        )
        .expect("a record");
        ready.send(()).expect("the test waits");
        let incoming = UnixListenerStream::new(listener);
        let serving = tonic::transport::Server::builder()
            .add_service(StratavoreServer::new(fake))
            .serve_with_incoming(incoming);
        // Ends as a killed host does: connections are cut, not drained.
        tokio::select! {
            served = serving => served.expect("it serves"),
            _ = ended => {}
        }
    });
    drop(runtime);
    let _ = std::fs::remove_file(&socket);
    drop(lock);
}

struct Fake {
    world: Arc<Mutex<World>>,
    nudges: broadcast::Sender<v1::Nudge>,
    places: Places,
}

impl Fake {
    fn hear<T: std::fmt::Debug>(
        &self,
        request: &Request<T>,
    ) -> Result<MutexGuard<'_, World>, Status> {
        let mut world = self.world.lock().expect("no request panicked");
        world.asked.push(format!("{:?}", request.get_ref()));
        match &world.failure {
            Some(failure) => Err(failure.clone().into()),
            None => Ok(world),
        }
    }

    fn set_state(
        &self,
        request: &Request<v1::RunnerRef>,
        state: &str,
    ) -> Result<Response<v1::Runner>, Status> {
        let mut runner = self.hear(request)?.find(&request.get_ref().runner)?;
        runner.state = state.to_owned();
        Ok(Response::new(runner))
    }
}

type Reply<T> = Result<Response<T>, Status>;

#[tonic::async_trait]
impl Stratavore for Fake {
    async fn get_status(&self, request: Request<v1::StatusRequest>) -> Reply<v1::Status> {
        let world = self.hear(&request)?;
        let mut runners = std::collections::BTreeMap::new();
        for runner in &world.runners {
            *runners.entry(runner.state.clone()).or_insert(0) += 1;
        }
        Ok(Response::new(v1::Status {
            version: "0.1.0".into(),
            instance_id: "0190-instance".into(),
            node_id: "0190-node".into(),
            host: "stratavored".into(),
            host_pid: 4711,
            started_at: "soon".into(),
            data_dir: self.places.data_dir.to_string_lossy().into_owned(),
            runtime_dir: self.places.runtime_dir.to_string_lossy().into_owned(),
            projects: u32::try_from(world.projects.len()).unwrap(),
            interrupted: world.interrupted.clone(),
            problems: vec!["no systemd user manager: ceilings are measured, not enforced".into()],
            max_runners: Some(5),
            dead_letters: world.dead_letters.clone(),
            nodes: world.nodes.clone(),
            store: world.store.clone(),
            runners,
            ..v1::Status::default()
        }))
    }
    async fn doctor(&self, request: Request<v1::DoctorRequest>) -> Reply<v1::DoctorReport> {
        Ok(Response::new(v1::DoctorReport {
            checks: self.hear(&request)?.checks.clone(),
        }))
    }
    async fn get_config(&self, request: Request<v1::ConfigRequest>) -> Reply<v1::Config> {
        Ok(Response::new(v1::Config {
            settings: self.hear(&request)?.settings.clone(),
        }))
    }
    async fn add_project(&self, request: Request<v1::AddProjectRequest>) -> Reply<v1::Project> {
        let mut world = self.hear(&request)?;
        let v1::AddProjectRequest {
            name,
            path,
            max_runners,
        } = request.into_inner();
        if world.find_project(&name).is_ok() {
            return Err(Failure::new(
                Code::Conflict,
                format!("there is a project {name:?} already"),
            )
            .hint("choose another name, or archive that one")
            .into());
        }
        let project = v1::Project {
            id: "p1".into(),
            name,
            path,
            max_runners,
            ..v1::Project::default()
        };
        world.projects.push(project.clone());
        Ok(Response::new(project))
    }
    async fn list_projects(
        &self,
        request: Request<v1::ListProjectsRequest>,
    ) -> Reply<v1::Projects> {
        Ok(Response::new(v1::Projects {
            projects: self.hear(&request)?.projects.clone(),
        }))
    }
    async fn get_project(&self, request: Request<v1::ProjectRef>) -> Reply<v1::Project> {
        Ok(Response::new(
            self.hear(&request)?
                .find_project(&request.get_ref().project)?,
        ))
    }
    async fn archive_project(&self, request: Request<v1::ProjectRef>) -> Reply<v1::Project> {
        Ok(Response::new(
            self.hear(&request)?
                .find_project(&request.get_ref().project)?,
        ))
    }
    async fn list_programs(
        &self,
        request: Request<v1::ListProgramsRequest>,
    ) -> Reply<v1::Programs> {
        drop(self.hear(&request)?);
        Ok(Response::new(v1::Programs::default()))
    }
    async fn launch(&self, request: Request<v1::LaunchRequest>) -> Reply<v1::Runner> {
        let silent = self.hear(&request)?.silent;
        if silent {
            std::future::pending::<()>().await;
        }
        let mut world = self.world.lock().expect("no request panicked");
        world.find_project(&request.get_ref().project)?;
        let runner = world.launched.clone().unwrap_or_default();
        world.runners.push(runner.clone());
        Ok(Response::new(runner))
    }
    async fn list_runners(&self, request: Request<v1::ListRunnersRequest>) -> Reply<v1::Runners> {
        let world = self.hear(&request)?;
        let v1::ListRunnersRequest { project, all } = request.get_ref();
        if let Some(project) = project {
            world.find_project(project)?;
        }
        let ended = |runner: &v1::Runner| {
            matches!(runner.state.as_str(), "terminated" | "failed" | "cancelled")
        };
        let runners = world
            .runners
            .iter()
            .filter(|runner| {
                project
                    .as_ref()
                    .is_none_or(|project| runner.project == *project)
            })
            .filter(|runner| *all || !ended(runner));
        Ok(Response::new(v1::Runners {
            runners: runners.cloned().collect(),
        }))
    }
    async fn get_runner(&self, request: Request<v1::RunnerRef>) -> Reply<v1::Runner> {
        Ok(Response::new(
            self.hear(&request)?.find(&request.get_ref().runner)?,
        ))
    }
    async fn stop(&self, request: Request<v1::StopRequest>) -> Reply<v1::Runners> {
        use v1::stop_request::Target;
        let silent = self.hear(&request)?.silent;
        if silent {
            std::future::pending::<()>().await;
        }
        let world = self.world.lock().expect("no request panicked");
        let mut runners = match request.get_ref().target.as_ref().expect("a target") {
            Target::Runner(runner) => vec![world.find(runner)?],
            Target::Project(_) | Target::All(_) => world.runners.clone(),
        };
        for runner in &mut runners {
            if request.get_ref().wait {
                runner.state = "terminated".into();
                runner.exit = Some(v1::Exit {
                    code: None,
                    signal: Some("TERM".into()),
                    reason: "stopped".into(),
                });
            } else {
                runner.state = "stopping".into();
            }
        }
        Ok(Response::new(v1::Runners { runners }))
    }
    async fn pause(&self, request: Request<v1::RunnerRef>) -> Reply<v1::Runner> {
        self.set_state(&request, "paused")
    }
    async fn r#continue(&self, request: Request<v1::RunnerRef>) -> Reply<v1::Runner> {
        self.set_state(&request, "running")
    }
    async fn restart(&self, request: Request<v1::RunnerRef>) -> Reply<v1::Runner> {
        self.set_state(&request, "starting")
    }
    async fn answer_interrupted(
        &self,
        request: Request<v1::InterruptedAnswer>,
    ) -> Reply<v1::Runners> {
        let runners = std::mem::take(&mut self.hear(&request)?.interrupted);
        Ok(Response::new(v1::Runners { runners }))
    }
    async fn list_nodes(&self, request: Request<v1::ListNodesRequest>) -> Reply<v1::Nodes> {
        let nodes = self.hear(&request)?.nodes.clone();
        Ok(Response::new(v1::Nodes { nodes }))
    }
    async fn forget_node(&self, request: Request<v1::NodeRef>) -> Reply<v1::Runners> {
        let mut world = self.hear(&request)?;
        let name = &request.get_ref().node;
        let Some(at) = world.nodes.iter().position(|node| node.name == *name) else {
            return Err(Failure::new(Code::NotFound, format!("no node is called {name:?}")).into());
        };
        let node = world.nodes.remove(at);
        let runners = world
            .runners
            .iter()
            .filter(|runner| runner.node == node.name);
        let runners = runners.cloned().collect();
        Ok(Response::new(v1::Runners { runners }))
    }
    async fn prune(&self, request: Request<v1::PruneRequest>) -> Reply<v1::Pruned> {
        drop(self.hear(&request)?);
        Ok(Response::new(v1::Pruned {
            events: 12,
            chains: 3,
        }))
    }
    async fn retry_outbox(
        &self,
        request: Request<v1::RetryOutboxRequest>,
    ) -> Reply<v1::RetryOutboxReply> {
        let letters = std::mem::take(&mut self.hear(&request)?.dead_letters);
        let events = letters.len() as u64;
        Ok(Response::new(v1::RetryOutboxReply { events }))
    }
    async fn drop_outbox(
        &self,
        request: Request<v1::DropOutboxRequest>,
    ) -> Reply<v1::DropOutboxReply> {
        let mut world = self.hear(&request)?;
        let number = request.get_ref().number;
        let before = world.dead_letters.len();
        world.dead_letters.retain(|letter| letter.number != number);
        if world.dead_letters.len() == before {
            let message = format!("no dead letter has the number {number}");
            return Err(Failure::new(Code::NotFound, message).into());
        }
        Ok(Response::new(v1::DropOutboxReply {}))
    }
    async fn decide(&self, request: Request<v1::DecideRequest>) -> Reply<v1::DecideReply> {
        let world = self.hear(&request)?;
        let v1::DecideRequest { runner, ask, .. } = request.get_ref();
        let attention = world.find(runner)?.attention;
        match attention.and_then(|attention| attention.ask) {
            Some(waiting) if waiting.id == *ask => Ok(Response::new(v1::DecideReply {})),
            _ => {
                let message = format!("request {ask:?} is answered already, or has changed");
                let failure = Failure::new(Code::Conflict, message);
                Err(failure
                    .hint("see what waits now with `stratavore attention`")
                    .into())
            }
        }
    }
    async fn list_sessions(
        &self,
        request: Request<v1::ListSessionsRequest>,
    ) -> Reply<v1::Sessions> {
        let sessions = self.hear(&request)?.sessions.clone();
        Ok(Response::new(v1::Sessions { sessions }))
    }
    async fn get_session(&self, request: Request<v1::SessionRef>) -> Reply<v1::Session> {
        let world = self.hear(&request)?;
        let session = world.find_session(&request.get_ref().session)?;
        Ok(Response::new(session))
    }
    async fn search_sessions(
        &self,
        request: Request<v1::SearchSessionsRequest>,
    ) -> Reply<v1::SearchHits> {
        let hits = self.hear(&request)?.hits.clone();
        Ok(Response::new(v1::SearchHits { hits }))
    }
    async fn export_session(
        &self,
        request: Request<v1::ExportSessionRequest>,
    ) -> Reply<v1::SessionExport> {
        let world = self.hear(&request)?;
        world.find_session(&request.get_ref().session)?;
        let content = world.transcript.clone();
        Ok(Response::new(v1::SessionExport { content }))
    }
    async fn archive_sessions(
        &self,
        request: Request<v1::ArchiveSessionsRequest>,
    ) -> Reply<v1::ArchiveSessionsReply> {
        let world = self.hear(&request)?;
        let sessions = match &request.get_ref().session {
            Some(session) => world.find_session(session).map(|_| 1)?,
            None => u32::try_from(world.sessions.len()).unwrap(),
        };
        let bytes = u64::from(sessions) * 4096;
        Ok(Response::new(v1::ArchiveSessionsReply { sessions, bytes }))
    }
    async fn restore_session(
        &self,
        request: Request<v1::SessionRef>,
    ) -> Reply<v1::RestoreSessionReply> {
        let world = self.hear(&request)?;
        let session = world.find_session(&request.get_ref().session)?.id.clone();
        let transcript = "/home/ada/.claude/projects/-srv-api/t.jsonl".to_owned();
        let bytes = 4096;
        Ok(Response::new(v1::RestoreSessionReply {
            session,
            transcript,
            bytes,
        }))
    }
    async fn resume(&self, request: Request<v1::ResumeRequest>) -> Reply<v1::Runner> {
        let mut world = self.hear(&request)?;
        let target = &request.get_ref().target;
        let held = world.find_session(target).map(|session| session.held);
        if held.or_else(|_| world.find(target).map(|_| false))? {
            let message = format!("session {target:?} is held by a runner");
            return Err(Failure::new(Code::Conflict, message)
                .hint("attach to that one, or begin as a copy with --fork")
                .into());
        }
        let runner = world.launched.clone().unwrap_or_default();
        world.runners.push(runner.clone());
        Ok(Response::new(runner))
    }
    async fn reindex(&self, request: Request<v1::ReindexRequest>) -> Reply<v1::ReindexReply> {
        let sessions = u32::try_from(self.hear(&request)?.sessions.len()).unwrap();
        let bytes = 5 << 20;
        Ok(Response::new(v1::ReindexReply { sessions, bytes }))
    }
    async fn get_usage(&self, request: Request<v1::UsageRequest>) -> Reply<v1::UsageReport> {
        let mut report = self.hear(&request)?.usage.clone();
        if request.get_ref().by.is_none() {
            report.rows.clear();
        }
        Ok(Response::new(report))
    }
    async fn list_budgets(&self, request: Request<v1::ListBudgetsRequest>) -> Reply<v1::Budgets> {
        let budgets = self.hear(&request)?.budgets.clone();
        Ok(Response::new(v1::Budgets { budgets }))
    }
    async fn set_budget(&self, request: Request<v1::SetBudgetRequest>) -> Reply<v1::Budget> {
        drop(self.hear(&request)?);
        let v1::SetBudgetRequest {
            scope,
            of,
            period,
            tokens,
            usd,
            at_limit,
        } = request.into_inner();
        Ok(Response::new(v1::Budget {
            id: "0190c000-new".into(),
            scope,
            of,
            period,
            tokens,
            usd,
            at_limit: at_limit.unwrap_or_default(),
            percent: 12,
            ..v1::Budget::default()
        }))
    }
    async fn remove_budget(&self, request: Request<v1::BudgetRef>) -> Reply<v1::RemoveBudgetReply> {
        let mut world = self.hear(&request)?;
        let id = &request.get_ref().id;
        world.budgets.retain(|budget| budget.id != *id);
        Ok(Response::new(v1::RemoveBudgetReply {}))
    }
    async fn list_presets(&self, request: Request<v1::ListPresetsRequest>) -> Reply<v1::Presets> {
        let mut presets = self.hear(&request)?.presets.clone();
        let of_project = request.get_ref().project.is_some();
        presets.retain(|preset| of_project || preset.of == "person");
        Ok(Response::new(v1::Presets { presets }))
    }
    async fn save_preset(&self, request: Request<v1::SavePresetRequest>) -> Reply<v1::Preset> {
        let mut world = self.hear(&request)?;
        let v1::SavePresetRequest { name, toml } = request.into_inner();
        let preset = v1::Preset {
            name,
            toml,
            of: "person".into(),
            ..v1::Preset::default()
        };
        let before = |known: &v1::Preset| known.name == preset.name && known.of == "person";
        world.presets.retain(|known| !before(known));
        world.presets.push(preset.clone());
        Ok(Response::new(preset))
    }
    async fn remove_preset(&self, request: Request<v1::PresetRef>) -> Reply<v1::RemovePresetReply> {
        let mut world = self.hear(&request)?;
        let name = &request.get_ref().name;
        let Some(at) = world
            .presets
            .iter()
            .position(|preset| preset.name == *name && preset.of == "person")
        else {
            let message = format!("you have no preset {name:?}");
            return Err(Failure::new(Code::NotFound, message).into());
        };
        world.presets.remove(at);
        Ok(Response::new(v1::RemovePresetReply {}))
    }
    async fn get_terminal(&self, request: Request<v1::RunnerRef>) -> Reply<v1::Terminal> {
        let world = self.hear(&request)?;
        let runner = world.find(&request.get_ref().runner)?;
        if !matches!(runner.state.as_str(), "running" | "paused" | "stopping") {
            return Err(Failure::new(Code::Conflict, "it has no terminal to attach to").into());
        }
        let setting = |key| {
            let setting = world.settings.iter().find(|setting| setting.key == key);
            setting.map_or_else(String::new, |setting| setting.value.clone())
        };
        Ok(Response::new(v1::Terminal {
            socket: world.agent.to_string_lossy().into_owned(),
            runner_id: runner.id,
            attempt: runner.attempt,
            runner_name: runner.name,
            clipboard: setting("terminal.clipboard"),
            notifications: setting("terminal.notifications"),
        }))
    }
    async fn send(&self, request: Request<v1::SendRequest>) -> Reply<v1::SendReply> {
        self.hear(&request)?.find(&request.get_ref().runner)?;
        Ok(Response::new(v1::SendReply {}))
    }
    async fn get_screen(&self, request: Request<v1::ScreenRequest>) -> Reply<v1::Screen> {
        let content = self.hear(&request)?.screen.clone();
        Ok(Response::new(v1::Screen { content }))
    }
    async fn get_history(&self, request: Request<v1::HistoryRequest>) -> Reply<v1::History> {
        let content = self.hear(&request)?.screen.clone();
        Ok(Response::new(v1::History { content }))
    }

    type EventsStream = BoxStream<'static, Result<v1::Event, Status>>;
    async fn events(&self, request: Request<v1::EventsRequest>) -> Reply<Self::EventsStream> {
        let world = self.hear(&request)?;
        let v1::EventsRequest {
            since,
            follow,
            limit,
        } = request.into_inner();
        let after = since.map_or(0, |since| since.parse().expect("a cursor of ours"));
        let limit = limit.map_or(usize::MAX, |limit| usize::try_from(limit).unwrap());
        let events: Vec<_> = world
            .events
            .iter()
            .skip(after)
            .take(limit)
            .cloned()
            .map(Ok)
            .collect();
        let events = stream::iter(events);
        Ok(Response::new(if follow {
            events.chain(stream::pending()).boxed()
        } else {
            events.boxed()
        }))
    }
    type WatchStream = BoxStream<'static, Result<v1::Nudge, Status>>;
    async fn watch(&self, request: Request<v1::WatchRequest>) -> Reply<Self::WatchStream> {
        drop(self.hear(&request)?);
        let nudges = BroadcastStream::new(self.nudges.subscribe());
        Ok(Response::new(
            nudges
                .map(|nudge| nudge.map_err(|_| Status::aborted("lagged")))
                .boxed(),
        ))
    }
    async fn verify_audit(
        &self,
        request: Request<v1::VerifyAuditRequest>,
    ) -> Reply<v1::AuditReport> {
        let faults = self.hear(&request)?.faults.clone();
        Ok(Response::new(v1::AuditReport {
            events: 7,
            chains: 2,
            faults,
        }))
    }
    async fn claim_notifications(
        &self,
        request: Request<v1::ClaimNotificationsRequest>,
    ) -> Reply<v1::Notifications> {
        drop(self.hear(&request)?);
        Ok(Response::new(v1::Notifications::default()))
    }
    async fn notification_shown(
        &self,
        request: Request<v1::NotificationShownRequest>,
    ) -> Reply<v1::NotificationShownReply> {
        drop(self.hear(&request)?);
        Ok(Response::new(v1::NotificationShownReply {}))
    }
    async fn shutdown(&self, request: Request<v1::ShutdownRequest>) -> Reply<v1::ShutdownReply> {
        drop(self.hear(&request)?);
        Ok(Response::new(v1::ShutdownReply {}))
    }
}

/// Makes a running runner.
pub fn runner(name: &str) -> v1::Runner {
    v1::Runner {
        id: format!("0190a5d0-{name}"),
        name: name.into(),
        project: "api".into(),
        program: "claude".into(),
        state: "running".into(),
        pid: Some(4242),
        created_at: ago(2 * 3600 + 30),
        started_at: Some(ago(2 * 3600 + 20)),
        cpu_percent: Some(12.4),
        memory_bytes: Some(150 << 20),
        last_heartbeat: Some(ago(190)),
        attempt: 1,
        command: vec!["claude".into(), "--model".into(), "a b".into()],
        cwd: "/srv/api".into(),
        restart: Some(v1::RestartPolicy {
            policy: "never".into(),
            max_attempts: None,
        }),
        here: true,
        ..v1::Runner::default()
    }
}

/// Makes a runner that ended.
pub fn ended(name: &str, state: &str, code: Option<i32>, signal: Option<&str>) -> v1::Runner {
    let exit = v1::Exit {
        code,
        signal: signal.map(str::to_owned),
        reason: "exited".into(),
    };
    v1::Runner {
        state: state.into(),
        pid: None,
        exit: Some(exit),
        ended_at: Some(ago(65)),
        cpu_percent: None,
        memory_bytes: None,
        ..runner(name)
    }
}

pub fn project(name: &str) -> v1::Project {
    v1::Project {
        id: format!("0190b000-{name}"),
        name: name.into(),
        path: format!("/srv/{name}"),
        max_runners: Some(3),
        active_runners: 1,
        created_at: ago(3 * 86_400 + 30),
        ..v1::Project::default()
    }
}

/// Gives the time so many seconds ago.
pub fn ago(seconds: i64) -> String {
    use stratavore_core::clock::{Clock, SystemClock, to_rfc3339};
    to_rfc3339(SystemClock.now() - chrono::TimeDelta::seconds(seconds))
}
