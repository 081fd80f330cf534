//! Measures Stratavore as a person meets it, beside tmux where tmux does the same, and prints one Markdown table.
//!
//! Every row starts the real programs in private directories and ends all it started. A row that could not be measured
//! says why, and the others go on. `--quick` measures everything a few times only: it shows that the rows still work, and
//! its figures mean nothing.

mod effort;
mod first_writes;
mod host;
mod machine;
mod patience;
mod pty;
mod rows;
mod sample;
mod stand_in;
mod table;
mod tmux;
mod transcript;
mod usage;
mod viewer;

use std::process::ExitCode;

use clap::Parser;
use tokio::signal::unix::{SignalKind, signal};

use effort::Effort;

/// The size of every terminal that is measured.
const SIZE: (u16, u16) = (120, 40);

/// Measures Stratavore beside tmux and prints the table of figures.
#[derive(Parser)]
#[command(version)]
struct Arguments {
    /// Measure a few times only: shows that every row works, not how fast
    #[arg(long)]
    quick: bool,
    /// Measure only the rows of the modules whose name begins so
    #[arg(long, value_name = "NAME")]
    only: Option<String>,
}

#[tokio::main]
async fn main() -> anyhow::Result<ExitCode> {
    let arguments = Arguments::parse();
    let effort = if arguments.quick {
        Effort::quick()
    } else {
        Effort::full()
    };
    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut terminate = signal(SignalKind::terminate())?;
    tokio::select! {
        whole = rows::print(&effort, arguments.only.as_deref()) => {
            Ok(if whole { ExitCode::SUCCESS } else { ExitCode::FAILURE })
        }
        // What the row had started ends as the row is dropped.
        _ = interrupt.recv() => Ok(ExitCode::from(130)),
        _ = terminate.recv() => Ok(ExitCode::from(143)),
    }
}
