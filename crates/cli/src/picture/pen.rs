//! How cells look, as the sequences that make them look so.

use std::fmt::Write;

use alacritty_terminal::term::cell::{Cell, Flags, Hyperlink};
use alacritty_terminal::vte::ansi::Color;

use super::engine::Engine;

/// The flags that have an SGR code, and the codes.
const CODES: [(Flags, &str); 11] = [
    (Flags::BOLD, ";1"),
    (Flags::DIM, ";2"),
    (Flags::ITALIC, ";3"),
    (Flags::UNDERLINE, ";4"),
    (Flags::DOUBLE_UNDERLINE, ";4:2"),
    (Flags::UNDERCURL, ";4:3"),
    (Flags::DOTTED_UNDERLINE, ";4:4"),
    (Flags::DASHED_UNDERLINE, ";4:5"),
    (Flags::INVERSE, ";7"),
    (Flags::HIDDEN, ";8"),
    (Flags::STRIKEOUT, ";9"),
];

/// How the next character would look.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Pen {
    sgr: String,
    link: Option<Hyperlink>,
}

impl Default for Pen {
    fn default() -> Self {
        Self {
            sgr: "\x1b[0m".to_owned(),
            link: None,
        }
    }
}

impl Pen {
    pub(super) fn of(engine: &Engine, cell: &Cell) -> Self {
        let mut sgr = "\x1b[0".to_owned();
        let codes = CODES.iter().filter(|(flag, _)| cell.flags.contains(*flag));
        codes.for_each(|(_, code)| sgr.push_str(code));
        colour(engine.resolve(cell.fg), 30, &mut sgr);
        colour(engine.resolve(cell.bg), 40, &mut sgr);
        if let Some(underline) = cell.underline_color() {
            colour(engine.resolve(underline), 50, &mut sgr);
        }
        sgr.push('m');
        Self {
            sgr,
            link: cell.hyperlink(),
        }
    }

    /// Appends what turns this pen into `to`.
    pub(super) fn change(&mut self, to: Self, out: &mut String) {
        if self.link != to.link {
            let safe = |text: &str, also: &[char]| {
                let chars = text.chars();
                chars
                    .filter(|c| !c.is_control() && !also.contains(c))
                    .collect::<String>()
            };
            out.push_str("\x1b]8;");
            if let Some(link) = &to.link {
                let (id, uri) = (safe(link.id(), &[':', ';']), safe(link.uri(), &[]));
                // Writing to a String cannot fail.
                let _ = write!(out, "id={id};{uri}");
            } else {
                out.push(';');
            }
            out.push_str("\x1b\\");
        }
        if self.sgr != to.sgr {
            out.push_str(&to.sgr);
        }
        *self = to;
    }
}

/// Appends the code of a colour; `base` is 30, 40 or 50.
fn colour(colour: Color, base: usize, out: &mut String) {
    // Writing to a String cannot fail.
    let _ = match colour {
        Color::Named(name) => match name as usize {
            index @ 0..=7 if base < 50 => write!(out, ";{}", base + index),
            index @ 8..=15 if base < 50 => write!(out, ";{}", base + 60 + index - 8),
            index @ 0..=15 => write!(out, ";{};5;{index}", base + 8),
            _ => Ok(()),
        },
        Color::Indexed(index) => write!(out, ";{};5;{index}", base + 8),
        Color::Spec(rgb) => write!(out, ";{};2;{};{};{}", base + 8, rgb.r, rgb.g, rgb.b),
    };
}
