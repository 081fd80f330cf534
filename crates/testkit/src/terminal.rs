//! A program in a pseudo terminal, with the screen a person would see.

use std::io::{Read, Write};
use std::path::Path;
use std::sync::mpsc;
use std::sync::{Arc, Mutex, MutexGuard};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use alacritty_terminal::event::{Event, EventListener};
use alacritty_terminal::grid::Dimensions;
use alacritty_terminal::index::{Column, Line};
use alacritty_terminal::term::cell::Flags;
use alacritty_terminal::term::{Config, Term, TermMode};
use alacritty_terminal::vte::ansi::Processor;
use portable_pty::{Child, CommandBuilder, ExitStatus, MasterPty, PtySize, native_pty_system};

use crate::process::Process;
use crate::wait::wait_until;

/// Runs a program in a pseudo terminal; answers its queries as a terminal does, and ends it at drop.
pub struct Terminal {
    master: Box<dyn MasterPty + Send>,
    input: mpsc::Sender<Vec<u8>>,
    child: Box<dyn Child + Send + Sync>,
    shown: Arc<Mutex<Shown>>,
    reader: Option<JoinHandle<()>>,
}

/// What came from the program.
struct Shown {
    screen: Term<Replies>,
    parser: Processor,
    raw: Vec<u8>,
    /// When each piece of it was read, and where it ends.
    read: Vec<(Instant, usize)>,
    title: Arc<Mutex<String>>,
    reports: Option<Reports>,
}

/// Listens to what a program says of itself (OSC 7501).
struct Reports {
    input: mpsc::Sender<Vec<u8>>,
    /// How much of the raw output was looked through.
    scanned: usize,
    heard: Vec<String>,
}

/// Takes what the emulated terminal wants to answer.
#[derive(Clone)]
struct Replies {
    input: mpsc::Sender<Vec<u8>>,
    title: Arc<Mutex<String>>,
}

impl EventListener for Replies {
    fn send_event(&self, event: Event) {
        match event {
            Event::PtyWrite(text) => {
                // The writer is gone when the terminal is: nobody is left to answer.
                let _ = self.input.send(text.into_bytes());
            }
            Event::Title(title) => *lock(&self.title) = title,
            Event::ResetTitle => lock(&self.title).clear(),
            _ => {}
        }
    }
}

/// Is the size of a screen in cells.
struct Size {
    columns: u16,
    rows: u16,
}

impl Dimensions for Size {
    fn total_lines(&self) -> usize {
        self.rows.into()
    }

    fn screen_lines(&self) -> usize {
        self.rows.into()
    }

    fn columns(&self) -> usize {
        self.columns.into()
    }
}

impl Terminal {
    /// Starts `argv` with exactly this environment in `directory`, in a terminal of `columns` by `rows`.
    pub fn start<A, E, K, V>(
        argv: A,
        environment: E,
        directory: &Path,
        size: (u16, u16),
    ) -> Terminal
    where
        A: IntoIterator,
        A::Item: AsRef<std::ffi::OsStr>,
        E: IntoIterator<Item = (K, V)>,
        K: AsRef<std::ffi::OsStr>,
        V: AsRef<std::ffi::OsStr>,
    {
        Terminal::start_with(argv, environment, directory, size, false)
    }

    /// Starts as [`Terminal::start`] does, in a terminal that asks a program to tell its state (OSC 7501).
    pub fn start_listening<A, E, K, V>(
        argv: A,
        environment: E,
        directory: &Path,
        size: (u16, u16),
    ) -> Terminal
    where
        A: IntoIterator,
        A::Item: AsRef<std::ffi::OsStr>,
        E: IntoIterator<Item = (K, V)>,
        K: AsRef<std::ffi::OsStr>,
        V: AsRef<std::ffi::OsStr>,
    {
        Terminal::start_with(argv, environment, directory, size, true)
    }

    fn start_with<A, E, K, V>(
        argv: A,
        environment: E,
        directory: &Path,
        (columns, rows): (u16, u16),
        listening: bool,
    ) -> Terminal
    where
        A: IntoIterator,
        A::Item: AsRef<std::ffi::OsStr>,
        E: IntoIterator<Item = (K, V)>,
        K: AsRef<std::ffi::OsStr>,
        V: AsRef<std::ffi::OsStr>,
    {
        let mut command = CommandBuilder::from_argv(
            argv.into_iter()
                .map(|word| word.as_ref().to_owned())
                .collect(),
        );
        command.env_clear();
        for (key, value) in environment {
            command.env(key, value);
        }
        command.cwd(directory);
        let pair = native_pty_system()
            .openpty(pty_size(columns, rows))
            .expect("a pseudo terminal");
        let child = pair
            .slave
            .spawn_command(command)
            .expect("the program starts");
        drop(pair.slave);

        let (input, to_write) = mpsc::channel::<Vec<u8>>();
        let mut writer = pair.master.take_writer().expect("the one writer");
        // Its own thread: a program that does not read must not stop the screen.
        std::thread::spawn(move || {
            for bytes in to_write {
                if writer
                    .write_all(&bytes)
                    .and_then(|()| writer.flush())
                    .is_err()
                {
                    break;
                }
            }
        });

        let title = Arc::new(Mutex::new(String::new()));
        let replies = Replies {
            input: input.clone(),
            title: Arc::clone(&title),
        };
        let shown = Arc::new(Mutex::new(Shown {
            screen: Term::new(Config::default(), &Size { columns, rows }, replies),
            parser: Processor::new(),
            raw: Vec::new(),
            read: Vec::new(),
            title,
            reports: listening.then(|| Reports {
                input: input.clone(),
                scanned: 0,
                heard: Vec::new(),
            }),
        }));
        let mut output = pair.master.try_clone_reader().expect("a reader");
        let reader = std::thread::spawn({
            let shown = Arc::clone(&shown);
            move || {
                let mut buffer = vec![0; 65536];
                while let Ok(count @ 1..) = output.read(&mut buffer) {
                    lock(&shown).take(&buffer[..count]);
                }
            }
        });
        Terminal {
            master: pair.master,
            input,
            child,
            shown,
            reader: Some(reader),
        }
    }

    /// Gives the process that runs in the terminal, while it does.
    pub fn process(&self) -> Option<Process> {
        Process::find(self.child.process_id()?)
    }

    /// Types bytes as they are; Enter is `\r`.
    pub fn type_text(&self, text: impl AsRef<[u8]>) {
        self.input
            .send(text.as_ref().to_owned())
            .expect("the terminal is still open");
    }

    /// Changes the size.
    pub fn resize(&self, columns: u16, rows: u16) {
        lock(&self.shown).screen.resize(Size { columns, rows });
        self.master
            .resize(pty_size(columns, rows))
            .expect("the terminal takes a size");
    }

    /// Gives the visible rows, each without its trailing blanks.
    pub fn screen(&self) -> String {
        lock(&self.shown).text()
    }

    /// Gives everything the program has written.
    pub fn raw(&self) -> Vec<u8> {
        lock(&self.shown).raw.clone()
    }

    /// Gives everything the program has written in the pieces in which it was read, and when that was.
    pub fn output(&self) -> Vec<(Instant, Vec<u8>)> {
        let shown = lock(&self.shown);
        let mut from = 0;
        let piece = |&(at, end): &(Instant, usize)| {
            let bytes = shown.raw[from..end].to_owned();
            from = end;
            (at, bytes)
        };
        shown.read.iter().map(piece).collect()
    }

    /// Gives what the program has said of itself, where it was asked to ([`Terminal::start_listening`]).
    pub fn reports(&self) -> Vec<String> {
        let shown = lock(&self.shown);
        let reports = shown.reports.as_ref();
        reports.map_or_else(Vec::new, |reports| reports.heard.clone())
    }

    /// Gives the title the program has set.
    pub fn title(&self) -> String {
        let title = Arc::clone(&lock(&self.shown).title);
        let title = lock(&title);
        title.clone()
    }

    /// Gives the modes that are on (alternate screen, mouse, paste, cursor shown …).
    pub fn modes(&self) -> TermMode {
        *lock(&self.shown).screen.mode()
    }

    /// Waits until the screen holds `text`, and gives the screen; panics with the screen there is.
    #[track_caller]
    pub fn wait_for(&self, text: &str, deadline: Duration) -> String {
        wait_until(deadline, &format!("{text:?} on the screen"), || {
            let screen = self.screen();
            if screen.contains(text) {
                Ok(screen)
            } else {
                Err(format!("\n{screen}"))
            }
        })
    }

    /// Types `text` again every half second until the screen no longer holds `shown`.
    ///
    /// For dialogs that ignore what comes in their first moments, as Claude Code's permission prompt does.
    #[track_caller]
    pub fn type_until_gone(&self, text: &str, shown: &str, deadline: Duration) {
        let mut typed: Option<Instant> = None;
        wait_until(deadline, &format!("{shown:?} to be gone"), || {
            let screen = self.screen();
            if !screen.contains(shown) {
                return Ok(());
            }
            if typed.is_none_or(|at| at.elapsed() >= Duration::from_millis(500)) {
                self.type_text(text);
                typed = Some(Instant::now());
            }
            Err(format!("\n{screen}"))
        });
    }

    /// Waits until the program has exited and all its output is on the screen, and gives its exit.
    #[track_caller]
    pub fn wait_exit(&mut self, deadline: Duration) -> ExitStatus {
        let shown = Arc::clone(&self.shown);
        let status = wait_until(deadline, "the program to exit", || {
            match self.child.try_wait() {
                Ok(Some(status)) => Ok(status),
                Ok(None) => Err(format!("\n{}", lock(&shown).text())),
                Err(error) => Err(error.to_string()),
            }
        });
        wait_until(deadline, "the end of the output", || {
            self.reader.as_ref().is_none_or(JoinHandle::is_finished)
        });
        status
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        if let Some(process) = self.process() {
            for left in process.descendants().into_iter().chain([process]) {
                // What cannot be ended here is found by its home.
                let _ = left.kill();
            }
            let _ = self.child.wait();
        }
    }
}

impl Shown {
    fn take(&mut self, bytes: &[u8]) {
        self.raw.extend_from_slice(bytes);
        self.read.push((Instant::now(), self.raw.len()));
        // Before the screen answers: a program takes the answer to its next query for a no.
        if let Some(reports) = &mut self.reports {
            reports.scan(&self.raw);
        }
        self.parser.advance(&mut self.screen, bytes);
    }

    fn text(&self) -> String {
        let grid = self.screen.grid();
        let mut text = String::new();
        for line in 0..grid.screen_lines() {
            let row = &grid[Line(i32::try_from(line).unwrap_or(i32::MAX))];
            let start = text.len();
            for column in 0..grid.columns() {
                let cell = &row[Column(column)];
                if !cell.flags.contains(Flags::WIDE_CHAR_SPACER) {
                    text.push(cell.c);
                    text.extend(cell.zerowidth().into_iter().flatten());
                }
            }
            let end = start + text[start..].trim_end().len();
            text.truncate(end);
            text.push('\n');
        }
        text.truncate(text.trim_end().len());
        text
    }
}

impl Reports {
    fn scan(&mut self, raw: &[u8]) {
        const START: &[u8] = b"\x1b]7501;";
        while let Some(begin) = find(&raw[self.scanned..], START) {
            let text = self.scanned + begin + START.len();
            let Some(length) = raw[text..].iter().position(|byte| matches!(byte, 7 | 27)) else {
                return;
            };
            self.scanned = text + length;
            match &raw[text..self.scanned] {
                b"?" => {
                    // The writer is gone when the terminal is: nobody is left to answer.
                    let _ = self.input.send(b"\x1b]7501;?\x1b\\".to_vec());
                }
                report => self
                    .heard
                    .push(String::from_utf8_lossy(report).into_owned()),
            }
        }
        // A start may be cut by the end of what has come.
        self.scanned = self.scanned.max(raw.len().saturating_sub(START.len()));
    }
}

fn find(bytes: &[u8], wanted: &[u8]) -> Option<usize> {
    bytes
        .windows(wanted.len())
        .position(|window| window == wanted)
}

fn pty_size(columns: u16, rows: u16) -> PtySize {
    PtySize {
        rows,
        cols: columns,
        pixel_width: 0,
        pixel_height: 0,
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // A poisoned screen is still the screen that the failing test has to show.
    mutex
        .lock()
        .unwrap_or_else(std::sync::PoisonError::into_inner)
}
