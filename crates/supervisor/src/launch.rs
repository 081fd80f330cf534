//! Launches: what a person asks for, checked and made whole.

use std::path::{Path, PathBuf};
use std::time::Duration;

use stratavore_core::clock::Timestamp;
use stratavore_core::config::{BadConfig, Config};
use stratavore_core::ids::{InstanceId, RunnerId};
use stratavore_core::launch::{Ceiling, Launch, RestartPolicy};
use stratavore_core::name::Name;
use stratavore_core::program;
use stratavore_core::project::Project;
use stratavore_core::runner::{Input, Runner, StateName};
use stratavore_core::session::Mode;
use stratavore_store::{NewRunner, RunnerView, StoreError};
use tokio::time::Instant;
use uuid::Uuid;

use crate::file;
use crate::nodes::{Where, least_loaded};
use crate::supervisor::{Change, Supervisor};
use crate::worktree::{self, WorktreeError};

/// The longest single argument or variable that Linux executes, its final NUL included (`MAX_ARG_STRLEN`).
const MAX_ARGUMENT: usize = 128 * 1024;
/// What arguments and environment may have in all: less than the 2 MiB that the usual stack limit leaves.
const MAX_ARGUMENTS: usize = 1_500_000;
/// How long a launch waits to learn whether its program was executed.
const STARTED_WITHIN: Duration = Duration::from_secs(20);
/// A project's own settings.
const PROJECT_FILE: &str = ".stratavore.toml";

/// What to execute.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Words {
    /// A known program, or the configured one.
    Program(Option<String>),
    /// These words.
    Command(Vec<String>),
}

/// How long a project's settings may take to read.
const SETTINGS_WITHIN: Duration = Duration::from_secs(2);
/// No settings are longer; what is, is cut, and refused as the broken file it is then.
const MAX_SETTINGS: u64 = 256 * 1024;

/// What a person asks for.
#[derive(Clone, Debug)]
pub struct LaunchRequest {
    /// Where.
    pub project: Project,
    /// What.
    pub words: Words,
    /// Arguments after it.
    pub args: Vec<String>,
    /// Under which name.
    pub name: Option<Name>,
    /// With which variables.
    pub env: Vec<(String, String)>,
    /// What happens on failure; absent: as configured.
    pub restart: Option<RestartPolicy>,
    /// What it may use; absent: as configured.
    pub ceiling: Option<Ceiling>,
    /// Leave alive what it leaves behind.
    pub keep_descendants: bool,
    /// Record what it writes to its terminal.
    pub record: bool,
    /// With which conversation it begins.
    pub mode: Mode,
    /// The directory of the session that is resumed, where that is not the project's own.
    pub directory: Option<String>,
    /// In a fresh git worktree of this name; empty: named after the runner, or the moment.
    pub worktree: Option<String>,
    /// The terminal's size.
    pub size: (u16, u16),
    /// On which node.
    pub on: Where,
    /// Wait in line when a quota is full.
    pub queue: bool,
    /// The client's identity of the request.
    pub request_id: Option<Uuid>,
}

/// Why a launch was not made.
#[derive(Debug, thiserror::Error)]
pub enum LaunchError {
    /// The request makes no sense.
    #[error("{message}")]
    Invalid {
        /// What is wrong.
        message: String,
        /// What to do.
        hint: String,
    },
    /// The session that it is to go on with is held by a runner.
    #[error(
        "the session {session} is held by the runner {runner}; two programs that write to one session destroy it"
    )]
    Held {
        /// Which.
        session: String,
        /// By whom.
        runner: String,
    },
    /// The worktree could not be made.
    #[error(transparent)]
    Worktree(#[from] WorktreeError),
    /// The project's settings are wrong.
    #[error(transparent)]
    Config(#[from] BadConfig),
    /// The store refused.
    #[error(transparent)]
    Store(#[from] StoreError),
}

fn invalid(message: impl Into<String>, hint: impl Into<String>) -> LaunchError {
    LaunchError::Invalid {
        message: message.into(),
        hint: hint.into(),
    }
}

impl Supervisor {
    /// Launches a runner and waits until its program was executed, or could not be.
    ///
    /// The runner is durable before anything is executed. One that could not start is returned as failed.
    ///
    /// # Errors
    /// [`LaunchError`]; then nothing was launched.
    pub async fn launch(&self, request: LaunchRequest) -> Result<RunnerView, LaunchError> {
        let node = self.place(&request.on).await?;
        let here = node == *self.inner.store.instance();
        let config = self.config_of(&request.project.path).await?;
        let now = self.now();
        let mut launch = whole(&config, &request, here)?;
        if here {
            self.fit(&mut launch).await;
        }
        // From here until the launch is kept nobody else may look whether the session is free.
        let resuming = match &request.mode {
            Mode::Resume(session) => {
                let resuming = self.inner.resuming.lock().await;
                self.must_be_free(session).await?;
                Some(resuming)
            }
            Mode::Continue => {
                let resuming = self.inner.resuming.lock().await;
                // What a fresh worktree has nobody knows yet.
                let known = here && request.worktree.is_none();
                if let Some(session) = self.latest(&launch).await.filter(|_| known) {
                    self.must_be_free(&session).await?;
                    launch.session = Some(session);
                }
                // Its file changes while another works: which is the latest is then not sure.
                self.must_be_alone(&launch).await?;
                Some(resuming)
            }
            Mode::New | Mode::Fork(_) => None,
        };
        let worktree = match &request.worktree {
            Some(_) if !here => {
                return Err(invalid(
                    "a worktree can be made only on this node",
                    "launch it here, or run the command on that node",
                ));
            }
            Some(name) => {
                let name = worktree_name(name, request.name.as_ref(), now);
                let environment = self.inner.environment().await;
                let directory = Path::new(&launch.cwd);
                let made = worktree::make(directory, &name, environment).await?;
                launch.cwd = made.cwd.display().to_string();
                launch.worktree = Some(made.path.display().to_string());
                Some(made)
            }
            None => None,
        };
        let limits = self.inner.limits();
        let new = NewRunner {
            id: RunnerId::new(now),
            name: request.name,
            project_id: request.project.id,
            node,
            person: self.inner.person.clone(),
            launch,
            queue: request.queue,
            request_id: request.request_id,
        };
        let applied = match self.inner.store.launch(new, limits, now).await {
            Ok(applied) => applied,
            Err(error) => {
                if matches!(
                    error,
                    StoreError::QuotaFull { .. } | StoreError::BudgetSpent { .. }
                ) {
                    self.inner.changed(Change::Notices);
                }
                if let Some(worktree) = worktree {
                    let environment = self.inner.environment().await;
                    let directory = Path::new(&request.project.path);
                    worktree::take_back(directory, &worktree, environment).await;
                }
                return Err(error.into());
            }
        };
        drop(resuming);
        self.inner.follow(&applied);
        let deadline = Instant::now() + STARTED_WITHIN;
        let settled = |_: &Self, runner: &Runner| runner.state.name() != StateName::Starting;
        Ok(self.wait(applied.runner.id, deadline, settled).await?)
    }

    /// Forgets which session a launch will hold where the installed version cannot be told.
    async fn fit(&self, launch: &mut Launch) {
        let Some(session) = launch.session.as_deref().and_then(|id| id.parse().ok()) else {
            return;
        };
        let Some(version) = self.inner.version_of(launch).await else {
            return;
        };
        let adapter = stratavore_programs::adapter(&launch.program);
        let args = launch.argv.get(1..).unwrap_or_default();
        if let Ok(beginning) = adapter.begin(&launch.mode, session, args) {
            launch.session = beginning.fit(adapter.flags(), Some(&version)).session;
        }
    }

    /// Refuses to go on with a session that a runner holds.
    async fn must_be_free(&self, session: &str) -> Result<(), LaunchError> {
        match self.holder(session).await? {
            None => Ok(()),
            Some(holder) => Err(LaunchError::Held {
                session: session.to_owned(),
                runner: holder.name.to_string(),
            }),
        }
    }

    /// Returns the session that a program would continue, where it can be told by its id to.
    async fn latest(&self, launch: &Launch) -> Option<String> {
        let environment = self.inner.environment().await.variables_of(launch);
        let adapter = stratavore_programs::adapter(&launch.program);
        let home = adapter.home(&stratavore_programs::lookup(&environment))?;
        let directory = PathBuf::from(&launch.cwd);
        let found = tokio::task::spawn_blocking(move || adapter.latest(&home, &directory));
        found.await.ok().flatten()
    }

    /// Refuses to go on with the latest session of a directory while a runner of the same program works there: the latest is
    /// likely its own.
    async fn must_be_alone(&self, launch: &Launch) -> Result<(), LaunchError> {
        let active = self.active_here().await?;
        let other = active.into_iter().find(|runner| {
            runner.launch.program == launch.program && runner.launch.cwd == launch.cwd
        });
        match other {
            None => Ok(()),
            Some(holder) => Err(LaunchError::Held {
                session: "that was used last here".to_owned(),
                runner: holder.name.to_string(),
            }),
        }
    }

    /// Returns the node that a launch is for.
    async fn place(&self, on: &Where) -> Result<InstanceId, LaunchError> {
        let me = self.inner.store.instance();
        let nodes = match on {
            Where::Here => return Ok(me.clone()),
            Where::Node(id) if id == me => return Ok(me.clone()),
            // As they are now: what was seen a moment ago knows not of the launches since.
            _ => self.inner.store.nodes().await?,
        };
        match on {
            Where::Here => Ok(me.clone()),
            Where::Node(id) => match nodes.iter().find(|node| node.id == *id) {
                Some(node) if node.silent.is_none() => Ok(id.clone()),
                Some(node) => Err(invalid(
                    format!(
                        "the node {} has not been heard of for {} s",
                        node.name,
                        node.silent.unwrap_or_default().as_secs()
                    ),
                    "start its host, or launch on another: `stratavore node list`",
                )),
                None => Err(StoreError::NoNode(id.clone()).into()),
            },
            // Where all are full, the quota of this one refuses, and says so.
            Where::LeastLoaded => {
                Ok(least_loaded(&nodes).map_or_else(|| me.clone(), |node| node.id.clone()))
            }
        }
    }

    /// Returns how long a stop of a runner waits before it kills, as its project says.
    pub async fn grace(&self, runner: &Runner) -> Duration {
        self.config_for(runner).await.stop_grace()
    }

    /// Returns the settings in force for a runner: those of its project's directory. What is wrong in the file there keeps
    /// nobody from stopping it, looking on, or being told of it: the user's own hold then.
    pub async fn config_for(&self, runner: &Runner) -> Config {
        let config = self.config_of(&runner.launch.cwd).await;
        config.unwrap_or_else(|_| self.config().clone())
    }

    /// Returns the settings in force in a project's directory: the user's, with the project's file laid over them.
    ///
    /// # Errors
    /// [`BadConfig`] for what is wrong in that file.
    pub async fn config_of(&self, directory: &str) -> Result<Config, BadConfig> {
        match project_file(directory).await {
            Some((path, text)) => self.config().clone().with_project_file(&path, &text),
            None => Ok(self.config().clone()),
        }
    }

    /// Restarts a runner and waits until its program was executed again, or could not be.
    ///
    /// # Errors
    /// As [`stratavore_store::Store::apply`].
    pub async fn restart(&self, id: RunnerId) -> Result<RunnerView, StoreError> {
        let runner = self.inner.store.runner(id).await?.runner;
        let (grace, before) = (self.grace(&runner).await, runner.state.attempt());
        self.apply(id, Input::Restart { grace }).await?;
        let deadline = Instant::now() + grace + STARTED_WITHIN;
        self.wait(id, deadline, |_, runner| {
            let name = runner.state.name();
            (runner.state.attempt() > before && name != StateName::Starting) || name.is_final()
        })
        .await
    }
}

/// Reads a project's own file. Not there, not for us to read, or on a disk that does not answer: there is none, and the user's
/// own settings hold. A launch will name the directory itself.
pub(crate) async fn project_file(directory: &str) -> Option<(PathBuf, String)> {
    let path = Path::new(directory).join(PROJECT_FILE);
    let file = path.clone();
    let read = tokio::task::spawn_blocking(move || file::read(&file, MAX_SETTINGS));
    match tokio::time::timeout(SETTINGS_WITHIN, read).await {
        Ok(Ok(Ok(bytes))) => String::from_utf8(bytes).ok().map(|text| (path, text)),
        _ => None,
    }
}

/// Makes a request whole: fills in what is configured, and refuses what no program can be executed with.
/// `here`: on this machine, of which more is known than of others.
fn whole(config: &Config, request: &LaunchRequest, here: bool) -> Result<Launch, LaunchError> {
    let (program, mut argv) = match &request.words {
        Words::Command(words) if words.first().is_none_or(|word| word.is_empty()) => {
            return Err(invalid("the command is empty", "name a program to run"));
        }
        Words::Command(words) => (program::COMMAND.to_owned(), words.clone()),
        Words::Program(name) => {
            let name = name.as_deref().unwrap_or_else(|| config.default_program());
            let Some(known) = program::find(name) else {
                let names: Vec<&str> = program::PROGRAMS
                    .iter()
                    .map(|program| program.name)
                    .collect();
                return Err(invalid(
                    format!("{name:?} is no known program"),
                    format!(
                        "known are {}; run anything else with --command",
                        names.join(", ")
                    ),
                ));
            };
            let configured = config.program_path(known.name).filter(|_| here);
            let executable = configured.unwrap_or(known.executable);
            (known.name.to_owned(), vec![executable.to_owned()])
        }
    };
    argv.extend(request.args.iter().cloned());
    check_words(&argv)?;
    let beginning = stratavore_programs::adapter(&program)
        .begin(&request.mode, Uuid::new_v4(), &argv[1..])
        .map_err(|unsupported| invalid(unsupported.message, unsupported.hint))?;
    check_variables(&request.env)?;
    if here {
        check_directory(&request.project)?;
    }
    let (columns, rows) = request.size;
    Ok(Launch {
        program,
        argv,
        cwd: match &request.directory {
            Some(directory) => directory.clone(),
            None => request.project.path.clone(),
        },
        mode: request.mode.clone(),
        session: beginning.session,
        worktree: None,
        env: request.env.clone(),
        restart: request.restart.unwrap_or_else(|| config.restart()),
        ceiling: request.ceiling.or_else(|| config.ceiling()),
        keep_descendants: request.keep_descendants,
        history_lines: config.history_lines(),
        record: request.record,
        columns,
        rows,
    })
}

/// Names a worktree: as asked, after the runner, or by the moment.
fn worktree_name(asked: &str, runner: Option<&Name>, now: Timestamp) -> String {
    match (asked, runner) {
        ("", Some(runner)) => runner
            .to_string()
            .chars()
            .map(|c| if c.is_ascii_alphanumeric() { c } else { '-' })
            .collect(),
        ("", None) => now.format("%Y%m%d-%H%M%S-%3f").to_string(),
        (asked, _) => asked.to_owned(),
    }
}

fn check_words(argv: &[String]) -> Result<(), LaunchError> {
    for (index, word) in argv.iter().enumerate() {
        if word.contains('\0') {
            return Err(invalid(
                format!("argument {index} holds a NUL character, which no program can be given"),
                "remove it, or pass the text in a file",
            ));
        }
        if word.len() >= MAX_ARGUMENT {
            return Err(invalid(
                format!(
                    "argument {index} has {} bytes; Linux executes no argument of {MAX_ARGUMENT} or more",
                    word.len()
                ),
                "pass it in a file",
            ));
        }
    }
    let all: usize = argv.iter().map(|word| word.len() + 9).sum();
    if all > MAX_ARGUMENTS {
        return Err(invalid(
            format!(
                "the arguments have {all} bytes in all; at most {MAX_ARGUMENTS} can be executed"
            ),
            "pass them in a file",
        ));
    }
    Ok(())
}

fn check_variables(env: &[(String, String)]) -> Result<(), LaunchError> {
    for (key, value) in env {
        if key.is_empty() || key.contains(['=', '\0']) || key.chars().any(char::is_control) {
            return Err(invalid(
                format!("{key:?} cannot name an environment variable"),
                "use a name of letters, digits and '_'",
            ));
        }
        if value.contains('\0') {
            return Err(invalid(
                format!("the value of the environment variable {key} holds a NUL character"),
                "remove it",
            ));
        }
        let length = key.len() + 1 + value.len();
        if length >= MAX_ARGUMENT {
            return Err(invalid(
                format!(
                    "the environment variable {key} has {length} bytes; Linux executes nothing with one of {MAX_ARGUMENT} or more"
                ),
                "pass it in a file",
            ));
        }
        if key.starts_with("STRATAVORE_RUNNER_") {
            return Err(invalid(
                format!("{key} is set by Stratavore itself, to know the runner's processes by"),
                "choose another name",
            ));
        }
    }
    Ok(())
}

fn check_directory(project: &Project) -> Result<(), LaunchError> {
    let path = &project.path;
    let problem = match std::fs::metadata(path) {
        Ok(metadata) if metadata.is_dir() => return Ok(()),
        Ok(_) => "it is not a directory".to_owned(),
        Err(error) => error.to_string(),
    };
    Err(invalid(
        format!(
            "cannot use {path}, the directory of the project {}: {problem}",
            project.name
        ),
        format!(
            "restore it, or archive the project with `stratavore project archive {}` and add it where it is now",
            project.name
        ),
    ))
}

#[cfg(test)]
mod tests {
    use super::*;
    use stratavore_core::ids::ProjectId;

    fn request(words: Words) -> LaunchRequest {
        let project = Project {
            id: ProjectId::from_uuid(Uuid::from_u128(1)),
            name: Name::new("p").unwrap(),
            path: "/tmp".into(),
            max_runners: None,
            created_at: chrono::DateTime::UNIX_EPOCH,
            archived_at: None,
            revision: 1,
        };
        LaunchRequest {
            project,
            words,
            args: vec![],
            name: None,
            env: vec![],
            restart: None,
            ceiling: None,
            keep_descendants: false,
            record: false,
            mode: Mode::New,
            directory: None,
            worktree: None,
            size: (80, 24),
            on: Where::Here,
            queue: false,
            request_id: None,
        }
    }

    fn refusal(request: &LaunchRequest) -> String {
        whole(&Config::default(), request, true)
            .unwrap_err()
            .to_string()
    }

    #[test]
    fn a_program_is_the_configured_one_with_its_configured_path() {
        let config = Config::default()
            .with_flag("launch.program", "codex")
            .unwrap()
            .with_flag("programs.codex", "/opt/codex")
            .unwrap();
        let mut asked = request(Words::Program(None));
        asked.args = vec!["--x".into()];
        let launch = whole(&config, &asked, true).unwrap();
        assert_eq!(
            (launch.program.as_str(), launch.argv),
            ("codex", vec!["/opt/codex".to_owned(), "--x".to_owned()])
        );
    }

    #[test]
    fn what_cannot_be_executed_is_refused_by_name() {
        let command = |words: &[&str]| {
            request(Words::Command(
                words.iter().map(|w| (*w).to_owned()).collect(),
            ))
        };
        assert!(refusal(&command(&[])).contains("empty"));
        assert!(refusal(&command(&[""])).contains("empty"));
        assert!(refusal(&command(&["a", "b\0"])).contains("argument 1 holds a NUL"));
        assert!(
            refusal(&command(&["a", &"x".repeat(8 << 20)]))
                .contains("argument 1 has 8388608 bytes")
        );
        assert!(refusal(&request(Words::Program(Some("vi".into())))).contains("no known program"));
        for key in ["", "A=B", "A\0", "A\n", "STRATAVORE_RUNNER_ID"] {
            let mut asked = command(&["a"]);
            asked.env = vec![(key.to_owned(), "v".to_owned())];
            assert!(whole(&Config::default(), &asked, true).is_err(), "{key:?}");
        }
        let mut asked = command(&["a"]);
        asked.env = vec![("LONG".to_owned(), "x".repeat(8 << 20))];
        assert!(refusal(&asked).contains("LONG has 8388613 bytes"));
        asked.env = vec![("LONG".to_owned(), "x".repeat(MAX_ARGUMENT - 6))];
        assert!(whole(&Config::default(), &asked, true).is_ok());
        let mut asked = command(&["a"]);
        asked.project.path = "/etc/passwd".into();
        assert!(refusal(&asked).contains("not a directory"));
        asked.project.path = "/nowhere".into();
        assert!(refusal(&asked).contains("/nowhere"));
    }

    #[test]
    fn arguments_with_newlines_are_kept() {
        let asked = request(Words::Command(vec!["a".into(), "b\nc".into()]));
        assert_eq!(
            whole(&Config::default(), &asked, true).unwrap().argv[1],
            "b\nc"
        );
    }
}
