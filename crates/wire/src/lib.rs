//! What agent, supervisor and viewers say to each other, and the files an agent leaves behind.
//!
//! A connection is a stream of [frames](frame): `u32` little-endian length of what follows, one byte of kind, the payload.
//! Control payloads are JSON whose unknown fields are ignored; terminal bytes travel raw. The first frame of whoever
//! connects is [`Hello`]; the agent answers [`Welcome`] or [`Refused`]. A kind that a peer does not know is no error of the
//! stream: it decodes to [`Message::Unknown`] and is answered with a polite [`Refused`], so that versions can grow.
//!
//! The [records](record) are the agent's memory on disk: `runner.json` before the program is executed, `exit.json` when it
//! has ended.

pub mod frame;
pub mod hello;
pub mod history;
pub mod hook;
pub mod keys;
pub mod launch;
pub mod lock;
pub mod message;
pub mod payload;
pub mod program;
pub mod reach;
pub mod record;
pub mod terminal;
mod time;

#[cfg(feature = "tokio")]
pub mod client;

pub use frame::{Frame, FrameDecoder, FrameError, MAX_FRAME};
pub use hello::{Hello, Refusal, Refused, Role, VERSION, Welcome};
pub use hook::{
    Denial, Gate, Hook, HookAnswer, HookGone, HookOutput, HookPolicy, Hooked, WhenAway,
};
pub use launch::{LaunchSpec, SpawnFailed, SpawnFailure, Started};
pub use message::{Message, MessageError};
pub use program::{Exit, Exited, Frozen, Heartbeat, ProgramState, Report, Stop, Stopped};
pub use record::{End, ExitRecord, RecordError, RunnerRecord};
pub use terminal::{
    Ack, Asked, Attach, Attached, GetHistory, GetScreen, Lend, Redraw, Resize, Resized, Viewers,
};
pub use time::Timestamp;
