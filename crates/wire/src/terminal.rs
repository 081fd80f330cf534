//! Viewers and what they see.

use serde::{Deserialize, Serialize};

use crate::keys::Key;

/// Begins an attachment: a snapshot comes, then output, until the connection closes.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Attach {
    /// The viewer's width.
    pub columns: u16,
    /// The viewer's height.
    pub rows: u16,
    /// Whether its input and its size are ignored.
    #[serde(default)]
    pub read_only: bool,
    /// Where the viewer is, for the other viewers' people: `window`, `pts/3`.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub place: String,
}

/// Tells the viewer's new size.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Resize {
    /// Width.
    pub columns: u16,
    /// Height.
    pub rows: u16,
}

/// Tells the terminal's new size; output from here on is meant for it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Resized {
    /// Width.
    pub columns: u16,
    /// Height.
    pub rows: u16,
}

/// Acknowledges output as shown.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ack {
    /// Bytes of output and snapshots processed since the last acknowledgement.
    pub bytes: u64,
}

/// Lends the viewer's own terminal to the agent, which reads and writes it itself until it sends the viewer any message.
///
/// The first one on a connection carries two descriptors: the terminal, raw and non-blocking, and what is held as long as
/// the terminal is, so that its closing tells whoever is to restore the terminal that nobody writes to it any more.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Lend {
    /// How many messages the viewer has received on this connection. Where the agent has sent more it leaves the terminal
    /// alone: the viewer has to do with it first.
    pub heard: u64,
    /// The keys that are the viewer's: what may hold one of them is handed to it as [`crate::Message::Typed`].
    #[serde(default)]
    pub keys: Vec<Key>,
}

/// Asks for what the screen shows now, answered by [`crate::Message::Screen`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct GetScreen {
    /// Exactly the bytes a viewer is fed on attaching, rather than text.
    #[serde(default)]
    pub ansi: bool,
}

/// Asks for the lines that scrolled off and those on the screen, answered by [`crate::Message::History`] until its `last`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct GetHistory {
    /// With colours and attributes, rather than text.
    #[serde(default)]
    pub ansi: bool,
    /// At most this many of the last lines.
    #[serde(default)]
    pub lines: Option<u32>,
    /// Lines that scroll off later are sent as they do, and at the end those on the screen; only then comes the `last`.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub follow: bool,
}

/// Asks for a fresh snapshot that carries history.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Redraw {
    /// At most this many of the last lines; fewer come when more do not fit a frame.
    pub history_lines: u32,
}

/// Tells a viewer what the program asks of whoever looks on, which feeding a terminal must not do by itself.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Asked {
    /// Put this into a clipboard (OSC 52). Reading one is never passed on.
    Clipboard {
        /// Which: `c` for the clipboard, `p` for the primary selection.
        selection: char,
        /// The text.
        text: String,
    },
    /// Tell the person this (OSC 9, OSC 777).
    Notify {
        /// May be empty.
        title: String,
        /// What it is about.
        body: String,
    },
}

/// Tells who is attached, on every change.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Viewers {
    /// All of them.
    pub count: u32,
    /// Those of them that only watch.
    #[serde(default)]
    pub read_only: u32,
    /// Each of them, in the order in which they came.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub attached: Vec<Attached>,
}

/// Describes one viewer to the others.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Attached {
    /// What [`Attach`] said.
    #[serde(default)]
    pub place: String,
    /// Its width.
    pub columns: u16,
    /// Its height.
    pub rows: u16,
    /// Whether it only watches.
    #[serde(default)]
    pub read_only: bool,
    /// Whether the terminal has its size.
    #[serde(default)]
    pub decides: bool,
    /// Whether it is the one that is told.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub you: bool,
}
