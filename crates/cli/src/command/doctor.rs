//! `stratavore doctor` and `stratavore config show`: asked of the host, and without one where none can start.

use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use stratavore_core::places::{MAX_SOCKET_PATH, Places};
use stratavore_rpc::v1;

use crate::failure::{Failure, Kind, Result};
use crate::host::shown;
use crate::invocation::Invocation;
use crate::output::Style;
use crate::table::{Side, Table};
use crate::text::printable;

pub(super) async fn run(call: &Invocation) -> Result<ExitCode> {
    let report = match call.host().await {
        Ok(mut host) => {
            host.ask(async |client| client.doctor(v1::DoctorRequest {}).await)
                .await?
        }
        Err(failure) => without_host(call, &failure),
    };
    call.output
        .data(&report, |report| text_of(report, call.output.stdout))?;
    let problems = report
        .checks
        .iter()
        .filter(|check| check.outcome == "problem")
        .count();
    if problems == 0 {
        return Ok(ExitCode::SUCCESS);
    }
    let (verb, noun) = if problems == 1 {
        ("is", "problem")
    } else {
        ("are", "problems")
    };
    Err(
        Failure::new(Kind::Failed, format!("there {verb} {problems} {noun}"))
            .hint("mend what stands under each"),
    )
}

fn text_of(report: &v1::DoctorReport, style: Style) -> String {
    let width = report
        .checks
        .iter()
        .map(|check| check.name.chars().count())
        .max()
        .unwrap_or(0);
    let mut text = String::new();
    for check in &report.checks {
        let v1::Check {
            name,
            outcome,
            detail,
            mend,
            supports,
        } = check;
        let outcome = format!("{outcome:7}");
        let outcome = if check.outcome == "ok" {
            outcome
        } else {
            style.bold(&outcome)
        };
        text.push_str(&format!(
            "{outcome}  {:width$}  {}\n",
            printable(name),
            printable(detail)
        ));
        if let Some(mend) = mend {
            text.push_str(&format!(
                "{:7}  {:width$}  mend: {}\n",
                "",
                "",
                printable(mend)
            ));
        }
        let widest = supports.iter().map(|support| support.what.chars().count());
        let widest = widest.max().unwrap_or(0);
        for support in supports {
            text.push_str(&format!(
                "{:7}  {:width$}  {:3}  {:widest$}  {}\n",
                "",
                "",
                if support.supported { "yes" } else { "no" },
                printable(&support.what),
                printable(&support.detail)
            ));
        }
    }
    text
}

/// Checks what can be checked when no host answers, and says why none does.
fn without_host(call: &Invocation, failure: &Failure) -> v1::DoctorReport {
    let mut checks = vec![v1::Check {
        name: "host".to_owned(),
        outcome: "problem".to_owned(),
        detail: failure.message.clone(),
        mend: failure.hint.clone(),
        supports: Vec::new(),
    }];
    match call.places() {
        Err(failure) => checks.push(problem("places", failure.message, failure.hint)),
        Ok(places) => {
            checks.push(directory("data directory", &places.data_dir));
            checks.push(directory("runtime directory", &places.runtime_dir));
            checks.push(sockets(&places));
            checks.push(match call.config(&places, None) {
                Ok(_) if places.config_file.exists() => ok("settings", shown(&places.config_file)),
                Ok(_) => ok(
                    "settings",
                    format!("{} is not there; defaults hold", shown(&places.config_file)),
                ),
                Err(failure) => problem("settings", failure.message, failure.hint),
            });
        }
    }
    v1::DoctorReport { checks }
}

fn ok(name: &str, detail: impl Into<String>) -> v1::Check {
    v1::Check {
        name: name.to_owned(),
        outcome: "ok".to_owned(),
        detail: detail.into(),
        mend: None,
        supports: Vec::new(),
    }
}

fn problem(name: &str, detail: impl Into<String>, mend: Option<String>) -> v1::Check {
    v1::Check {
        name: name.to_owned(),
        outcome: "problem".to_owned(),
        detail: detail.into(),
        mend,
        supports: Vec::new(),
    }
}

/// Checks that a directory is there, is ours, private and writable; or can be made.
fn directory(name: &str, path: &Path) -> v1::Check {
    let place = shown(path);
    let metadata = match path.metadata() {
        Ok(metadata) => metadata,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            let parent = path
                .ancestors()
                .skip(1)
                .find(|parent| parent.exists())
                .unwrap_or(Path::new("/"));
            return if is_writable(parent) {
                ok(name, format!("{place} will be made"))
            } else {
                problem(
                    name,
                    format!(
                        "{place} is not there, and {} cannot be written to",
                        shown(parent)
                    ),
                    Some(format!(
                        "make {place} as a directory of yours with mode 0700"
                    )),
                )
            };
        }
        Err(error) => return problem(name, format!("cannot look at {place}: {error}"), None),
    };
    let uid = rustix::process::geteuid().as_raw();
    let mode = metadata.mode() & 0o777;
    if !metadata.is_dir() {
        problem(
            name,
            format!("{place} is not a directory"),
            Some(format!("move {place} away")),
        )
    } else if metadata.uid() != uid {
        let mend = format!("give it to you: `chown -R {uid} {place}`, or set another directory");
        problem(
            name,
            format!(
                "{place} belongs to user {}, not to you ({uid})",
                metadata.uid()
            ),
            Some(mend),
        )
    } else if !is_writable(path) {
        problem(
            name,
            format!("{place} cannot be written to"),
            Some(format!("`chmod 700 {place}`, on a disk that is writable")),
        )
    } else if mode & 0o077 != 0 {
        problem(
            name,
            format!("{place} is open to others (mode {mode:o})"),
            Some(format!("`chmod 700 {place}`")),
        )
    } else {
        ok(name, place)
    }
}

/// Checks that a runner's socket fits below the runtime directory: `<36 characters>/<32 characters>.sock`.
fn sockets(places: &Places) -> v1::Check {
    let longest = places.runtime_dir.as_os_str().len() + 1 + 36 + 1 + 32 + ".sock".len();
    if longest <= MAX_SOCKET_PATH {
        return ok(
            "socket paths",
            format!("{longest} of {MAX_SOCKET_PATH} bytes"),
        );
    }
    problem(
        "socket paths",
        format!(
            "a runner's socket below {} takes {longest} bytes, of {MAX_SOCKET_PATH}",
            shown(&places.runtime_dir)
        ),
        Some("set STRATAVORE_RUNTIME_DIR to a shorter directory".to_owned()),
    )
}

fn is_writable(path: &Path) -> bool {
    use rustix::fs::{Access, access};
    access(path, Access::WRITE_OK | Access::EXEC_OK).is_ok()
}

/// Shows the settings in force, by the host's word; without one, those that a host would start with.
pub(super) async fn config(call: &Invocation, project: Option<String>) -> Result {
    let config = match call.host().await {
        Ok(mut host) => {
            let request = v1::ConfigRequest {
                project: project.clone(),
            };
            host.ask(async |client| client.get_config(request).await)
                .await?
        }
        Err(failure) if failure.kind == Kind::Unavailable && project.is_none() => {
            call.output.note(format!(
                "no host answers ({}); these are the settings one would start with",
                failure.message
            ));
            local(call, None)?
        }
        Err(failure) => return Err(failure),
    };
    call.output.data(&config, |config| {
        let mut table = Table::new(&[
            ("SETTING", Side::Left),
            ("VALUE", Side::Left),
            ("SOURCE", Side::Left),
        ]);
        for v1::Setting { key, value, source } in config.settings.clone() {
            table.row([key, value, source]);
        }
        table.render(call.output.stdout)
    })
}

fn local(call: &Invocation, project: Option<&PathBuf>) -> Result<v1::Config> {
    let config = call.config(&call.places()?, project)?;
    let settings = config.list().map(|(key, value, source)| v1::Setting {
        key: key.to_owned(),
        value: value.into_owned(),
        source: source.to_string(),
    });
    Ok(v1::Config {
        settings: settings.collect(),
    })
}
