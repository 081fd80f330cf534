//! Records real runs of the programs against the stand-in for their APIs: what their sources said, and what was true when.
//!
//! `record-corpus [PROGRAM[/SCENARIO] …]` writes `corpus/PROGRAM-VERSION/SCENARIO/`; without names, all of them. Nothing of the
//! machine stays in what is written: paths, addresses and bulky rows that nobody reads are taken out.
//!
//! | file | what |
//! |---|---|
//! | `terminal.gz` | each byte that the program wrote to its terminal, in the pieces in which it was read: behind a line with the size of each terminal, each piece behind a line with its time and length |
//! | `signals.jsonl` | hooks, pid files, processes, and how far transcripts had grown, each with its time |
//! | `truth.json` | what was true, from when to when, as the screen showed it |
//! | others | what the program kept of the conversation |

mod recording;
mod scenarios;

use std::path::Path;

fn main() {
    let wanted: Vec<String> = std::env::args().skip(1).collect();
    let mut known = Vec::new();
    for (program, scenarios) in scenarios::ALL {
        known.push(program.name().to_owned());
        known.extend(
            scenarios
                .iter()
                .map(|(name, _)| format!("{}/{name}", program.name())),
        );
    }
    if let Some(unknown) = wanted.iter().find(|wanted| !known.contains(wanted)) {
        eprintln!("{unknown:?} is not recorded; there are:");
        for name in known {
            eprintln!("  {name}");
        }
        std::process::exit(2);
    }
    let corpus = Path::new(env!("CARGO_MANIFEST_DIR")).join("corpus");
    for (program, scenarios) in scenarios::ALL {
        let place = corpus.join(format!("{}-{}", program.name(), program.version()));
        for (name, play) in *scenarios {
            let full = format!("{}/{name}", program.name());
            let named = |wanted: &String| *wanted == full || wanted == program.name();
            if wanted.is_empty() || wanted.iter().any(named) {
                eprintln!("recording {full}");
                let mut recording = recording::Recording::new(*program);
                play(&mut recording);
                recording.write(&place.join(name));
            }
        }
    }
}
