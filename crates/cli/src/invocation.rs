//! What one call of the program knows: its flags, its environment, where things are.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::path::PathBuf;

use chrono::{DateTime, Utc};
use stratavore_core::clock::{Clock, SystemClock};
use stratavore_core::config::Config;
use stratavore_core::places::Places;

use crate::args::Global;
use crate::failure::{Failure, Kind, Result};
use crate::host::{Host, Start};
use crate::output::Output;
use crate::terminal::tty::Tty;
use crate::terminal::unusable;

/// One call of the program.
#[derive(Debug)]
pub(crate) struct Invocation {
    pub(crate) output: Output,
    pub(crate) env: BTreeMap<String, String>,
    start: Start,
    /// The user's terminal, if it is open already.
    tty: RefCell<Option<Tty>>,
}

impl Invocation {
    pub(crate) fn new(global: Global, tty: Option<Tty>) -> Self {
        // Variables that are not UTF-8 are none that Stratavore reads.
        let env = std::env::vars_os()
            .filter_map(|(key, value)| Some((key.into_string().ok()?, value.into_string().ok()?)))
            .collect();
        let start = if global.no_start {
            Start::Refused
        } else {
            Start::Allowed
        };
        Self {
            output: Output::new(global.json),
            env,
            start,
            tty: RefCell::new(tty),
        }
    }

    /// Gives the user's terminal, opening it where it is not open already.
    pub(crate) fn tty(&self) -> Result<Tty> {
        match self.tty.take() {
            Some(tty) => Ok(tty),
            None => Tty::open().map_err(|error| unusable(&error)),
        }
    }

    pub(crate) fn now(&self) -> DateTime<Utc> {
        SystemClock.now()
    }

    pub(crate) fn places(&self) -> Result<Places> {
        Ok(Places::from_env(&self.env)?)
    }

    /// Reaches the host, starting one when none runs and that is allowed.
    pub(crate) async fn host(&self) -> Result<Host> {
        let places = self.places()?;
        Host::reach(&places, self.start, || self.config(&places, None).map(drop)).await
    }

    /// Reaches the host if one runs.
    pub(crate) async fn running_host(&self) -> Result<Host> {
        Host::reach(&self.places()?, Start::Refused, || Ok(())).await
    }

    /// Reads the settings without a host, as a host started now would.
    pub(crate) fn config(&self, places: &Places, project: Option<&PathBuf>) -> Result<Config> {
        let mut config = Config::default();
        if let Some(text) = read(&places.config_file)? {
            config = config.with_user_file(&places.config_file, &text)?;
        }
        if let Some(directory) = project {
            let file = directory.join(".stratavore.toml");
            if let Some(text) = read(&file)? {
                config = config.with_project_file(&file, &text)?;
            }
        }
        Ok(config.with_env(&self.env)?)
    }
}

fn read(path: &PathBuf) -> Result<Option<String>> {
    match std::fs::read_to_string(path) {
        Ok(text) => Ok(Some(text)),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(Failure::caused(
            Kind::BadConfig,
            format!("cannot read {}", path.display()),
            &error,
        )
        .hint("make it a readable text file, or remove it")),
    }
}
