//! The agent: owns one runner's terminal and process tree, and outlives everything else.
//!
//! One thread, one poll loop, no wakeups but those of descriptors and of the few deadlines that are set.

pub mod agent;
pub mod cgroup;
pub mod clock;
pub mod exec;
pub mod history;
pub mod hook;
pub mod lent;
pub mod paste;
pub mod peer;
pub mod place;
pub mod process;
pub mod pty;
pub mod recording;
pub mod screen;
pub mod signals;
pub mod start;
pub mod tree;
