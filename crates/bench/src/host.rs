//! A real `stratavored` with real agents in private directories.

use std::fs::{self, File};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;

use anyhow::{Context, anyhow, bail};
use rustix::process::Signal;
use stratavore_core::places::Places;
use stratavore_rpc::v1::{self, stop_request::Target};
use stratavore_rpc::{Client, Failure};
use stratavore_testkit::binary::built;
use stratavore_testkit::home::TEST_ID;
use stratavore_testkit::{Process, TempHome};
use stratavore_wire::record::{RUNNER_FILE, RunnerRecord};
use tokio::sync::Semaphore;
use tokio::task::JoinSet;

use crate::SIZE;
use crate::patience::until;

/// The one project of a host.
pub(crate) const PROJECT: &str = "bench";

/// Runs a host until it is dropped, and with it all that it started.
pub(crate) struct Host {
    home: Arc<TempHome>,
    child: Child,
    places: Places,
    client: Client,
}

impl Host {
    /// Starts a host with a project, ready to launch.
    pub(crate) async fn start() -> anyhow::Result<Self> {
        Self::start_with("").await
    }

    /// Starts a host with these settings and a project, ready to launch.
    pub(crate) async fn start_with(settings: &str) -> anyhow::Result<Self> {
        let home = TempHome::new();
        fs::write(home.config_file(), settings)?;
        let host = Self::start_in(Arc::new(home)).await?;
        let project = v1::AddProjectRequest {
            name: PROJECT.to_owned(),
            path: host.home.project(PROJECT).to_string_lossy().into_owned(),
            max_runners: None,
        };
        host.client()
            .add_project(project)
            .await
            .map_err(Failure::from)?;
        // The first launch asks the login shell for its environment, once in a host's life.
        host.launch(vec!["true".to_owned()]).await?;
        Ok(host)
    }

    /// Starts a host on what is in these directories.
    pub(crate) async fn start_in(home: Arc<TempHome>) -> anyhow::Result<Self> {
        // It finds the agent beside itself.
        built("stratavore-agent", "stratavore-agent");
        let places = Places::from_env(&home.environment())?;
        let mut child = home
            .command(built("stratavore-daemon", "stratavored"))
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(File::create(home.path().join("stratavored.err"))?)
            .spawn()
            .context("cannot start stratavored")?;
        let record = until("stratavored answers or ends", async || {
            match child.try_wait() {
                Ok(None) => stratavore_rpc::find(&places).ok().map(Ok),
                ended => Some(Err(ended)),
            }
        })
        .await?;
        let record = record.map_err(|ended| {
            let said = fs::read_to_string(home.path().join("stratavored.err")).unwrap_or_default();
            anyhow!("stratavored ended at once ({ended:?}): {said}")
        })?;
        let client = stratavore_rpc::connect(&record.socket).await?;
        Ok(Self {
            home,
            child,
            places,
            client,
        })
    }

    /// Gives the directories in which all of it happens.
    pub(crate) fn home(&self) -> &TempHome {
        &self.home
    }

    /// Gives a client; they share one connection.
    pub(crate) fn client(&self) -> Client {
        self.client.clone()
    }

    /// Gives the host's process.
    pub(crate) fn process(&self) -> anyhow::Result<Process> {
        Process::find(self.child.id()).context("stratavored has ended")
    }

    /// Prepares the command line program.
    pub(crate) fn stratavore(&self) -> Command {
        self.home.command(built("stratavore-cli", "stratavore"))
    }

    /// Launches a command and waits until it was executed.
    pub(crate) async fn launch(&self, command: Vec<String>) -> anyhow::Result<v1::Runner> {
        launch(self.client(), command).await
    }

    /// Launches a command so many times, a few at once, and gives the runners.
    pub(crate) async fn launch_fleet(
        &self,
        size: usize,
        command: &[&str],
    ) -> anyhow::Result<Vec<v1::Runner>> {
        let command = command.iter().map(|word| (*word).to_owned()).collect();
        self.launch_all(size, request(command)).await
    }

    /// Launches Claude Code, by the settings, with this in its environment, and waits until it was executed.
    pub(crate) async fn launch_claude(
        &self,
        environment: &[(&str, &str)],
    ) -> anyhow::Result<v1::Runner> {
        ask(self.client(), claude(environment)).await
    }

    /// Launches Claude Code, by the settings, so many times, a few at once, and gives the runners.
    pub(crate) async fn launch_claudes(&self, size: usize) -> anyhow::Result<Vec<v1::Runner>> {
        self.launch_all(size, claude(&[])).await
    }

    async fn launch_all(
        &self,
        size: usize,
        request: v1::LaunchRequest,
    ) -> anyhow::Result<Vec<v1::Runner>> {
        let room = Arc::new(Semaphore::new(16));
        let mut launches = JoinSet::new();
        for _ in 0..size {
            let (room, client, request) = (Arc::clone(&room), self.client(), request.clone());
            launches.spawn(async move {
                let _place = room.acquire().await?;
                ask(client, request).await
            });
        }
        launches.join_all().await.into_iter().collect()
    }

    /// Finds the agents of runners.
    pub(crate) fn agents(&self, runners: &[v1::Runner]) -> anyhow::Result<Vec<Process>> {
        runners
            .iter()
            .map(|runner| {
                let file = self
                    .places
                    .attempt_dir(runner.id.parse()?, runner.attempt)
                    .join(RUNNER_FILE);
                let text = fs::read_to_string(&file)
                    .with_context(|| format!("cannot read {}", file.display()))?;
                let pid = u32::try_from(RunnerRecord::parse(&text)?.agent_pid)?;
                Process::find(pid)
                    .with_context(|| format!("the agent of {} has ended", runner.name))
            })
            .collect()
    }

    /// Tells where a runner's terminal is reached.
    pub(crate) async fn terminal(&self, runner: &v1::Runner) -> anyhow::Result<PathBuf> {
        let reference = v1::RunnerRef {
            runner: runner.id.clone(),
        };
        let terminal = self
            .client()
            .get_terminal(reference)
            .await
            .map_err(Failure::from)?;
        Ok(terminal.into_inner().socket.into())
    }

    /// Waits until a runner's terminal shows a text.
    pub(crate) async fn shows(&self, runner: &v1::Runner, text: &str) -> anyhow::Result<()> {
        until(&format!("{} shows {text:?}", runner.name), async || {
            let request = v1::ScreenRequest {
                runner: runner.id.clone(),
                ansi: false,
            };
            let screen = self.client().get_screen(request).await.ok()?.into_inner();
            String::from_utf8_lossy(&screen.content)
                .contains(text)
                .then_some(())
        })
        .await
    }

    /// Waits until all that happened so far was told to everybody.
    pub(crate) async fn settled(&self) -> anyhow::Result<()> {
        until("every event is delivered", async || {
            let status = self
                .client()
                .get_status(v1::StatusRequest {})
                .await
                .ok()?
                .into_inner();
            (status.outbox_waiting == 0).then_some(())
        })
        .await
    }

    /// Stops every runner, and waits until nothing of them is left.
    pub(crate) async fn stop_runners(&self) -> anyhow::Result<()> {
        let request = v1::StopRequest {
            target: Some(Target::All(true)),
            grace_seconds: Some(1),
            wait: true,
        };
        self.client().stop(request).await.map_err(Failure::from)?;
        Ok(())
    }

    /// Kills the host; its runners go on.
    pub(crate) fn kill(&mut self) -> anyhow::Result<()> {
        self.child.kill()?;
        self.child.wait()?;
        Ok(())
    }

    /// Stops every runner and ends the host as a person would, so that nothing has to be killed.
    pub(crate) async fn end(mut self) -> anyhow::Result<()> {
        self.stop_runners().await?;
        self.process()?.signal(Signal::TERM)?;
        let status = until("stratavored ends", async || {
            self.child.try_wait().transpose()
        })
        .await??;
        if !status.success() {
            bail!("stratavored ended with {status}");
        }
        Ok(())
    }
}

impl Drop for Host {
    fn drop(&mut self) {
        // Ended before, or not worth a word: what is left ends here.
        let _ = self.child.kill();
        let _ = self.child.wait();
        // In one pass, where the home would look for the descendants of each of a thousand.
        for process in Process::all_with_environment(TEST_ID, self.home.id()) {
            let _ = process.kill();
        }
    }
}

/// Launches a command and waits until it was executed.
pub(crate) async fn launch(client: Client, command: Vec<String>) -> anyhow::Result<v1::Runner> {
    ask(client, request(command)).await
}

async fn ask(mut client: Client, request: v1::LaunchRequest) -> anyhow::Result<v1::Runner> {
    let launched = client.launch(request).await.map_err(Failure::from)?;
    Ok(launched.into_inner())
}

fn request(command: Vec<String>) -> v1::LaunchRequest {
    v1::LaunchRequest {
        project: PROJECT.to_owned(),
        command,
        columns: Some(SIZE.0.into()),
        rows: Some(SIZE.1.into()),
        ..v1::LaunchRequest::default()
    }
}

fn claude(environment: &[(&str, &str)]) -> v1::LaunchRequest {
    let environment = environment.iter().map(|(key, value)| v1::EnvVar {
        key: (*key).to_owned(),
        value: (*value).to_owned(),
    });
    v1::LaunchRequest {
        program: Some("claude".to_owned()),
        env: environment.collect(),
        ..request(Vec::new())
    }
}
