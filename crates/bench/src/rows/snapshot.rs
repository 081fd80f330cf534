//! Snapshots: how large they are, and how long a viewer waits for one that carries history.

use std::time::Instant;

use stratavore_testkit::binary::fake_program;

use crate::effort::Effort;
use crate::host::Host;
use crate::sample::{Sample, Unit};
use crate::table::{Cell, Row};
use crate::viewer::Viewer;

/// Ten thousand lines of 78 characters, and the screen after them.
const OUTPUT: &str = "flood 800000; print all written; hold";

/// Measures the snapshot of a screen alone and that with ten thousand lines of history.
pub(crate) async fn measure(effort: &Effort) -> anyhow::Result<Vec<Row>> {
    let host = Host::start().await?;
    let command = [
        fake_program().to_string_lossy().into_owned(),
        OUTPUT.to_owned(),
    ];
    let runner = host.launch(command.into()).await?;
    host.shows(&runner, "all written").await?;
    let socket = host.terminal(&runner).await?;
    let (mut viewer, _) = Viewer::attach(&socket)?;
    let mut redraw = |lines| -> anyhow::Result<String> {
        let mut size = 0;
        let mut took = Vec::new();
        for _ in 0..effort.attachments {
            let begun = Instant::now();
            size = viewer.redraw(lines)?;
            took.push(begun.elapsed());
        }
        let waits = Sample::of_durations(took)?.waits(Unit::Milliseconds);
        Ok(format!("{}; {waits}", Unit::Kilobytes.print(size as f64)))
    };
    let with_history = Cell::of(redraw(10_000));
    let screen = Cell::of(redraw(0));
    host.end().await?;
    Ok(vec![
        Row {
            figure: "snapshot of a screen of text: size; asked until received".to_owned(),
            goal: "",
            ours: screen,
            tmux: Cell::Inapplicable,
        },
        Row {
            figure: "the same with 10,000 lines of history".to_owned(),
            goal: "",
            ours: with_history,
            tmux: Cell::Inapplicable,
        },
    ])
}
