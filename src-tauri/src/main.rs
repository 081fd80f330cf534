//! `stratavore-desktop`.

use std::process::ExitCode;

use clap::Parser;
use stratavore_desktop::arguments::Arguments;

fn main() -> ExitCode {
    match stratavore_desktop::run(Arguments::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("stratavore-desktop: {error:#}");
            ExitCode::FAILURE
        }
    }
}
