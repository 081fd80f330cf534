//! The real Gemini CLI, of one version, in a home of its own that reaches nothing but loopback.
//!
//! It comes from the npm registry once and is kept in the cache of the tests (100 MB); `npm` and `node` must be installed.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::PathBuf;

use serde_json::json;

use crate::closed_proxy::ClosedProxy;
use crate::home::TempHome;
use crate::model_api::ModelApi;
use crate::npm;

/// The version that the tests run.
pub const VERSION: &str = "0.61.0";

/// What the screen shows when a request can be typed and none is.
pub const PROMPT: &str = "Type your message";

/// Names an installed Gemini CLI.
#[derive(Clone, Debug)]
pub struct Gemini {
    directory: PathBuf,
}

impl Gemini {
    /// Installs it, or finds it installed.
    pub fn install() -> io::Result<Gemini> {
        let directory = npm::install(
            &format!("gemini-{VERSION}"),
            &format!("@google/gemini-cli@{VERSION}"),
            |_| Ok(()),
        )?;
        Ok(Gemini { directory })
    }

    /// Gives the program.
    pub fn program(&self) -> PathBuf {
        self.directory.join("node_modules/.bin/gemini")
    }

    /// Prepares `home` so that no dialog comes before the prompt, and gives the environment in which Gemini CLI talks to `api`
    /// and everything else is refused by `proxy`.
    pub fn prepare(
        &self,
        home: &TempHome,
        api: &ModelApi,
        proxy: &ClosedProxy,
    ) -> io::Result<BTreeMap<String, String>> {
        let config = home.home().join(".gemini");
        fs::create_dir_all(&config)?;
        let settings = json!({
            "general": { "enableAutoUpdate": false, "enableAutoUpdateNotification": false },
            "privacy": { "usageStatisticsEnabled": false },
            "security": {
                "auth": { "selectedType": "gemini-api-key" },
                "folderTrust": { "enabled": false },
            },
        });
        fs::write(config.join("settings.json"), settings.to_string())?;
        let mut environment = home.environment();
        environment.extend(proxy.environment());
        environment.extend(
            [
                ("GEMINI_API_KEY", "a-key"),
                ("GOOGLE_GEMINI_BASE_URL", &api.url()),
            ]
            .map(|(key, value)| (key.to_owned(), value.to_owned())),
        );
        Ok(environment)
    }

    /// Gives the command line of an interactive run that asks before it uses a tool.
    pub fn argv(&self) -> Vec<String> {
        let program = self.program().to_string_lossy().into_owned();
        let mut argv = vec![program];
        argv.extend(["--model", "gemini-2.5-pro"].map(str::to_owned));
        argv
    }
}
