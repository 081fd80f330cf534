//! From typing a key to its echo by a program that sends back what it reads.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use crate::effort::Effort;
use crate::host::Host;
use crate::pty::Pty;
use crate::sample::{Sample, Unit};
use crate::table::{Cell, Row};
use crate::tmux::Tmux;
use crate::viewer::Viewer;

/// Is said by the program once it reads.
const READY: &str = "ready";

/// So many times each terminal has its turn.
const TURNS: usize = 50;

/// Measures echoes on the agent's socket, in a terminal, and in a bare terminal for comparison.
pub(crate) async fn measure(effort: &Effort) -> anyhow::Result<Vec<Row>> {
    let host = Host::start().await?;
    let runner = host.launch(echoing()).await?;
    host.shows(&runner, READY).await?;
    let socket = host.terminal(&runner).await?;
    let on_socket = || {
        let (mut viewer, _) = Viewer::attach(&socket)?;
        waits(time(effort.keys, |key| {
            let begun = Instant::now();
            viewer.echo(key)?;
            Ok((begun, Instant::now()))
        })?)
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
    let tmux = beside().await;
    let [in_terminal, beside, bare] = by_turns(
        effort,
        [
            open(&words, &environment),
            tmux.and_then(|(tmux, words)| {
                let terminal = open(&words, &tmux.home().environment())?;
                // The server ends with what is kept of it.
                Ok(Desk {
                    _server: Some(tmux),
                    ..terminal
                })
            }),
            open(&echoing(), &environment),
        ],
    );
    host.end().await?;
    Ok(vec![
        Row {
            figure: "key echo (viewer on the agent's socket)".to_owned(),
            goal: "",
            ours: on_socket,
            tmux: Cell::Inapplicable,
        },
        Row {
            figure: "key echo in a terminal: `stratavore attach`; `tmux attach`".to_owned(),
            goal: "not slower than tmux",
            ours: Cell::of(in_terminal),
            tmux: Cell::of(beside),
        },
        Row {
            figure: "key echo in a bare terminal, for comparison".to_owned(),
            goal: "",
            ours: Cell::of(bare),
            tmux: Cell::Inapplicable,
        },
    ])
}

/// Starts a server with a program that echoes, and gives the words that attach to it.
async fn beside() -> anyhow::Result<(Tmux, Vec<String>)> {
    let tmux = Tmux::start()?;
    tmux.launch_named("echo", &echoing())?;
    tmux.shows("echo", READY).await?;
    let words = tmux.words(&["attach-session", "-t", "echo"]);
    Ok((tmux, words))
}

/// A terminal in which keys are typed.
struct Desk {
    terminal: Pty,
    took: Vec<Duration>,
    /// Whose program it shows, if that is to be ended after it.
    _server: Option<Tmux>,
}

fn open(words: &[String], environment: &BTreeMap<String, String>) -> anyhow::Result<Desk> {
    let mut terminal = Pty::start(words, environment)?;
    terminal.wait_for(READY.as_bytes())?;
    Ok(Desk {
        terminal,
        took: Vec::new(),
        _server: None,
    })
}

/// Types in one terminal after the other, many times over: whatever else the machine does meets them all alike.
fn by_turns<const N: usize>(
    effort: &Effort,
    mut desks: [anyhow::Result<Desk>; N],
) -> [anyhow::Result<String>; N] {
    let keys = effort.keys.div_ceil(TURNS);
    for _ in 0..effort.keys / keys {
        for desk in &mut desks {
            let typed = match desk {
                Ok(Desk { terminal, took, .. }) => time(keys, |key| {
                    let begun = Instant::now();
                    terminal.type_in(key)?;
                    Ok((begun, terminal.wait_for(key)?))
                })
                .map(|more| took.extend(more)),
                Err(_) => continue,
            };
            if let Err(error) = typed {
                *desk = Err(error);
            }
        }
    }
    desks.map(|desk| waits(desk?.took))
}

fn waits(took: Vec<Duration>) -> anyhow::Result<String> {
    Ok(Sample::of_durations(took)?.waits(Unit::Microseconds))
}

fn time(
    keys: usize,
    mut echo: impl FnMut(&[u8]) -> anyhow::Result<(Instant, Instant)>,
) -> anyhow::Result<Vec<Duration>> {
    // Characters that are in no control sequence, and no two alike one after another.
    b"#%&=_~"
        .iter()
        .cycle()
        .take(keys)
        .map(|key| echo(std::slice::from_ref(key)).map(|(typed, seen)| seen - typed))
        .collect()
}

fn echoing() -> Vec<String> {
    ["sh", "-c", "stty raw -echo; echo ready; exec cat"]
        .map(str::to_owned)
        .into()
}
