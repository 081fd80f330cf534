//! `stratavore preset`.

mod shared;

use std::io::Read;

use serde_json::json;
use stratavore_core::preset::Preset;
use stratavore_rpc::v1;

use self::shared::Shared;
use super::status;
use crate::args::{PresetCommand, PresetSetArgs, Written};
use crate::failure::{Failure, Kind, Result};
use crate::host::Host;
use crate::invocation::Invocation;
use crate::output::names;
use crate::runner::rows_text;
use crate::table::{Side, Table};
use crate::text::{printable, printable_lines};

/// The word for a preset that a project's file has.
const OF_PROJECT: &str = "project";

pub(super) async fn run(call: &Invocation, command: PresetCommand) -> Result {
    match command {
        PresetCommand::List { project } => {
            let mut host = call.host().await?;
            let presets = presets(&mut host, project).await?;
            status::age(call, &mut host).await;
            call.output.data(&presets, |presets| list(call, presets))
        }
        PresetCommand::Show { name, project } => {
            let mut host = call.host().await?;
            let presets = presets(&mut host, project).await?;
            status::age(call, &mut host).await;
            let preset = find(presets, &name)?;
            call.output.data(&preset, card)
        }
        PresetCommand::Set(args) => set(call, *args).await,
        PresetCommand::Remove { name } => {
            let mut host = call.host().await?;
            let request = v1::PresetRef { name: name.clone() };
            host.ask(async |client| client.remove_preset(request).await)
                .await?;
            call.output.data(&json!({ "removed": name }), |_| {
                call.output.note(format!("removed the preset {name}"));
                String::new()
            })
        }
        PresetCommand::Export { names, project } => export(call, names, project).await,
        PresetCommand::Import { file, replace } => import(call, &file, replace).await,
    }
}

async fn presets(host: &mut Host, project: Option<String>) -> Result<Vec<v1::Preset>> {
    let request = v1::ListPresetsRequest { project };
    Ok(host
        .ask(async |client| client.list_presets(request).await)
        .await?
        .presets)
}

/// Finds a preset by name; a project's own goes before the person's.
fn find(presets: Vec<v1::Preset>, name: &str) -> Result<v1::Preset> {
    let known = names(presets.iter().map(|preset| preset.name.as_str()));
    let named = presets.into_iter().filter(|preset| preset.name == name);
    named
        .max_by_key(|preset| preset.of == OF_PROJECT)
        .ok_or_else(|| unknown(name, &known))
}

fn unknown(name: &str, known: &str) -> Failure {
    let failure = Failure::new(Kind::NotFound, format!("there is no preset {name:?}"));
    failure.hint(match known {
        "" => {
            "make one with `stratavore preset set`; a project's own are shown with --project".into()
        }
        known => format!("there are {known}; a project's own are shown with --project"),
    })
}

fn list(call: &Invocation, presets: &[v1::Preset]) -> String {
    if presets.is_empty() {
        call.output
            .note("no presets; make one with `stratavore preset set`");
        return String::new();
    }
    let mut table = Table::new(&[
        ("NAME", Side::Left),
        ("OF", Side::Left),
        ("INHERITS", Side::Left),
        ("RUNS", Side::Left),
        ("DESCRIPTION", Side::Left),
    ]);
    for preset in presets {
        let description = match &preset.problem {
            Some(problem) => format!("cannot be used: {problem}"),
            None => preset.description.clone().unwrap_or_default(),
        };
        table.row([
            preset.name.clone(),
            preset.of.clone(),
            preset.inherits.clone().unwrap_or_default(),
            runs(preset),
            description,
        ]);
    }
    table.render(call.output.stdout)
}

/// Tells what a launch by it runs.
fn runs(preset: &v1::Preset) -> String {
    let program = preset.program.iter().chain(&preset.command);
    shell_words::join(program.chain(&preset.args))
}

fn card(preset: &v1::Preset) -> String {
    let mut text = rows_text(&[
        ("name", preset.name.clone()),
        ("of", preset.of.clone()),
        (
            "description",
            preset.description.clone().unwrap_or_default(),
        ),
        ("inherits", preset.inherits.clone().unwrap_or_default()),
        ("runs", runs(preset)),
        ("mode", preset.mode.clone().unwrap_or_default()),
        (
            "worktree",
            if preset.worktree {
                "a fresh one".to_owned()
            } else {
                String::new()
            },
        ),
        (
            "problem",
            preset
                .problem
                .as_ref()
                .map(|problem| format!("it cannot be used: {problem}"))
                .unwrap_or_default(),
        ),
    ]);
    text.push_str("\nAs it was written:\n");
    for line in preset.toml.lines() {
        text.push_str(&format!("  {}\n", printable(line)));
    }
    text
}

async fn set(call: &Invocation, args: PresetSetArgs) -> Result {
    let PresetSetArgs {
        name,
        file,
        written,
    } = args;
    let flags = text_of(&written)?;
    let (toml, source) = match (file, flags.is_empty()) {
        (Some(file), true) => (read(&file)?, shown_source(&file)),
        (None, false) => (flags, "the command line".to_owned()),
        (Some(_), false) => {
            let message = "a preset is read from a file or written as flags, not both";
            return Err(Failure::new(Kind::Usage, message).hint("leave one of them out"));
        }
        (None, true) => {
            let message = format!("nothing is said of the preset {name:?}");
            return Err(Failure::new(Kind::Usage, message)
                .hint("name a file, - for stdin, or flags such as --program and --inherits"));
        }
    };
    shared::check(&name, &toml, &source)?;
    let mut host = call.host().await?;
    let request = v1::SavePresetRequest { name, toml };
    let preset = host
        .ask(async |client| client.save_preset(request).await)
        .await?;
    call.output.data(&preset, |preset| {
        let name = &preset.name;
        call.output.note(match &preset.problem {
            Some(problem) => format!("set {name}, but it cannot be used: {problem}"),
            None => {
                format!("set {name}; launch by it with `stratavore launch PROJECT --preset {name}`")
            }
        });
        String::new()
    })
}

/// Renders flags as a preset.
fn text_of(written: &Written) -> Result<String> {
    let some = |set: bool| set.then_some(true);
    let preset = Preset {
        inherits: written.inherits.clone(),
        description: written.description.clone(),
        program: written.program.clone(),
        command: written.command.clone().map(|words| words.0),
        mode: written.mode.map(|mode| mode.as_str().to_owned()),
        args: (!written.args.is_empty()).then(|| written.args.clone()),
        env: written
            .env
            .iter()
            .map(|variable| (variable.key.clone(), variable.value.clone()))
            .collect(),
        worktree: some(written.worktree),
        record: some(written.record),
        restart: written.restart.map(|restart| restart.as_str().to_owned()),
    };
    toml::to_string(&preset).map_err(|error| {
        Failure::caused(Kind::Internal, "cannot render the preset as TOML", &error)
    })
}

async fn export(call: &Invocation, wanted: Vec<String>, project: Option<String>) -> Result {
    let of_project = project.is_some();
    let mut presets = presets(&mut call.host().await?, project).await?;
    presets.retain(|preset| (preset.of == OF_PROJECT) == of_project);
    if let Some(missing) = wanted
        .iter()
        .find(|name| presets.iter().all(|preset| preset.name != **name))
    {
        let known = names(presets.iter().map(|preset| preset.name.as_str()));
        return Err(unknown(missing, &known));
    }
    presets.retain(|preset| wanted.is_empty() || wanted.contains(&preset.name));
    let text = Shared::of(&presets)?.to_toml()?;
    if presets.is_empty() {
        call.output.note("no presets to export");
    }
    call.output.data(&json!({ "toml": text }), |_| {
        printable_lines(&text).into_owned()
    })
}

async fn import(call: &Invocation, file: &str, replace: bool) -> Result {
    let source = shown_source(file);
    let shared = Shared::parse(&read(file)?, &source)?;
    let mut host = call.host().await?;
    let mut mine = presets(&mut host, None).await?;
    mine.retain(|preset| preset.of != OF_PROJECT);
    let taken = shared.taken(&mine);
    if !replace && !taken.is_empty() {
        let message = format!(
            "you have other presets of these names: {}",
            names(taken.iter().map(String::as_str))
        );
        return Err(Failure::new(Kind::Conflict, message).hint(
            "put the imported ones in their place with --replace, or rename them in the file",
        ));
    }
    let mut saved: Vec<v1::Preset> = Vec::new();
    for (name, toml) in shared.in_order(&mine, &source)? {
        let request = v1::SavePresetRequest { name, toml };
        let reply = host
            .ask(async |client| client.save_preset(request).await)
            .await;
        if reply.is_err() && !saved.is_empty() {
            let saved = names(saved.iter().map(|preset| preset.name.as_str()));
            call.output.note(format!("imported before that: {saved}"));
        }
        saved.push(reply?);
    }
    call.output.data(&saved, |saved| {
        call.output.note(format!(
            "imported {}",
            names(saved.iter().map(|preset| preset.name.as_str()))
        ));
        let known = |name: &String| mine.iter().chain(saved).any(|preset| preset.name == *name);
        for preset in saved {
            let away = preset.inherits.as_ref().filter(|parent| !known(parent));
            match (away, &preset.problem) {
                (Some(parent), _) => call.output.note(format!(
                    "{} inherits from {parent:?}, which is none of yours: it can be launched in projects that have that",
                    preset.name
                )),
                (None, Some(problem)) => call
                    .output
                    .note(format!("{} cannot be used: {problem}", preset.name)),
                (None, None) => {}
            }
        }
        String::new()
    })
}

/// The most that a file of presets may hold: what is larger is another file.
const MOST: u64 = 1 << 20;

/// Reads a file, or stdin for `-`.
fn read(file: &str) -> Result<String> {
    let failed = |error: &std::io::Error| {
        Failure::caused(
            Kind::Failed,
            format!("cannot read {}", shown_source(file)),
            error,
        )
        .hint("name a text file with a preset in TOML, or - for stdin")
    };
    let mut text = String::new();
    let reader: Box<dyn Read> = if file == "-" {
        Box::new(std::io::stdin().lock())
    } else {
        Box::new(std::fs::File::open(file).map_err(|error| failed(&error))?)
    };
    let read = reader.take(MOST + 1).read_to_string(&mut text);
    let length = read.map_err(|error| failed(&error))?;
    if length as u64 > MOST {
        let message = format!("{} is larger than 1 MB", shown_source(file));
        return Err(Failure::new(Kind::Usage, message).hint("name a file with presets in TOML"));
    }
    Ok(text)
}

fn shown_source(file: &str) -> String {
    match file {
        "-" => "stdin".to_owned(),
        file => printable(file).into_owned(),
    }
}
