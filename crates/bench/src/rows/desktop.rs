//! The desktop app on a private display, bus and tray: from its start to its tray icon, and what it takes of memory.

use std::path::PathBuf;
use std::process::{Child, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, ensure};
use rustix::process::Signal;
use stratavore_testkit::binary::{DIRECTORY, built};
use stratavore_testkit::bus::Bus;
use stratavore_testkit::display::Display;
use stratavore_testkit::tray::TrayHost;
use stratavore_testkit::{Process, TempHome};

use crate::effort::Effort;
use crate::patience::until;
use crate::sample::{Sample, Unit};
use crate::table::{Cell, Row};
use crate::usage::memory;

/// How long memory must stay as it is to count as settled.
const SETTLED: Duration = Duration::from_secs(1);

/// Measures starts in the tray alone, and with the window.
pub(crate) async fn measure(effort: &Effort) -> anyhow::Result<Vec<Row>> {
    let measured = match program() {
        Some(program) => starts(effort, program).await,
        None => Err(anyhow::anyhow!("stratavore-desktop is not built")),
    };
    let (tray, hidden, shown) = match measured {
        Ok(Starts {
            tray,
            hidden,
            shown,
        }) => (Ok(tray), Ok(hidden), Ok(shown)),
        Err(error) => {
            let why = format!("{error:#}");
            let again = || Err(anyhow::anyhow!(why.clone()));
            (again(), again(), again())
        }
    };
    let row = |figure: &str, ours| Row {
        figure: figure.to_owned(),
        goal: "",
        ours: Cell::of(ours),
        tmux: Cell::Inapplicable,
    };
    Ok(vec![
        row("desktop app: start to tray icon", tray),
        row("desktop app: PSS with the tray only", hidden),
        row(
            "desktop app: PSS with the window, WebKit's processes included",
            shown,
        ),
    ])
}

struct Starts {
    tray: String,
    hidden: String,
    shown: String,
}

async fn starts(effort: &Effort, program: PathBuf) -> anyhow::Result<Starts> {
    let (mut tray, mut hidden, mut shown) = (Vec::new(), Vec::new(), Vec::new());
    for _ in 0..effort.starts {
        let desk = Desk::start(&program, &["--hidden"]).await?;
        tray.push(desk.to_tray);
        hidden.push(desk.settled(0).await?);
        desk.end().await?;
        let desk = Desk::start(&program, &[]).await?;
        // WebKit draws in processes of its own.
        shown.push(desk.settled(2).await?);
        desk.end().await?;
    }
    Ok(Starts {
        tray: Sample::of_durations(tray)?.spread(Unit::Milliseconds),
        hidden: Sample::new(hidden)?.spread(Unit::Megabytes),
        shown: Sample::new(shown)?.spread(Unit::Megabytes),
    })
}

/// Is a desk with the app on it: the app ends first, then what it shows itself on.
struct Desk {
    app: Child,
    to_tray: Duration,
    _tray: TrayHost,
    _bus: Bus,
    _display: Display,
    home: TempHome,
}

impl Desk {
    async fn start(program: &PathBuf, arguments: &[&str]) -> anyhow::Result<Self> {
        // It finds the agent beside itself.
        built("stratavore-agent", "stratavore-agent");
        let home = TempHome::new();
        let display = Display::start(&home, 1280, 800)?;
        let bus = Bus::start(&home)?;
        let tray = TrayHost::start(&bus).await.context("cannot host a tray")?;
        let mut command = home.command(program);
        command
            .args(arguments)
            .envs(display.environment())
            .envs(bus.environment());
        command
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null());
        let begun = Instant::now();
        let app = command
            .spawn()
            .with_context(|| format!("cannot start {}", program.display()))?;
        let mut desk = Self {
            app,
            to_tray: Duration::ZERO,
            _tray: tray,
            _bus: bus,
            _display: display,
            home,
        };
        let tray = &desk._tray;
        until("the app is in the tray", async || {
            tray.items().await.ok().filter(|items| !items.is_empty())
        })
        .await?;
        desk.to_tray = begun.elapsed();
        Ok(desk)
    }

    /// Waits until so many processes help the app and memory changes no more, and gives it.
    async fn settled(&self, helpers: usize) -> anyhow::Result<f64> {
        let app = Process::find(self.app.id()).context("the app has ended")?;
        let mut last = (Instant::now(), 0.0);
        until("the app's memory stays as it is", async || {
            let mut processes = app.descendants();
            let helped = processes.len() >= helpers;
            processes.push(app);
            // One that ends meanwhile takes none.
            let taken: f64 = processes
                .into_iter()
                .filter_map(|process| memory(process).ok())
                .sum();
            if (taken - last.1).abs() > last.1 * 0.01 {
                last = (Instant::now(), taken);
            }
            (helped && last.0.elapsed() >= SETTLED).then_some(taken)
        })
        .await
    }

    async fn end(mut self) -> anyhow::Result<()> {
        Process::find(self.app.id())
            .context("the app has ended")?
            .signal(Signal::TERM)?;
        let status = until("the app ends", async || self.app.try_wait().transpose()).await??;
        ensure!(status.success(), "the app ended with {status}");
        Ok(())
    }
}

impl Drop for Desk {
    fn drop(&mut self) {
        // Ended before, or not worth a word: what is left ends with the home.
        let _ = self.app.kill();
        let _ = self.app.wait();
        for process in self.home.left_running() {
            let _ = process.signal(Signal::TERM);
        }
    }
}

/// Finds the app where all programs were built together: it takes too long to build it for a measurement.
fn program() -> Option<PathBuf> {
    let own = std::env::current_exe().ok()?;
    let beside = own.parent().map(PathBuf::from);
    let directory = std::env::var_os(DIRECTORY).map(PathBuf::from).or(beside)?;
    Some(directory.join("stratavore-desktop")).filter(|program| program.is_file())
}
