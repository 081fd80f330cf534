//! Shows and keeps presets, and lays them under launches.

use std::collections::BTreeMap;

use stratavore_core::preset::{self, BadPreset, Preset};
use stratavore_core::project::Project;
use stratavore_supervisor::Supervisor;

use super::find;
use crate::failure::store_failure;
use crate::{Code, Failure, Result, v1};

/// Presets by name, with whose they are. A project's go before a person's of the same name.
type Named = BTreeMap<String, (&'static str, Preset)>;

async fn all(supervisor: &Supervisor, project: Option<&Project>) -> Result<Named> {
    let person = supervisor.presets().await.map_err(store_failure)?;
    let mut named: Named = person
        .into_iter()
        .map(|(name, preset)| (name, ("person", preset)))
        .collect();
    if let Some(project) = project {
        let presets = supervisor.presets_of(project).await.map_err(|error| {
            Failure::new(Code::BadConfig, error).hint("mend that file of the project")
        })?;
        named.extend(
            presets
                .into_iter()
                .map(|(name, preset)| (name, ("project", preset))),
        );
    }
    Ok(named)
}

fn bare(named: &Named) -> BTreeMap<String, Preset> {
    named
        .iter()
        .map(|(name, (_, preset))| (name.clone(), preset.clone()))
        .collect()
}

pub(super) async fn list(
    supervisor: &Supervisor,
    request: v1::ListPresetsRequest,
) -> Result<v1::Presets> {
    let project = match &request.project {
        Some(reference) => Some(find::project(supervisor, reference).await?),
        None => None,
    };
    let named = all(supervisor, project.as_ref()).await?;
    let presets = bare(&named);
    let shown = named
        .iter()
        .map(|(name, (of, preset))| show(name, of, preset, &presets));
    Ok(v1::Presets {
        presets: shown.collect(),
    })
}

fn show(name: &str, of: &str, preset: &Preset, presets: &BTreeMap<String, Preset>) -> v1::Preset {
    let whole = preset::resolve(name, presets);
    let problem = whole.as_ref().err().map(ToString::to_string);
    let whole = whole.unwrap_or_default();
    v1::Preset {
        name: name.to_owned(),
        of: of.to_owned(),
        toml: toml::to_string(preset).unwrap_or_default(),
        program: whole.program,
        command: whole.command.unwrap_or_default(),
        args: whole.args.unwrap_or_default(),
        mode: whole.mode,
        worktree: whole.worktree.unwrap_or_default(),
        description: preset.description.clone(),
        inherits: preset.inherits.clone(),
        problem,
    }
}

pub(super) async fn save(
    supervisor: &Supervisor,
    request: v1::SavePresetRequest,
) -> Result<v1::Preset> {
    let name = super::name(request.name)?.to_string();
    let preset: Preset = toml::from_str(&request.toml).map_err(|error| {
        Failure::new(
            Code::Invalid,
            format!("the preset {name:?} is not written as one: {error}"),
        )
        .hint("its keys are inherits, description, program, command, mode, args, env, worktree, record, restart")
    })?;
    let mut presets = bare(&all(supervisor, None).await?);
    presets.insert(name.clone(), preset.clone());
    preset.check(&name).map_err(failure)?;
    // One that inherits from a project's preset can be kept; in a circle none can.
    if let Err(circle @ BadPreset::Circle(_)) = preset::resolve(&name, &presets) {
        return Err(failure(circle));
    }
    supervisor
        .put_preset(&name, preset.clone())
        .await
        .map_err(store_failure)?;
    Ok(show(&name, "person", &preset, &presets))
}

pub(super) async fn remove(supervisor: &Supervisor, request: v1::PresetRef) -> Result<()> {
    supervisor
        .remove_preset(&request.name)
        .await
        .map_err(store_failure)
}

/// Lays a preset under a launch: what the request itself says goes before it.
pub(super) async fn lay_under(
    supervisor: &Supervisor,
    project: &Project,
    mut request: v1::LaunchRequest,
) -> Result<v1::LaunchRequest> {
    let Some(name) = request.preset.take() else {
        return Ok(request);
    };
    let presets = bare(&all(supervisor, Some(project)).await?);
    let preset = preset::resolve(&name, &presets).map_err(failure)?;
    if request.program.is_none() && request.command.is_empty() {
        request.program = preset.program;
        request.command = preset.command.unwrap_or_default();
    }
    if request.args.is_empty() {
        request.args = preset.args.unwrap_or_default();
    }
    for (key, value) in preset.env {
        if !request.env.iter().any(|variable| variable.key == key) {
            request.env.push(v1::EnvVar { key, value });
        }
    }
    if request.resume.is_none() && request.fork.is_none() {
        request.continue_last |= preset.mode.as_deref() == Some("continue");
    }
    if request.worktree.is_none() && preset.worktree == Some(true) {
        request.worktree = Some(String::new());
    }
    request.record |= preset.record.unwrap_or_default();
    if request.restart.is_none() {
        request.restart = preset.restart.map(|policy| v1::RestartPolicy {
            policy,
            max_attempts: None,
        });
    }
    Ok(request)
}

fn failure(error: BadPreset) -> Failure {
    let code = match &error {
        BadPreset::Unknown(..) => Code::NotFound,
        BadPreset::Circle(_) | BadPreset::Malformed { .. } => Code::Invalid,
    };
    let hint = match &error {
        BadPreset::Unknown(..) => "list them with `stratavore preset list`",
        BadPreset::Circle(_) => "let one of them inherit from none",
        BadPreset::Malformed { .. } => "see docs/presets.md for their form",
    };
    Failure::new(code, error.to_string()).hint(hint)
}
