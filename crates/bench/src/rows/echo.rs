//! From typing a key to its echo by a program that sends back what it reads.

use std::collections::BTreeMap;
use std::time::Instant;

use crate::effort::Effort;
use crate::host::Host;
use crate::pty::Pty;
use crate::sample::{Sample, Unit};
use crate::table::{Cell, Row};
use crate::tmux::Tmux;
use crate::viewer::Viewer;

/// Is said by the program once it reads.
const READY: &str = "ready";

/// Measures echoes on the agent's socket, in a terminal, and in a bare terminal for comparison.
pub(crate) async fn measure(effort: &Effort) -> anyhow::Result<Vec<Row>> {
    let host = Host::start().await?;
    let runner = host.launch(echoing()).await?;
    host.shows(&runner, READY).await?;
    let socket = host.terminal(&runner).await?;
    let on_socket = || {
        let (mut viewer, _) = Viewer::attach(&socket)?;
        time(effort, |key| {
            let begun = Instant::now();
            viewer.echo(key)?;
            Ok((begun, Instant::now()))
        })
    };
    let on_socket = Cell::of(on_socket());
    let mut words = host.stratavore();
    words.args(["attach", &runner.id]);
    let words: Vec<String> = [words.get_program()]
        .into_iter()
        .chain(words.get_args())
        .map(|word| word.to_string_lossy().into())
        .collect();
    let environment = host.home().environment();
    let in_terminal = Cell::of(type_in(effort, &words, &environment));
    host.end().await?;
    let bare = Cell::of(type_in(effort, &echoing(), &environment));
    Ok(vec![
        Row {
            figure: "key echo (viewer on the agent's socket)".to_owned(),
            goal: "",
            ours: on_socket,
            tmux: Cell::Inapplicable,
        },
        Row {
            figure: "key echo in a terminal: `stratavore attach`; `tmux attach`".to_owned(),
            goal: "",
            ours: in_terminal,
            tmux: Cell::of(beside(effort).await),
        },
        Row {
            figure: "key echo in a bare terminal, for comparison".to_owned(),
            goal: "",
            ours: bare,
            tmux: Cell::Inapplicable,
        },
    ])
}

async fn beside(effort: &Effort) -> anyhow::Result<String> {
    let tmux = Tmux::start()?;
    tmux.launch_named("echo", &echoing())?;
    tmux.shows("echo", READY).await?;
    type_in(
        effort,
        &tmux.words(&["attach-session", "-t", "echo"]),
        &tmux.home().environment(),
    )
}

fn type_in(
    effort: &Effort,
    words: &[String],
    environment: &BTreeMap<String, String>,
) -> anyhow::Result<String> {
    let mut terminal = Pty::start(words, environment)?;
    terminal.wait_for(READY.as_bytes())?;
    time(effort, |key| {
        let begun = Instant::now();
        terminal.type_in(key)?;
        Ok((begun, terminal.wait_for(key)?))
    })
}

fn time(
    effort: &Effort,
    mut echo: impl FnMut(&[u8]) -> anyhow::Result<(Instant, Instant)>,
) -> anyhow::Result<String> {
    // Characters that are in no control sequence, and no two alike one after another.
    let took: anyhow::Result<Vec<_>> = b"#%&=_~"
        .iter()
        .cycle()
        .take(effort.keys)
        .map(|key| echo(std::slice::from_ref(key)).map(|(typed, seen)| seen - typed))
        .collect();
    Ok(Sample::of_durations(took?)?.waits(Unit::Microseconds))
}

fn echoing() -> Vec<String> {
    ["sh", "-c", "stty raw -echo; echo ready; exec cat"]
        .map(str::to_owned)
        .into()
}
