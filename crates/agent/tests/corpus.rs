//! What real programs write: restored at any place, and shown as it was.

#[path = "corpora/mod.rs"]
mod corpora;

use corpora::{COLUMNS, NAMES, ROWS, cuts, path, stream};
use stratavore_agent::screen::{Filter, Screen, Size};

/// Cuts of a long stream; a short one is cut at every byte.
const CUTS: usize = 400;

fn blank() -> Screen {
    Screen::new(Size::bounded(COLUMNS, ROWS))
}

/// Everything that a viewer is fed on attaching, which says everything there is; see the tests of the screen itself.
fn state(screen: &mut Screen) -> String {
    screen.snapshot(None).escape_ascii().to_string()
}

fn cut_everywhere(name: &str) {
    let stream = stream(name);
    let mut whole = blank();
    whole.feed(&stream);
    let whole = state(&mut whole);

    let (mut original, mut filter, mut fed) = (blank(), Filter::new(), 0);
    for cut in cuts(&stream, CUTS) {
        original.feed(&stream[fed..cut]);
        filter.pass(&stream[fed..cut], &mut Vec::new());
        fed = cut;

        let mut restored = blank();
        restored.feed(&original.snapshot(None));
        assert_eq!(
            state(&mut restored),
            state(&mut original),
            "{name} at {cut}"
        );
        // What is fed to a viewer that joins here.
        let mut viewed = Vec::new();
        filter.clone().pass(&stream[cut..], &mut viewed);
        restored.feed(&viewed);
        assert_eq!(state(&mut restored), whole, "{name} after {cut}");
    }
}

macro_rules! restored_wherever_they_are_cut {
    ($($test:ident: $name:literal,)*) => {
        $(#[test]
        fn $test() {
            cut_everywhere($name);
        })*

        #[test]
        fn every_recording_is_under_test() {
            assert_eq!([$($name),*], NAMES);
            let mut kept: Vec<_> = std::fs::read_dir(path("text", "vt").parent().expect("a directory"))
                .expect("the corpus")
                .map(|entry| entry.expect("a file").path())
                .filter(|path| path.extension().is_some_and(|extension| extension == "vt"))
                .map(|path| path.file_stem().expect("a name").to_string_lossy().into_owned())
                .collect();
            kept.sort();
            assert_eq!(kept, NAMES);
        }
    };
}

restored_wherever_they_are_cut! {
    cargo_build_is_restored_wherever_it_is_cut: "cargo-build",
    claude_code_at_its_start_is_restored_wherever_it_is_cut: "claude-start",
    a_turn_of_claude_code_is_restored_wherever_it_is_cut: "claude-turn",
    codex_is_restored_wherever_it_is_cut: "codex",
    gemini_is_restored_wherever_it_is_cut: "gemini",
    htop_is_restored_wherever_it_is_cut: "htop",
    less_is_restored_wherever_it_is_cut: "less",
    opencode_is_restored_wherever_it_is_cut: "opencode",
    emoji_wide_and_combining_text_is_restored_wherever_it_is_cut: "text",
    tmux_is_restored_wherever_it_is_cut: "tmux",
    vim_is_restored_wherever_it_is_cut: "vim",
}

/// `STRATAVORE_WRITE_SCREENS=1 cargo test -p stratavore-agent --test corpus` writes the files anew.
#[test]
fn the_last_screens_are_what_they_were() {
    for name in NAMES {
        let mut screen = blank();
        screen.feed(&stream(name));
        let (text, path) = (screen.text(), path(name, "txt"));
        if std::env::var_os("STRATAVORE_WRITE_SCREENS").is_some() {
            std::fs::write(&path, &text).expect("written");
        }
        let kept = std::fs::read_to_string(&path).expect("a screen");
        assert!(
            text == kept,
            "{} is not what is shown:\n{text}",
            path.display()
        );
    }
}
