//! What viewers are fed, and what they are asked instead.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use stratavore_agent::screen::{
    CLIPBOARD_MAX, EFFECTS_MAX, Effect, Filter, Screen, Selection, Size,
};

fn viewed(stream: &str) -> String {
    let mut viewed = Vec::new();
    Filter::new().pass(stream.as_bytes(), &mut viewed);
    String::from_utf8(viewed).expect("text")
}

fn effects(stream: &str) -> Vec<Effect> {
    let mut screen = Screen::new(Size::bounded(80, 24));
    screen.feed(stream.as_bytes());
    let effects = screen.take_effects();
    assert_eq!(screen.take_effects(), []);
    effects
}

#[test]
fn what_draws_and_sets_modes_passes_byte_for_byte() {
    for stream in [
        "plain é 漢字 🎉 e\u{301}\r\n\t\x08\x07\x0e\x0f",
        "\x1b[1;4:3;38:2::1:2:3;48;5;9m\x1b[m\x1b[0 q",
        "\x1b[2J\x1b[3J\x1b[H\x1b[3;4H\x1b[5G\x1b[2d\x1b[1@\x1b[2P\x1b[3X\x1b[4L\x1b[5M\x1b[2S\x1b[2T\x1b[K",
        "\x1b[?1049h\x1b[?25l\x1b[?1;7;1002;1006;2004h\x1b[?2026h\x1b[?2026l\x1b[?2031h",
        "\x1b[>1u\x1b[<u\x1b[=5;1u\x1b[>4;2m\x1b[22;0t\x1b[23;0t",
        "\x1b7\x1b8\x1b=\x1b>\x1bM\x1bD\x1bE\x1bH\x1b(0\x1b)B\x1bn\x1b#8",
        "\x1b]0;a title\x07\x1b]2;another\x1b\\\x1b]7;file://host/x\x07",
        "\x1b]8;id=a;http://x/y;z\x1b\\link\x1b]8;;\x1b\\",
        "\x1b]4;1;rgb:01/02/03\x07\x1b]104\x07\x1b]11;rgb:00/00/00\x1b\\\x1b]111\x1b\\",
        "\x1b]133;A\x07\x1b]22;pointer\x07",
        "\x1bP0;1q\"1;1;10;10#0~~@@vv\x1b\\",
        "\x1b]1337;File=inline=1;size=3:AAAA\x07",
    ] {
        assert_eq!(
            viewed(stream).replace("\x1b\\\x1b\\", "\x1b\\"),
            stream,
            "{}",
            stream.escape_debug()
        );
    }
}

#[test]
fn what_is_for_others_or_would_act_on_a_window_does_not() {
    for stream in [
        "\x1b]52;c;eA==\x07",
        "\x1b]9;hello\x07",
        "\x1b]9;4;1;50\x07",
        "\x1b]777;notify;a;b\x1b\\",
        "\x1b]7501;state=idle\x07",
        "\x1b]1337;Copy=:eA==\x07",
        "\x1b]1337;File=name=eA==:AAAA\x07",
        "\x1b]99;;note\x1b\\",
        "\x1b]50;fixed\x07",
        "\x1b]3;WM_CLASS=x\x07",
        "\x1b[8;50;100t",
        "\x1b[2t",
        "\x1b[5i",
        "\x1bPtmux;\x1b\x1b]52;c;eA==\x07\x1b\\",
        "\x1bP1;2|17/eA==\x1b\\",
        "\x1b_Gt=f,a=T;L2V0Yy9wYXNzd2Q=\x1b\\",
        "\x1bXsos\x1b\\\x1b^pm\x1b\\",
    ] {
        assert_eq!(viewed(stream), "", "{}", stream.escape_debug());
    }
}

#[test]
fn what_terminals_would_read_otherwise_is_put_plainly() {
    for (stream, shown) in [
        ("\x1b]2;a\u{9b}31mb\nc\x07", "\x1b]2;a31mbc\x07"),
        ("\x1b]7;file://x/\u{85}y\x07", "\x1b]7;file://x/y\x07"),
        ("a\u{9b}31mb\u{feff}c\x05d", "a31mbcd"),
        ("\x1b[3\r1mx", "\r\x1b[31mx"),
        ("x\x1b[4b", "xx\x1b[3b"),
        ("\x1b[mx\x1b[m\x1b[4b", "\x1b[mx\x1b[m"),
        ("\x1b[?25;69;1000h", "\x1b[?25;1000h"),
        ("\x1b[2;4h", "\x1b[4h"),
        ("\x1b[!p", "\x1b[!p\x1b[?1004l\x1b[?2004l\x1b[?2026l"),
        ("\x1b(A", "\x1b(B"),
        ("\x1b]4;1;?;2;#ff0000\x07", "\x1b]4;2;rgb:ff/00/00\x07"),
        ("\x1b]10;?;rgb:f/f/f\x07", "\x1b]11;rgb:ff/ff/ff\x07"),
        ("\x1b_Ga=T,f=24;AAAA\x1b\\", "\x1b_Ga=T,f=24,q=2;AAAA\x1b\\"),
        ("\x1b]2;cut\x18done", "done"),
    ] {
        assert_eq!(viewed(stream), shown, "{}", stream.escape_debug());
    }
}

#[test]
fn nothing_is_passed_on_before_it_is_whole() {
    let stream = "a\x1b[31;1m漢\x1b]2;title\x07\x1bPq~~\x1b\\\x1b(0z";
    let wholes = [
        "a",
        "\x1b[31;1m",
        "漢",
        "\x1b]2;title\x07",
        "\x1bPq~~\x1b\\",
        "\x1b(0",
        "z",
    ];
    let mut filter = Filter::new();
    let mut fed = Vec::new();
    for byte in stream.as_bytes() {
        let mut now = Vec::new();
        filter.pass(&[*byte], &mut now);
        if !now.is_empty() {
            fed.push(String::from_utf8(now).expect("text"));
        }
    }
    assert_eq!(fed, wholes);
}

#[test]
fn a_clipboard_is_written_and_never_read() {
    let clipboard = |selection, text: &str| Effect::Clipboard {
        selection,
        text: text.to_owned(),
    };
    assert_eq!(
        effects("\x1b]52;c;aGVsbG8=\x07"),
        [clipboard(Selection::Clipboard, "hello")]
    );
    assert_eq!(
        effects("\x1b]52;;aGVsbG8\x1b\\"),
        [clipboard(Selection::Clipboard, "hello")]
    );
    assert_eq!(
        effects("\x1b]52;p;w6k=\x07"),
        [clipboard(Selection::Primary, "é")]
    );
    assert_eq!(
        effects("\x1b]52;c;\x07"),
        [clipboard(Selection::Clipboard, "")]
    );
    // The last one counts.
    assert_eq!(
        effects("\x1b]52;c;YQ==\x07\x1b]52;p;Yg==\x07\x1b]52;c;Yw==\x07"),
        [
            clipboard(Selection::Primary, "b"),
            clipboard(Selection::Clipboard, "c")
        ]
    );
    for refused in [
        "\x1b]52;c;?\x07",
        "\x1b]52;c;%%%\x07",
        "\x1b]52;c;/w==\x07",
        "\x1b]52;0;YQ==\x07",
        "\x1b]52;c\x07",
    ] {
        assert_eq!(effects(refused), [], "{}", refused.escape_debug());
    }
    for (size, written) in [(CLIPBOARD_MAX, 1), (CLIPBOARD_MAX + 1, 0)] {
        let text = STANDARD.encode("x".repeat(size));
        assert_eq!(
            effects(&format!("\x1b]52;c;{text}\x07")).len(),
            written,
            "{size}"
        );
    }
}

#[test]
fn notices_bell_and_reports_are_handed_on_clean_and_in_order() {
    assert_eq!(
        effects(
            "\x07\x1b]9;do\u{9b}ne\x07\x1b]777;notify;title;a;body\x1b\\\x1b]7501;state=idle:msg=eA==\x07\x1b]9;4;1;50\x07\x07\x07"
        ),
        [
            Effect::Notice {
                title: String::new(),
                body: "done".to_owned()
            },
            Effect::Notice {
                title: "title".to_owned(),
                body: "a;body".to_owned()
            },
            Effect::Report("state=idle:msg=eA==".to_owned()),
            Effect::Bell,
        ]
    );
}

#[test]
fn of_too_many_effects_the_latest_are_kept() {
    let many: String = (0..200)
        .map(|number| format!("\x1b]9;{number} times\x07"))
        .collect();
    let kept = effects(&many);
    assert_eq!(kept.len(), EFFECTS_MAX);
    let last = Effect::Notice {
        title: String::new(),
        body: "199 times".to_owned(),
    };
    assert_eq!(kept.last(), Some(&last));
}
