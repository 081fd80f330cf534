//! Streams such as programs write, real ones and hostile ones.

#![allow(dead_code, reason = "each test that holds this file uses a part of it")]

use std::fmt;

use proptest::collection::vec;
use proptest::prelude::*;

/// Holds a stream, and shows it legibly.
#[derive(Clone)]
pub(crate) struct Stream(pub(crate) Vec<u8>);

impl fmt::Debug for Stream {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "b\"{}\"", self.0.escape_ascii())
    }
}

/// Says what streams are made of.
#[derive(Clone, Copy)]
pub(crate) struct Makings<'a> {
    /// Sequences that they do not have; one of a single byte is the final one of control sequences.
    pub(crate) without: &'a [&'a [u8]],
    /// Characters of two columns.
    pub(crate) wide: bool,
    /// Bytes of any kind, and sequences and characters that are not ended.
    pub(crate) noise: bool,
}

/// Pieces that real programs and hostile ones write.
pub(crate) fn streams() -> impl Strategy<Value = Stream> {
    made_of(Makings {
        without: &[],
        wide: true,
        noise: true,
    })
}

/// Such pieces only.
pub(crate) fn made_of(makings: Makings<'_>) -> impl Strategy<Value = Stream> + use<> {
    let without = makings.without;
    let mut fixed = vec![
        &b"\r\n"[..],
        b"\n",
        b"\r",
        b"\t",
        b"\x08",
        b"\x0e",
        b"\x0f",
        b"\x1b7",
        b"\x1b8",
        b"\x1bM",
        b"\x1bD",
        b"\x1bE",
        b"\x1bH",
        b"\x1b=",
        b"\x1b>",
        b"\x1b(0",
        b"\x1b(B",
        b"\x1b)0",
        b"\x1b)B",
        b"\x1b#8",
        b"\x1b[?1049h",
        b"\x1b[?1049l",
        b"\x1b[?47h",
        b"\x1b[?47l",
        b"\x1b[?1047h",
        b"\x1b[?1047l",
        b"\x1b[?1048h",
        b"\x1b[?1048l",
        b"\x1b[?5h",
        b"\x1b[?5l",
        b"\x1b[?66h",
        b"\x1b[1;69;1000;4711h",
        b"\x1b[?69;1000;4711h",
        b"\x1bn",
        b"\x1bo",
        b"\x1b*0",
        b"\x1b+0",
        b"\x1b(A",
        b"\x1b[5m",
        b"\x1b[53m",
        b"\x1b[55m",
        b"\x1b[21m",
        b"\x1b[1;53;38;5;55;4:4m",
        b"\x1b[?1016l",
        b"\x1b[?1000l",
        b"\x1b[?12l",
        b"\x1b[25m",
        b"\x1b]22;pointer\x07",
        b"\x1b]4;1;?;2;#123456\x07",
        b"\x05",
        b"\x1b[c",
        b"\x1b[6n",
        b"\x1b[?2026$p",
        b"\x1bP$qm\x1b\\",
        b"\x1bPtmux;\x1b\x1b]52;c;eA==\x07\x1b\\",
        b"\x1b]52;c;eA==\x07",
        b"\x1b]9;hello\x07",
        b"\x1b[2J",
        b"\x1b[3J",
        b"\x1b[J",
        b"\x1b[1J",
        b"\x1b[K",
        b"\x1b[1K",
        b"\x1b[2K",
        b"\x1b[m",
        b"\x1b[1m",
        b"\x1b[7m",
        b"\x1b[4m",
        b"\x1b[4:3m",
        b"\x1b[31m",
        b"\x1b[94m",
        b"\x1b[44m",
        b"\x1b[103m",
        b"\x1b[38;5;200m",
        b"\x1b[48;2;1;2;3m",
        b"\x1b[58;5;9m",
        b"\x1b[59m",
        b"\x1b[39;49m",
        b"\x1b[2;3;9m",
        b"\x1b[8m",
        b"\x1b[?6h",
        b"\x1b[?6l",
        b"\x1b[4h",
        b"\x1b[4l",
        b"\x1b[?7l",
        b"\x1b[?7h",
        b"\x1b[20h",
        b"\x1b[20l",
        b"\x1b[?25l",
        b"\x1b[?25h",
        b"\x1b[?1h",
        b"\x1b[?1000h",
        b"\x1b[?1002h",
        b"\x1b[?1003h",
        b"\x1b[?1003l",
        b"\x1b[?1006h",
        b"\x1b[?1005h",
        b"\x1b[?1015h",
        b"\x1b[?1016h",
        b"\x1b[?9h",
        b"\x1b[?1004h",
        b"\x1b[?2004h",
        b"\x1b[?2031h",
        b"\x1b[?1007l",
        b"\x1b[>1u",
        b"\x1b[>5u",
        b"\x1b[<u",
        b"\x1b[=3u",
        b"\x1b[=4;2u",
        b"\x1b[>4;2m",
        b"\x1b[3g",
        b"\x1b[g",
        b"\x1b[?5W",
        b"\x1b[5 q",
        b"\x1b[2 q",
        b"\x1b[0 q",
        b"\x1b[?12h",
        b"\x1b[!p",
        b"\x1bc",
        b"\x1b]0;a title\x07",
        b"\x1b]2;\xc3\xa9\x1b\\",
        b"\x1b[22;0t",
        b"\x1b[23;0t",
        b"\x1b]7;file:///tmp\x07",
        b"\x1b]8;id=x;http://a.c/c?d;e\x1b\\",
        b"\x1b]8;;http://z\x07",
        b"\x1b]8;;\x1b\\",
        b"\x1b]4;3;rgb:11/22/33\x07",
        b"\x1b]11;#102030\x1b\\",
        b"\x1b]104\x07",
        b"\x1b]111\x07",
        b"\x1bPq#1;2\x1b\\",
        b"\x1b_apc\x1b\\",
        b"\x1b[?2026h",
        b"\x1b[?2026l",
        b"\x18",
    ];
    fixed.retain(|piece| !without.contains(piece));
    let fixed = prop::sample::select(fixed).prop_map(<[u8]>::to_vec);
    let moves = (
        prop::sample::select(
            b"@ABCDEFGHILMPSTXZabde`fr"
                .iter()
                .filter(|last| !without.contains(&[**last].as_slice()))
                .copied()
                .collect::<Vec<_>>(),
        ),
        prop::option::of(0..12_u16),
        prop::option::of(0..12_u16),
    )
        .prop_map(|(last, first, second)| {
            let number =
                |number: Option<u16>| number.map(|number| number.to_string()).unwrap_or_default();
            let separator = if second.is_some() { ";" } else { "" };
            format!(
                "\x1b[{}{separator}{}{}",
                number(first),
                number(second),
                last as char
            )
            .into_bytes()
        });
    let wide = u32::from(makings.wide);
    let text = prop_oneof![
        // No `b`: after an opened control sequence it would be REP.
        4 => "[ac-z ]{1,12}",
        1 => "[éßя─€]{1,6}",
        wide => "[漢字仮名🎉👩é]{1,6}",
        1 => "e\u{301}\u{308}x",
        wide => "👩\u{200d}💻",
    ]
    .prop_map(String::into_bytes);
    let cut = prop::sample::select(vec![
        &b"\x9b"[..],
        b"\xff",
        b"\xc3",
        b"\xf0\x9f",
        b"\x1b[",
        b"\x1b]2;open",
    ]);
    let noise = prop_oneof![vec(any::<u8>(), 0..6), cut.prop_map(<[u8]>::to_vec)];
    vec(
        prop_oneof![6 => text, 6 => fixed, 4 => moves, u32::from(makings.noise) => noise],
        0..60,
    )
    .prop_map(|pieces| Stream(pieces.concat()))
}

/// Takes longer looks when `PROPTEST_CASES` says so.
pub(crate) fn config() -> ProptestConfig {
    let config = ProptestConfig {
        failure_persistence: None,
        ..ProptestConfig::default()
    };
    if std::env::var_os("PROPTEST_CASES").is_some() {
        config
    } else {
        ProptestConfig {
            cases: 600,
            ..config
        }
    }
}
