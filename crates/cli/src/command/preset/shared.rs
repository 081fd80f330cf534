//! Presets in the form in which they are shared: a table of each, as `.stratavore.toml` has them.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use stratavore_core::preset::{BadPreset, Preset, resolve};
use stratavore_rpc::v1;

use crate::failure::{Failure, Kind, Result};

/// What a shared preset looks like, for hints.
const FORM: &str = "a preset looks like this: program = \"claude\", and on a line of its own args = [\"--model\", \"opus\"]";

/// Presets by name, each as it was written.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(super) struct Shared {
    presets: BTreeMap<String, toml::Table>,
}

impl Shared {
    /// Takes presets as a host gave them.
    pub(super) fn of(presets: &[v1::Preset]) -> Result<Self> {
        let table = |preset: &v1::Preset| {
            let table = preset.toml.parse().map_err(|error: toml::de::Error| {
                let message = format!(
                    "cannot export {:?}, which is no TOML: {}",
                    preset.name,
                    error.message()
                );
                Failure::new(Kind::Failed, message)
                    .hint("mend it, or export the others by their names")
            })?;
            Ok((preset.name.clone(), table))
        };
        let presets = presets.iter().map(table).collect::<Result<_>>()?;
        Ok(Self { presets })
    }

    /// Renders them as one file.
    pub(super) fn to_toml(&self) -> Result<String> {
        if self.presets.is_empty() {
            return Ok(String::new());
        }
        toml::to_string(self).map_err(|error| {
            Failure::caused(Kind::Internal, "cannot render the presets as TOML", &error)
        })
    }

    /// Reads a file that was exported, or a project's own. `source`: where it is from, for a sentence.
    pub(super) fn parse(text: &str, source: &str) -> Result<Self> {
        let file: toml::Table = text.parse().map_err(|error| no_toml(source, &error))?;
        let presets = match file.get("presets") {
            Some(presets) => presets
                .clone()
                .try_into()
                .map_err(|error: toml::de::Error| {
                    Failure::new(
                        Kind::Usage,
                        format!("{source}: presets: {}", error.message()),
                    )
                    .hint("a preset is a table of its own: [presets.NAME]")
                })?,
            None => BTreeMap::new(),
        };
        if presets.is_empty() {
            return Err(
                Failure::new(Kind::Usage, format!("{source} has no presets"))
                    .hint("it needs a table [presets.NAME]; a single preset is read by `stratavore preset set NAME FILE`"),
            );
        }
        Ok(Self { presets })
    }

    /// Names those that would take the place of another one.
    pub(super) fn taken(&self, mine: &[v1::Preset]) -> Vec<String> {
        let taken = mine.iter().filter(|preset| {
            let same = |table: &toml::Table| {
                preset
                    .toml
                    .parse()
                    .is_ok_and(|mine: toml::Table| mine == *table)
            };
            self.presets
                .get(&preset.name)
                .is_some_and(|table| !same(table))
        });
        taken.map(|preset| preset.name.clone()).collect()
    }

    /// Returns name and text of each, those that others inherit from first; nothing when one of them is wrong. One that inherits from a
    /// preset which is nowhere is not: a project may have it.
    pub(super) fn in_order(
        &self,
        mine: &[v1::Preset],
        source: &str,
    ) -> Result<Vec<(String, String)>> {
        let mut all = BTreeMap::new();
        for preset in mine {
            // One of the person's own that is broken is not what is imported.
            if let Ok(read) = toml::from_str::<Preset>(&preset.toml) {
                all.insert(preset.name.clone(), read);
            }
        }
        let mut texts = BTreeMap::new();
        for (name, table) in &self.presets {
            let text = toml::to_string(table).map_err(|error| {
                Failure::caused(Kind::Internal, "cannot render the preset as TOML", &error)
            })?;
            all.insert(name.clone(), check(name, &text, source)?);
            texts.insert(name.clone(), text);
        }
        for name in texts.keys() {
            match resolve(name, &all) {
                Ok(_) | Err(BadPreset::Unknown(..)) => {}
                Err(error) => return Err(bad(&error, source)),
            }
        }
        let depth = |name: &String| {
            let parent = |name: &String| all.get(name).and_then(|preset| preset.inherits.clone());
            std::iter::successors(parent(name), parent).count()
        };
        let mut ordered: Vec<_> = texts.into_iter().collect();
        ordered.sort_by_key(|(name, _)| depth(name));
        Ok(ordered)
    }
}

/// Reads one preset's own text, or says what is wrong with it.
pub(super) fn check(name: &str, text: &str, source: &str) -> Result<Preset> {
    let table: toml::Table = text.parse().map_err(|error| no_toml(source, &error))?;
    if table.contains_key("presets") {
        return Err(Failure::new(
            Kind::Usage,
            format!("{source} has several presets, each with its name"),
        )
        .hint("read it with `stratavore preset import`"));
    }
    let preset: Preset = table.try_into().map_err(|error: toml::de::Error| {
        let message = format!("{source}: the preset {name:?}: {}", error.message());
        Failure::new(Kind::Usage, message).hint(FORM)
    })?;
    preset.check(name).map_err(|error| bad(&error, source))?;
    Ok(preset)
}

fn bad(error: &BadPreset, source: &str) -> Failure {
    let hint = match error {
        BadPreset::Unknown(..) => "list them with `stratavore preset list`",
        BadPreset::Circle(_) => "let one of them inherit from none",
        BadPreset::Malformed { .. } => FORM,
    };
    Failure::new(Kind::Usage, format!("{source}: {error}")).hint(hint)
}

fn no_toml(source: &str, error: &toml::de::Error) -> Failure {
    let message = format!("{source} is no TOML: {}", error.to_string().trim_end());
    Failure::new(Kind::Usage, message).hint(FORM)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_exported_is_read_back_the_inherited_first() {
        let preset = |name: &str, toml: &str| v1::Preset {
            name: name.into(),
            toml: toml.into(),
            ..v1::Preset::default()
        };
        let presets = [
            preset("a", "inherits = \"base\"\nargs = [\"-x\"]\n"),
            preset("base", "program = \"codex\"\n[env]\nA = \"1 \\\"2\\\"\"\n"),
        ];
        let text = Shared::of(&presets).unwrap().to_toml().unwrap();
        let shared = Shared::parse(&text, "f").unwrap();
        assert!(shared.taken(&presets).is_empty(), "they are the same");
        assert_eq!(shared.taken(&[preset("a", "program = \"codex\"")]), ["a"]);
        let ordered = shared.in_order(&[], "f").unwrap();
        let names: Vec<&str> = ordered.iter().map(|(name, _)| name.as_str()).collect();
        assert_eq!(names, ["base", "a"]);
        let base: Preset = toml::from_str(&ordered[0].1).unwrap();
        assert_eq!(base.env["A"], "1 \"2\"");
    }
}
