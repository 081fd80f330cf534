//! A real `stratavored` with real agents in private directories, driven through its socket.

#![allow(
    dead_code,
    unreachable_pub,
    reason = "each test file uses its own part"
)]

pub mod stand_in;
pub mod team;
pub mod transcript;

use std::io::Read;
use std::path::PathBuf;
use std::process::{Child, Stdio};
use std::time::Duration;

use futures::StreamExt;
use stratavore_core::places::Places;
use stratavore_rpc::v1::{self, stop_request::Target};
use stratavore_rpc::{Client, Code, Failure};
use stratavore_testkit::binary::{built, fake_program};
use stratavore_testkit::{Process, TempHome, wait_until, wait_until_async};

/// Long enough for a loaded machine; reached only when something is wrong.
pub const SOON: Duration = Duration::from_secs(60);

/// A host in private directories, and what a test asks of it.
pub struct Host {
    pub home: TempHome,
    /// What its environment has besides the home's.
    environment: Vec<(String, String)>,
    child: Option<Child>,
    client: Option<Client>,
}

impl Host {
    /// Starts a host with a project `p` in new directories.
    pub async fn start() -> Self {
        Self::with_settings("").await
    }

    /// Starts a host with these settings and a project `p`.
    pub async fn with_settings(settings: &str) -> Self {
        let home = TempHome::new();
        std::fs::write(home.config_file(), settings).unwrap();
        Self::in_home(home).await
    }

    /// Starts a host in directories that were made ready, with a project `p`.
    pub async fn in_home(home: TempHome) -> Self {
        Self::with_environment(home, vec![]).await
    }

    /// Starts a host in directories that were made ready, and these variables, with a project `p`.
    pub async fn with_environment(home: TempHome, environment: Vec<(String, String)>) -> Self {
        let host = Self::without_project(home, environment).await;
        host.add_project("p", None).await;
        host
    }

    /// Starts a host in directories that were made ready, and these variables.
    pub async fn without_project(home: TempHome, environment: Vec<(String, String)>) -> Self {
        let mut host = Self {
            home,
            environment,
            child: None,
            client: None,
        };
        host.begin().await;
        host
    }

    /// Sets what its environment has from its next start on.
    pub fn set_environment(&mut self, environment: Vec<(String, String)>) {
        self.environment = environment;
    }

    /// Starts the program again, as the first time or after its end.
    pub async fn begin(&mut self) {
        self.begin_with(&[]).await;
    }

    pub async fn begin_with(&mut self, args: &[&str]) {
        // The agent is found beside the host, so it has to be built too.
        built("stratavore-agent", "stratavore-agent");
        let mut child = self
            .home
            .command(built("stratavore-daemon", "stratavored"))
            .args(args)
            .envs(self.environment.iter().cloned())
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(std::fs::File::create(self.home.path().join("stratavored.err")).unwrap())
            .spawn()
            .unwrap();
        let places = self.places();
        let pid = child.id();
        let record = wait_until(SOON, "the host answers", || {
            if let Some(status) = child.try_wait().unwrap() {
                panic!("stratavored ended with {status}: {}", self.stderr());
            }
            stratavore_rpc::find(&places)
                .ok()
                .filter(|record| record.pid == pid)
        });
        self.client = Some(stratavore_rpc::connect(&record.socket).await.unwrap());
        self.child = Some(child);
    }

    pub fn stderr(&self) -> String {
        std::fs::read_to_string(self.home.path().join("stratavored.err")).unwrap_or_default()
    }

    /// All that the host logged.
    pub fn log(&self) -> String {
        let Ok(entries) = std::fs::read_dir(self.places().logs()) else {
            return String::new();
        };
        entries
            .flatten()
            .map(|entry| std::fs::read_to_string(entry.path()).unwrap_or_default())
            .collect()
    }

    pub fn places(&self) -> Places {
        Places::from_env(&self.home.environment()).unwrap()
    }

    pub fn client(&self) -> Client {
        self.client.clone().expect("the host runs")
    }

    pub fn pid(&self) -> u32 {
        self.child.as_ref().expect("the host runs").id()
    }

    /// Kills the host as a crash would.
    pub fn kill(&mut self) {
        self.client = None;
        let mut child = self.child.take().expect("the host runs");
        child.kill().unwrap();
        child.wait().unwrap();
    }

    /// Ends the host as a person would.
    pub fn terminate(&mut self) {
        self.client = None;
        let mut child = self.child.take().expect("the host runs");
        Process::find(child.id())
            .unwrap()
            .signal(rustix::process::Signal::TERM)
            .unwrap();
        let status = wait_until(SOON, "the host ends", || child.try_wait().unwrap());
        assert!(status.success(), "{status}: {}", self.stderr());
    }

    /// Waits until the host has ended by itself.
    pub fn ended(&mut self) -> std::process::ExitStatus {
        self.ended_within(SOON)
    }

    pub fn ended_within(&mut self, deadline: Duration) -> std::process::ExitStatus {
        let child = self.child.as_mut().expect("the host runs");
        wait_until(deadline, "the host ends by itself", || {
            child.try_wait().unwrap()
        })
    }

    /// Lets go of the connection.
    pub fn disconnect(&mut self) {
        self.client = None;
    }

    pub async fn reconnect(&mut self) {
        let record = stratavore_rpc::find(&self.places()).unwrap();
        self.client = Some(stratavore_rpc::connect(&record.socket).await.unwrap());
    }

    pub async fn add_project(&self, name: &str, max_runners: Option<u32>) -> v1::Project {
        let path = self.home.project(name).to_str().unwrap().to_owned();
        let request = v1::AddProjectRequest {
            name: name.into(),
            path,
            max_runners,
        };
        self.client()
            .add_project(request)
            .await
            .unwrap()
            .into_inner()
    }

    /// Asks for a fake program with this script.
    pub fn script(&self, script: &str) -> v1::LaunchRequest {
        v1::LaunchRequest {
            project: "p".into(),
            command: vec![fake_program().to_str().unwrap().into(), script.into()],
            ..v1::LaunchRequest::default()
        }
    }

    pub async fn try_launch(&self, request: v1::LaunchRequest) -> Result<v1::Runner, Failure> {
        self.client()
            .launch(request)
            .await
            .map(tonic_inner)
            .map_err(Failure::from)
    }

    pub async fn launch(&self, script: &str) -> v1::Runner {
        self.try_launch(self.script(script)).await.unwrap()
    }

    pub async fn runner(&self, id: &str) -> v1::Runner {
        self.client()
            .get_runner(reference(id))
            .await
            .unwrap()
            .into_inner()
    }

    pub async fn all(&self) -> Vec<v1::Runner> {
        let request = v1::ListRunnersRequest {
            project: None,
            all: true,
        };
        self.client()
            .list_runners(request)
            .await
            .unwrap()
            .into_inner()
            .runners
    }

    /// Waits until a runner is in a state.
    pub async fn state(&self, id: &str, state: &str) -> v1::Runner {
        wait_until_async(SOON, &format!("{id} is {state}"), || async {
            let runner = self.runner(id).await;
            if runner.state == state {
                Ok(runner)
            } else {
                Err(format!("{runner:?}"))
            }
        })
        .await
    }

    /// Waits until a runner is as wanted.
    pub async fn until(&self, id: &str, wanted: impl Fn(&v1::Runner) -> bool) -> v1::Runner {
        wait_until_async(SOON, "the runner to be as wanted", async || {
            let runner = self.runner(id).await;
            if wanted(&runner) {
                Ok(runner)
            } else {
                Err(format!("{runner:?}\n{}", self.log()))
            }
        })
        .await
    }

    /// Waits until the host says of itself what is wanted.
    pub async fn status_until(&self, wanted: impl Fn(&v1::Status) -> bool) -> v1::Status {
        wait_until_async(SOON, "the status to be as wanted", async || {
            let status = self.status().await;
            if wanted(&status) {
                Ok(status)
            } else {
                Err(format!("{status:?}\n{}", self.log()))
            }
        })
        .await
    }

    /// Waits until a runner's screen shows a text.
    pub async fn shows(&self, id: &str, text: &str) {
        wait_until_async(SOON, &format!("{id} shows {text:?}"), || async {
            let screen = self.screen(id).await;
            if screen.contains(text) {
                Ok(())
            } else {
                Err(screen)
            }
        })
        .await;
    }

    pub async fn screen(&self, id: &str) -> String {
        let request = v1::ScreenRequest {
            runner: id.into(),
            ansi: false,
        };
        match self.client().get_screen(request).await {
            Ok(screen) => String::from_utf8_lossy(&screen.into_inner().content).into_owned(),
            Err(status) => format!("no screen: {status}"),
        }
    }

    pub async fn history(&self, id: &str) -> String {
        let request = v1::HistoryRequest {
            runner: id.into(),
            ansi: false,
        };
        let history = self
            .client()
            .get_history(request)
            .await
            .unwrap()
            .into_inner();
        String::from_utf8_lossy(&history.content).into_owned()
    }

    pub async fn send(&self, id: &str, text: &str) {
        let request = v1::SendRequest {
            runner: id.into(),
            text: text.into(),
            enter: true,
        };
        self.client().send(request).await.unwrap();
    }

    /// Types keys into a runner's terminal, as they are.
    pub async fn type_keys(&self, id: &str, keys: &str) {
        let request = v1::SendRequest {
            runner: id.into(),
            text: keys.into(),
            enter: false,
        };
        self.client().send(request).await.unwrap();
    }

    pub async fn try_stop(&self, target: Target, grace: u32) -> Result<Vec<v1::Runner>, Failure> {
        let request = v1::StopRequest {
            target: Some(target),
            grace_seconds: Some(grace),
            wait: true,
        };
        self.client()
            .stop(request)
            .await
            .map(|reply| reply.into_inner().runners)
            .map_err(Failure::from)
    }

    pub async fn stop(&self, id: &str, grace: u32) -> v1::Runner {
        self.try_stop(Target::Runner(id.into()), grace)
            .await
            .unwrap()
            .remove(0)
    }

    pub async fn events(&self) -> Vec<v1::Event> {
        let stream = self
            .client()
            .events(v1::EventsRequest::default())
            .await
            .unwrap()
            .into_inner();
        stream.map(Result::unwrap).collect().await
    }

    /// The types of a runner's events, in order; their numbers are checked to be dense.
    pub async fn history_of(&self, id: &str) -> Vec<String> {
        let events: Vec<v1::Event> = self
            .events()
            .await
            .into_iter()
            .filter(|event| event.aggregate_id == id)
            .collect();
        let numbers: Vec<u64> = events.iter().map(|event| event.seq).collect();
        assert_eq!(
            numbers,
            (1..=events.len() as u64).collect::<Vec<_>>(),
            "the order of {id} has gaps"
        );
        events.into_iter().map(|event| event.r#type).collect()
    }

    pub async fn status(&self) -> v1::Status {
        self.client()
            .get_status(v1::StatusRequest {})
            .await
            .unwrap()
            .into_inner()
    }

    pub async fn notifications(&self) -> Vec<v1::Notification> {
        let request = v1::ClaimNotificationsRequest {
            consumer: "desktop".into(),
        };
        self.client()
            .claim_notifications(request)
            .await
            .unwrap()
            .into_inner()
            .notifications
    }

    /// The agent that holds a runner's attempt.
    pub fn agent(&self, runner: &v1::Runner) -> Process {
        let path = self.attempt_dir(runner).join("runner.json");
        let record: serde_json::Value =
            serde_json::from_slice(&std::fs::read(&path).unwrap()).unwrap();
        let pid = u32::try_from(record["agent_pid"].as_u64().unwrap()).unwrap();
        Process::find(pid).expect("the agent lives")
    }

    /// The program of a runner.
    pub fn program(&self, runner: &v1::Runner) -> Process {
        Process::find(runner.pid.expect("it runs")).expect("the program lives")
    }

    pub fn attempt_dir(&self, runner: &v1::Runner) -> PathBuf {
        self.places()
            .attempt_dir(runner.id.parse().unwrap(), runner.attempt)
    }

    pub async fn audit_is_whole(&self) {
        let report = self
            .client()
            .verify_audit(v1::VerifyAuditRequest {})
            .await
            .unwrap()
            .into_inner();
        assert_eq!(report.faults, vec![], "{} events", report.events);
        assert!(report.events > 0);
    }

    /// Waits until every event is delivered.
    pub async fn all_delivered(&self) {
        wait_until_async(SOON, "every event is delivered", || async {
            self.status().await.outbox_waiting == 0
        })
        .await;
    }

    /// Lists what a runner left of its processes, the agent apart.
    pub fn processes_of(&self, id: &str) -> Vec<Process> {
        Process::all_with_environment("STRATAVORE_RUNNER_ID", id)
    }
}

impl Drop for Host {
    fn drop(&mut self) {
        if let Some(mut child) = self.child.take() {
            let _ = child.kill();
            let _ = child.wait();
        }
        if std::thread::panicking() {
            eprintln!(
                "---- stratavored said\n{}\n---- and logged\n{}",
                self.stderr(),
                self.log()
            );
        }
        // The agents and programs end with the home.
    }
}

/// Runs a host that is expected to refuse, and returns its exit code and words.
pub fn refused(home: &TempHome, change: impl FnOnce(&mut std::process::Command)) -> (i32, String) {
    let mut command = home.command(built("stratavore-daemon", "stratavored"));
    command
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::piped());
    change(&mut command);
    let mut child = command.spawn().unwrap();
    let status = wait_until(SOON, "the host refuses to start", || {
        child.try_wait().unwrap()
    });
    let mut words = String::new();
    child
        .stderr
        .take()
        .unwrap()
        .read_to_string(&mut words)
        .unwrap();
    (status.code().unwrap(), words)
}

pub fn reference(id: &str) -> v1::RunnerRef {
    v1::RunnerRef { runner: id.into() }
}

pub fn expect_code(result: Result<v1::Runner, Failure>, code: Code, part: &str) -> Failure {
    let failure = result.expect_err("it is refused");
    assert_eq!(failure.code, code, "{failure:?}");
    assert!(failure.message.contains(part), "{failure:?} lacks {part:?}");
    failure
}

fn tonic_inner<T>(response: stratavore_rpc::Response<T>) -> T {
    response.into_inner()
}
