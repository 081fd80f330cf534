//! Presets: named launches, of a person or of a project.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// A named launch. What it does not say is said by the one that it inherits from, else by the settings.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Preset {
    /// The preset that says what this one does not.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub inherits: Option<String>,
    /// What it is for, in a few words.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// A known program's name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub program: Option<String>,
    /// A command of its own, instead of a program.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub command: Option<Vec<String>>,
    /// `new` or `continue`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub mode: Option<String>,
    /// Arguments of the program. They replace those inherited.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub args: Option<Vec<String>>,
    /// Variables of its environment, beside those inherited.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub env: BTreeMap<String, String>,
    /// Whether it runs in a fresh git worktree.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub worktree: Option<bool>,
    /// Whether its terminal is recorded.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub record: Option<bool>,
    /// `never` or `on-failure`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub restart: Option<String>,
}

/// Why a preset cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BadPreset {
    /// There is none of that name.
    #[error("there is no preset {0:?}{known}", known = among(.1))]
    Unknown(String, Vec<String>),
    /// One inherits from itself.
    #[error("the presets inherit in a circle: {}", .0.join(" → "))]
    Circle(Vec<String>),
    /// It is not made as it should be.
    #[error("the preset {name:?}: {message}")]
    Malformed {
        /// Which.
        name: String,
        /// What is wrong.
        message: String,
    },
}

fn among(names: &[String]) -> String {
    if names.is_empty() {
        "; make one with `stratavore preset set`".to_owned()
    } else {
        format!("; there are {}", names.join(", "))
    }
}

/// Reads the presets in a project's `.stratavore.toml`: its tables `[presets.NAME]`.
///
/// # Errors
/// What the parser says of the file.
pub fn of_project(text: &str) -> Result<BTreeMap<String, Preset>, String> {
    #[derive(Deserialize)]
    struct File {
        #[serde(default)]
        presets: BTreeMap<String, Preset>,
    }
    toml::from_str::<File>(text)
        .map(|file| file.presets)
        .map_err(|error| error.to_string())
}

/// Makes a preset whole: lays it over all that it inherits from. `presets`: all that may be named here, by name.
///
/// # Errors
/// [`BadPreset`], naming the presets in a circle in their order.
pub fn resolve(name: &str, presets: &BTreeMap<String, Preset>) -> Result<Preset, BadPreset> {
    let mut chain: Vec<&str> = Vec::new();
    let mut next = Some(name);
    let mut layers = Vec::new();
    while let Some(name) = next {
        let Some((name, preset)) = presets.get_key_value(name) else {
            return Err(BadPreset::Unknown(
                name.to_owned(),
                presets.keys().cloned().collect(),
            ));
        };
        if let Some(first) = chain.iter().position(|seen| *seen == name.as_str()) {
            let mut circle: Vec<String> = chain[first..]
                .iter()
                .map(|name| (*name).to_owned())
                .collect();
            circle.push(name.clone());
            return Err(BadPreset::Circle(circle));
        }
        chain.push(name);
        layers.push(preset);
        next = preset.inherits.as_deref();
    }
    let mut whole = Preset::default();
    for layer in layers.into_iter().rev() {
        lay(&mut whole, layer);
    }
    whole.check(name)?;
    Ok(whole)
}

fn lay(under: &mut Preset, over: &Preset) {
    fn take<T: Clone>(under: &mut Option<T>, over: &Option<T>) {
        if over.is_some() {
            under.clone_from(over);
        }
    }
    // A program takes the place of an inherited command, and the reverse.
    if over.program.is_some() {
        under.command = None;
    }
    if over.command.is_some() {
        under.program = None;
    }
    take(&mut under.description, &over.description);
    take(&mut under.program, &over.program);
    take(&mut under.command, &over.command);
    take(&mut under.mode, &over.mode);
    take(&mut under.args, &over.args);
    take(&mut under.worktree, &over.worktree);
    take(&mut under.record, &over.record);
    take(&mut under.restart, &over.restart);
    let env = over.env.iter();
    under
        .env
        .extend(env.map(|(key, value)| (key.clone(), value.clone())));
}

impl Preset {
    /// Tells what is wrong with it by itself.
    ///
    /// # Errors
    /// [`BadPreset::Malformed`].
    pub fn check(&self, name: &str) -> Result<(), BadPreset> {
        let wrong = |message: String| {
            Err(BadPreset::Malformed {
                name: name.to_owned(),
                message,
            })
        };
        if self.program.is_some() && self.command.is_some() {
            return wrong("it has both a program and a command; keep one".to_owned());
        }
        if let Some(program) = &self.program
            && crate::program::find(program).is_none()
        {
            return wrong(format!(
                "{program:?} is no known program; use command for others"
            ));
        }
        for (what, value, words) in [
            ("mode", &self.mode, ["new", "continue"]),
            ("restart", &self.restart, ["never", "on-failure"]),
        ] {
            if let Some(value) = value
                && !words.contains(&value.as_str())
            {
                return wrong(format!(
                    "{what} is {value:?}, but must be one of {}",
                    words.join(", ")
                ));
            }
        }
        Ok(())
    }
}
