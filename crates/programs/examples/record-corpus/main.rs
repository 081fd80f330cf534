//! Records real runs of Claude Code against the stand-in for its API: what its sources said, and what was true when.
//!
//! `record-corpus [SCENARIO …]` writes `corpus/claude-VERSION/SCENARIO/`; without names, all of them. Nothing of the machine
//! stays in what is written: paths, addresses and bulky rows that nobody reads are taken out.

mod recording;
mod scenarios;

use std::path::Path;

use stratavore_testkit::claude;

fn main() {
    let corpus = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("corpus")
        .join(format!("claude-{}", claude::version()));
    let wanted: Vec<String> = std::env::args().skip(1).collect();
    if let Some(unknown) = wanted
        .iter()
        .find(|wanted| !scenarios::ALL.iter().any(|(name, _)| name == wanted))
    {
        eprintln!("{unknown:?} is no scenario; there are:");
        for (name, _) in scenarios::ALL {
            eprintln!("  {name}");
        }
        std::process::exit(2);
    }
    for (name, play) in scenarios::ALL {
        if wanted.is_empty() || wanted.iter().any(|wanted| wanted == name) {
            eprintln!("recording {name}");
            let mut recording = recording::Recording::new();
            play(&mut recording);
            recording.write(&corpus.join(name));
        }
    }
}
