//! A terminal program that does what a test says.
//!
//! Its arguments, joined by spaces, are a script: statements separated by `;`, each a word and its operands.
//!
//! | statement | what it does |
//! |---|---|
//! | `print TEXT` | writes the text and a line break |
//! | `write TEXT` | writes the text; `\e \a \n \r \t \\ \s` (semicolon) `\xNN` are escapes |
//! | `env NAME`, `cwd`, `size`, `args` | prints `NAME=value`, the working directory, `size COLUMNSxROWS`, every argument on a line |
//! | `echo` | answers every line typed with `you said: LINE`, until the input ends |
//! | `wait-line [TEXT]` | reads a line, or lines until one is the text |
//! | `wait-file PATH` | waits until the file exists |
//! | `keys` | raw mode: prints every byte typed as `<1b>`, until `q` |
//! | `resizes` | prints `size COLUMNSxROWS` now and at every SIGWINCH, for ever |
//! | `hold` | waits for ever |
//! | `exit CODE` | exits; the end of the script exits with 0 |
//! | `signal NAME` | sends itself `TERM`, `HUP`, `INT`, `QUIT`, `KILL`, `USR1`, `STOP` … |
//! | `ignore NAME…` | ignores these signals, and so do the children started later |
//! | `record FILE` | appends `PID START-TIME` of itself to the file |
//! | `touch FILE` | creates the file |
//! | `flood BYTES` | writes so many bytes in numbered lines of 80 |
//! | `modes` | alternate screen, mouse 1000 and 1006, focus, bracketed paste, hidden cursor, a title, coloured text |
//! | `modes-off` | undoes `modes` |
//! | `survivors FILE` | starts children that are hard to end (below), prints `survivors N` when all are recorded in the file |
//! | `hold-pty FILE` | starts a child in a session of its own that keeps the terminal open, recorded in the file |
//! | `start SCRIPT` | starts a child with this script, its statements separated by `,`, and goes on |
//! | `burn-cpu [SECONDS]` | keeps one core busy, for ever or so long |
//! | `allocate MB` | takes and touches so much memory, and keeps it |
//! | `setsid`, `label NAME` | enters a session of its own; does nothing but be seen in the command line |
//!
//! The survivors: in the background, under nohup, in a session of its own, double-forked, and one that ignores TERM,
//! HUP and INT.
//!
//! Whatever happens, it ends itself by SIGALRM after fifteen minutes: no test lasts that long, and none leaves it for ever.

mod children;
mod script;
mod signals;
mod terminal;

use std::time::Duration;

use script::{Script, Statement};
use stratavore_testkit::wait_until;

/// The longest a fake program lives.
const LIFETIME: Duration = Duration::from_mins(15);

/// The exit code of a script that cannot be read or fails.
const BROKEN: i32 = 120;

fn main() {
    signals::end_after(LIFETIME);
    let text = std::env::args().skip(1).collect::<Vec<_>>().join(" ");
    let outcome = Script::parse(&text).and_then(|script| {
        let mut kept = Vec::new();
        script
            .statements
            .into_iter()
            .try_for_each(|statement| run(statement, &mut kept))
            .map_err(|error| error.to_string())
    });
    if let Err(error) = outcome {
        eprintln!("stratavore-fake-program: {error}");
        std::process::exit(BROKEN);
    }
}

fn run(statement: Statement, kept: &mut Vec<Vec<u8>>) -> std::io::Result<()> {
    match statement {
        Statement::Print(text) => terminal::write(format!("{text}\n").as_bytes()),
        Statement::Write(bytes) => terminal::write(&bytes),
        Statement::Environment(name) => {
            let value = std::env::var(&name).unwrap_or_default();
            terminal::write(format!("{name}={value}\n").as_bytes())
        }
        Statement::WorkingDirectory => {
            let directory = std::env::current_dir()?;
            terminal::write(format!("{}\n", directory.display()).as_bytes())
        }
        Statement::Arguments => {
            let lines: String = std::env::args().map(|word| word + "\n").collect();
            terminal::write(lines.as_bytes())
        }
        Statement::Size => terminal::write_size(),
        Statement::Resizes => terminal::write_every_size(),
        Statement::Echo => terminal::echo(),
        Statement::Keys => terminal::write_keys(),
        Statement::WaitLine(wanted) => terminal::wait_line(wanted.as_deref()),
        Statement::WaitFile(path) => {
            wait_until(LIFETIME, "the file", || path.exists());
            Ok(())
        }
        Statement::Hold => signals::hold(),
        Statement::Exit(code) => std::process::exit(code),
        Statement::Signal(signal) => signals::raise(signal),
        Statement::Ignore(names) => {
            names.into_iter().for_each(signals::ignore);
            Ok(())
        }
        Statement::Record(path) => children::record(&path),
        Statement::Touch(path) => std::fs::write(path, ""),
        Statement::Flood(bytes) => terminal::flood(bytes),
        Statement::Modes => terminal::write(terminal::MODES),
        Statement::ModesOff => terminal::write(terminal::MODES_OFF),
        Statement::Survivors(path) => children::survivors(&path),
        Statement::HoldPty(path) => children::hold_pty(&path),
        Statement::BurnCpu(limit) => {
            let begun = std::time::Instant::now();
            let mut spins = 0_u64;
            while limit.is_none_or(|limit| begun.elapsed() < limit) {
                spins = std::hint::black_box(spins.wrapping_add(1));
            }
            Ok(())
        }
        Statement::Allocate(megabytes) => {
            // Not zero: untouched zero pages would take no memory.
            kept.push(vec![1; megabytes << 20]);
            Ok(())
        }
        Statement::Start(text) => children::start(&text),
        Statement::Setsid => {
            rustix::process::setsid()?;
            Ok(())
        }
        Statement::Label => Ok(()),
    }
}
