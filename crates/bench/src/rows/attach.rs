//! From attaching to a terminal full of coloured text to having all of it.

use std::fmt::Write;
use std::time::{Duration, Instant};

use anyhow::ensure;
use stratavore_testkit::binary::{built, fake_program};

use crate::SIZE;
use crate::effort::Effort;
use crate::host::Host;
use crate::pty::Pty;
use crate::sample::{Sample, Unit};
use crate::table::{Cell, Row};
use crate::tmux::Tmux;
use crate::viewer::Viewer;

/// Stands in the last row of the screen.
const LAST: &str = "all of it is here";

/// Measures attaching on the agent's socket, as the window does, and in a terminal.
pub(crate) async fn measure(effort: &Effort) -> anyhow::Result<Vec<Row>> {
    let host = Host::start().await?;
    let runner = host.launch(full_screen()).await?;
    host.shows(&runner, LAST).await?;
    let socket = host.terminal(&runner).await?;
    let snapshots = || {
        let took: anyhow::Result<Vec<_>> = (0..effort.attachments)
            .map(|_| {
                let begun = Instant::now();
                let (_viewer, snapshot) = Viewer::attach(&socket)?;
                let took = begun.elapsed();
                let whole = snapshot
                    .windows(LAST.len())
                    .any(|part| part == LAST.as_bytes());
                ensure!(whole, "the snapshot lacks the last row");
                Ok(took)
            })
            .collect();
        Ok(Sample::of_durations(took?)?.waits(Unit::Milliseconds))
    };
    let on_socket = Cell::of(snapshots());
    let stratavore = built("stratavore-cli", "stratavore")
        .to_string_lossy()
        .into_owned();
    let words = [stratavore, "attach".to_owned(), runner.id.clone()];
    let tmux = Tmux::start()?;
    tmux.launch_named("full", &full_screen())?;
    tmux.shows("full", LAST).await?;
    let theirs = tmux.words(&["attach-session", "-t", "full"]);
    // In turns, for whatever else the machine does to meet both alike.
    let took: anyhow::Result<Vec<_>> = (0..effort.attachments)
        .map(|_| {
            let ours = attach(&words, &host.home().environment())?;
            Ok((ours, attach(&theirs, &tmux.home().environment())?))
        })
        .collect();
    let (ours, theirs): (Vec<_>, Vec<_>) = took?.into_iter().unzip();
    let waits = |took| anyhow::Ok(Sample::of_durations(took)?.waits(Unit::Milliseconds));
    host.end().await?;
    Ok(vec![
        Row {
            figure: "attach to a full screen (viewer on the agent's socket)".to_owned(),
            goal: "",
            ours: on_socket,
            tmux: Cell::Inapplicable,
        },
        Row {
            figure: "the same by command, in a terminal: `stratavore attach`; `tmux attach`"
                .to_owned(),
            goal: "not slower than tmux",
            ours: Cell::of(waits(ours)),
            tmux: Cell::of(waits(theirs)),
        },
    ])
}

/// Attaches by a command, and tells how long it took until the whole screen was there.
fn attach(
    words: &[String],
    environment: &std::collections::BTreeMap<String, String>,
) -> anyhow::Result<Duration> {
    let begun = Instant::now();
    let mut terminal = Pty::start(words, environment)?;
    Ok(terminal.wait_for(LAST.as_bytes())? - begun)
}

/// Gives the command of a program that fills the screen with text whose colour changes six times in a row.
fn full_screen() -> Vec<String> {
    let mut script = "write ".to_owned();
    for row in 1..SIZE.1 {
        for part in 0..6 {
            // Writing to a string cannot fail.
            let _ = write!(script, "\\e[3{}m{row:02} {:.<16}", part + 1, "some text");
        }
        script.push_str("\\r\\n");
    }
    let _ = write!(script, "\\e[m{LAST}; hold");
    vec![fake_program().to_string_lossy().into_owned(), script]
}
