//! Settings: what may be set, where each value came from, and what is wrong with one.
//!
//! Layers, the later over the earlier: defaults, the user's `stratavore.toml`, a project's `.stratavore.toml`, the
//! environment (`STRATAVORE_STOP_GRACE_SECONDS` for `stop.grace_seconds`), flags. A file's unknown key or bad value is
//! refused with its file, line, and what is allowed.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use toml::de::{DeTable, DeValue};

mod agents;
mod settings;

pub use agents::QuietHours;
pub use settings::{SETTINGS, Spec};

use settings::{AMQP, POSTGRES};

use crate::launch::{Ceiling, CeilingAction, HISTORY_LINES, RestartPolicy};
use crate::server_url::ServerUrl;
use crate::usage::NanoUsd;

/// What a setting may hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// `true` or `false`.
    Bool,
    /// A whole number between two bounds, both included.
    Number {
        /// The least.
        min: u64,
        /// The most.
        max: u64,
    },
    /// Any text.
    Text,
    /// An absolute path.
    Path,
    /// An amount of money, in US dollars.
    Dollars,
    /// From one time of day to another.
    Hours,
    /// One of some words.
    Word(&'static [&'static str]),
    /// The address of a server, of one of these schemes. It may hold a password, and is never shown with it.
    Server(&'static [&'static str]),
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Bool => f.write_str("true or false"),
            Self::Number { min, max: u64::MAX } => write!(f, "a whole number of at least {min}"),
            Self::Number { min, max } => write!(f, "a whole number from {min} to {max}"),
            Self::Text => f.write_str("a text"),
            Self::Path => f.write_str("an absolute path"),
            Self::Dollars => f.write_str("US dollars, such as 2.50"),
            Self::Hours => f.write_str("two times of day, such as 22:00-07:00"),
            Self::Word(words) => write!(f, "one of {}", words.join(", ")),
            Self::Server(schemes) => write!(
                f,
                "the address of a server, {}://USER:PASSWORD@HOST/NAME",
                schemes[0]
            ),
        }
    }
}

/// Where a value came from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Source {
    /// Nothing sets it.
    Default,
    /// A line of a file.
    File(PathBuf, usize),
    /// An environment variable.
    Env(String),
    /// The command line.
    Flag,
}

impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Default => f.write_str("default"),
            Self::File(path, line) => write!(f, "{}:{line}", path.display()),
            Self::Env(variable) => f.write_str(variable),
            Self::Flag => f.write_str("flag"),
        }
    }
}

/// What is wrong with a setting.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BadConfig {
    /// The file is no TOML.
    #[error("{file}:{line}: {message}", file = file.display())]
    Syntax {
        /// Which file.
        file: PathBuf,
        /// Which line, from 1.
        line: usize,
        /// What the parser says.
        message: String,
    },
    /// No such setting.
    #[error("{source_}: unknown setting {key:?}; allowed: {allowed}")]
    UnknownKey {
        /// Where.
        source_: Source,
        /// What.
        key: String,
        /// What there is.
        allowed: String,
    },
    /// A value that the setting does not take.
    #[error("{source_}: {key} is {value}, but must be {allowed}")]
    BadValue {
        /// Where.
        source_: Source,
        /// Which setting.
        key: &'static str,
        /// What it was set to.
        value: String,
        /// What it may be.
        allowed: Kind,
    },
    /// A setting of the user's alone.
    #[error("{source_}: {key} cannot be set by a project; set it in the user's stratavore.toml")]
    NotInProject {
        /// Where.
        source_: Source,
        /// Which setting.
        key: &'static str,
    },
}

/// The settings in force, with their sources.
#[derive(Clone)]
pub struct Config {
    values: BTreeMap<&'static str, (String, Source)>,
}

impl fmt::Debug for Config {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.list()).finish()
    }
}

impl Default for Config {
    fn default() -> Self {
        let values = SETTINGS
            .iter()
            .map(|spec| (spec.key, (spec.default.to_owned(), Source::Default)))
            .collect();
        Self { values }
    }
}

impl Config {
    /// Lays the user's file over the defaults.
    ///
    /// # Errors
    /// [`BadConfig`] for the first thing wrong in it.
    pub fn with_user_file(self, path: &Path, text: &str) -> Result<Self, BadConfig> {
        self.with_file(path, text, false)
    }

    /// Lays a project's file over what is there.
    ///
    /// # Errors
    /// [`BadConfig`] for the first thing wrong in it, or for a setting that is the user's alone.
    pub fn with_project_file(self, path: &Path, text: &str) -> Result<Self, BadConfig> {
        self.with_file(path, text, true)
    }

    fn with_file(mut self, path: &Path, text: &str, project: bool) -> Result<Self, BadConfig> {
        let table = DeTable::parse(text).map_err(|error| BadConfig::Syntax {
            file: path.to_owned(),
            line: line_of(text, error.span().map_or(0, |span| span.start)),
            message: error.message().to_owned(),
        })?;
        for (name, value) in table.get_ref() {
            // A project's named launches stand in the same file, and are read by `preset::of_project`.
            if project && name.get_ref() == "presets" {
                continue;
            }
            let source = Source::File(path.to_owned(), line_of(text, name.span().start));
            match value.get_ref() {
                DeValue::Table(inner) => {
                    for (key, value) in inner {
                        let source = Source::File(path.to_owned(), line_of(text, key.span().start));
                        let full = format!("{}.{}", name.get_ref(), key.get_ref());
                        self.set(&full, &scalar(value.get_ref()), source, project)?;
                    }
                }
                other => self.set(name.get_ref(), &scalar(other), source, project)?,
            }
        }
        Ok(self)
    }

    /// Lays the environment over what is there. Variables that name no setting are not ours to judge, except that
    /// only known ones are read.
    ///
    /// # Errors
    /// [`BadConfig::BadValue`] for the first value that its setting does not take.
    pub fn with_env(mut self, env: &BTreeMap<String, String>) -> Result<Self, BadConfig> {
        for spec in SETTINGS {
            let variable = variable(spec.key);
            if let Some(value) = env.get(&variable).filter(|value| !value.is_empty()) {
                self.set(spec.key, value, Source::Env(variable), false)?;
            }
        }
        Ok(self)
    }

    /// Sets one value, as a flag does.
    ///
    /// # Errors
    /// [`BadConfig`] when there is no such setting, or it does not take the value.
    pub fn with_flag(mut self, key: &str, value: &str) -> Result<Self, BadConfig> {
        self.set(key, value, Source::Flag, false)?;
        Ok(self)
    }

    fn set(
        &mut self,
        key: &str,
        value: &str,
        source: Source,
        project: bool,
    ) -> Result<(), BadConfig> {
        let Some(spec) = SETTINGS.iter().find(|spec| spec.key == key) else {
            let allowed: Vec<&str> = SETTINGS
                .iter()
                .filter(|spec| !project || spec.in_project)
                .map(|spec| spec.key)
                .collect();
            return Err(BadConfig::UnknownKey {
                source_: source,
                key: key.to_owned(),
                allowed: allowed.join(", "),
            });
        };
        if project && !spec.in_project {
            return Err(BadConfig::NotInProject {
                source_: source,
                key: spec.key,
            });
        }
        let fits = match spec.kind {
            Kind::Bool => matches!(value, "true" | "false"),
            Kind::Number { min, max } => {
                value.parse::<u64>().is_ok_and(|n| (min..=max).contains(&n))
            }
            Kind::Text => true,
            Kind::Path => Path::new(value).is_absolute(),
            Kind::Dollars => NanoUsd::parse(value).is_some(),
            Kind::Hours => QuietHours::parse(value).is_some(),
            Kind::Word(words) => words.contains(&value),
            Kind::Server(schemes) => ServerUrl::new(value, schemes).is_some(),
        };
        if !fits {
            return Err(BadConfig::BadValue {
                source_: source,
                key: spec.key,
                value: format!("{:?}", shown(spec.kind, value)),
                allowed: spec.kind,
            });
        }
        self.values.insert(spec.key, (value.to_owned(), source));
        Ok(())
    }

    /// Lists every setting with its value (empty: not set; without any password) and its source, by key.
    pub fn list(&self) -> impl Iterator<Item = (&'static str, Cow<'_, str>, &Source)> {
        SETTINGS.iter().filter_map(|spec| {
            let (value, source) = self.values.get(spec.key)?;
            Some((spec.key, shown(spec.kind, value), source))
        })
    }

    fn text(&self, key: &str) -> Option<&str> {
        self.values
            .get(key)
            .map(|(value, _)| value.as_str())
            .filter(|value| !value.is_empty())
    }

    fn number(&self, key: &str) -> Option<u64> {
        self.text(key).and_then(|value| value.parse().ok())
    }

    fn count(&self, key: &str) -> Option<u32> {
        self.number(key).and_then(|n| u32::try_from(n).ok())
    }

    fn seconds(&self, key: &str) -> Duration {
        Duration::from_secs(self.number(key).unwrap_or_default())
    }

    fn flag(&self, key: &str) -> bool {
        self.text(key) == Some("true")
    }

    fn server(&self, key: &str, schemes: &[&str]) -> Option<ServerUrl> {
        self.text(key).and_then(|url| ServerUrl::new(url, schemes))
    }

    /// The database that several machines share, if there is one.
    #[must_use]
    pub fn store_url(&self) -> Option<ServerUrl> {
        self.server("store.url", POSTGRES)
    }

    /// The broker that events are published to, if there is one.
    #[must_use]
    pub fn broker_url(&self) -> Option<ServerUrl> {
        self.server("broker.url", AMQP)
    }

    /// What this machine is called among several, where that is set.
    #[must_use]
    pub fn node_name(&self) -> Option<&str> {
        self.text("node.name")
    }

    /// The program a launch runs when none is named.
    #[must_use]
    pub fn default_program(&self) -> &str {
        self.text("launch.program").unwrap_or("claude")
    }

    /// Where a known program is, instead of what PATH says.
    #[must_use]
    pub fn program_path(&self, program: &str) -> Option<&str> {
        self.text(&format!("programs.{program}"))
    }

    /// What a launch does on failure when it does not say.
    #[must_use]
    pub fn restart(&self) -> RestartPolicy {
        match self.text("launch.restart") {
            Some("on-failure") => self.on_failure(None),
            _ => RestartPolicy::Never,
        }
    }

    /// The policy that `--restart on-failure` means.
    #[must_use]
    pub fn on_failure(&self, max_attempts: Option<u32>) -> RestartPolicy {
        RestartPolicy::OnFailure {
            max_attempts: max_attempts
                .or_else(|| self.count("restart.max_attempts"))
                .unwrap_or(5),
            backoff_ms: self.number("restart.backoff_seconds").unwrap_or(1) * 1000,
        }
    }

    /// The ceiling of a launch that sets none.
    #[must_use]
    pub fn ceiling(&self) -> Option<Ceiling> {
        let memory_bytes = self
            .number("ceiling.memory_mb")
            .map(|mb| mb.saturating_mul(1 << 20));
        let cpu_percent = self.count("ceiling.cpu_percent");
        if memory_bytes.is_none() && cpu_percent.is_none() {
            return None;
        }
        Some(Ceiling {
            memory_bytes,
            cpu_percent,
            action: self.ceiling_action(),
        })
    }

    /// What happens above a ceiling when the launch does not say.
    #[must_use]
    pub fn ceiling_action(&self) -> CeilingAction {
        match self.text("ceiling.action") {
            Some("pause") => CeilingAction::Pause,
            Some("stop") => CeilingAction::Stop,
            _ => CeilingAction::Notify,
        }
    }

    /// Runners that may be active on this machine at once.
    #[must_use]
    pub fn max_runners(&self) -> Option<u32> {
        self.count("quota.max_runners")
    }

    /// Runners that may be active in a project that sets no limit of its own.
    #[must_use]
    pub fn project_max_runners(&self) -> Option<u32> {
        self.count("quota.project_max_runners")
    }

    /// How long a stop waits before it kills.
    #[must_use]
    pub fn stop_grace(&self) -> Duration {
        self.seconds("stop.grace_seconds")
    }

    /// How often an agent reports.
    #[must_use]
    pub fn heartbeat_interval(&self) -> Duration {
        self.seconds("heartbeat.interval_seconds")
    }

    /// Lines kept of what scrolled off.
    #[must_use]
    pub fn history_lines(&self) -> u32 {
        self.count("history.lines").unwrap_or(HISTORY_LINES)
    }

    /// Whether runners get the login shell's environment.
    #[must_use]
    pub fn capture_environment(&self) -> bool {
        self.flag("environment.capture")
    }

    /// How long the login shell may take to tell its environment.
    #[must_use]
    pub fn environment_timeout(&self) -> Duration {
        self.seconds("environment.timeout_seconds")
    }

    /// After how long without clients and runners a `stratavored` that a client started ends itself.
    #[must_use]
    pub fn daemon_idle(&self) -> Duration {
        Duration::from_secs(self.number("daemon.idle_minutes").unwrap_or(10) * 60)
    }

    /// Whether the desktop shows notifications.
    #[must_use]
    pub fn notifications(&self) -> bool {
        self.flag("notifications.enabled")
    }

    /// What becomes of a program's writing to the clipboard: `ask`, `allow` or `refuse`.
    #[must_use]
    pub fn terminal_clipboard(&self) -> &str {
        self.text("terminal.clipboard").unwrap_or("ask")
    }

    /// What becomes of a program's own notifications: `show` or `ignore`.
    #[must_use]
    pub fn terminal_notifications(&self) -> &str {
        self.text("terminal.notifications").unwrap_or("show")
    }

    /// Who launches from here and is told what became of it: what is set, or the name of the user.
    #[must_use]
    pub fn person(&self, env: &BTreeMap<String, String>) -> String {
        let named = |name| env.get(name).filter(|value| !value.is_empty());
        self.text("person")
            .or_else(|| named("USER").map(String::as_str))
            .or_else(|| named("LOGNAME").map(String::as_str))
            .unwrap_or("somebody")
            .to_owned()
    }

    /// How much the hosts' logs say.
    #[must_use]
    pub fn log_level(&self) -> &str {
        self.text("log.level").unwrap_or("info")
    }
}

/// Tells whether a variable may hold a password of Stratavore's own, which is no program's business.
#[must_use]
pub fn holds_password(name: &str) -> bool {
    SETTINGS
        .iter()
        .filter(|spec| matches!(spec.kind, Kind::Server(_)))
        .any(|spec| variable(spec.key) == name)
}

/// Returns the environment variable that sets a key.
#[must_use]
pub fn variable(key: &str) -> String {
    format!("STRATAVORE_{}", key.replace('.', "_").to_uppercase())
}

/// Gives a value as it may be shown.
fn shown(kind: Kind, value: &str) -> Cow<'_, str> {
    match kind {
        Kind::Server(_) => ServerUrl::redact(value).into(),
        _ => value.into(),
    }
}

fn line_of(text: &str, offset: usize) -> usize {
    text.as_bytes()[..offset.min(text.len())]
        .iter()
        .filter(|byte| **byte == b'\n')
        .count()
        + 1
}

fn scalar(value: &DeValue<'_>) -> String {
    match value {
        DeValue::String(text) => text.to_string(),
        DeValue::Integer(number) => {
            i128::from_str_radix(&number.as_str().replace('_', ""), number.radix())
                .map_or_else(|_| number.as_str().to_owned(), |number| number.to_string())
        }
        DeValue::Float(number) => number.as_str().to_owned(),
        DeValue::Boolean(value) => value.to_string(),
        DeValue::Datetime(value) => value.to_string(),
        DeValue::Array(_) => "an array".to_owned(),
        DeValue::Table(_) => "a table".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn user(text: &str) -> Result<Config, BadConfig> {
        Config::default().with_user_file(Path::new("/c/stratavore.toml"), text)
    }

    #[test]
    fn ten_thousand_lines_are_kept_unless_a_person_says_otherwise() {
        assert_eq!(Config::default().history_lines(), 10_000);
        let config = user("[history]\nlines = 50\n").unwrap();
        assert_eq!(config.history_lines(), 50);
    }

    #[test]
    fn every_default_is_a_value_that_its_setting_takes() {
        for spec in SETTINGS.iter().filter(|spec| !spec.default.is_empty()) {
            Config::default().with_flag(spec.key, spec.default).unwrap();
        }
        let mut keys: Vec<&str> = SETTINGS.iter().map(|spec| spec.key).collect();
        keys.sort_unstable();
        keys.dedup();
        assert_eq!(keys.len(), SETTINGS.len());
    }

    #[test]
    fn later_layers_win_and_sources_are_told() {
        let env = BTreeMap::from([("STRATAVORE_STOP_GRACE_SECONDS".to_owned(), "7".to_owned())]);
        let config = user("[stop]\ngrace_seconds = 3\n[quota]\nmax_runners = 0x10\n")
            .unwrap()
            .with_project_file(
                Path::new("/p/.stratavore.toml"),
                "[launch]\nprogram = \"codex\"\n",
            )
            .unwrap()
            .with_env(&env)
            .unwrap();
        assert_eq!(config.stop_grace(), Duration::from_secs(7));
        assert_eq!(config.max_runners(), Some(16));
        let sources: BTreeMap<&str, String> = config
            .list()
            .map(|(key, _, source)| (key, source.to_string()))
            .collect();
        assert_eq!(
            sources["stop.grace_seconds"],
            "STRATAVORE_STOP_GRACE_SECONDS"
        );
        assert_eq!(sources["quota.max_runners"], "/c/stratavore.toml:4");
        assert_eq!(sources["launch.program"], "/p/.stratavore.toml:2");
        assert_eq!(sources["log.level"], "default");
    }

    #[test]
    fn a_bad_line_is_named_with_what_is_allowed() {
        for (text, part) in [
            (
                "\n[stop]\ngrace = 3",
                "/c/stratavore.toml:3: unknown setting \"stop.grace\"; allowed: attention.permission_wait_seconds, attention.stalled_minutes,",
            ),
            (
                "[stop]\ngrace_seconds = -1",
                "stratavore.toml:2: stop.grace_seconds is \"-1\", but must be a whole number from 0 to 3600",
            ),
            (
                "[launch]\nprogram = 'vi'",
                "must be one of claude, codex, gemini, opencode",
            ),
            ("[stop]\ngrace_seconds = [1]", "is \"an array\""),
            ("stop = 3", "unknown setting \"stop\""),
            ("[stop\n", "/c/stratavore.toml:1: "),
            (
                "[programs]\nclaude = 'bin/claude'",
                "must be an absolute path",
            ),
        ] {
            let error = user(text).unwrap_err().to_string();
            assert!(
                error.contains(part),
                "{text:?} gave {error:?}, which lacks {part:?}"
            );
        }
    }

    #[test]
    fn a_project_cannot_set_what_is_the_users() {
        let error = Config::default()
            .with_project_file(Path::new("/p/.stratavore.toml"), "[log]\nlevel = 'debug'")
            .unwrap_err();
        assert!(
            matches!(
                error,
                BadConfig::NotInProject {
                    key: "log.level",
                    ..
                }
            ),
            "{error}"
        );
    }

    #[test]
    fn a_password_is_in_no_list_and_no_error() {
        let config = user("[store]\nurl = 'postgres://ann:s3cret@db/team'").unwrap();
        assert!(config.store_url().unwrap().expose().contains("s3cret"));
        let listed = format!("{config:?} {:?}", config.list().collect::<Vec<_>>());
        assert!(
            listed.contains("ann:…@db") && !listed.contains("s3cret"),
            "{listed}"
        );
        let error = user("[store]\nurl = 'mysql://ann:s3cret@db/team'").unwrap_err();
        let told = format!("{error} {error:?}");
        assert!(
            told.contains("postgres://USER") && !told.contains("s3cret"),
            "{told}"
        );
        let error = user("[store]\nurl = 'postgres://ann:s3cret@db").unwrap_err();
        assert!(!format!("{error:?}").contains("s3cret"), "{error}");
    }

    proptest::proptest! {
        #[test]
        fn no_text_makes_it_panic(text in "\\PC{0,200}") {
            let _ = user(&text);
        }

        #[test]
        fn no_toml_like_text_makes_it_panic(lines in proptest::collection::vec("(\\[?[a-z._]{0,9}\\]?( = ('|\"|\\[)?[a-z0-9_\\-.]{0,6}('|\"|\\])?)?)", 0..12)) {
            let _ = user(&lines.join("\n"));
        }
    }
}
