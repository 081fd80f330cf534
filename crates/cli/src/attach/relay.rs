//! Passes a runner's output on to the user's terminal as it is, but for what reaches past the attachment.
//!
//! What an agent sends is made of whole sequences and holds no queries. Three things in it are not for a terminal that
//! is lent:
//!
//! - **The alternate screen's switch.** The attachment lives on the user's own alternate screen, so that neither
//!   screen nor scrollback of the user's shell is ever written to. The program entering its alternate screen is a
//!   cleared screen here; its leaving is a [`Passed::Redraw`], for only the agent knows what was behind.
//! - **What erases more than the screen**: `ED 3` and the full reset (`RIS`), which would take the user's own
//!   scrollback and leave the alternate screen.
//! - **Titles put aside and taken back**: the user's own is among those.

use stratavore_wire::reach::{number, sequence_length};

use crate::terminal::colours::Touched;

const ESC: u8 = 0x1b;

/// What the bytes are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Origin {
    /// The agent's rendering of the screen: complete in itself.
    Snapshot,
    /// What the program wrote.
    Live,
}

/// What came of passing bytes on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Passed {
    /// All of them were dealt with.
    All,
    /// What the screen shows next only the agent knows: the rest was left, a new snapshot is needed.
    Redraw,
}

/// What becomes of a sequence.
#[derive(Debug, PartialEq, Eq)]
enum Verdict {
    Pass,
    Replace(Vec<u8>),
    Redraw,
}

/// Passes output on.
#[derive(Debug, Default)]
pub(crate) struct Relay {
    /// Whether the program is on its alternate screen.
    alternate: bool,
    touched: Touched,
}

impl Relay {
    /// Tells what the program changed that must be reset on leaving.
    pub(crate) const fn touched(&self) -> Touched {
        self.touched
    }

    /// Gives up what must be reset: it is reset now.
    pub(crate) fn take_touched(&mut self) -> Touched {
        std::mem::take(&mut self.touched)
    }

    /// Begins anew with the snapshot that is to come.
    pub(crate) const fn restart(&mut self) {
        self.alternate = false;
    }

    /// Passes bytes on, appending to `out`.
    pub(crate) fn pass(&mut self, origin: Origin, bytes: &[u8], out: &mut Vec<u8>) -> Passed {
        let mut rest = bytes;
        while let Some(text) = rest.iter().position(|byte| *byte == ESC) {
            let (text, from) = rest.split_at(text);
            out.extend_from_slice(text);
            let (sequence, after) = from.split_at(sequence_length(from));
            rest = after;
            match self.judge(sequence) {
                Verdict::Pass => out.extend_from_slice(sequence),
                Verdict::Replace(bytes) => out.extend_from_slice(&bytes),
                // A snapshot begins by leaving the alternate screen: nothing is behind it but the snapshot itself.
                Verdict::Redraw if origin == Origin::Snapshot => {}
                Verdict::Redraw => return Passed::Redraw,
            }
        }
        out.extend_from_slice(rest);
        Passed::All
    }

    fn judge(&mut self, sequence: &[u8]) -> Verdict {
        match sequence {
            [ESC, b'c'] => Verdict::Redraw,
            [ESC, b'[', b'?', params @ .., last @ (b'h' | b'l')] => self.switch(params, *last),
            [ESC, b'[', b'?', params @ .., b'J'] | [ESC, b'[', params @ .., b'J']
                if number(params) == Some(3) =>
            {
                Verdict::Replace(Vec::new())
            }
            [ESC, b'[', params @ .., b't'] => match params.split(|byte| *byte == b';').next() {
                Some(b"22") => Verdict::Replace(Vec::new()),
                Some(b"23") => Verdict::Redraw,
                _ => Verdict::Pass,
            },
            [ESC, b']', body @ ..] => {
                self.touched.add(touched_by(body));
                Verdict::Pass
            }
            _ => Verdict::Pass,
        }
    }

    /// Takes the alternate screen out of a setting of private modes.
    fn switch(&mut self, params: &[u8], last: u8) -> Verdict {
        let is_switch = |param: &&[u8]| matches!(number(param), Some(47 | 1047 | 1049));
        let (switches, others): (Vec<&[u8]>, Vec<&[u8]>) = params
            .split(|byte| *byte == b';')
            .partition(|param| is_switch(param));
        if switches.is_empty() {
            return Verdict::Pass;
        }
        if last == b'l' && std::mem::take(&mut self.alternate) {
            return Verdict::Redraw;
        }
        let mut bytes = Vec::new();
        if !others.is_empty() {
            bytes.extend_from_slice(b"\x1b[?");
            bytes.extend_from_slice(&others.join(&b';'));
            bytes.push(last);
        }
        if last == b'h' && !std::mem::replace(&mut self.alternate, true) {
            bytes.extend_from_slice(b"\x1b[2J");
        }
        Verdict::Replace(bytes)
    }
}

/// Tells what an operating system command changes that has no neutral value.
fn touched_by(body: &[u8]) -> Touched {
    match body.split(|byte| *byte == b';').next().and_then(number) {
        Some(4) => Touched::PALETTE,
        Some(10) => Touched::FOREGROUND,
        Some(11) => Touched::BACKGROUND,
        Some(12) => Touched::CURSOR,
        Some(22) => Touched::POINTER,
        _ => Touched::default(),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use stratavore_wire::reach::stays_within;

    use super::*;

    fn passed(origin: Origin, bytes: &[u8]) -> (String, Passed) {
        let mut out = Vec::new();
        let passed = Relay::default().pass(origin, bytes, &mut out);
        (out.escape_ascii().to_string(), passed)
    }

    /// What agents send, with lookalikes of what is kept back.
    const ORDINARY: &[&[u8]] = &[
        b"text",
        "größe 工具 🦀 ’Ω".as_bytes(),
        b"\r\n\t\x08\x07",
        b"\x1b[0;1;38:2::1:2:3m",
        b"\x1b[2J\x1b[H\x1b[J\x1b[0J",
        b"\x1b[?25l\x1b[?2004h\x1b[?1004;1006;2031h",
        b"\x1b[?2026h\x1b[?2026l",
        b"\x1b[5 q\x1b[!p\x1b[?5W",
        b"\x1b[>4;2m\x1b[>1u\x1b[<u\x1b[=5;1u",
        b"\x1b(B\x1b*0\x0f\x1b=\x1b7\x1b8\x1bM\x1bH\x1b#8",
        b"\x1b]0;a [3J ?1049l title\x07",
        b"\x1b]8;id=1;https://example.org/?a=?\x1b\\link\x1b]8;;\x1b\\",
        b"\x1b]11;rgb:10/20/30\x1b\\",
        b"\x1b]1337;File=name=a:AAAA\x07",
        b"\x1bPq#0;2;0;0;0~-\x1b\\",
        b"\x1b_Ga=T,f=24;AAAA\x1b\\",
    ];

    /// What is kept back or remembered.
    const REACHING: &[&[u8]] = &[
        b"\x1bc",
        b"\x1b[?1049h",
        b"\x1b[?25;47l",
        b"\x1b[?1047;2004l",
        b"\x1b[3J",
        b"\x1b[?03J",
        b"\x1b[22;0t",
        b"\x1b[23t",
        b"\x1b]4;1;red\x07",
        b"\x1b]22;text\x1b\\",
    ];

    #[test]
    fn the_programs_alternate_screen_is_a_cleared_one_and_leaving_it_needs_a_redraw() {
        let mut relay = Relay::default();
        let mut out = Vec::new();
        let entered = relay.pass(Origin::Live, b"\x1b[?1049;25ha\x1b[?1049hb", &mut out);
        assert_eq!(
            (entered, &out[..]),
            (Passed::All, &b"\x1b[?25h\x1b[2Jab"[..])
        );
        out.clear();
        let left = relay.pass(Origin::Live, b"c\x1b[?1049ld", &mut out);
        assert_eq!((left, &out[..]), (Passed::Redraw, &b"c"[..]));
        out.clear();
        relay.restart();
        let drawn = relay.pass(Origin::Snapshot, b"\x1b[?1049le\x1bcf\x1b[?47h", &mut out);
        assert_eq!((drawn, &out[..]), (Passed::All, &b"ef\x1b[2J"[..]));
    }

    #[test]
    fn the_users_scrollback_is_never_erased() {
        for erasing in [&b"\x1b[2J\x1b[3J\x1b[H"[..], b"\x1b[2J\x1b[?03J\x1b[H"] {
            let all = (r"\x1b[2J\x1b[H".to_owned(), Passed::All);
            assert_eq!(passed(Origin::Live, erasing), all);
        }
        assert_eq!(
            passed(Origin::Live, b"a\x1bcb"),
            ("a".to_owned(), Passed::Redraw)
        );
    }

    #[test]
    fn the_users_title_stays_where_it_was_put_aside() {
        let aside = b"\x1b[22;0ta\x1b[22t\x1b[23;2tb";
        assert_eq!(
            passed(Origin::Live, aside),
            ("a".to_owned(), Passed::Redraw)
        );
        assert_eq!(
            passed(Origin::Snapshot, aside),
            ("ab".to_owned(), Passed::All)
        );
    }

    #[test]
    fn what_the_program_coloured_is_remembered() {
        let mut relay = Relay::default();
        let mut out = Vec::new();
        let _ = relay.pass(
            Origin::Live,
            b"\x1b]0;11\x07\x1b]104\x07\x1b]112\x1b\\",
            &mut out,
        );
        assert_eq!(relay.touched(), Touched::default());
        let colours = b"\x1b]11;rgb:00/00/00\x07\x1b]22;text\x1b\\";
        let _ = relay.pass(Origin::Live, colours, &mut out);
        let mut touched = Touched::BACKGROUND;
        touched.add(Touched::POINTER);
        assert_eq!(relay.take_touched(), touched);
        assert_eq!(relay.touched(), Touched::default());
    }

    proptest! {
        #[test]
        fn everything_else_passes_as_it_is(picks in prop::collection::vec(any::<prop::sample::Index>(), 0..40)) {
            let sent: Vec<u8> = picks.iter().flat_map(|pick| pick.get(ORDINARY).iter().copied()).collect();
            let all = (sent.escape_ascii().to_string(), Passed::All);
            prop_assert_eq!(passed(Origin::Live, &sent), all);
        }

        /// The agent writes by itself what stays within the attachment: nothing of that may be the relay's to keep back
        /// or to remember.
        #[test]
        fn what_stays_within_passes_as_it_is_and_leaves_nothing_to_undo(
            picks in prop::collection::vec(
                prop_oneof![
                    prop::sample::select(ORDINARY.to_vec()).prop_map(<[u8]>::to_vec),
                    prop::sample::select(REACHING.to_vec()).prop_map(<[u8]>::to_vec),
                    prop::collection::vec(prop::sample::select(b"\x1b\x1b[]?;0123479chltJ\x07\\".to_vec()), 0..12),
                ],
                0..6,
            ),
            alternate: bool,
        ) {
            let sent = picks.concat();
            let mut relay = Relay { alternate, ..Relay::default() };
            let mut out = Vec::new();
            let passed = relay.pass(Origin::Live, &sent, &mut out);
            if stays_within(&sent) {
                prop_assert_eq!((out, passed), (sent, Passed::All));
                prop_assert_eq!((relay.alternate, relay.touched()), (alternate, Touched::default()));
            }
        }

        #[test]
        fn nothing_makes_it_panic(
            bytes in prop::collection::vec(
                prop_oneof![
                    any::<u8>(),
                    prop::sample::select(b"\x1b\x1b\x1b[]P_?>;$01349ctJhl\\\x07\x18".to_vec()),
                ],
                0..200,
            ),
        ) {
            passed(Origin::Live, &bytes);
            passed(Origin::Snapshot, &bytes);
        }
    }
}
