//! The real OpenCode, of one version, in a home of its own that reaches nothing but loopback.
//!
//! It comes from the npm registry once and is kept in the cache of the tests (180 MB); `npm` must be installed.

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
pub const VERSION: &str = "1.18.33";

/// What the screen shows when a request can be typed and none is.
pub const PROMPT: &str = "Ask anything";

/// Names an installed OpenCode.
#[derive(Clone, Debug)]
pub struct OpenCode {
    program: PathBuf,
}

impl OpenCode {
    /// Installs it, or finds it installed.
    pub fn install() -> io::Result<OpenCode> {
        // The program for any processor of the kind; the main package only picks one.
        let package = match std::env::consts::ARCH {
            "x86_64" => "opencode-linux-x64-baseline",
            "aarch64" => "opencode-linux-arm64",
            other => {
                return Err(io::Error::new(
                    io::ErrorKind::Unsupported,
                    format!("there is no OpenCode for {other}"),
                ));
            }
        };
        let directory = npm::install(
            &format!("opencode-{VERSION}"),
            &format!("{package}@{VERSION}"),
            |_| Ok(()),
        )?;
        let program = directory.join(format!("node_modules/{package}/bin/opencode"));
        Ok(OpenCode { program })
    }

    /// Gives the program.
    pub fn program(&self) -> PathBuf {
        self.program.clone()
    }

    /// Prepares `home`, and gives the environment in which OpenCode talks to `api` and everything else is refused by `proxy`.
    pub fn prepare(
        &self,
        home: &TempHome,
        api: &ModelApi,
        proxy: &ClosedProxy,
    ) -> io::Result<BTreeMap<String, String>> {
        let config = home.home().join(".config/opencode");
        fs::create_dir_all(&config)?;
        let settings = json!({
            // OpenCode writes it in where it is missing.
            "$schema": "https://opencode.ai/config.json",
            "autoupdate": false,
            "share": "disabled",
            "model": "stand-in/model",
            "small_model": "stand-in/model",
            "permission": { "bash": "ask", "edit": "ask" },
            "provider": { "stand-in": {
                "npm": "@ai-sdk/anthropic",
                "options": { "baseURL": format!("{}/v1", api.url()), "apiKey": "a-key" },
                "models": { "model": { "name": "Model" } },
            } },
        });
        fs::write(config.join("opencode.json"), settings.to_string())?;
        let mut environment = home.environment();
        environment.extend(proxy.environment());
        environment.insert("OPENCODE_DISABLE_MODELS_FETCH".to_owned(), "1".to_owned());
        Ok(environment)
    }

    /// Gives the command line of an interactive run.
    pub fn argv(&self) -> Vec<String> {
        vec![self.program().to_string_lossy().into_owned()]
    }
}
