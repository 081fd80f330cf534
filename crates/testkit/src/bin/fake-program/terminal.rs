//! What the program writes to its terminal and reads from it.

use std::io::{self, BufRead, Read, Write};

use rustix::termios::{OptionalActions, tcgetattr, tcgetwinsize, tcsetattr};

/// Alternate screen, mouse clicks in SGR form, focus events, bracketed paste, no cursor, a title, coloured text.
pub(crate) const MODES: &[u8] = b"\x1b[?1049h\x1b[?1000h\x1b[?1006h\x1b[?1004h\x1b[?2004h\x1b[?25l\
    \x1b]2;fake title\x07\x1b[2J\x1b[H\x1b[1;31mmodes are on\x1b[0m\x1b[5;10H";

/// Undoes [`MODES`].
pub(crate) const MODES_OFF: &[u8] =
    b"\x1b[?25h\x1b[?2004l\x1b[?1004l\x1b[?1006l\x1b[?1000l\x1b[?1049l";

/// Writes all bytes at once and waits until they are out.
pub(crate) fn write(bytes: &[u8]) -> io::Result<()> {
    let mut out = io::stdout().lock();
    out.write_all(bytes)?;
    out.flush()
}

/// Prints the size of the terminal.
pub(crate) fn write_size() -> io::Result<()> {
    let size = tcgetwinsize(io::stdout())?;
    write(format!("size {}x{}\n", size.ws_col, size.ws_row).as_bytes())
}

/// Prints the size of the terminal now and whenever it changes.
pub(crate) fn write_every_size() -> io::Result<()> {
    crate::signals::at_every_resize(write_size)
}

/// Answers every line until the input ends.
pub(crate) fn echo() -> io::Result<()> {
    for line in io::stdin().lock().lines() {
        write(format!("you said: {}\n", line?).as_bytes())?;
    }
    Ok(())
}

/// Reads a line, or lines until one is `wanted`; the end of the input is an error.
pub(crate) fn wait_line(wanted: Option<&str>) -> io::Result<()> {
    for line in io::stdin().lock().lines() {
        let line = line?;
        if wanted.is_none_or(|wanted| line == wanted) {
            return Ok(());
        }
    }
    Err(io::Error::new(
        io::ErrorKind::UnexpectedEof,
        "the input ended before the awaited line",
    ))
}

/// Prints every byte typed in raw mode, until `q`.
pub(crate) fn write_keys() -> io::Result<()> {
    let usual = tcgetattr(io::stdin())?;
    let mut raw = usual.clone();
    raw.make_raw();
    tcsetattr(io::stdin(), OptionalActions::Now, &raw)?;
    write(b"keys\r\n")?;
    for byte in io::stdin().lock().bytes() {
        let byte = byte?;
        write(format!("<{byte:02x}>").as_bytes())?;
        if byte == b'q' {
            break;
        }
    }
    tcsetattr(io::stdin(), OptionalActions::Now, &usual)?;
    Ok(())
}

/// Writes exactly so many bytes, in numbered lines of 80 bytes.
pub(crate) fn flood(bytes: u64) -> io::Result<()> {
    let mut out = io::BufWriter::with_capacity(65536, io::stdout().lock());
    let mut left = bytes;
    let mut number = 0_u64;
    while left > 0 {
        let line = format!("{number:078}\r\n");
        let part = usize::try_from(left).map_or(line.len(), |left| left.min(line.len()));
        out.write_all(&line.as_bytes()[..part])?;
        left -= part as u64;
        number += 1;
    }
    out.flush()
}
