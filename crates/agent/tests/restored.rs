//! Each thing that a screen has is there again in a fresh one that is fed its snapshot: shown by what it answers and draws.

use stratavore_agent::screen::{Screen, Size};

/// What is restored, what a program writes to have it, what it does then, and what comes of that: answers, or the text shown.
const THINGS: &[(&str, &str, &str, &str)] = &[
    ("the cursor", "\x1b[5;7H", "\x1b[6n", "\x1b[5;7R"),
    ("a wrap that waits", "\x1b[20G", "x\x1b[6n", "\x1b[1;20R"),
    (
        "a wrap that waits, from then on",
        "12345678901234567890",
        "x\x1b[6n",
        "\x1b[2;2R",
    ),
    (
        "a wrap that waits behind a wide character",
        "123456789012345678漢",
        "x\x1b[6n",
        "\x1b[2;2R",
    ),
    (
        "the saved cursor",
        "\x1b[3;4H\x1b7\x1b[H",
        "\x1b8\x1b[6n",
        "\x1b[3;4R",
    ),
    (
        "the saved pen",
        "\x1b[1;35m\x1b7\x1b[m",
        "\x1b8\x1bP$qm\x1b\\",
        "\x1bP1$r0;1;35m\x1b\\",
    ),
    (
        "the saved character sets",
        "\x1b(0\x1b7\x1b(B",
        "\x1b8q",
        "─\n",
    ),
    (
        "the primary screen behind the alternate",
        "shell\x1b[?1049heditor",
        "\x1b[?1049l",
        "shell\n",
    ),
    (
        "the alternate screen",
        "shell\x1b[?1049h\x1b[Heditor",
        "",
        "editor\n",
    ),
    (
        "the primary screen's cursor",
        "\x1b[3;4H\x1b[?1049h\x1b[H",
        "\x1b[?1049l\x1b[6n",
        "\x1b[3;4R",
    ),
    (
        "the primary screen's saved cursor",
        "\x1b[3;4H\x1b7\x1b[6;6H\x1b[?47h\x1b[9;9H",
        "\x1b[?47l\x1b8\x1b[6n",
        "\x1b[3;4R",
    ),
    (
        "the alternate screen's saved cursor",
        "\x1b[?1049h\x1b[2;3H\x1b7\x1b[H",
        "\x1b8\x1b[6n",
        "\x1b[2;3R",
    ),
    (
        "the pen",
        "\x1b[1;3;9;38;5;9;48;2;1;2;3m",
        "\x1bP$qm\x1b\\",
        "\x1bP1$r0;1;3;9;38;5;9;48;2;1;2;3m\x1b\\",
    ),
    (
        "the pen's blinking and line above",
        "\x1b[5;53m",
        "\x1bP$qm\x1b\\",
        "\x1bP1$r0;5;53m\x1b\\",
    ),
    (
        "dim, turned and hidden",
        "\x1b[2;7;8m",
        "\x1bP$qm\x1b\\",
        "\x1bP1$r0;2;7;8m\x1b\\",
    ),
    (
        "a plain underline",
        "\x1b[4m",
        "\x1bP$qm\x1b\\",
        "\x1bP1$r0;4m\x1b\\",
    ),
    (
        "a double underline",
        "\x1b[21m",
        "\x1bP$qm\x1b\\",
        "\x1bP1$r0;4:2m\x1b\\",
    ),
    (
        "a curly underline in a colour",
        "\x1b[4:3;58;5;9m",
        "\x1bP$qm\x1b\\",
        "\x1bP1$r0;4:3;58;5;9m\x1b\\",
    ),
    (
        "a dotted underline in a colour",
        "\x1b[4:4;58:2::1:2:3m",
        "\x1bP$qm\x1b\\",
        "\x1bP1$r0;4:4;58;2;1;2;3m\x1b\\",
    ),
    (
        "a dashed underline",
        "\x1b[4:5m",
        "\x1bP$qm\x1b\\",
        "\x1bP1$r0;4:5m\x1b\\",
    ),
    ("G0", "\x1b(0", "q", "─\n"),
    ("G1, shifted to", "\x1b)0\x0e", "q", "─\n"),
    ("G1, not shifted to", "\x1b)0", "q\x0eq", "q─\n"),
    ("G2, locked", "\x1b*0\x1bn", "q", "─\n"),
    ("G3, locked", "\x1b+0\x1bo", "q", "─\n"),
    (
        "margins",
        "\x1b[2;7r",
        "\x1bP$qr\x1b\\",
        "\x1bP1$r2;7r\x1b\\",
    ),
    (
        "origin mode",
        "\x1b[2;7r\x1b[?6h",
        "\x1b[?6$p\x1b[2;1H\x1b[?6l\x1b[6n",
        "\x1b[?6;1$y\x1b[1;1R",
    ),
    (
        "the cursor within margins",
        "\x1b[2;7r\x1b[?6h\x1b[3;3H",
        "\x1b[6n",
        "\x1b[3;3R",
    ),
    (
        "the cursor outside of margins",
        "\x1b[9;3H\x1b7\x1b[2;7r\x1b8",
        "\x1b[6n",
        "\x1b[9;3R",
    ),
    ("insert mode", "ab\r\x1b[4h", "x", "xab\n"),
    ("new line mode", "\x1b[20h", "a\nb", "a\nb\n"),
    ("no wrapping", "\x1b[?7l", "\x1b[?7$p", "\x1b[?7;2$y"),
    (
        "tab stops",
        "\x1b[3g\x1b[4G\x1bH\x1b[10G\x1bH\r",
        "\t\t\x1b[6n",
        "\x1b[1;10R",
    ),
    ("no tab stops", "\x1b[3g\r", "\t\x1b[6n", "\x1b[1;20R"),
    (
        "the cursor's shape",
        "\x1b[4 q",
        "\x1bP$q q\x1b\\",
        "\x1bP1$r4 q\x1b\\",
    ),
    (
        "the cursor's shape, blinking",
        "\x1b[5 q",
        "\x1bP$q q\x1b\\",
        "\x1bP1$r5 q\x1b\\",
    ),
    (
        "the cursor's blinking",
        "\x1b[?12h",
        "\x1b[?12$p",
        "\x1b[?12;1$y",
    ),
    ("a hidden cursor", "\x1b[?25l", "\x1b[?25$p", "\x1b[?25;2$y"),
    ("cursor keys", "\x1b[?1h", "\x1b[?1$p", "\x1b[?1;1$y"),
    ("the keypad", "\x1b=", "\x1b[?66$p", "\x1b[?66;1$y"),
    ("turned colours", "\x1b[?5h", "\x1b[?5$p", "\x1b[?5;1$y"),
    ("the mouse, X10", "\x1b[?9h", "\x1b[?9$p", "\x1b[?9;1$y"),
    (
        "the mouse, buttons",
        "\x1b[?1000h",
        "\x1b[?1000$p",
        "\x1b[?1000;1$y",
    ),
    (
        "the mouse, dragged",
        "\x1b[?1002h",
        "\x1b[?1002$p",
        "\x1b[?1002;1$y",
    ),
    (
        "the mouse, moved",
        "\x1b[?1003h",
        "\x1b[?1003$p",
        "\x1b[?1003;1$y",
    ),
    (
        "the last mouse mode alone",
        "\x1b[?1000h\x1b[?1003h",
        "\x1b[?1000$p\x1b[?1003$p",
        "\x1b[?1000;2$y\x1b[?1003;1$y",
    ),
    (
        "no mouse after any reset",
        "\x1b[?1003h\x1b[?1000l",
        "\x1b[?1003$p",
        "\x1b[?1003;2$y",
    ),
    (
        "the mouse in UTF-8",
        "\x1b[?1005h",
        "\x1b[?1005$p",
        "\x1b[?1005;1$y",
    ),
    (
        "the mouse in SGR",
        "\x1b[?1006h",
        "\x1b[?1006$p",
        "\x1b[?1006;1$y",
    ),
    (
        "the mouse in urxvt's way",
        "\x1b[?1015h",
        "\x1b[?1015$p",
        "\x1b[?1015;1$y",
    ),
    (
        "the mouse in pixels",
        "\x1b[?1006h\x1b[?1016h",
        "\x1b[?1006$p\x1b[?1016$p",
        "\x1b[?1006;2$y\x1b[?1016;1$y",
    ),
    ("focus", "\x1b[?1004h", "\x1b[?1004$p", "\x1b[?1004;1$y"),
    (
        "no scrolling by the wheel",
        "\x1b[?1007l",
        "\x1b[?1007$p",
        "\x1b[?1007;2$y",
    ),
    (
        "bracketed paste",
        "\x1b[?2004h",
        "\x1b[?2004$p",
        "\x1b[?2004;1$y",
    ),
    (
        "news of the palette",
        "\x1b[?2031h",
        "\x1b[?2031$p",
        "\x1b[?2031;1$y",
    ),
    ("the keyboard's flags", "\x1b[=5u", "\x1b[?u", "\x1b[?5u"),
    (
        "the keyboard's stack",
        "\x1b[>1u\x1b[>5u",
        "\x1b[?u\x1b[<u\x1b[?u\x1b[<u\x1b[?u",
        "\x1b[?5u\x1b[?1u\x1b[?0u",
    ),
    (
        "the keyboard's stack of each screen",
        "\x1b[>1u\x1b[?1049h\x1b[>5u",
        "\x1b[?u\x1b[?1049l\x1b[?u",
        "\x1b[?5u\x1b[?1u",
    ),
    (
        "the keyboard's stack of the screen that is not shown",
        "\x1b[?1049h\x1b[>5u\x1b[?1049l",
        "\x1b[?u\x1b[?1049h\x1b[?u",
        "\x1b[?0u\x1b[?5u",
    ),
    ("modifyOtherKeys", "\x1b[>4;2m", "\x1b[?4m", "\x1b[>4;2m"),
    (
        "a colour of the palette",
        "\x1b]4;3;rgb:11/22/33;250;#445566\x07",
        "\x1b]4;3;?;250;?\x07",
        "\x1b]4;3;rgb:1111/2222/3333\x07\x1b]4;250;rgb:4444/5555/6666\x07",
    ),
    (
        "a colour of the palette that was reset",
        "\x1b]4;3;rgb:11/22/33;4;rgb:1/2/3\x07\x1b]104;3\x07",
        "\x1b]4;3;?;4;?\x07",
        "\x1b]4;3;rgb:e5e5/e5e5/1010\x07\x1b]4;4;rgb:1111/2222/3333\x07",
    ),
    (
        "the text's colour and the background",
        "\x1b]10;#112233;#445566\x07",
        "\x1b]10;?;?\x07",
        "\x1b]10;rgb:1111/2222/3333\x07\x1b]11;rgb:4444/5555/6666\x07",
    ),
    (
        "the cursor's colour",
        "\x1b]12;#112233\x07",
        "\x1b]12;?\x07",
        "\x1b]12;rgb:1111/2222/3333\x07",
    ),
    (
        "wide characters and marks",
        "漢e\u{301}🎉",
        "\x1b[6n",
        "\x1b[1;6R",
    ),
    (
        "a line that goes on",
        "123456789012345678901234\x1b[A",
        "\x1b[6n",
        "\x1b[1;5R",
    ),
];

fn blank() -> Screen {
    Screen::new(Size::bounded(20, 10))
}

/// Gives a screen that was fed this, and a fresh one that was fed its snapshot.
fn restored(stream: &str) -> (Screen, Screen) {
    let mut original = blank();
    original.feed(stream.as_bytes());
    original.take_answers();
    let mut copy = blank();
    // It was shown other things before.
    copy.feed(b"\x1b[?1049hother\x1b[3;5r\x1b[4h\x1b[?1003h\x1b[?1006h\x1b[>3u\x1b(0\x1b[31m\x1b]4;3;#fff\x07\x1b]2;other\x07\x1b[?5h");
    copy.feed(&original.snapshot(None));
    assert_eq!(copy.take_answers(), b"");
    (original, copy)
}

#[test]
fn everything_that_a_screen_has_is_restored() {
    for (what, stream, act, outcome) in THINGS {
        let (original, copy) = restored(stream);
        for (which, mut screen) in [("original", original), ("copy", copy)] {
            screen.feed(act.as_bytes());
            let answers = screen.take_answers();
            let shown = if outcome.starts_with('\x1b') {
                String::from_utf8(answers).expect("text")
            } else {
                screen.text()
            };
            assert_eq!(shown, *outcome, "{what}: the {which}");
        }
    }
}

#[test]
fn title_titles_directory_and_pointer_are_restored() {
    let (mut original, mut copy) = restored(
        "\x1b]2;first\x07\x1b[22;2t\x1b]0;sec\x1b]2;ond\x07\x1b]7;file:///home\x07\x1b]22;pointer\x07",
    );
    assert_eq!((original.title(), copy.title()), ("ond", "ond"));
    let snapshot = String::from_utf8(copy.snapshot(None)).expect("text");
    assert!(
        snapshot.contains("\x1b]7;file:///home\x1b\\"),
        "{snapshot:?}"
    );
    assert!(snapshot.contains("\x1b]22;pointer\x1b\\"), "{snapshot:?}");
    for screen in [&mut original, &mut copy] {
        screen.feed(b"\x1b[23;1t");
        assert_eq!(screen.title(), "ond", "an icon's title is another");
        screen.feed(b"\x1b[23;2t");
        assert_eq!(screen.title(), "first");
    }
}

#[test]
fn links_are_restored_and_two_without_an_id_stay_two() {
    let (_, mut copy) = restored(
        "\x1b]8;id=a;http://one/x;y\x1b\\one\x1b]8;;\x1b\\ \x1b]8;;http://two\x07tw\x1b]8;;http://two\x07o\x1b[31m",
    );
    let snapshot = String::from_utf8(copy.snapshot(None)).expect("text");
    let links: Vec<_> = snapshot
        .split("\x1b]8;")
        .filter(|part| part.starts_with("id="))
        .map(|part| part.split("\x1b\\").next().unwrap_or_default())
        .collect();
    assert_eq!(
        links,
        [
            "id=a;http://one/x;y",
            "id=stratavore-1;http://two",
            "id=stratavore-2;http://two",
            // The pen's.
            "id=stratavore-2;http://two",
        ]
    );
}

#[test]
fn a_reset_leaves_nothing_behind() {
    let all: String = THINGS.iter().map(|(_, stream, ..)| *stream).collect();
    let mut reset = blank();
    reset.feed(all.as_bytes());
    reset.feed(b"\x1b]2;title\x07\x1b]7;file:///x\x07\x1b]22;text\x07\x1bc");
    let mut fresh = blank();
    assert_eq!(
        reset.snapshot(None).escape_ascii().to_string(),
        fresh.snapshot(None).escape_ascii().to_string()
    );
    assert_eq!(reset.title(), "");
}

#[test]
fn a_soft_reset_is_the_same_everywhere() {
    let mut screen = blank();
    screen.feed(b"\x1b[?2004;1004;1;6h\x1b[?25;7l\x1b[4h\x1b=\x1b[2;5r\x1b[5 q\x1b(0\x1b[31m\x1b[4;4H\x1b[!p");
    screen.feed(b"\x1b[6n\x1bP$qm\x1b\\\x1bP$qr\x1b\\\x1bP$q q\x1b\\");
    assert_eq!(
        String::from_utf8(screen.take_answers()).expect("text"),
        "\x1b[5;4R\x1bP1$r0m\x1b\\\x1bP1$r1;10r\x1b\\\x1bP1$r0 q\x1b\\"
    );
    for (mode, state) in [
        ("?2004", 2),
        ("?1004", 2),
        ("?1", 2),
        ("?6", 2),
        ("?25", 1),
        ("?7", 1),
        ("4", 2),
        ("?66", 2),
    ] {
        screen.feed(format!("\x1b[{mode}$p").as_bytes());
        assert_eq!(
            screen.take_answers(),
            format!("\x1b[{mode};{state}$y").into_bytes()
        );
    }
}

#[test]
fn a_snapshot_holds_no_frame_and_no_question() {
    for (what, stream, ..) in THINGS {
        let mut screen = blank();
        screen.feed(b"\x1b[?2026h");
        screen.feed(stream.as_bytes());
        assert!(screen.in_frame(), "{what}");
        let snapshot = screen.snapshot(None);
        assert!(
            !snapshot.windows(4).any(|window| window == b"2026"),
            "{what}"
        );
    }
}

/// What is not kept is refused openly: a program that asks is told so, and viewers are not shown it either.
#[test]
fn what_is_not_kept_is_not_shown() {
    use stratavore_agent::screen::Filter;
    for (what, stream) in [
        ("left and right margins", "\x1b[?69h"),
        ("132 columns", "\x1b[?3h"),
        ("reverse wrapping", "\x1b[?45h"),
        ("protection", "\x1b[1\"q"),
        ("a locked keyboard", "\x1b[2h"),
        ("double width", "\x1b#6"),
        ("another encoding", "\x1b%@"),
        ("a colour stack", "\x1b[#P"),
        ("saved modes", "\x1b[?1000s"),
        ("scrolling sideways", "\x1b[3 @"),
    ] {
        let mut viewed = Vec::new();
        Filter::new().pass(stream.as_bytes(), &mut viewed);
        assert_eq!(viewed.escape_ascii().to_string(), "", "{what}");
        let mut screen = blank();
        screen.feed(stream.as_bytes());
        assert_eq!(screen.snapshot(None), blank().snapshot(None), "{what}");
    }
}
