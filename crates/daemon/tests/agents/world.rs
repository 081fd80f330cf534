//! A host with a real program and a stand-in for its provider.

use std::cell::Cell;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use stratavore_rpc::v1;
use stratavore_testkit::claude::{self, ClaudeCode};
use stratavore_testkit::closed_proxy::ClosedProxy;
use stratavore_testkit::codex::{self, Codex};
use stratavore_testkit::gemini::{self, Gemini};
use stratavore_testkit::model_api::ModelApi;
use stratavore_testkit::opencode::{self, OpenCode};
use stratavore_testkit::{TempHome, wait_until_async};

use crate::support::{Host, SOON};

/// A host, a project `p`, a program and its provider.
pub(crate) struct World {
    pub(crate) host: Host,
    pub(crate) api: ModelApi,
    pub(crate) project: PathBuf,
    program: Program,
    environment: Vec<v1::EnvVar>,
    _proxy: ClosedProxy,
}

/// The program that a world has.
struct Program {
    name: &'static str,
    argv: Vec<String>,
    /// What its screen shows when a request can be typed.
    prompt: &'static str,
}

impl World {
    pub(crate) async fn begin() -> Self {
        Self::with_settings("").await
    }

    /// Begins with settings of the user's own beside those that the test needs.
    pub(crate) async fn with_settings(settings: &str) -> Self {
        let claude = ClaudeCode::install().expect("installed");
        let program = Program {
            name: "claude",
            argv: claude.argv(),
            prompt: claude::PROMPT,
        };
        let prepare = |home: &TempHome, api: &ModelApi, proxy: &ClosedProxy, _: &Path| {
            claude.prepare(home, api, proxy)
        };
        Self::of(program, settings, prepare).await
    }

    /// Begins with Codex.
    pub(crate) async fn codex() -> Self {
        let codex = Codex::install().expect("installed");
        let program = Program {
            name: "codex",
            argv: codex.argv(),
            prompt: codex::PROMPT,
        };
        let prepare = |home: &TempHome, api: &ModelApi, proxy: &ClosedProxy, project: &Path| {
            codex.prepare(home, api, proxy, project)
        };
        Self::of(program, "", prepare).await
    }

    /// Begins with Gemini CLI.
    pub(crate) async fn gemini() -> Self {
        let gemini = Gemini::install().expect("installed");
        let program = Program {
            name: "gemini",
            argv: gemini.argv(),
            prompt: gemini::PROMPT,
        };
        let prepare = |home: &TempHome, api: &ModelApi, proxy: &ClosedProxy, _: &Path| {
            gemini.prepare(home, api, proxy)
        };
        Self::of(program, "", prepare).await
    }

    /// Begins with OpenCode.
    pub(crate) async fn opencode() -> Self {
        let opencode = OpenCode::install().expect("installed");
        let program = Program {
            name: "opencode",
            argv: opencode.argv(),
            prompt: opencode::PROMPT,
        };
        let prepare = |home: &TempHome, api: &ModelApi, proxy: &ClosedProxy, _: &Path| {
            opencode.prepare(home, api, proxy)
        };
        Self::of(program, "", prepare).await
    }

    async fn of(
        program: Program,
        settings: &str,
        prepare: impl FnOnce(
            &TempHome,
            &ModelApi,
            &ClosedProxy,
            &Path,
        ) -> std::io::Result<BTreeMap<String, String>>,
    ) -> Self {
        let api = ModelApi::start().expect("started");
        let proxy = ClosedProxy::start().expect("started");
        let (name, executable) = (program.name, &program.argv[0]);
        let host =
            Host::with_settings(&format!("[programs]\n{name} = {executable:?}\n{settings}")).await;
        let project = host.home.project("p");
        let environment = prepare(&host.home, &api, &proxy, &project)
            .expect("prepared")
            .into_iter()
            .map(|(key, value)| v1::EnvVar { key, value })
            .collect();
        Self {
            host,
            api,
            project,
            program,
            environment,
            _proxy: proxy,
        }
    }

    /// What launches it under a name.
    pub(crate) fn request(&self, name: &str) -> v1::LaunchRequest {
        v1::LaunchRequest {
            project: "p".into(),
            program: Some(self.program.name.into()),
            args: self.program.argv[1..].to_vec(),
            env: self.environment.clone(),
            name: Some(name.into()),
            ..v1::LaunchRequest::default()
        }
    }

    /// Launches it and waits for its prompt.
    pub(crate) async fn launch(&self, name: &str) -> v1::Runner {
        let runner = self.host.try_launch(self.request(name)).await.unwrap();
        self.host.shows(name, self.program.prompt).await;
        runner
    }

    /// Types a request until the provider is asked: Gemini CLI says that it is ready a moment before it takes keys, and that one in
    /// which a request ends last of all.
    pub(crate) async fn ask(&self, name: &str, text: &str) {
        self.host.send(name, text).await;
        let typed = Cell::new(Instant::now());
        wait_until_async(SOON, "the provider is asked", async || {
            let asked = self.api.conversations();
            if asked
                .iter()
                .any(|asked| asked.last_message().contains(text))
            {
                return Ok(());
            }
            let screen = self.host.screen(name).await;
            if typed.get().elapsed() > Duration::from_secs(1) {
                if screen.contains(text) {
                    self.host.type_keys(name, "\r").await;
                } else {
                    self.host.send(name, text).await;
                }
                typed.set(Instant::now());
            }
            Err(screen)
        })
        .await;
    }

    /// Waits until a runner needs this of a person, and returns it as it then is.
    pub(crate) async fn needs(&self, name: &str, state: &str) -> v1::Attention {
        let wanted = |runner: &v1::Runner| attention(runner).state == state;
        attention(&self.host.until(name, wanted).await)
    }

    /// Waits until a person is owed notifications of this edge, and returns them.
    pub(crate) async fn told(&self, edge: &str) -> Vec<v1::Notification> {
        wait_until_async(SOON, "a notification", async || {
            let mut told = self.host.notifications().await;
            told.retain(|told| told.edge == edge);
            if told.is_empty() { Err(edge) } else { Ok(told) }
        })
        .await
    }

    /// Waits until sessions are as wanted.
    pub(crate) async fn sessions_until(
        &self,
        wanted: impl Fn(&[v1::Session]) -> bool,
    ) -> Vec<v1::Session> {
        let client = self.host.client();
        wait_until_async(SOON, "the sessions to be as wanted", async || {
            let request = v1::ListSessionsRequest::default();
            let listed = client.clone().list_sessions(request).await;
            let sessions = listed
                .map_err(|error| error.to_string())?
                .into_inner()
                .sessions;
            if wanted(&sessions) {
                Ok(sessions)
            } else {
                Err(format!("{sessions:#?}"))
            }
        })
        .await
    }
}

pub(crate) fn attention(runner: &v1::Runner) -> v1::Attention {
    runner.attention.clone().unwrap_or_default()
}

/// Answers a permission that a runner waits for.
pub(crate) async fn decide(
    host: &Host,
    runner: &str,
    ask: &str,
    allow: bool,
) -> Result<(), String> {
    let request = v1::DecideRequest {
        runner: runner.to_owned(),
        ask: ask.to_owned(),
        allow,
        reason: None,
    };
    let decided = host.client().decide(request).await;
    decided
        .map(|_| ())
        .map_err(|status| status.message().to_owned())
}
