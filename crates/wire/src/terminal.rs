//! Viewers and what they see.

use serde::{Deserialize, Serialize};

/// Begins an attachment: a snapshot comes, then output, until the connection closes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Attach {
    /// The viewer's width.
    pub columns: u16,
    /// The viewer's height.
    pub rows: u16,
    /// Whether its input and its size are ignored.
    #[serde(default)]
    pub read_only: bool,
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

/// Asks for what the screen shows now, answered by [`crate::Message::Screen`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct GetScreen {
    /// Exactly the bytes a viewer is fed on attaching, rather than text.
    #[serde(default)]
    pub ansi: bool,
}

/// Asks for the lines that scrolled off and those on the screen, answered by [`crate::Message::History`] until its `last`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct GetHistory {
    /// With colours and attributes, rather than text.
    #[serde(default)]
    pub ansi: bool,
    /// At most this many of the last lines.
    #[serde(default)]
    pub lines: Option<u32>,
}

/// Tells who is attached, on every change.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Viewers {
    /// All of them.
    pub count: u32,
    /// Those of them that only watch.
    #[serde(default)]
    pub read_only: u32,
}
