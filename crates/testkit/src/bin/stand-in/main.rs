//! Stands in for Claude Code where only what it does to its surroundings matters: to its terminal, its files, its hooks.
//!
//! It is started as Claude Code is: it takes its session from `--session-id` or `--resume` and the command of its hooks from `--settings`.
//! It stands in for Codex and Gemini CLI too, as far as these do the same: Codex has the command in `-c`, and tells its session by none.
//! Where the variable `STRATAVORE_STAND_IN` names a pipe it does what is written there, a line each:
//!
//! | order | what it does |
//! |---|---|
//! | `report TEXT` | reports on its terminal (OSC 7501) |
//! | `title TEXT` | gives its terminal a title |
//! | `status STATUS` | writes the file of its process |
//! | `hook EVENT [FIELDS]` | runs its hook, with more fields in its payload (`"error":"rate_limit"`), waits for it, and draws what it answers |
//! | `time-hooks EVENT COUNT FILE` | does so many times, and writes to the file how many nanoseconds each took |
//!
//! Without the variable it works for ever, as a busy conversation does.
//!
//! Whatever happens, it ends itself by SIGALRM after fifteen minutes: no test lasts that long, and none leaves it for ever.

mod claude;
mod work;

use std::fmt::Write;
use std::fs::{self, File};
use std::io::{self, BufRead, BufReader};

use claude::Claude;

/// The longest that it lives, in seconds.
const LIFETIME: u32 = 15 * 60;

fn main() {
    // SAFETY: a plain system call on this process.
    unsafe { libc::alarm(LIFETIME) };
    if std::env::args().any(|argument| argument == "--version") {
        // It has none, and obeys nobody meanwhile.
        return println!("stand-in");
    }
    let outcome =
        Claude::begin().and_then(|mut claude| match std::env::var_os("STRATAVORE_STAND_IN") {
            Some(pipe) => obey(&claude, BufReader::new(File::open(pipe)?)),
            None => work::for_ever(&mut claude),
        });
    if let Err(error) = outcome {
        eprintln!("stratavore-stand-in: {error}");
        std::process::exit(1);
    }
}

fn obey(claude: &Claude, orders: impl BufRead) -> io::Result<()> {
    for order in orders.lines() {
        let order = order?;
        let (word, rest) = order.split_once(' ').unwrap_or((&order, ""));
        match word {
            "report" => claude.report(rest)?,
            "status" => claude.status(rest)?,
            "title" => claude::draw(&format!("\x1b]0;{rest}\x07"))?,
            "hook" => {
                let (event, fields) = rest.split_once(' ').unwrap_or((rest, ""));
                claude.hook_with(event, fields).map(drop)?;
            }
            "time-hooks" => time(claude, rest)?,
            _ => return Err(io::Error::other(format!("`{order}` is no order"))),
        }
    }
    Ok(())
}

fn time(claude: &Claude, order: &str) -> io::Result<()> {
    let bad = || io::Error::other(format!("`{order}` is not EVENT COUNT FILE"));
    let mut words = order.splitn(3, ' ');
    let (Some(event), Some(count), Some(file)) = (words.next(), words.next(), words.next()) else {
        return Err(bad());
    };
    let mut took = String::new();
    for _ in 0..count.parse::<u32>().map_err(|_| bad())? {
        // Writing to a string cannot fail.
        let _ = writeln!(took, "{}", claude.hook(event)?.as_nanos());
    }
    // Whoever waits for the file finds it whole.
    let aside = format!("{file}.new");
    fs::write(&aside, took)?;
    fs::rename(aside, file)
}
