//! The real Codex, of one version, in a home of its own that reaches nothing but loopback.
//!
//! It comes from the npm registry once and is kept in the cache of the tests (400 MB); `npm` must be installed.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use crate::closed_proxy::ClosedProxy;
use crate::home::TempHome;
use crate::model_api::ModelApi;
use crate::npm;

/// The version that the tests run.
pub const VERSION: &str = "0.169.0";

/// What the screen shows when a request can be typed and none is.
pub const PROMPT: &str = "Ask Codex to do anything";

/// Names an installed Codex.
#[derive(Clone, Debug)]
pub struct Codex {
    directory: PathBuf,
}

impl Codex {
    /// Installs it, or finds it installed.
    pub fn install() -> io::Result<Codex> {
        let (platform, target) = match std::env::consts::ARCH {
            "x86_64" => ("linux-x64", "x86_64-unknown-linux-musl"),
            "aarch64" => ("linux-arm64", "aarch64-unknown-linux-musl"),
            other => {
                return Err(io::Error::new(
                    io::ErrorKind::Unsupported,
                    format!("there is no Codex for {other}"),
                ));
            }
        };
        let directory = npm::install(
            &format!("codex-{VERSION}"),
            &format!("@openai/codex@{VERSION}"),
            |directory| {
                fs::create_dir(directory.join("bin"))?;
                // The program itself: the package's own command is Node, which starts it.
                std::os::unix::fs::symlink(
                    format!("../node_modules/@openai/codex-{platform}/vendor/{target}/bin/codex"),
                    directory.join("bin/codex"),
                )
            },
        )?;
        Ok(Codex { directory })
    }

    /// Gives the program.
    pub fn program(&self) -> PathBuf {
        self.directory.join("bin/codex")
    }

    /// Prepares `home` so that no dialog comes before the prompt in `project`, and gives the environment in which Codex talks
    /// to `api` and everything else is refused by `proxy`.
    pub fn prepare(
        &self,
        home: &TempHome,
        api: &ModelApi,
        proxy: &ClosedProxy,
        project: &Path,
    ) -> io::Result<BTreeMap<String, String>> {
        let config = home.home().join(".codex");
        fs::create_dir_all(&config)?;
        let project = project.canonicalize()?;
        let settings = format!(
            r#"model = "gpt-5.4"
model_provider = "stand-in"
check_for_update_on_startup = false

[analytics]
enabled = false

[model_providers.stand-in]
name = "Stand-in"
base_url = "{}/v1"
wire_api = "responses"
env_key = "STAND_IN_KEY"
request_max_retries = 0
stream_max_retries = 0

[projects."{}"]
trust_level = "trusted"
"#,
            api.url(),
            project.display()
        );
        fs::write(config.join("config.toml"), settings)?;
        let mut environment = home.environment();
        environment.extend(proxy.environment());
        environment.insert(
            "CODEX_HOME".to_owned(),
            config.to_string_lossy().into_owned(),
        );
        environment.insert("STAND_IN_KEY".to_owned(), "a-key".to_owned());
        Ok(environment)
    }

    /// Gives the command line of an interactive run that asks before it leaves its sandbox.
    pub fn argv(&self) -> Vec<String> {
        let program = self.program().to_string_lossy().into_owned();
        let mut argv = vec![program];
        argv.extend(["--ask-for-approval", "on-request"].map(str::to_owned));
        argv
    }
}
