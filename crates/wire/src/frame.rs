//! Frames: a length, a kind and a payload.

use thiserror::Error;

/// Bounds a frame's length (kind and payload), so that a peer can never make the other allocate more.
pub const MAX_FRAME: usize = 4 * 1024 * 1024;

/// The length field.
const HEADER: usize = 4;

/// What was read may be shifted to the buffer's start once this much of it is spent.
const COMPACT_AFTER: usize = 64 * 1024;

/// Holds one frame as it travels: not yet understood.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Frame {
    /// Says what the payload is; see [`crate::message::kind`].
    pub kind: u8,
    /// Carries the message.
    pub payload: Vec<u8>,
}

/// Says why a stream of bytes is not a stream of frames. After one of these the stream cannot be resumed.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum FrameError {
    /// A frame is announced, or was to be sent, that is longer than allowed.
    #[error("frame of {len} bytes is longer than the {max} allowed")]
    Oversized {
        /// Length of kind and payload.
        len: usize,
        /// What is allowed.
        max: usize,
    },
    /// A frame of length zero has no kind.
    #[error("frame is empty: it has no kind")]
    Empty,
    /// The stream ended inside a frame.
    #[error("stream ended inside a frame: {have} of {need} bytes came")]
    Truncated {
        /// Bytes that came of the last frame, with its header.
        have: usize,
        /// Bytes that frame has, with its header (which alone when it is incomplete).
        need: usize,
    },
}

/// Appends one frame to `out`; nothing is appended when it is too long.
pub fn encode(kind: u8, payload: &[u8], out: &mut Vec<u8>) -> Result<(), FrameError> {
    encode_parts(kind, &[payload], out)
}

/// Appends one frame whose payload is the concatenation of `parts`.
pub(crate) fn encode_parts(kind: u8, parts: &[&[u8]], out: &mut Vec<u8>) -> Result<(), FrameError> {
    let len = 1 + parts.iter().map(|part| part.len()).sum::<usize>();
    if len > MAX_FRAME {
        return Err(FrameError::Oversized {
            len,
            max: MAX_FRAME,
        });
    }
    out.reserve(HEADER + len);
    out.extend_from_slice(&(len as u32).to_le_bytes());
    out.push(kind);
    for part in parts {
        out.extend_from_slice(part);
    }
    Ok(())
}

/// Cuts a stream of bytes, in whatever pieces it comes, into frames.
#[derive(Debug)]
pub struct FrameDecoder {
    buffer: Vec<u8>,
    /// Bytes at the buffer's start that earlier frames used up.
    spent: usize,
    max: usize,
}

impl Default for FrameDecoder {
    fn default() -> Self {
        Self::new()
    }
}

impl FrameDecoder {
    /// Starts at a frame's beginning.
    pub fn new() -> Self {
        Self::with_limit(MAX_FRAME)
    }

    /// Starts with a smaller limit, for a peer that has not yet said who it is.
    pub fn with_limit(max: usize) -> Self {
        Self {
            buffer: Vec::new(),
            spent: 0,
            max: max.min(MAX_FRAME),
        }
    }

    /// Changes the limit for the frames to come.
    pub fn set_limit(&mut self, max: usize) {
        self.max = max.min(MAX_FRAME);
    }

    /// Takes the next bytes of the stream.
    pub fn push(&mut self, bytes: &[u8]) {
        if self.spent == self.buffer.len() {
            self.buffer.clear();
            self.spent = 0;
        } else if self.spent > COMPACT_AFTER {
            self.buffer.drain(..self.spent);
            self.spent = 0;
        }
        self.buffer.extend_from_slice(bytes);
    }

    /// Gives the next complete frame, or `None` until more bytes come.
    pub fn next_frame(&mut self) -> Result<Option<Frame>, FrameError> {
        let rest = &self.buffer[self.spent..];
        let Some((header, body)) = rest.split_first_chunk::<HEADER>() else {
            return Ok(None);
        };
        let len = u32::from_le_bytes(*header) as usize;
        if len > self.max {
            return Err(FrameError::Oversized { len, max: self.max });
        }
        if len == 0 {
            return Err(FrameError::Empty);
        }
        let Some(frame) = body.get(..len) else {
            return Ok(None);
        };
        let frame = Frame {
            kind: frame[0],
            payload: frame[1..].to_vec(),
        };
        self.spent += HEADER + len;
        if self.spent == self.buffer.len() {
            // An idle connection holds no memory of the largest frame it ever carried.
            self.buffer = Vec::new();
            self.spent = 0;
        }
        Ok(Some(frame))
    }

    /// Says whether the stream may end here.
    pub fn finish(&self) -> Result<(), FrameError> {
        let rest = &self.buffer[self.spent..];
        if rest.is_empty() {
            return Ok(());
        }
        let need = rest.first_chunk::<HEADER>().map_or(HEADER, |header| {
            HEADER + u32::from_le_bytes(*header) as usize
        });
        Err(FrameError::Truncated {
            have: rest.len(),
            need,
        })
    }
}
