//! Where xterm.js stands apart from this screen, and why that is left so.

/// Names what does not leave both in the same state.
#[derive(Clone, Copy)]
pub(crate) struct Apart {
    /// Pieces of generated streams; one of a single byte is the final one of control sequences.
    pub(crate) sequences: &'static [&'static [u8]],
    /// Why that is left so.
    #[allow(dead_code, reason = "for who reads")]
    pub(crate) reason: &'static str,
}

/// What no stream that is compared has.
pub(crate) const ALWAYS: &[Apart] = &[
    Apart {
        sequences: &[b"\x1b#8"],
        reason: "DECALN: xterm.js paints the Es with the pen, xterm with none",
    },
    Apart {
        sequences: &[b"\x1b[?12h"],
        reason: "it survives RIS in xterm.js, being a person's setting there",
    },
    Apart {
        sequences: &[b"\x1b[?1005h", b"\x1b[?1015h", b"\x1b[?1016l"],
        reason: "encodings of the mouse: xterm.js knows two of four, and a reset of one ends the other; not so in xterm",
    },
    Apart {
        sequences: &[b"\x1b[?5W"],
        reason: "DECST8C: xterm.js does not know it",
    },
    Apart {
        sequences: &[b"\x1b[?6h"],
        reason: "origin mode: xterm.js adds the margin to relative movements too",
    },
    Apart {
        sequences: &[b"\x1b[g"],
        reason: "TBC: where a cursor waits to wrap, xterm.js clears a stop behind the last column",
    },
    Apart {
        sequences: &[b"Z"],
        reason: "CBT: xterm.js stays where a cursor waits to wrap",
    },
    Apart {
        sequences: &[b"T"],
        reason: "SD: xterm.js leaves out the background",
    },
    Apart {
        sequences: &[b"\x1b[?7l"],
        reason: "without wrapping, xterm.js leaves half of a wide character that is overwritten at the end of a line",
    },
    Apart {
        sequences: &[
            b"\x1b]8;id=x;http://a.c/c?d;e\x1b\\",
            b"\x1b]8;;http://z\x07",
        ],
        reason: "xterm.js forgets a link that goes on when the line where it began goes; links are compared by a test of their own",
    },
];

/// What xterm.js has once for each screen, and xterm once: a stream has these or [`SWITCHES`].
pub(crate) const OF_A_SCREEN: Apart = Apart {
    sequences: &[b"\x1b[3g", b"\x1bH", b"r"],
    reason: "tab stops and margins",
};

/// What shows the other screen.
pub(crate) const SWITCHES: Apart = Apart {
    sequences: &[
        b"\x1b[?47h",
        b"\x1b[?47l",
        b"\x1b[?1047h",
        b"\x1b[?1047l",
        b"\x1b[?1049h",
        b"\x1b[?1049l",
    ],
    reason: "see `OF_A_SCREEN`",
};

/// What xterm.js does not save with the cursor, and xterm does: a stream has these or [`SAVES`].
pub(crate) const UNSAVED: Apart = Apart {
    sequences: &[
        b"\x0e",
        b"\x1b(0",
        b"\x1b)0",
        b"\x1b*0",
        b"\x1b+0",
        b"\x1bn",
        b"\x1bo",
        b"\x1b[4m",
        b"\x1b[4:3m",
        b"\x1b[21m",
        b"\x1b[58;5;9m",
        b"\x1b[1;53;38;5;55;4:4m",
    ],
    reason: "all character sets but the one in use; kinds and colours of underlines",
};

/// What saves the cursor or goes back to it.
pub(crate) const SAVES: Apart = Apart {
    sequences: &[
        b"\x1b7",
        // DECSTR forgets the saved cursor.
        b"\x1b[!p",
        b"\x1b8",
        b"s",
        b"u",
        b"\x1b[?1048h",
        b"\x1b[?1048l",
        b"\x1b[?1049h",
        b"\x1b[?1049l",
    ],
    reason: "see `UNSAVED`",
};

/// What the oracle is told to leave out, for it shows in no sequence.
#[allow(dead_code, reason = "for who reads")]
pub(crate) const LEFT: &[&str] = &[
    "a cursor saved on the alternate screen is there again when the next program shows that screen, in xterm.js",
    "of the line drawing characters xterm.js shows _ as it is, not as a blank",
    "after SGR 59 underlines have the colour white in xterm.js, not the text's",
    "half of a wide character that xterm.js leaves without the other is compared as the blank that it looks like",
];
