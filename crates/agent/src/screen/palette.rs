//! The colours and the cell size that a program is told when no viewer can be asked.

use alacritty_terminal::vte::ansi::{NamedColor, Rgb};

/// Width and height of a cell in pixels, as most terminals have it.
pub(crate) const CELL: (u32, u32) = (8, 16);

const ANSI: [u32; 16] = [
    0x000000, 0xcd3131, 0x0dbc79, 0xe5e510, 0x2472c8, 0xbc3fbc, 0x11a8cd, 0xe5e5e5, 0x666666,
    0xf14c4c, 0x23d18b, 0xf5f543, 0x3b8eea, 0xd670d6, 0x29b8db, 0xffffff,
];
const FOREGROUND: u32 = 0xe5e5e5;
const BACKGROUND: u32 = 0x1e1e1e;

/// Gives a colour that the program did not set.
pub(crate) fn default(index: usize) -> Option<Rgb> {
    let rgb = |value: u32| Rgb {
        r: (value >> 16) as u8,
        g: (value >> 8) as u8,
        b: value as u8,
    };
    let step = |level: usize| {
        if level == 0 {
            0
        } else {
            (level * 40 + 55) as u8
        }
    };
    Some(match index {
        0..=15 => rgb(ANSI[index]),
        16..=231 => {
            let cube = index - 16;
            Rgb {
                r: step(cube / 36),
                g: step(cube / 6 % 6),
                b: step(cube % 6),
            }
        }
        232..=255 => {
            let level = ((index - 232) * 10 + 8) as u8;
            Rgb {
                r: level,
                g: level,
                b: level,
            }
        }
        _ if index == NamedColor::Foreground as usize || index == NamedColor::Cursor as usize => {
            rgb(FOREGROUND)
        }
        _ if index == NamedColor::Background as usize => rgb(BACKGROUND),
        _ => return None,
    })
}
