//! Messages: what a frame means.

use thiserror::Error;

use crate::frame::{self, Frame, FrameDecoder, FrameError};
use crate::{
    Ack, Asked, Attach, Exited, Frozen, Gate, GetHistory, GetScreen, Heartbeat, Hello, Hook,
    HookAnswer, HookGone, HookOutput, Hooked, LaunchSpec, Lend, Redraw, Refused, Report, Resize,
    Resized, SpawnFailed, Started, Stop, Stopped, Viewers, Welcome,
};

/// The byte that says what a frame is. A number once given is never given again.
pub mod kind {
    #![allow(missing_docs)]
    pub const HELLO: u8 = 0x01;
    pub const WELCOME: u8 = 0x02;
    pub const REFUSED: u8 = 0x03;
    pub const LAUNCH: u8 = 0x10;
    pub const STARTED: u8 = 0x11;
    pub const SPAWN_FAILED: u8 = 0x12;
    pub const HEARTBEAT: u8 = 0x13;
    pub const EXITED: u8 = 0x14;
    pub const STOP: u8 = 0x15;
    pub const STOPPED: u8 = 0x16;
    pub const FREEZE: u8 = 0x17;
    pub const THAW: u8 = 0x18;
    pub const FROZEN: u8 = 0x19;
    pub const ENDED: u8 = 0x1a;
    pub const REPORT: u8 = 0x1b;
    pub const ATTACH: u8 = 0x20;
    pub const RESIZE: u8 = 0x21;
    pub const RESIZED: u8 = 0x22;
    pub const ACK: u8 = 0x23;
    pub const GET_SCREEN: u8 = 0x24;
    pub const GET_HISTORY: u8 = 0x25;
    pub const VIEWERS: u8 = 0x26;
    pub const TAKE_OVER: u8 = 0x27;
    pub const REDRAW: u8 = 0x28;
    pub const ASKED: u8 = 0x29;
    pub const LEND: u8 = 0x2a;
    pub const HOOK: u8 = 0x30;
    pub const HOOK_OUTPUT: u8 = 0x31;
    pub const HOOKED: u8 = 0x32;
    pub const HOOK_ANSWER: u8 = 0x33;
    pub const HOOK_GONE: u8 = 0x34;
    pub const GATE: u8 = 0x35;
    pub const OUTPUT: u8 = 0x40;
    pub const SNAPSHOT: u8 = 0x41;
    pub const INPUT: u8 = 0x42;
    pub const SCREEN: u8 = 0x43;
    pub const HISTORY: u8 = 0x44;
    pub const TYPED: u8 = 0x45;
}

/// Says one thing to a peer.
#[derive(Clone, Debug, PartialEq)]
pub enum Message {
    /// Introduces whoever connects.
    Hello(Hello),
    /// Accepts the peer.
    Welcome(Welcome),
    /// Refuses the peer or its last message.
    Refused(Refused),

    /// Supervisor: run this. Only on the connection the agent was started with.
    Launch(Box<LaunchSpec>),
    /// Agent: the program was executed.
    Started(Started),
    /// Agent: the program could not be executed.
    SpawnFailed(SpawnFailed),
    /// Agent: how it fares.
    Heartbeat(Heartbeat),
    /// Agent: the program ended.
    Exited(Exited),
    /// Supervisor: end the whole tree.
    Stop(Stop),
    /// Agent: nothing of the tree is left.
    Stopped(Stopped),
    /// Supervisor: pause the whole tree.
    Freeze,
    /// Supervisor: continue the whole tree.
    Thaw,
    /// Agent: the tree is paused or is not.
    Frozen(Frozen),
    /// Agent: all is recorded, this connection ends now.
    Ended,
    /// Agent: what the program reported of itself.
    Report(Report),

    /// Viewer: show me the terminal.
    Attach(Attach),
    /// Viewer: my size is now this.
    Resize(Resize),
    /// Agent: the terminal's size is now this.
    Resized(Resized),
    /// Viewer: I have shown this much.
    Ack(Ack),
    /// Anyone: what is on the screen?
    GetScreen(GetScreen),
    /// Anyone: what was on the screen?
    GetHistory(GetHistory),
    /// Agent: so many look on.
    Viewers(Viewers),
    /// Viewer: my size decides from now on.
    TakeOver,
    /// Viewer: draw it all anew, with history.
    Redraw(Redraw),
    /// Agent: what the program asks of whoever looks on.
    Asked(Asked),
    /// Viewer: read and write my terminal yourself.
    Lend(Lend),

    /// Client of the program's own tree: what the program told its hook.
    Hook(Hook),
    /// Agent: what the hook prints.
    HookOutput(HookOutput),
    /// Agent: the program ran a hook.
    Hooked(Hooked),
    /// Supervisor: what a hook that waits prints.
    HookAnswer(HookAnswer),
    /// Agent: a hook waits no more.
    HookGone(HookGone),
    /// Supervisor: what the program is refused from now on.
    Gate(Gate),

    /// Agent: what the program wrote, as whole sequences, less what it asks of the terminal.
    Output {
        /// Position of the first byte in all that viewers were ever fed.
        seq: u64,
        /// The bytes.
        bytes: Vec<u8>,
    },
    /// Agent: what brings a terminal in any state to the program's screen.
    Snapshot {
        /// Position that it stands for in all that viewers were ever fed; output goes on from here.
        seq: u64,
        /// Width it is meant for.
        columns: u16,
        /// Height it is meant for.
        rows: u16,
        /// The bytes to feed to the terminal.
        bytes: Vec<u8>,
    },
    /// Viewer or client: type this. One message is written as one piece.
    Input {
        /// The bytes.
        bytes: Vec<u8>,
    },
    /// Agent: this was typed in the lent terminal, and is for the viewer to look at. Nothing at all gives the terminal back.
    Typed {
        /// The bytes.
        bytes: Vec<u8>,
    },
    /// Agent: the screen, as asked.
    Screen {
        /// Whether the bytes are a snapshot or plain UTF-8 text.
        ansi: bool,
        /// The content.
        bytes: Vec<u8>,
    },
    /// Agent: a piece of the history, as asked.
    History {
        /// Whether the lines carry colours and attributes.
        ansi: bool,
        /// Whether this is the last piece.
        last: bool,
        /// Whole lines, each ended by a newline.
        bytes: Vec<u8>,
    },

    /// Anything that this build does not know; to be refused politely.
    Unknown {
        /// Its kind.
        kind: u8,
        /// Its payload.
        payload: Vec<u8>,
    },
}

/// Says why a frame holds no message.
#[derive(Debug, Error)]
pub enum MessageError {
    /// The bytes are no frames.
    #[error(transparent)]
    Frame(#[from] FrameError),
    /// A payload is not what its kind says.
    #[error("payload of {name} is malformed")]
    Payload {
        /// Which message.
        name: &'static str,
        /// What the parser says.
        #[source]
        source: serde_json::Error,
    },
    /// A raw payload lacks its fixed part.
    #[error("payload of {name} has {have} bytes, fewer than its fixed {need}")]
    Short {
        /// Which message.
        name: &'static str,
        /// Bytes there are.
        have: usize,
        /// Bytes there must be.
        need: usize,
    },
}

const ANSI: u8 = 1;
const LAST: u8 = 2;

impl Message {
    /// Names the message, for people and logs.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Hello(_) => "hello",
            Self::Welcome(_) => "welcome",
            Self::Refused(_) => "refused",
            Self::Launch(_) => "launch",
            Self::Started(_) => "started",
            Self::SpawnFailed(_) => "spawn-failed",
            Self::Heartbeat(_) => "heartbeat",
            Self::Exited(_) => "exited",
            Self::Stop(_) => "stop",
            Self::Stopped(_) => "stopped",
            Self::Freeze => "freeze",
            Self::Thaw => "thaw",
            Self::Frozen(_) => "frozen",
            Self::Ended => "ended",
            Self::Report(_) => "report",
            Self::Attach(_) => "attach",
            Self::Resize(_) => "resize",
            Self::Resized(_) => "resized",
            Self::Ack(_) => "ack",
            Self::GetScreen(_) => "get-screen",
            Self::GetHistory(_) => "get-history",
            Self::Viewers(_) => "viewers",
            Self::TakeOver => "take-over",
            Self::Redraw(_) => "redraw",
            Self::Asked(_) => "asked",
            Self::Lend(_) => "lend",
            Self::Hook(_) => "hook",
            Self::HookOutput(_) => "hook-output",
            Self::Hooked(_) => "hooked",
            Self::HookAnswer(_) => "hook-answer",
            Self::HookGone(_) => "hook-gone",
            Self::Gate(_) => "gate",
            Self::Output { .. } => "output",
            Self::Snapshot { .. } => "snapshot",
            Self::Input { .. } => "input",
            Self::Typed { .. } => "typed",
            Self::Screen { .. } => "screen",
            Self::History { .. } => "history",
            Self::Unknown { .. } => "unknown",
        }
    }

    /// Appends the message's frame to `out`; nothing is appended when it is too long for one.
    pub fn encode(&self, out: &mut Vec<u8>) -> Result<(), FrameError> {
        match self {
            Self::Hello(body) => json(kind::HELLO, body, out),
            Self::Welcome(body) => json(kind::WELCOME, body, out),
            Self::Refused(body) => json(kind::REFUSED, body, out),
            Self::Launch(body) => json(kind::LAUNCH, body, out),
            Self::Started(body) => json(kind::STARTED, body, out),
            Self::SpawnFailed(body) => json(kind::SPAWN_FAILED, body, out),
            Self::Heartbeat(body) => json(kind::HEARTBEAT, body, out),
            Self::Exited(body) => json(kind::EXITED, body, out),
            Self::Stop(body) => json(kind::STOP, body, out),
            Self::Stopped(body) => json(kind::STOPPED, body, out),
            Self::Freeze => frame::encode(kind::FREEZE, b"{}", out),
            Self::Thaw => frame::encode(kind::THAW, b"{}", out),
            Self::Frozen(body) => json(kind::FROZEN, body, out),
            Self::Ended => frame::encode(kind::ENDED, b"{}", out),
            Self::Report(body) => json(kind::REPORT, body, out),
            Self::Attach(body) => json(kind::ATTACH, body, out),
            Self::Resize(body) => json(kind::RESIZE, body, out),
            Self::Resized(body) => json(kind::RESIZED, body, out),
            Self::Ack(body) => json(kind::ACK, body, out),
            Self::GetScreen(body) => json(kind::GET_SCREEN, body, out),
            Self::GetHistory(body) => json(kind::GET_HISTORY, body, out),
            Self::Viewers(body) => json(kind::VIEWERS, body, out),
            Self::TakeOver => frame::encode(kind::TAKE_OVER, b"{}", out),
            Self::Redraw(body) => json(kind::REDRAW, body, out),
            Self::Asked(body) => json(kind::ASKED, body, out),
            Self::Lend(body) => json(kind::LEND, body, out),
            Self::Hook(body) => json(kind::HOOK, body, out),
            Self::HookOutput(body) => json(kind::HOOK_OUTPUT, body, out),
            Self::Hooked(body) => json(kind::HOOKED, body, out),
            Self::HookAnswer(body) => json(kind::HOOK_ANSWER, body, out),
            Self::HookGone(body) => json(kind::HOOK_GONE, body, out),
            Self::Gate(body) => json(kind::GATE, body, out),
            Self::Output { seq, bytes } => encode_output(*seq, bytes, out),
            Self::Snapshot {
                seq,
                columns,
                rows,
                bytes,
            } => frame::encode_parts(
                kind::SNAPSHOT,
                &[
                    &seq.to_le_bytes(),
                    &columns.to_le_bytes(),
                    &rows.to_le_bytes(),
                    bytes,
                ],
                out,
            ),
            Self::Input { bytes } => frame::encode(kind::INPUT, bytes, out),
            Self::Typed { bytes } => frame::encode(kind::TYPED, bytes, out),
            Self::Screen { ansi, bytes } => {
                frame::encode_parts(kind::SCREEN, &[&[flag(*ansi, ANSI)], bytes], out)
            }
            Self::History { ansi, last, bytes } => frame::encode_parts(
                kind::HISTORY,
                &[&[flag(*ansi, ANSI) | flag(*last, LAST)], bytes],
                out,
            ),
            Self::Unknown { kind, payload } => frame::encode(*kind, payload, out),
        }
    }

    /// Gives the message's frame.
    pub fn to_bytes(&self) -> Result<Vec<u8>, FrameError> {
        let mut out = Vec::new();
        self.encode(&mut out)?;
        Ok(out)
    }

    /// Understands a frame.
    pub fn from_frame(frame: Frame) -> Result<Self, MessageError> {
        let Frame { kind, payload } = frame;
        Ok(match kind {
            kind::HELLO => Self::Hello(parse("hello", &payload)?),
            kind::WELCOME => Self::Welcome(parse("welcome", &payload)?),
            kind::REFUSED => Self::Refused(parse("refused", &payload)?),
            kind::LAUNCH => Self::Launch(parse("launch", &payload)?),
            kind::STARTED => Self::Started(parse("started", &payload)?),
            kind::SPAWN_FAILED => Self::SpawnFailed(parse("spawn-failed", &payload)?),
            kind::HEARTBEAT => Self::Heartbeat(parse("heartbeat", &payload)?),
            kind::EXITED => Self::Exited(parse("exited", &payload)?),
            kind::STOP => Self::Stop(parse("stop", &payload)?),
            kind::STOPPED => Self::Stopped(parse("stopped", &payload)?),
            kind::FREEZE => Self::Freeze,
            kind::THAW => Self::Thaw,
            kind::FROZEN => Self::Frozen(parse("frozen", &payload)?),
            kind::ENDED => Self::Ended,
            kind::REPORT => Self::Report(parse("report", &payload)?),
            kind::ATTACH => Self::Attach(parse("attach", &payload)?),
            kind::RESIZE => Self::Resize(parse("resize", &payload)?),
            kind::RESIZED => Self::Resized(parse("resized", &payload)?),
            kind::ACK => Self::Ack(parse("ack", &payload)?),
            kind::GET_SCREEN => Self::GetScreen(parse("get-screen", &payload)?),
            kind::GET_HISTORY => Self::GetHistory(parse("get-history", &payload)?),
            kind::VIEWERS => Self::Viewers(parse("viewers", &payload)?),
            kind::TAKE_OVER => Self::TakeOver,
            kind::REDRAW => Self::Redraw(parse("redraw", &payload)?),
            kind::ASKED => Self::Asked(parse("asked", &payload)?),
            kind::LEND => Self::Lend(parse("lend", &payload)?),
            kind::HOOK => Self::Hook(parse("hook", &payload)?),
            kind::HOOK_OUTPUT => Self::HookOutput(parse("hook-output", &payload)?),
            kind::HOOKED => Self::Hooked(parse("hooked", &payload)?),
            kind::HOOK_ANSWER => Self::HookAnswer(parse("hook-answer", &payload)?),
            kind::HOOK_GONE => Self::HookGone(parse("hook-gone", &payload)?),
            kind::GATE => Self::Gate(parse("gate", &payload)?),
            kind::OUTPUT => {
                let (seq, bytes) = fixed::<8>("output", payload)?;
                Self::Output {
                    seq: u64::from_le_bytes(seq),
                    bytes,
                }
            }
            kind::SNAPSHOT => {
                let ([s0, s1, s2, s3, s4, s5, s6, s7, c0, c1, r0, r1], bytes) =
                    fixed::<12>("snapshot", payload)?;
                Self::Snapshot {
                    seq: u64::from_le_bytes([s0, s1, s2, s3, s4, s5, s6, s7]),
                    columns: u16::from_le_bytes([c0, c1]),
                    rows: u16::from_le_bytes([r0, r1]),
                    bytes,
                }
            }
            kind::INPUT => Self::Input { bytes: payload },
            kind::TYPED => Self::Typed { bytes: payload },
            kind::SCREEN => {
                let ([flags], bytes) = fixed::<1>("screen", payload)?;
                Self::Screen {
                    ansi: flags & ANSI != 0,
                    bytes,
                }
            }
            kind::HISTORY => {
                let ([flags], bytes) = fixed::<1>("history", payload)?;
                Self::History {
                    ansi: flags & ANSI != 0,
                    last: flags & LAST != 0,
                    bytes,
                }
            }
            kind => Self::Unknown { kind, payload },
        })
    }
}

/// Appends an output frame without owning its bytes.
pub fn encode_output(seq: u64, bytes: &[u8], out: &mut Vec<u8>) -> Result<(), FrameError> {
    frame::encode_parts(kind::OUTPUT, &[&seq.to_le_bytes(), bytes], out)
}

impl FrameDecoder {
    /// Gives the next complete message, or `None` until more bytes come.
    pub fn next_message(&mut self) -> Result<Option<Message>, MessageError> {
        self.next_frame()?.map(Message::from_frame).transpose()
    }
}

fn flag(set: bool, bit: u8) -> u8 {
    if set { bit } else { 0 }
}

fn json(kind: u8, body: &impl serde::Serialize, out: &mut Vec<u8>) -> Result<(), FrameError> {
    // Only maps with keys that are no strings and paths that are no UTF-8 fail to serialize. There are none of the first;
    // the second becomes an empty payload, which the peer refuses as malformed.
    let payload = serde_json::to_vec(body).unwrap_or_default();
    frame::encode(kind, &payload, out)
}

fn parse<T: serde::de::DeserializeOwned>(
    name: &'static str,
    payload: &[u8],
) -> Result<T, MessageError> {
    serde_json::from_slice(payload).map_err(|source| MessageError::Payload { name, source })
}

fn fixed<const N: usize>(
    name: &'static str,
    mut payload: Vec<u8>,
) -> Result<([u8; N], Vec<u8>), MessageError> {
    let Some(head) = payload.first_chunk::<N>().copied() else {
        return Err(MessageError::Short {
            name,
            have: payload.len(),
            need: N,
        });
    };
    payload.drain(..N);
    Ok((head, payload))
}
