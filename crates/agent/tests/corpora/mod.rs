//! The recorded streams in `corpus/`.

#![allow(dead_code, reason = "each test that holds this file uses a part of it")]

use std::path::{Path, PathBuf};

/// The size that they were recorded in.
pub(crate) const COLUMNS: u16 = 120;
pub(crate) const ROWS: u16 = 40;

/// Every program that must be among them.
pub(crate) const NAMES: [&str; 11] = [
    "cargo-build",
    "claude-start",
    "claude-turn",
    "codex",
    "gemini",
    "htop",
    "less",
    "opencode",
    "text",
    "tmux",
    "vim",
];

/// Gives a file of the corpus.
pub(crate) fn path(name: &str, extension: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("corpus")
        .join(name)
        .with_extension(extension)
}

/// Gives what a program wrote.
pub(crate) fn stream(name: &str) -> Vec<u8> {
    let path = path(name, "vt");
    std::fs::read(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// Gives so many places to cut a stream at, or every place.
pub(crate) fn cuts(stream: &[u8], most: usize) -> impl Iterator<Item = usize> + use<> {
    (0..=stream.len()).step_by((stream.len() / most).max(1))
}
