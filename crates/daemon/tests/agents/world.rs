//! A host with the real Claude Code and a stand-in for its provider.

use std::path::PathBuf;

use stratavore_rpc::v1;
use stratavore_testkit::claude::{ClaudeCode, PROMPT};
use stratavore_testkit::closed_proxy::ClosedProxy;
use stratavore_testkit::model_api::ModelApi;
use stratavore_testkit::wait_until_async;

use crate::support::{Host, SOON};

/// A host, a project `p`, a program and its provider.
pub(crate) struct World {
    pub(crate) host: Host,
    pub(crate) api: ModelApi,
    pub(crate) project: PathBuf,
    claude: ClaudeCode,
    environment: Vec<v1::EnvVar>,
    _proxy: ClosedProxy,
}

impl World {
    pub(crate) async fn begin() -> Self {
        Self::with_settings("").await
    }

    /// Begins with settings of the user's own beside those that the test needs.
    pub(crate) async fn with_settings(settings: &str) -> Self {
        let api = ModelApi::start().expect("started");
        let proxy = ClosedProxy::start().expect("started");
        let claude = ClaudeCode::install().expect("installed");
        let program = claude.program();
        let host = Host::with_settings(&format!(
            "[programs]\nclaude = {:?}\n{settings}",
            program.to_str().unwrap()
        ))
        .await;
        let project = host.home.project("p");
        let environment = claude
            .prepare(&host.home, &api, &proxy)
            .expect("prepared")
            .into_iter()
            .map(|(key, value)| v1::EnvVar { key, value })
            .collect();
        Self {
            host,
            api,
            project,
            claude,
            environment,
            _proxy: proxy,
        }
    }

    /// What launches it under a name.
    pub(crate) fn request(&self, name: &str) -> v1::LaunchRequest {
        v1::LaunchRequest {
            project: "p".into(),
            program: Some("claude".into()),
            args: self.claude.argv()[1..].to_vec(),
            env: self.environment.clone(),
            name: Some(name.into()),
            ..v1::LaunchRequest::default()
        }
    }

    /// Launches it and waits for its prompt.
    pub(crate) async fn launch(&self, name: &str) -> v1::Runner {
        let runner = self.host.try_launch(self.request(name)).await.unwrap();
        self.host.shows(name, PROMPT).await;
        runner
    }

    /// Waits until a runner needs this of a person, and returns it as it then is.
    pub(crate) async fn needs(&self, name: &str, state: &str) -> v1::Attention {
        let wanted = |runner: &v1::Runner| attention(runner).state == state;
        attention(&self.host.until(name, wanted).await)
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
