//! What is written to the user's terminal on entering and on leaving it.

/// Goes to the user's alternate screen, keeping the title, and the modes that have no common neutral value: whether the
/// cursor blinks, and whether the wheel sends keys.
///
/// Whatever is shown is shown there, as tmux does it: the shell's screen and scrollback stay as they were, whatever
/// the runner writes, and are shown again on leaving. What scrolled off the runner is in `stratavore logs`. Writing to
/// the primary screen instead would give the terminal's own scrollback, but a program that rewrites its history
/// (Claude Code does, with `2J 3J H`) would then rewrite the user's.
pub(crate) const ENTER: &[u8] = b"\x1b[22;0t\x1b[?12;1007s\x1b[?1049h\x1b[2J\x1b[H";

/// Undoes every mode that a program may have set, where it is.
///
/// In order: end of a string, of a synchronized frame and of a link; pen, character sets; margins, origin, insert,
/// wrap, tab stops; keypad, cursor keys, reverse video, line feed; mouse protocols and encodings, focus, paste, colour
/// scheme and size reports; kitty's keyboard stack (the alternate screen has its own) and modifyOtherKeys; the cursor.
pub(crate) const NEUTRAL: &[u8] = b"\x1b\\\x1b[?2026l\x1b]8;;\x1b\\\
    \x1b[0m\x1b(B\x1b)B\x1b*B\x1b+B\x0f\
    \x1b[?69l\x1b[r\x1b[?6l\x1b[4l\x1b[?7h\x1b[?5W\
    \x1b>\x1b[?1l\x1b[?5l\x1b[20l\
    \x1b[?9l\x1b[?1000l\x1b[?1002l\x1b[?1003l\x1b[?1005l\x1b[?1006l\x1b[?1015l\x1b[?1016l\
    \x1b[?1004l\x1b[?2004l\x1b[?2031l\x1b[?2048l\
    \x1b[=0;1u\x1b[<99u\x1b[>4m\
    \x1b[?12l\x1b[0 q\x1b[?25h";

/// Returns from a neutral alternate screen to the user's own screen, modes and title. Where a terminal cannot keep modes,
/// the two that [`ENTER`] would have it keep become what most have by default.
pub(crate) const BACK: &[u8] = b"\x1b[?1049l\x1b[?1007h\x1b[?12;1007r\x1b[23;0t\x1b[0m\x1b[?25h";
