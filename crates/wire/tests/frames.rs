//! Frames and messages: round trips, pieces, garbage.

use std::path::PathBuf;

use proptest::collection::vec;
use proptest::prelude::*;
use stratavore_wire::keys::Key;
use stratavore_wire::*;

fn programs() -> impl Strategy<Value = ProgramState> {
    (1..i32::MAX, any::<u64>(), ".{0,20}").prop_map(|(pid, start_time, boot_id)| ProgramState {
        pid,
        start_time,
        boot_id,
    })
}

fn exits() -> impl Strategy<Value = Exit> {
    prop_oneof![
        any::<i32>().prop_map(Exit::Code),
        any::<i32>().prop_map(Exit::Signal)
    ]
}

fn launches() -> impl Strategy<Value = LaunchSpec> {
    (
        (".*", 0..9_u32, ".*", ".*", ".*"),
        (
            vec(".*", 0..4),
            ".*",
            vec((".*", ".*"), 0..4),
            1..500_u16,
            1..500_u16,
        ),
        (
            any::<u32>(),
            any::<bool>(),
            any::<Option<u64>>(),
            any::<bool>(),
            "[a-z/]*",
            "[a-z/]*",
            any::<u64>(),
            any::<u64>(),
        ),
    )
        .prop_map(
            |(
                (runner_id, attempt, instance_id, project, program),
                (argv, cwd, env, columns, rows),
                (
                    history_lines,
                    record,
                    open_files,
                    keep_descendants,
                    attempt_dir,
                    socket,
                    heartbeat_ms,
                    permission_wait_ms,
                ),
            )| LaunchSpec {
                runner_id,
                attempt,
                instance_id,
                project,
                program,
                argv,
                cwd,
                env,
                columns,
                rows,
                history_lines,
                record,
                open_files,
                keep_descendants,
                attempt_dir: PathBuf::from(attempt_dir),
                socket: PathBuf::from(socket),
                heartbeat_ms,
                hooks: HookPolicy { permission_wait_ms },
            },
        )
}

fn attached() -> impl Strategy<Value = Attached> {
    (".*", any::<(u16, u16)>(), any::<(bool, bool, bool)>()).prop_map(
        |(place, (columns, rows), (read_only, decides, you))| Attached {
            place,
            columns,
            rows,
            read_only,
            decides,
            you,
        },
    )
}

fn failures() -> impl Strategy<Value = SpawnFailure> {
    prop::sample::select(vec![
        SpawnFailure::NotFound,
        SpawnFailure::NotExecutable,
        SpawnFailure::BadInterpreter,
        SpawnFailure::BadCwd,
        SpawnFailure::ArgumentsTooLong,
        SpawnFailure::Other,
    ])
}

fn refusals() -> impl Strategy<Value = Refusal> {
    prop::sample::select(vec![
        Refusal::NotStratavore,
        Refusal::WrongUser,
        Refusal::UnsupportedVersion,
        Refusal::BadFrame,
        Refusal::UnknownMessage,
        Refusal::OutOfTurn,
        Refusal::AlreadyRunning,
        Refusal::AlreadyAttempted,
        Refusal::BadLaunch,
        Refusal::SocketPathTooLong,
        Refusal::BadPlace,
        Refusal::InputFull,
        Refusal::ReadOnly,
        Refusal::NotLent,
        Refusal::NotOfThisRunner,
        Refusal::TooManyPeers,
        Refusal::Other,
    ])
}

fn keys() -> impl Strategy<Value = Key> {
    let signs = "[a-hkln-z\\\\\\]^_]";
    signs.prop_map(|sign| format!("ctrl-{sign}").parse().unwrap())
}

fn hooks() -> impl Strategy<Value = Message> {
    let away = prop::sample::select(vec![WhenAway::Open, WhenAway::Closed]);
    let denials = (".*", prop::collection::btree_map(".*", ".*", 0..4))
        .prop_map(|(reason, outputs)| Denial { reason, outputs });
    prop_oneof![
        ".*".prop_map(|payload| Message::Hook(Hook { payload })),
        ".*".prop_map(|output| Message::HookOutput(HookOutput { output })),
        (
            (any::<u64>(), any::<i64>(), ".*"),
            any::<(bool, bool, u64)>()
        )
            .prop_map(
                |((id, at, payload), (waits, denied, missed))| Message::Hooked(Hooked {
                    id,
                    at: Timestamp(at),
                    payload,
                    waits,
                    denied,
                    missed,
                })
            ),
        (any::<u64>(), ".*")
            .prop_map(|(id, output)| Message::HookAnswer(HookAnswer { id, output })),
        any::<(u64, bool)>()
            .prop_map(|(id, answered)| Message::HookGone(HookGone { id, answered })),
        (prop::option::of(denials), away)
            .prop_map(|(deny, when_away)| Message::Gate(Gate { deny, when_away })),
    ]
}

fn messages() -> impl Strategy<Value = Message> {
    let roles = prop::sample::select(vec![Role::Supervisor, Role::Viewer, Role::Client]);
    let times = any::<i64>().prop_map(Timestamp);
    let raw = || vec(any::<u8>(), 0..300);
    let size = || (any::<u16>(), any::<u16>());
    let control = prop_oneof![
        (
            ".*",
            any::<u16>(),
            any::<Option<u16>>(),
            roles,
            ".*",
            vec(".*", 0..3)
        )
            .prop_map(|(magic, version, oldest, role, software, capabilities)| {
                Message::Hello(Hello {
                    magic,
                    version,
                    oldest,
                    role,
                    software,
                    capabilities,
                })
            }),
        (
            (any::<u16>(), ".*", vec(".*", 0..3), ".*"),
            (
                any::<u32>(),
                any::<i32>(),
                prop::option::of(programs()),
                size()
            )
        )
            .prop_map(
                |(
                    (version, software, capabilities, runner_id),
                    (attempt, agent_pid, program, (columns, rows)),
                )| {
                    Message::Welcome(Welcome {
                        version,
                        software,
                        capabilities,
                        runner_id,
                        attempt,
                        agent_pid,
                        program,
                        columns,
                        rows,
                        frozen: attempt % 2 == 0,
                        stopping: attempt % 3 == 0,
                    })
                }
            ),
        (refusals(), ".*").prop_map(|(code, message)| Message::Refused(Refused { code, message })),
        launches().prop_map(|launch| Message::Launch(Box::new(launch))),
        (programs(), times.clone())
            .prop_map(|(program, at)| Message::Started(Started { program, at })),
        (failures(), ".*", times.clone()).prop_map(|(code, message, at)| Message::SpawnFailed(
            SpawnFailed { code, message, at }
        )),
        (
            times.clone(),
            0.0..1e6_f32,
            any::<u64>(),
            any::<u32>(),
            ".*"
        )
            .prop_map(|(at, cpu_percent, memory_bytes, processes, title)| {
                Message::Heartbeat(Heartbeat {
                    at,
                    cpu_percent,
                    memory_bytes,
                    processes,
                    viewers: processes / 2,
                    title,
                    frozen: processes % 2 == 0,
                })
            }),
        (exits(), times.clone(), any::<bool>(), any::<u32>()).prop_map(
            |(exit, at, stopped, leftovers)| Message::Exited(Exited {
                exit,
                at,
                stopped,
                interrupted: stopped,
                leftovers
            })
        ),
        any::<u64>().prop_map(|grace_ms| Message::Stop(Stop { grace_ms })),
        (times.clone(), any::<u32>())
            .prop_map(|(at, killed)| Message::Stopped(Stopped { at, killed })),
        (times, any::<bool>(), any::<u32>()).prop_map(|(at, frozen, processes)| Message::Frozen(
            Frozen {
                frozen,
                at,
                processes
            }
        )),
        Just(Message::Freeze),
        Just(Message::Thaw),
        Just(Message::Ended),
    ];
    let terminal = prop_oneof![
        (size(), any::<bool>(), ".*").prop_map(|((columns, rows), read_only, place)| {
            Message::Attach(Attach {
                columns,
                rows,
                read_only,
                place,
            })
        }),
        Just(Message::TakeOver),
        (any::<u64>(), vec(keys(), 0..3))
            .prop_map(|(heard, keys)| Message::Lend(Lend { heard, keys })),
        any::<u32>().prop_map(|history_lines| Message::Redraw(Redraw { history_lines })),
        (any::<char>(), ".*")
            .prop_map(|(selection, text)| Message::Asked(Asked::Clipboard { selection, text })),
        (".*", ".*").prop_map(|(title, body)| Message::Asked(Asked::Notify { title, body })),
        (any::<i64>(), ".*").prop_map(|(at, text)| Message::Report(Report {
            at: Timestamp(at),
            text
        })),
        size().prop_map(|(columns, rows)| Message::Resize(Resize { columns, rows })),
        size().prop_map(|(columns, rows)| Message::Resized(Resized { columns, rows })),
        any::<u64>().prop_map(|bytes| Message::Ack(Ack { bytes })),
        any::<bool>().prop_map(|ansi| Message::GetScreen(GetScreen { ansi })),
        (any::<bool>(), any::<Option<u32>>(), any::<bool>()).prop_map(|(ansi, lines, follow)| {
            Message::GetHistory(GetHistory {
                ansi,
                lines,
                follow,
            })
        }),
        (any::<u32>(), any::<u32>(), vec(attached(), 0..3)).prop_map(
            |(count, read_only, attached)| {
                Message::Viewers(Viewers {
                    count,
                    read_only,
                    attached,
                })
            }
        ),
        (any::<u64>(), raw()).prop_map(|(seq, bytes)| Message::Output { seq, bytes }),
        (any::<u64>(), size(), raw()).prop_map(|(seq, (columns, rows), bytes)| Message::Snapshot {
            seq,
            columns,
            rows,
            bytes
        }),
        raw().prop_map(|bytes| Message::Input { bytes }),
        raw().prop_map(|bytes| Message::Typed { bytes }),
        (any::<bool>(), raw()).prop_map(|(ansi, bytes)| Message::Screen { ansi, bytes }),
        (any::<bool>(), any::<bool>(), raw()).prop_map(|(ansi, last, bytes)| Message::History {
            ansi,
            last,
            bytes
        }),
        (0x80..=0xff_u8, raw()).prop_map(|(kind, payload)| Message::Unknown { kind, payload }),
    ];
    prop_oneof![control, terminal, hooks()]
}

proptest! {
    #[test]
    fn every_message_survives_the_wire_in_any_pieces(sent in vec(messages(), 1..6), cuts in vec(1..40_usize, 1..50)) {
        let mut bytes = Vec::new();
        for message in &sent {
            message.encode(&mut bytes).unwrap();
        }
        let mut decoder = FrameDecoder::new();
        let mut received = Vec::new();
        let mut rest = &bytes[..];
        for cut in cuts.iter().cycle() {
            if rest.is_empty() {
                break;
            }
            let (piece, after) = rest.split_at((*cut).min(rest.len()));
            rest = after;
            decoder.push(piece);
            while let Some(message) = decoder.next_message().unwrap() {
                received.push(message);
            }
        }
        prop_assert_eq!(received, sent);
        prop_assert_eq!(decoder.finish(), Ok(()));
    }

    #[test]
    fn a_stream_cut_short_is_never_mistaken_for_a_whole_one(message in messages(), at in any::<prop::sample::Index>()) {
        let bytes = message.to_bytes().unwrap();
        let cut = 1 + at.index(bytes.len() - 1);
        let mut decoder = FrameDecoder::new();
        decoder.push(&bytes[..cut]);
        prop_assert_eq!(decoder.next_frame(), Ok(None));
        let truncated = matches!(decoder.finish(), Err(FrameError::Truncated { have, .. }) if have == cut);
        prop_assert!(truncated);
    }

    /// The decoder's fuzz target: whatever comes, it neither panics nor loops nor accepts more than the limit.
    #[test]
    fn garbage_is_decoded_or_refused(pieces in vec(vec(any::<u8>(), 0..64), 0..32), limit in 0..2000_usize) {
        garbage(&pieces, limit);
    }

    #[test]
    fn frames_with_a_garbled_payload_are_refused_or_understood(kind in any::<u8>(), payload in vec(any::<u8>(), 0..200)) {
        let mut bytes = Vec::new();
        frame::encode(kind, &payload, &mut bytes).unwrap();
        garbage(&[bytes], MAX_FRAME);
    }

    #[test]
    fn a_flipped_byte_is_decoded_or_refused(message in messages(), at in any::<prop::sample::Index>(), flip in 1..=255_u8) {
        let mut bytes = message.to_bytes().unwrap();
        let at = at.index(bytes.len());
        bytes[at] ^= flip;
        garbage(&[bytes], MAX_FRAME);
    }
}

fn garbage(pieces: &[Vec<u8>], limit: usize) {
    let mut decoder = FrameDecoder::with_limit(limit);
    let mut pushed = 0;
    let mut taken = 0;
    for piece in pieces {
        decoder.push(piece);
        pushed += piece.len();
        loop {
            match decoder.next_frame() {
                Ok(Some(frame)) => {
                    taken += 5 + frame.payload.len();
                    assert!(frame.payload.len() < limit);
                    assert!(taken <= pushed);
                    let _ = Message::from_frame(frame);
                }
                Ok(None) => break,
                Err(error) => {
                    // A broken stream stays broken: it is never resumed in the middle of something.
                    assert_eq!(decoder.next_frame(), Err(error));
                    return;
                }
            }
        }
    }
}

#[test]
fn an_oversized_frame_is_refused_by_its_header_alone() {
    let mut decoder = FrameDecoder::new();
    decoder.push(&(MAX_FRAME as u32 + 1).to_le_bytes());
    assert_eq!(
        decoder.next_frame(),
        Err(FrameError::Oversized {
            len: MAX_FRAME + 1,
            max: MAX_FRAME
        })
    );
    let mut out = Vec::new();
    assert_eq!(
        frame::encode(1, &vec![0; MAX_FRAME], &mut out),
        Err(FrameError::Oversized {
            len: MAX_FRAME + 1,
            max: MAX_FRAME
        })
    );
    assert!(out.is_empty());
    frame::encode(1, &vec![0; MAX_FRAME - 1], &mut out).unwrap();
    let mut decoder = FrameDecoder::new();
    decoder.push(&out);
    assert_eq!(
        decoder.next_frame().unwrap().unwrap().payload.len(),
        MAX_FRAME - 1
    );
}

#[test]
fn an_empty_frame_is_refused() {
    let mut decoder = FrameDecoder::new();
    decoder.push(&[0, 0, 0, 0, 1]);
    assert_eq!(decoder.next_frame(), Err(FrameError::Empty));
}

#[test]
fn an_unknown_kind_is_a_message_and_the_stream_goes_on() {
    let mut bytes = Vec::new();
    frame::encode(0xee, b"from the future", &mut bytes).unwrap();
    Message::Freeze.encode(&mut bytes).unwrap();
    let mut decoder = FrameDecoder::new();
    decoder.push(&bytes);
    assert_eq!(
        decoder.next_message().unwrap(),
        Some(Message::Unknown {
            kind: 0xee,
            payload: b"from the future".to_vec()
        })
    );
    assert_eq!(decoder.next_message().unwrap(), Some(Message::Freeze));
}

#[test]
fn unknown_fields_and_words_of_a_newer_peer_are_understood() {
    let mut bytes = Vec::new();
    frame::encode(
        message::kind::REFUSED,
        br#"{"code":"mercury-retrograde","message":"not today","since":"yesterday"}"#,
        &mut bytes,
    )
    .unwrap();
    frame::encode(
        message::kind::SPAWN_FAILED,
        br#"{"code":"no-gpu","message":"m","at":1}"#,
        &mut bytes,
    )
    .unwrap();
    frame::encode(
        message::kind::GATE,
        br#"{"deny":{"reason":"r","outputs":{"PreToolUse":"no"},"until":9},"when_away":"ajar"}"#,
        &mut bytes,
    )
    .unwrap();
    let mut decoder = FrameDecoder::new();
    decoder.push(&bytes);
    assert_eq!(
        decoder.next_message().unwrap(),
        Some(Message::Refused(Refused::new(Refusal::Other, "not today")))
    );
    assert!(matches!(
        decoder.next_message().unwrap(),
        Some(Message::SpawnFailed(SpawnFailed {
            code: SpawnFailure::Other,
            ..
        }))
    ));
    let Some(Message::Gate(gate)) = decoder.next_message().unwrap() else {
        panic!("a gate of a newer peer is not understood");
    };
    assert_eq!(gate.when_away, WhenAway::Open);
    assert_eq!(gate.deny.unwrap().outputs["PreToolUse"], "no");
}

#[test]
fn the_newest_common_version_is_chosen() {
    let mut hello = Hello::new(Role::Supervisor, "stratavored 9.0");
    assert_eq!(hello.negotiate(), Ok(1));

    // A newer host that still serves old agents.
    hello.version = 7;
    assert_eq!(hello.negotiate(), Ok(1));

    // One that does not.
    hello.oldest = Some(2);
    let refused = hello.negotiate().unwrap_err();
    assert_eq!(refused.code, Refusal::UnsupportedVersion);
    assert!(
        refused.message.contains("2 to 7 of stratavored 9.0"),
        "{refused}"
    );

    // One that says nothing of what it still serves.
    hello.oldest = None;
    assert_eq!(
        hello.negotiate().unwrap_err().code,
        Refusal::UnsupportedVersion
    );

    hello.magic = "GET / HTTP/1.1".to_owned();
    assert_eq!(hello.negotiate().unwrap_err().code, Refusal::NotStratavore);
}

fn launch() -> LaunchSpec {
    LaunchSpec {
        runner_id: "0195-ab".to_owned(),
        attempt: 1,
        instance_id: "i".to_owned(),
        project: "p".to_owned(),
        program: "custom".to_owned(),
        argv: vec!["sh".to_owned()],
        cwd: "/".to_owned(),
        env: vec![("TOKEN".to_owned(), "hunter2".to_owned())],
        columns: 80,
        rows: 24,
        history_lines: 100,
        record: false,
        open_files: None,
        keep_descendants: false,
        attempt_dir: PathBuf::from("/a"),
        socket: PathBuf::from("/s"),
        heartbeat_ms: 1,
        hooks: HookPolicy::default(),
    }
}

#[test]
fn a_launch_never_shows_the_values_of_its_environment() {
    let shown = format!("{:?} {:#?}", launch(), Message::Launch(Box::new(launch())));
    assert!(shown.contains("TOKEN"), "{shown}");
    assert!(!shown.contains("hunter2"), "{shown}");
}

#[test]
fn a_launch_that_no_program_can_be_executed_with_is_refused_by_name() {
    assert_eq!(launch().check(), Ok(()));
    type Spoil = fn(&mut LaunchSpec);
    let cases: &[(&str, Spoil)] = &[
        ("command is empty", |launch| launch.argv.clear()),
        ("command is empty", |launch| {
            launch.argv = vec![String::new()]
        }),
        ("argument 1 of \"sh\" holds a NUL", |launch| {
            launch.argv.push("a\0b".to_owned())
        }),
        ("key \"A=B\"", |launch| {
            launch.env.push(("A=B".to_owned(), String::new()))
        }),
        ("key \"\"", |launch| {
            launch.env.push((String::new(), String::new()))
        }),
        ("value of environment key \"A\"", |launch| {
            launch.env.push(("A".to_owned(), "\0".to_owned()))
        }),
        ("\"here\" is not an absolute path", |launch| {
            launch.cwd = "here".to_owned()
        }),
        ("runner id \"../x\"", |launch| {
            launch.runner_id = "../x".to_owned()
        }),
    ];
    for (expected, spoil) in cases {
        let mut launch = launch();
        spoil(&mut launch);
        let refused = launch.check().unwrap_err();
        assert_eq!(refused.code, Refusal::BadLaunch);
        assert!(
            refused.message.contains(expected),
            "{refused} lacks {expected}"
        );
        assert!(!refused.message.contains("hunter2"));
    }
}
