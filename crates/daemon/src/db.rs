//! `stratavored db`: the database, looked at, brought up to date and moved without a host.

use clap::{Subcommand, ValueEnum};
use stratavore_api::database::{self, Copied, Database};
use stratavore_api::{environment, load_config};
use stratavore_core::places::Places;

/// What is to be done with the database.
#[derive(Subcommand)]
pub(crate) enum DbCommand {
    /// Tell which database the settings name, and how new its schema is.
    Status,
    /// Bring the shared database to the newest version.
    Migrate,
    /// Copy this machine's own history to the shared database: whole, verified, once.
    Copy {
        /// From where.
        #[arg(long)]
        from: From,
        /// To where.
        #[arg(long)]
        to: To,
    },
}

/// What can be copied.
#[derive(Clone, Copy, ValueEnum)]
pub(crate) enum From {
    /// This machine's own file.
    Sqlite,
}

/// Where it can be copied to.
#[derive(Clone, Copy, ValueEnum)]
pub(crate) enum To {
    /// The database that `store.url` names.
    Postgres,
}

/// Does it, and tells people or, with `json`, scripts what came of it.
pub(crate) fn run(command: &DbCommand, json: bool) -> anyhow::Result<()> {
    let variables = environment();
    let places = Places::from_env(&variables)?;
    let config = load_config(&places, &variables)?;
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    runtime.block_on(async {
        match command {
            DbCommand::Status => {
                let database = database::status(&places, &config).await?;
                print(json, &database, of_status(&database))
            }
            DbCommand::Migrate => {
                let before = database::migrate(&config).await?;
                print(json, &before, of_migration(&before))
            }
            DbCommand::Copy {
                from: From::Sqlite,
                to: To::Postgres,
            } => {
                let copied = database::copy(&places, &config).await?;
                print(json, &copied, of_copy(copied))
            }
        }
    })
}

fn print(json: bool, data: &impl serde::Serialize, words: String) -> anyhow::Result<()> {
    if json {
        println!("{}", serde_json::to_string(data)?);
    } else {
        println!("{words}");
    }
    Ok(())
}

fn of_status(database: &Database) -> String {
    let Database { kind, address, .. } = database;
    let version = match (database.version, database.newest) {
        (Some(0), _) => {
            "nothing is there yet: the first host makes it, or `stratavore db migrate`".to_owned()
        }
        (Some(version), Some(newest)) if version == newest => {
            format!("version {version}, up to date")
        }
        (Some(version), Some(newest)) if version > newest => {
            format!(
                "version {version}, newer than {newest}, the newest that this program knows: install that version"
            )
        }
        (Some(version), Some(newest)) => {
            format!("version {version} of {newest}: the next host brings it up to date")
        }
        _ => "its host keeps it up to date".to_owned(),
    };
    format!("{kind} {address}\n{version}")
}

fn of_migration(before: &Database) -> String {
    match (before.version, before.newest) {
        (Some(version), Some(newest)) if version == newest => {
            format!("{} has version {version} already", before.address)
        }
        (Some(version), Some(newest)) => format!(
            "{} had version {version}, and has {newest} now",
            before.address
        ),
        _ => before.address.clone(),
    }
}

fn of_copy(copied: Copied) -> String {
    let Copied {
        projects,
        runners,
        events,
        waiting,
        already,
    } = copied;
    let what = format!(
        "{projects} projects, {runners} runners, {events} events ({waiting} not yet delivered)"
    );
    if already {
        format!("all of it is there already: {what}")
    } else {
        format!("copied and verified: {what}")
    }
}
