//! What a program asks of its terminal is answered by the screen, once; viewers are not asked.

use stratavore_agent::screen::{Filter, Screen, Size};

const VERSION: &str = env!("CARGO_PKG_VERSION");

/// Every question with what is said before it and its answer.
fn questions() -> Vec<(&'static str, &'static str, String)> {
    [
        ("DA1", "\x1b[c", "\x1b[?62;22c"),
        ("DA1 with a zero", "\x1b[0c", "\x1b[?62;22c"),
        ("DECID", "\x1bZ", "\x1b[?62;22c"),
        ("DA2", "\x1b[>c", "\x1b[>41;354;0c"),
        ("DA3", "\x1b[=c", "\x1bP!|53545641\x1b\\"),
        ("the status", "\x1b[5n", "\x1b[0n"),
        ("the cursor", "\x1b[3;4H\x1b[6n", "\x1b[3;4R"),
        ("the cursor, DEC's way", "\x1b[3;4H\x1b[?6n", "\x1b[?3;4R"),
        (
            "the cursor within margins",
            "\x1b[5;10r\x1b[?6h\x1b[2;2H\x1b[6n",
            "\x1b[2;2R",
        ),
        ("the palette's shade", "\x1b[?996n", "\x1b[?997;1n"),
        ("a mode", "\x1b[4h\x1b[4$p", "\x1b[4;1$y"),
        ("an unknown mode", "\x1b[12$p", "\x1b[12;0$y"),
        ("synchronized updates", "\x1b[?2026$p", "\x1b[?2026;2$y"),
        (
            "synchronized updates within one",
            "\x1b[?2026h\x1b[?2026$p",
            "\x1b[?2026;1$y",
        ),
        (
            "bracketed paste",
            "\x1b[?2004h\x1b[?2004$p",
            "\x1b[?2004;1$y",
        ),
        ("news of the palette", "\x1b[?2031$p", "\x1b[?2031;2$y"),
        (
            "the mouse",
            "\x1b[?1002h\x1b[?1003h\x1b[?1002$p",
            "\x1b[?1002;2$y",
        ),
        (
            "the mouse's encoding",
            "\x1b[?1006h\x1b[?1006$p",
            "\x1b[?1006;1$y",
        ),
        (
            "left and right margins, which there are not",
            "\x1b[?69$p",
            "\x1b[?69;0$y",
        ),
        (
            "grapheme clusters, which there are not",
            "\x1b[?2027$p",
            "\x1b[?2027;0$y",
        ),
        ("the keyboard", "\x1b[>5u\x1b[?u", "\x1b[?5u"),
        ("modifyOtherKeys", "\x1b[>4;2m\x1b[?4m", "\x1b[>4;2m"),
        (
            "the text's colour",
            "\x1b]10;?\x07",
            "\x1b]10;rgb:e5e5/e5e5/e5e5\x07",
        ),
        (
            "the background",
            "\x1b]11;?\x1b\\",
            "\x1b]11;rgb:1e1e/1e1e/1e1e\x1b\\",
        ),
        (
            "the cursor's colour",
            "\x1b]12;#102030\x07\x1b]12;?\x07",
            "\x1b]12;rgb:1010/2020/3030\x07",
        ),
        (
            "both colours",
            "\x1b]10;?;?\x07",
            "\x1b]10;rgb:e5e5/e5e5/e5e5\x07\x1b]11;rgb:1e1e/1e1e/1e1e\x07",
        ),
        (
            "a colour of the palette",
            "\x1b]4;1;?\x07",
            "\x1b]4;1;rgb:cdcd/3131/3131\x07",
        ),
        (
            "several of them",
            "\x1b]4;0;?;16;?\x07",
            "\x1b]4;0;rgb:0000/0000/0000\x07\x1b]4;16;rgb:0000/0000/0000\x07",
        ),
        ("the size in pixels", "\x1b[14t", "\x1b[4;384;640t"),
        ("a cell's size", "\x1b[16t", "\x1b[6;16;8t"),
        ("the size", "\x1b[18t", "\x1b[8;24;80t"),
        (
            "the pen",
            "\x1b[1;4:3;53;31m\x1bP$qm\x1b\\",
            "\x1bP1$r0;1;4:3;53;31m\x1b\\",
        ),
        (
            "the margins",
            "\x1b[2;9r\x1bP$qr\x1b\\",
            "\x1bP1$r2;9r\x1b\\",
        ),
        (
            "the cursor's style",
            "\x1b[5 q\x1bP$q q\x1b\\",
            "\x1bP1$r5 q\x1b\\",
        ),
        ("an unknown setting", "\x1bP$q\"p\x1b\\", "\x1bP0$r\x1b\\"),
        ("a capability", "\x1bP+q544e\x1b\\", "\x1bP0+r\x1b\\"),
        (
            "whether reports are heard",
            "\x1b]7501;?\x07",
            "\x1b]7501;?\x1b\\",
        ),
    ]
    .map(|(what, question, answer)| (what, question, answer.to_owned()))
    .into_iter()
    .chain([(
        "the version",
        "\x1b[>q",
        format!("\x1bP>|stratavore({VERSION})\x1b\\"),
    )])
    .collect()
}

fn answers(pieces: &[&[u8]]) -> String {
    let mut screen = Screen::new(Size::bounded(80, 24));
    let mut answers = Vec::new();
    for piece in pieces {
        screen.feed(piece);
        answers.extend(screen.take_answers());
    }
    String::from_utf8(answers).expect("text")
}

#[test]
fn each_question_is_answered_once() {
    for (what, question, answer) in questions() {
        assert_eq!(answers(&[question.as_bytes()]), answer, "{what}");
        assert_eq!(
            answers(&[question.as_bytes(), b"", b"more text"]),
            answer,
            "{what}"
        );
    }
}

#[test]
fn a_question_that_is_cut_anywhere_is_answered_once() {
    for (what, question, answer) in questions() {
        for cut in 0..=question.len() {
            let (first, rest) = question.as_bytes().split_at(cut);
            assert_eq!(answers(&[first, rest]), answer, "{what} cut at {cut}");
        }
        let bytes: Vec<&[u8]> = question.as_bytes().chunks(1).collect();
        assert_eq!(answers(&bytes), answer, "{what} in bytes");
    }
}

#[test]
fn viewers_are_not_asked() {
    for (what, question, _) in questions() {
        let mut viewed = Vec::new();
        Filter::new().pass(question.as_bytes(), &mut viewed);
        assert_eq!(answers(&[&viewed]), "", "{what}: {}", viewed.escape_ascii());
    }
    for question in [
        "\x05",
        "\x1b[x",
        "\x1b[?1$r",
        "\x1b[21t",
        "\x1b[20t",
        "\x1b[13t",
        "\x1b[?15n",
        "\x1b[1*y",
        "\x1b[?1;1;0S",
        "\x1b[2$w",
        "\x1b]52;c;?\x07",
        "\x1b]50;?\x07",
        "\x1b]21;foreground=?\x07",
        "\x1b]5522;type=read\x07",
        "\x1b]1337;ReportCellSize\x07",
        "\x1b_Gi=1,a=q;AAAA\x1b\\",
    ] {
        let mut viewed = Vec::new();
        Filter::new().pass(question.as_bytes(), &mut viewed);
        assert_eq!(
            viewed.escape_ascii().to_string(),
            "",
            "{}",
            question.escape_debug()
        );
        assert_eq!(
            answers(&[question.as_bytes()]),
            "",
            "{}",
            question.escape_debug()
        );
    }
}

#[test]
fn what_is_said_through_tmux_is_neither_answered_nor_shown() {
    for (what, question, _) in questions() {
        let through = format!("\x1bPtmux;{}\x1b\\", question.replace('\x1b', "\x1b\x1b"));
        for cut in 0..=through.len() {
            let (first, rest) = through.as_bytes().split_at(cut);
            assert_eq!(answers(&[first, rest]), "", "{what} cut at {cut}");
        }
        let mut viewed = Vec::new();
        Filter::new().pass(format!("{through}after").as_bytes(), &mut viewed);
        assert_eq!(viewed, b"after", "{what}");
    }
}

#[test]
fn a_program_that_asks_and_never_listens_fills_no_memory() {
    let mut screen = Screen::new(Size::bounded(80, 24));
    let questions: String = questions()
        .into_iter()
        .map(|(_, question, _)| question)
        .collect();
    for _ in 0..2000 {
        screen.feed(questions.as_bytes());
    }
    let answers = screen.take_answers();
    assert!(answers.len() < 65 * 1024, "{} bytes", answers.len());
    // And it is heard again once it listens.
    screen.feed(b"\x1b[5n");
    assert_eq!(screen.take_answers(), b"\x1b[0n");
}
