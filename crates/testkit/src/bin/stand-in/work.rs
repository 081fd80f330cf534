//! A conversation that goes on and on.

use std::io;
use std::time::{Duration, Instant};

use rustix::event::{Timespec, poll};

use crate::claude::{Claude, draw};

/// How long each frame of the spinner is seen.
const FRAME: Duration = Duration::from_millis(100);
/// Frames in a second.
const SECOND: u64 = 10;
/// Frames from one tool to the next.
const TOOL: u64 = 5 * SECOND;
/// Frames of a turn; a person answers it at once.
const TURN: u64 = 30 * SECOND;

const SPINNER: [&str; 6] = ["·", "✢", "✳", "✶", "✻", "✽"];
const SAID: &str = "The tests of the store pass now. What failed was the order in which two commits were told, \
                    and not the commits themselves: the second was numbered before the first could be seen.";

/// Draws its spinner ten times a second and its title once, appends to its transcript every second, and runs a tool with its hooks
/// every five seconds.
pub(crate) fn for_ever(claude: &mut Claude) -> io::Result<()> {
    draw("\x1b[?25l\x1b[2J\x1b[H")?;
    claude.hook("SessionStart")?;
    // Not all in step.
    let mut frame = u64::from(std::process::id()) % TOOL;
    begin_turn(claude)?;
    let mut due = Instant::now();
    loop {
        frame += 1;
        spin(frame)?;
        if frame.is_multiple_of(SECOND) {
            let glyph = if frame.is_multiple_of(2 * SECOND) {
                "⠂"
            } else {
                "⠐"
            };
            draw(&format!("\x1b]0;{glyph} Mending the store\x07"))?;
            claude.say(SAID)?;
            draw(&format!("\r\x1b[K\x1b[1m●\x1b[m {SAID}\r\n\r\n"))?;
        }
        if frame.is_multiple_of(TURN) {
            claude.hook("Stop")?;
            claude.report("state=idle:app=claude-code")?;
            claude.status("idle")?;
            begin_turn(claude)?;
        } else if frame.is_multiple_of(TOOL) {
            claude.hook("PreToolUse")?;
            claude.hook("PostToolUse")?;
        }
        due += FRAME;
        pass(due.saturating_duration_since(Instant::now()))?;
    }
}

fn begin_turn(claude: &Claude) -> io::Result<()> {
    claude.hook("UserPromptSubmit")?;
    claude.report("state=working:app=claude-code")?;
    claude.status("busy")
}

/// Draws what changes while it thinks, in colours that wander over the words.
fn spin(frame: u64) -> io::Result<()> {
    let glyph = SPINNER[usize::try_from(frame).unwrap_or_default() % SPINNER.len()];
    let shade = 130 + frame % 60;
    draw(&format!(
        "\x1b[?2026h\r\x1b[2K\x1b[38;5;{shade}m{glyph} Pondering…\x1b[39m \x1b[2m({}s · ↑ {} tokens · esc to interrupt)\x1b[22m\x1b[?2026l",
        frame / SECOND,
        frame * 7,
    ))
}

fn pass(time: Duration) -> io::Result<()> {
    let timeout = Timespec {
        tv_sec: i64::try_from(time.as_secs()).unwrap_or(i64::MAX),
        tv_nsec: time.subsec_nanos().into(),
    };
    poll(&mut [], Some(&timeout))?;
    Ok(())
}
