//! The real Claude Code, of one version, in a home of its own that reaches nothing but loopback.
//!
//! It comes from the npm registry once and is kept in the cache of the tests (380 MB); `npm` must be installed.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use serde_json::json;

use crate::closed_proxy::ClosedProxy;
use crate::home::TempHome;
use crate::model_api::ModelApi;
use crate::npm;

/// The version that the tests run, unless [`VERSION_VARIABLE`] names another.
pub const VERSION: &str = "2.1.330";

/// Names the variable that has another version run.
pub const VERSION_VARIABLE: &str = "STRATAVORE_CLAUDE_VERSION";

/// Tells which version is run.
pub fn version() -> String {
    let named = std::env::var(VERSION_VARIABLE).ok();
    named
        .filter(|version| !version.is_empty())
        .unwrap_or_else(|| VERSION.to_owned())
}

/// What the screen shows when a request can be typed, in its last line below the `❯` (which dialogs show too).
pub const PROMPT: &str = "? for shortcuts";

/// A key of the usual form that opens nothing.
const KEY: &str = "sk-ant-api03-stratavore-tests-0123456789abcdefghijklmnopqrstuvwxyz-AA";

/// Names an installed Claude Code.
#[derive(Clone, Debug)]
pub struct ClaudeCode {
    directory: PathBuf,
}

impl ClaudeCode {
    /// Installs it, or finds it installed.
    pub fn install() -> io::Result<ClaudeCode> {
        let version = version();
        // The package of the platform has the whole program; the main one only picks it, and wants a newer Node.
        let package = format!("@anthropic-ai/claude-code-{}", npm::platform()?);
        let directory = npm::install(
            &format!("claude-{version}"),
            &format!("{package}@{version}"),
            |directory| {
                fs::create_dir(directory.join("bin"))?;
                std::os::unix::fs::symlink(
                    format!("../node_modules/{package}/claude"),
                    directory.join("bin/claude"),
                )
            },
        )?;
        Ok(ClaudeCode { directory })
    }

    /// Gives the directory that has `claude`, for `PATH`.
    pub fn directory(&self) -> PathBuf {
        self.directory.join("bin")
    }

    /// Gives the program.
    pub fn program(&self) -> PathBuf {
        self.directory().join("claude")
    }

    /// Prepares `home` so that no dialog comes before the prompt, every project in it being trusted, and gives the
    /// environment in which Claude Code talks to `api` and everything else is refused by `proxy`.
    pub fn prepare(
        &self,
        home: &TempHome,
        api: &ModelApi,
        proxy: &ClosedProxy,
    ) -> io::Result<BTreeMap<String, String>> {
        let config = home.home().join(".claude");
        fs::create_dir_all(&config)?;
        let root = home.path().canonicalize()?;
        let approved = &KEY[KEY.len() - 20..];
        let settings = json!({
            "hasCompletedOnboarding": true,
            "customApiKeyResponses": { "approved": [approved], "rejected": [] },
            "projects": { root.to_string_lossy(): { "hasTrustDialogAccepted": true } },
        });
        fs::write(config.join(".claude.json"), settings.to_string())?;

        let mut environment = home.environment();
        let path = environment.get("PATH").cloned().unwrap_or_default();
        let directory = self.directory();
        environment.insert("PATH".to_owned(), format!("{}:{path}", directory.display()));
        environment.extend(proxy.environment());
        environment.extend(
            [
                ("CLAUDE_CONFIG_DIR", config.to_string_lossy().as_ref()),
                ("ANTHROPIC_BASE_URL", &api.url()),
                ("ANTHROPIC_API_KEY", KEY),
                ("DISABLE_TELEMETRY", "1"),
                ("DISABLE_AUTOUPDATER", "1"),
                ("DISABLE_ERROR_REPORTING", "1"),
                ("CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC", "1"),
                ("CLAUDE_CODE_DISABLE_OFFICIAL_MARKETPLACE_AUTOINSTALL", "1"),
            ]
            .map(|(key, value)| (key.to_owned(), value.to_owned())),
        );
        Ok(environment)
    }

    /// Gives the command line of an interactive run that asks before it uses a tool.
    pub fn argv(&self) -> Vec<String> {
        let program = self.program().to_string_lossy().into_owned();
        vec![
            program,
            "--permission-mode".to_owned(),
            "default".to_owned(),
        ]
    }

    /// Gives the directory of the pid files and transcripts in `home`.
    pub fn config(home: &TempHome) -> PathBuf {
        home.home().join(".claude")
    }
}

/// Gives the directory of a project's transcripts as Claude Code names it.
pub fn transcripts(home: &TempHome, project: &Path) -> PathBuf {
    let name: String = project
        .to_string_lossy()
        .chars()
        .map(|c| if c.is_ascii_alphanumeric() { c } else { '-' })
        .collect();
    ClaudeCode::config(home).join("projects").join(name)
}
