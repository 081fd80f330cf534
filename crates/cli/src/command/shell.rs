//! `stratavore completions`.

use clap::CommandFactory;
use clap_complete::Shell;

use crate::args::Cli;
use crate::failure::Result;
use crate::invocation::Invocation;

pub(super) fn completions(call: &Invocation, shell: Shell) -> Result {
    // Generated aside, for the generator panics on a closed pipe.
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut Cli::command(), "stratavore", &mut script);
    call.output.bytes(&script)
}
