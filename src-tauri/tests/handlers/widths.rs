//! The window counts the cells of a character as the agent's engine does.

use std::path::Path;

use serde::Deserialize;
use unicode_width::UnicodeWidthChar;

/// First and last code points of ranges, in order.
#[derive(Debug, Default, PartialEq, Deserialize)]
struct Table {
    zero: Vec<u32>,
    wide: Vec<u32>,
}

/// Set, the table is written anew: `STRATAVORE_WRITE_WIDTHS=1 cargo test --test handlers widths`.
const WRITE: &str = "STRATAVORE_WRITE_WIDTHS";

#[test]
fn the_window_and_the_agent_count_alike() {
    let mut counted = Table::default();
    for character in ' '..=char::MAX {
        match character.width().unwrap_or(1) {
            0 => extend(&mut counted.zero, character.into()),
            1 => {}
            _ => extend(&mut counted.wide, character.into()),
        }
    }
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("ui/src/terminal/widths.json");
    if std::env::var_os(WRITE).is_some() {
        let table = serde_json::json!({ "zero": counted.zero, "wide": counted.wide });
        std::fs::write(&file, format!("{table}\n")).unwrap();
    }
    let kept: Table = serde_json::from_slice(&std::fs::read(&file).unwrap()).unwrap();
    assert!(
        kept == counted,
        "{} is not the engine's: write it anew with {WRITE}=1",
        file.display()
    );
}

fn extend(ranges: &mut Vec<u32>, codepoint: u32) {
    match ranges.last_mut() {
        Some(last) if *last + 1 == codepoint => *last = codepoint,
        _ => ranges.extend([codepoint, codepoint]),
    }
}
