//! How many columns a character takes.

use unicode_width::UnicodeWidthChar;

/// Counts the columns of a character: one code point at a time, as most terminals and programs do; nothing for a control.
pub fn width(c: char) -> Option<usize> {
    // Some tables give a ligature three; the engine gives none more than two.
    c.width().map(|width| width.min(2))
}
