//! Operating system commands that are known here.

use alacritty_terminal::vte::ansi::{NamedColor, Rgb};

use super::clean;

/// Longest address of a link, as terminals have it.
const LINK_MAX: usize = 2083;
/// Longest id of a link.
const LINK_ID_MAX: usize = 250;

/// Names what a command asks for. What is not named is not done, nor shown to viewers.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Command<'a> {
    /// OSC 0, 1 (of an icon, which nobody shows) and 2.
    Title {
        /// The number.
        code: u8,
        /// The text as it came.
        text: &'a [u8],
    },
    /// OSC 4, 10 to 12, 104, 110 to 112.
    Colors(Vec<ColorChange>),
    /// OSC 7.
    Directory(&'a [u8]),
    /// OSC 8 that ends a link.
    NoLink,
    /// OSC 8.
    Link {
        /// What makes several pieces one link.
        id: Option<String>,
        /// Where it leads.
        uri: String,
    },
    /// OSC 9 and 777.
    Notice {
        /// May be empty.
        title: &'a [u8],
        /// The text.
        body: &'a [u8],
    },
    /// OSC 22.
    Pointer(&'a [u8]),
    /// OSC 52.
    Clipboard {
        /// Letters of selections.
        selections: &'a [u8],
        /// The text in base64.
        payload: &'a [u8],
    },
    /// OSC 133 and 633: where a shell's prompts and commands are.
    Mark,
    /// OSC 1337 with an image to be shown in its place.
    Image,
    /// OSC 7501 that asks whether somebody listens.
    Claim,
    /// OSC 7501.
    Report(&'a [u8]),
}

/// Says what becomes of a colour. The first 256 are the palette; see [`dynamic`] for the others.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ColorChange {
    /// It becomes this.
    Set(usize, Rgb),
    /// It becomes what it was.
    Reset(usize),
    /// The whole palette becomes what it was.
    ResetPalette,
    /// The program asks for it.
    Asked(usize),
}

/// Gives the index of the colour that OSC 10, 11 or 12 sets.
pub(crate) fn dynamic(code: usize) -> usize {
    NamedColor::Foreground as usize + code - 10
}

impl<'a> Command<'a> {
    /// Reads what stands between `ESC ]` and the terminator.
    pub(crate) fn of(content: &'a [u8]) -> Option<Self> {
        let (code, rest) = cut(content);
        let text = rest.unwrap_or_default();
        Some(
            match (std::str::from_utf8(code).ok()?.parse::<u16>().ok()?, rest) {
                (code @ 0..=2, Some(text)) => Self::Title {
                    code: code as u8,
                    text,
                },
                (4, Some(_)) => Self::Colors(palette(text)),
                (code @ 10..=12, Some(_)) => Self::Colors(dynamics(code.into(), text)),
                (104, _) if text.is_empty() => Self::Colors(vec![ColorChange::ResetPalette]),
                (104, _) => Self::Colors(
                    text.split(|byte| *byte == b';')
                        .filter_map(|index| Some(ColorChange::Reset(color_index(index)?)))
                        .collect(),
                ),
                (code @ 110..=112, _) => {
                    Self::Colors(vec![ColorChange::Reset(dynamic(usize::from(code) - 100))])
                }
                (7, Some(directory)) => Self::Directory(directory),
                (8, Some(text)) => link(text)?,
                // Windows' terminals have commands of numbers there: progress, directories.
                (9, Some(text)) => {
                    let digits = text.iter().take_while(|byte| byte.is_ascii_digit()).count();
                    let commands = digits > 0 && matches!(text.get(digits), None | Some(b';'));
                    if commands || text.is_empty() {
                        return None;
                    }
                    Self::Notice {
                        title: b"",
                        body: text,
                    }
                }
                (777, Some(text)) => {
                    let (title, body) = cut(text.strip_prefix(b"notify;")?);
                    Self::Notice {
                        title,
                        body: body.unwrap_or_default(),
                    }
                }
                (22, Some(shape)) => Self::Pointer(shape),
                (52, Some(text)) => {
                    let (selections, payload) = cut(text);
                    Self::Clipboard {
                        selections,
                        payload: payload?,
                    }
                }
                (133 | 633, Some(_)) => Self::Mark,
                (1337, Some(text)) => {
                    let options = cut_at(text.strip_prefix(b"File=")?, b':').0;
                    options
                        .split(|byte| *byte == b';')
                        .any(|option| option == b"inline=1")
                        .then_some(Self::Image)?
                }
                (7501, Some(b"?")) => Self::Claim,
                (7501, Some(report)) => Self::Report(report),
                _ => return None,
            },
        )
    }
}

fn cut(text: &[u8]) -> (&[u8], Option<&[u8]>) {
    cut_at(text, b';')
}

fn cut_at(text: &[u8], at: u8) -> (&[u8], Option<&[u8]>) {
    match text.iter().position(|byte| *byte == at) {
        Some(position) => (&text[..position], Some(&text[position + 1..])),
        None => (text, None),
    }
}

fn palette(text: &[u8]) -> Vec<ColorChange> {
    let mut parts = text.split(|byte| *byte == b';');
    let mut changes = Vec::new();
    while let (Some(index), Some(value)) = (parts.next(), parts.next()) {
        changes.extend(color_index(index).and_then(|index| change(index, value)));
    }
    changes
}

fn dynamics(first: usize, text: &[u8]) -> Vec<ColorChange> {
    text.split(|byte| *byte == b';')
        .zip(first..=12)
        .filter_map(|(value, code)| change(dynamic(code), value))
        .collect()
}

fn change(index: usize, value: &[u8]) -> Option<ColorChange> {
    if value == b"?" {
        return Some(ColorChange::Asked(index));
    }
    Some(ColorChange::Set(index, color(value)?))
}

fn color_index(digits: &[u8]) -> Option<usize> {
    std::str::from_utf8(digits)
        .ok()?
        .parse()
        .ok()
        .map(|index: u8| index.into())
}

/// Reads `#rgb` with one to four digits each, and `rgb:r/g/b`.
fn color(text: &[u8]) -> Option<Rgb> {
    let text = std::str::from_utf8(text).ok()?;
    let hex = |digits: &str| {
        let sound = (1..=4).contains(&digits.len())
            && digits.bytes().all(|digit| digit.is_ascii_hexdigit());
        sound.then(|| u32::from_str_radix(digits, 16).ok())?
    };
    let channels: Vec<u8> = if let Some(digits) = text.strip_prefix('#') {
        let width = digits.len() / 3;
        if !digits.is_ascii() || width == 0 || digits.len() % 3 != 0 {
            return None;
        }
        // The digits are the upper ones.
        (0..3)
            .map(|channel| {
                Some((hex(&digits[channel * width..][..width])? << 16 >> (4 * width) >> 8) as u8)
            })
            .collect::<Option<_>>()?
    } else {
        text.strip_prefix("rgb:")?
            .split('/')
            .map(|digits| {
                let most = (1 << (4 * digits.len().min(4))) - 1;
                Some(((hex(digits)? * 255 + most / 2) / most) as u8)
            })
            .collect::<Option<_>>()?
    };
    match channels[..] {
        [r, g, b] => Some(Rgb { r, g, b }),
        _ => None,
    }
}

fn link(text: &[u8]) -> Option<Command<'static>> {
    let (options, uri) = cut(text);
    // Half an address leads elsewhere.
    let uri = Some(uri?).filter(|uri| uri.len() <= LINK_MAX);
    let uri = clean(uri.unwrap_or_default(), LINK_MAX);
    if uri.is_empty() {
        return Some(Command::NoLink);
    }
    let id = options
        .split(|byte| *byte == b':')
        .find_map(|option| option.strip_prefix(b"id="))
        .filter(|id| id.len() <= LINK_ID_MAX)
        .map(|id| clean(id, LINK_ID_MAX))
        .filter(|id| !id.is_empty());
    Some(Command::Link { id, uri })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn colours_are_read_in_every_notation() {
        for (text, rgb) in [
            ("#f00", Some((0xf0, 0, 0))),
            ("#102030", Some((0x10, 0x20, 0x30))),
            ("#123456789", Some((0x12, 0x45, 0x78))),
            ("#111122223333", Some((0x11, 0x22, 0x33))),
            ("rgb:f/0/8", Some((255, 0, 136))),
            ("rgb:ff/80/00", Some((255, 128, 0))),
            ("rgb:ffff/8080/0000", Some((255, 128, 0))),
            ("rgb:ff/80", None),
            ("rgb:fffff/0/0", None),
            ("rgb:+f/0/0", None),
            ("#12", None),
            ("#é0", None),
            ("red", None),
            ("?", None),
        ] {
            let read = color(text.as_bytes()).map(|rgb| (rgb.r, rgb.g, rgb.b));
            assert_eq!(read, rgb, "{text}");
        }
    }

    #[test]
    fn commands_are_told_apart() {
        let notice = |title: &'static str, body: &'static str| {
            Some(Command::Notice {
                title: title.as_bytes(),
                body: body.as_bytes(),
            })
        };
        let red = Rgb { r: 255, g: 0, b: 0 };
        for (content, command) in [
            (&b"9;hello"[..], notice("", "hello")),
            (b"9;4;1;50", None),
            (b"9;9;/tmp", None),
            (b"9;12", None),
            (b"9;4 things", notice("", "4 things")),
            (b"777;notify;a;b;c", notice("a", "b;c")),
            (b"777;precmd", None),
            (b"8;;", Some(Command::NoLink)),
            (b"8;;\xff", Some(Command::NoLink)),
            (b"7501;?", Some(Command::Claim)),
            (
                b"4;1;#f00000;2;?;x;#fff;3",
                Some(Command::Colors(vec![
                    ColorChange::Set(1, Rgb { r: 0xf0, ..red }),
                    ColorChange::Asked(2),
                ])),
            ),
            (
                b"10;rgb:f/0/0;?;bad;#fff",
                Some(Command::Colors(vec![
                    ColorChange::Set(dynamic(10), red),
                    ColorChange::Asked(dynamic(11)),
                ])),
            ),
            (
                b"104",
                Some(Command::Colors(vec![ColorChange::ResetPalette])),
            ),
            (
                b"104;7;300;8",
                Some(Command::Colors(vec![
                    ColorChange::Reset(7),
                    ColorChange::Reset(8),
                ])),
            ),
            (b"1337;File=name=eA==;inline=1:AAAA", Some(Command::Image)),
            (b"1337;File=name=eA==:inline=1", None),
            (b"1337;Copy=:eA==", None),
            (b"50;?", None),
            (b"5522;type=read", None),
            (b"", None),
        ] {
            assert_eq!(Command::of(content), command, "{}", content.escape_ascii());
        }
    }
}
