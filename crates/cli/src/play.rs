//! Plays recordings.

pub(crate) mod cast;
pub(crate) mod player;
