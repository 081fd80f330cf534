//! Transcripts, read whole, in pieces, and spoilt.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use proptest::prelude::*;
use stratavore_core::session::Role;
use stratavore_core::usage::Tokens;
use stratavore_programs::{Adapter, Findings, Transcript, adapter};
use stratavore_testkit::model_api::USAGE;

const ID: &str = "11111111-1111-4111-8111-111111111111";

fn corpus() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("corpus")
}

/// Lists every recorded transcript with its program.
fn recorded() -> Vec<(&'static dyn Adapter, Transcript)> {
    let mut all = Vec::new();
    for (program, home) in runs() {
        let found = program.transcripts(&home).expect("listed");
        all.extend(found.into_iter().map(|it| (program, it)));
    }
    for name in ["exec.jsonl", "interactive.jsonl"] {
        let path = corpus().join("codex-0.169.0").join(name);
        let transcript = Transcript {
            path,
            session: None,
            subagent: false,
        };
        all.push((adapter("codex"), transcript));
    }
    all
}

/// Lists every recorded run with its program; what it kept lies as in its home.
fn runs() -> Vec<(&'static dyn Adapter, PathBuf)> {
    let directories = |place: &Path| {
        let entries = fs::read_dir(place).expect("a directory");
        let paths = entries.map(|entry| entry.expect("an entry").path());
        paths.filter(|path| path.is_dir()).collect::<Vec<_>>()
    };
    let mut all = Vec::new();
    for program in directories(&corpus()) {
        let name = program.file_name().expect("a name").to_string_lossy();
        let (name, _) = name.split_once('-').expect("a program and its version");
        let adapter = adapter(name);
        all.extend(directories(&program).into_iter().map(|run| (adapter, run)));
    }
    all
}

fn claude() -> (&'static dyn Adapter, Transcript) {
    let transcript = Transcript {
        path: format!("/p/{ID}.jsonl").into(),
        session: Some(ID.to_owned()),
        subagent: false,
    };
    (adapter("claude"), transcript)
}

fn read(bytes: impl AsRef<[u8]>) -> Findings {
    let (adapter, transcript) = claude();
    let mut reader = adapter.reader(&transcript, None).expect("a reader");
    reader.take(0, bytes.as_ref())
}

/// Joins what pieces said, as who keeps it does: what is told later counts, what was told stays.
fn join(all: &mut Findings, piece: Findings) {
    all.session = piece.session.or(all.session.take());
    all.title = piece.title.or(all.title.take());
    all.cwd = piece.cwd.or(all.cwd.take());
    all.model = piece.model.or(all.model.take());
    all.parent = piece.parent.or(all.parent.take());
    all.began_at = [all.began_at, piece.began_at].into_iter().flatten().min();
    all.updated_at = all.updated_at.max(piece.updated_at);
    all.requests += piece.requests;
    all.passages.extend(piece.passages);
    all.entries.extend(piece.entries);
    all.program_cost = piece.program_cost.or(all.program_cost);
    all.malformed += piece.malformed;
}

fn row(id: &str, request: &str, output: u64, text: &str) -> String {
    format!(
        r#"{{"type":"assistant","uuid":"u-{id}","timestamp":"2026-11-01T10:00:00.000Z","sessionId":"{ID}","cwd":"/p","requestId":"{request}","message":{{"id":"{id}","model":"claude-opus-5","role":"assistant","content":[{{"type":"text","text":"{text}"}}],"usage":{{"input_tokens":1,"output_tokens":{output},"cache_read_input_tokens":2,"cache_creation_input_tokens":7,"cache_creation":{{"ephemeral_5m_input_tokens":3,"ephemeral_1h_input_tokens":4}}}}}}}}
"#
    )
}

fn asked(text: &str, at: &str) -> String {
    format!(
        r#"{{"type":"user","uuid":"q","timestamp":"{at}","sessionId":"{ID}","message":{{"role":"user","content":"{text}"}}}}
"#
    )
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn any_pieces_say_what_the_whole_says(cuts in prop::collection::vec(any::<prop::sample::Index>(), 0..12), which in any::<prop::sample::Index>()) {
        let all = recorded();
        let (adapter, transcript) = &all[which.index(all.len())];
        let bytes = fs::read(&transcript.path).expect("read");
        let ends: Vec<_> = (0..bytes.len()).filter(|&at| bytes[at] == b'\n').map(|at| at + 1).collect();
        let whole = adapter.reader(transcript, None).expect("a reader").take(0, &bytes);
        let mut cuts: BTreeSet<_> = cuts.iter().map(|cut| ends[cut.index(ends.len())]).collect();
        cuts.insert(bytes.len());
        let mut pieces = Findings::default();
        let (mut from, mut memory) = (0, None::<String>);
        for to in cuts {
            // Another reader for each piece: it knows only what was remembered.
            let mut reader = adapter.reader(transcript, memory.as_deref()).expect("a reader");
            join(&mut pieces, reader.take(from as u64, &bytes[from..to]));
            let kept = reader.memory();
            let again = adapter.reader(transcript, Some(&kept)).expect("a reader");
            prop_assert_eq!(&again.memory(), &kept);
            memory = Some(kept);
            from = to;
        }
        pieces.said.clone_from(&whole.said);
        prop_assert_eq!(pieces, whole);
    }

    #[test]
    fn no_bytes_make_it_panic_and_what_is_whole_is_not_lost(noise in prop::collection::vec(any::<u8>(), 0..400)) {
        let mut bytes = noise;
        bytes.push(b'\n');
        bytes.extend_from_slice(row("m", "r", 5, "hello").as_bytes());
        prop_assert!(read(&bytes).entries.iter().any(|entry| entry.message == "m:r"));
        for program in ["claude", "codex", "gemini", "opencode"] {
            let mut reader = adapter(program).reader(&claude().1, None).expect("a reader");
            reader.take(u64::MAX, &bytes);
        }
    }
}

#[test]
fn every_recorded_row_makes_sense() {
    for (adapter, transcript) in recorded() {
        let bytes = fs::read(&transcript.path).expect("read");
        let found = adapter
            .reader(&transcript, None)
            .expect("a reader")
            .take(0, &bytes);
        let name = transcript.path.display();
        assert_eq!(found.malformed, 0, "{name}");
        assert!(
            found.session.is_some() && found.began_at <= found.updated_at,
            "{name}"
        );
        if !transcript.subagent {
            assert!(found.title.is_some() || found.requests == 0, "{name}");
        }
    }
}

/// The stand-in tells every answer the same; Claude Code's are compared with what `ccusage` counts.
#[test]
fn codex_and_gemini_used_what_they_were_told_that_they_used() {
    for (program, answers) in [("codex-0.169.0", 10), ("gemini-0.61.0", 6)] {
        let mut entries = BTreeMap::new();
        for (adapter, home) in runs() {
            if !home.parent().is_some_and(|it| it.ends_with(program)) {
                continue;
            }
            for transcript in adapter.transcripts(&home).expect("listed") {
                let bytes = fs::read(&transcript.path).expect("read");
                let mut reader = adapter.reader(&transcript, None).expect("a reader");
                for entry in reader.take(0, &bytes).entries {
                    let key = (home.clone(), entry.message.clone());
                    assert!(entries.insert(key, entry).is_none(), "counted twice");
                }
            }
        }
        let told = Tokens {
            input: USAGE.input,
            output: USAGE.output,
            cache_read: USAGE.cache_read,
            ..Tokens::default()
        };
        for entry in entries.values() {
            assert_eq!(entry.tokens, told, "{entry:?}");
        }
        assert_eq!(entries.len(), answers, "{program}: {:#?}", entries.keys());
    }
}

/// OpenCode keeps no more of what was written to a cache than how much.
#[test]
fn opencode_used_what_it_was_told_that_it_used_and_a_fork_repeats_it() {
    let told = Tokens {
        input: USAGE.input,
        output: USAGE.output,
        cache_read: USAGE.cache_read,
        cache_write_5m: USAGE.cache_write_5m + USAGE.cache_write_1h,
        ..Tokens::default()
    };
    let mut repeated = Vec::new();
    for (adapter, home) in runs() {
        if !home
            .parent()
            .is_some_and(|it| it.ends_with("opencode-1.18.33"))
        {
            continue;
        }
        let (mut all, mut distinct, mut subagents) = (0, BTreeSet::new(), 0);
        for transcript in adapter.transcripts(&home).expect("listed") {
            let bytes = fs::read(&transcript.path).expect("read");
            let mut reader = adapter.reader(&transcript, None).expect("a reader");
            for entry in reader.take(0, &bytes).entries {
                assert_eq!(entry.tokens, told, "{entry:?}");
                assert_eq!(Some(&entry.session), transcript.session.as_ref());
                distinct.insert(entry.message);
                all += 1;
                subagents += usize::from(transcript.subagent);
            }
        }
        let name = home.file_name().expect("a name").to_string_lossy();
        if all > distinct.len() {
            repeated.push(name.to_string());
        }
        assert_eq!(subagents > 0, name == "permission-of-a-subagent", "{name}");
    }
    assert_eq!(repeated, ["forked"]);
}

#[test]
fn a_message_counts_once_over_its_blocks_with_the_most_that_a_row_says() {
    let rows = [
        row("m1", "r1", 1, "a"),
        row("m1", "r1", 9, "b"),
        row("m1", "r1", 9, "c"),
        row("m2", "r2", 5, "d"),
        row("m2", "r3", 5, "the same id by another request"),
    ];
    let found = read(rows.concat());
    let counted: Vec<_> = found
        .entries
        .iter()
        .map(|entry| (entry.message.as_str(), entry.tokens.output))
        .collect();
    assert_eq!(
        counted,
        [("m1:r1", 1), ("m1:r1", 9), ("m2:r2", 5), ("m2:r3", 5)]
    );
    assert_eq!(
        found.entries[0].tokens,
        Tokens {
            input: 1,
            output: 1,
            cache_write_5m: 3,
            cache_write_1h: 4,
            cache_read: 2
        }
    );
    assert_eq!(found.entries[0].session, ID);
    assert_eq!(found.passages.len(), 5);
    assert_eq!(found.passages[1].offset, rows[0].len() as u64);
}

#[test]
fn what_counts_nothing_is_not_counted() {
    let synthetic = row("m", "r", 5, "x").replace("claude-opus-5", "<synthetic>");
    let unused = row("m", "r", 5, "x")
        .replace("input_tokens", "x")
        .replace("output_tokens", "y");
    let timeless = row("m", "r", 5, "x").replace("timestamp", "time");
    let found = read([synthetic, unused, timeless].concat());
    assert_eq!(found.entries, []);
    assert_eq!(found.malformed, 2);
    assert_eq!(found.model.as_deref(), Some("claude-opus-5"));
    let fast = row("m", "r", 5, "x").replace(r#""usage":{"#, r#""usage":{"speed":"fast","#);
    assert_eq!(read(fast).entries[0].model, "claude-opus-5-fast");
}

#[test]
fn rows_that_make_no_sense_are_counted_and_passed_over() {
    let good = row("m", "r", 5, "good");
    let cut = &good[..good.len() / 2];
    let rows = [
        cut,
        "\n",
        "[]\n",
        "null\n",
        "{}\n",
        "{\"type\":3}\n",
        "\u{0}\n",
        "\r\n",
        "{\"type\":\"of-tomorrow\",\"message\":{\"usage\":1}}\n",
        "{\"type\":\"from-a-later-version\"}\n",
        &good,
        cut,
    ];
    let found = read(rows.concat());
    assert_eq!(found.malformed, 8);
    assert_eq!(found.entries.len(), 1);
    let mut invalid = row("m", "r", 5, "caf@").into_bytes();
    let at = invalid
        .iter()
        .position(|&byte| byte == b'@')
        .expect("there");
    invalid[at] = 0xff;
    let found = read(invalid);
    assert_eq!((found.entries.len(), found.malformed), (1, 0));
    assert_eq!(found.passages[0].text, "caf\u{fffd}");
}

#[test]
fn a_row_of_fifty_megabytes_is_read_and_its_passage_cut() {
    let found = read(row("m", "r", 5, &"é".repeat(25 << 20)));
    assert_eq!(found.entries.len(), 1);
    assert!(found.passages[0].text.len() <= stratavore_core::session::PASSAGE_MAX);
}

#[test]
fn a_clock_that_goes_back_keeps_the_first_and_the_last_time() {
    let found = read(
        [
            asked("one", "2026-11-01T10:00:00Z"),
            asked("two", "2026-10-01T10:00:00Z"),
            asked("three", "2026-10-15T10:00:00Z"),
        ]
        .concat(),
    );
    assert_eq!(
        found.began_at.expect("a time").to_rfc3339(),
        "2026-10-01T10:00:00+00:00"
    );
    assert_eq!(
        found.updated_at.expect("a time").to_rfc3339(),
        "2026-11-01T10:00:00+00:00"
    );
    assert_eq!(found.requests, 3);
    assert_eq!(found.title.as_deref(), Some("one"));
}

#[test]
fn a_title_is_the_persons_then_the_models_then_the_first_request() {
    let at = "2026-11-01T10:00:00Z";
    let ai = "{\"type\":\"ai-title\",\"aiTitle\":\"By the  model\"}\n";
    let own = "{\"type\":\"custom-title\",\"customTitle\":\"By a person\"}\n";
    let first = asked("<command-name>/clear</command-name>", at)
        + &asked("First", at)
        + &asked("Second", at);
    assert_eq!(read(&first).title.as_deref(), Some("First"));
    assert_eq!(read(&first).requests, 2);
    assert_eq!(
        read(first.clone() + ai).title.as_deref(),
        Some("By the model")
    );
    assert_eq!(read(first + own + ai).title.as_deref(), Some("By a person"));
}

#[test]
fn an_error_says_so_until_the_model_answers_again() {
    let at = |need: &str, words: &str| {
        format!(
            r#"{{"type":"assistant","timestamp":"2026-11-01T10:00:00Z","isApiErrorMessage":true,"error":"{need}","message":{{"model":"<synthetic>","content":[{{"type":"text","text":"{words}"}}]}}}}
"#
        )
    };
    let said = read(at("rate_limit", "Claude AI usage limit reached|1735689600"))
        .said
        .expect("said");
    assert_eq!(said.need.as_str(), "rate-limited");
    assert_eq!(
        said.until.map(|until| until.timestamp()),
        Some(1_735_689_600)
    );
    let said = read(at("server_error", "API Error: 500"))
        .said
        .expect("said");
    assert_eq!(
        (said.need.as_str(), said.detail.as_deref()),
        ("errored", Some("API Error: 500"))
    );
    assert_eq!(
        read(at("server_error", "x") + &row("m", "r", 1, "fine")).said,
        None
    );
}

#[test]
fn a_fork_repeats_its_parents_messages_under_their_own_names() {
    let home = corpus().join("claude-2.1.330/forked");
    let adapter = adapter("claude");
    let mut messages = Vec::new();
    let mut sessions = BTreeSet::new();
    let mut parents = Vec::new();
    for transcript in adapter.transcripts(&home).expect("listed") {
        let bytes = fs::read(&transcript.path).expect("read");
        let found = adapter
            .reader(&transcript, None)
            .expect("a reader")
            .take(0, &bytes);
        parents.extend(found.parent);
        sessions.extend(found.session);
        messages.extend(found.entries.into_iter().map(|entry| entry.message));
    }
    assert_eq!(sessions.len(), 2);
    assert_eq!(parents.len(), 1, "one is a copy of the other");
    assert!(sessions.contains(&parents[0]), "{parents:?}");
    let distinct: BTreeSet<_> = messages.iter().collect();
    assert!(distinct.len() < messages.len(), "{messages:?}");
}

#[test]
fn a_subagent_counts_for_its_session_and_says_nothing_of_it() {
    let home = corpus().join("claude-2.1.330/subagent");
    let adapter = adapter("claude");
    let all = adapter.transcripts(&home).expect("listed");
    let agent = all.iter().find(|it| it.subagent).expect("a subagent's");
    let bytes = fs::read(&agent.path).expect("read");
    let found = adapter
        .reader(agent, None)
        .expect("a reader")
        .take(0, &bytes);
    assert!(!found.entries.is_empty());
    assert!(
        found
            .entries
            .iter()
            .all(|entry| Some(&entry.session) == agent.session.as_ref())
    );
    assert_eq!(
        (found.title, found.requests, found.said, found.model),
        (None, 0, None, None)
    );
}

#[test]
fn codex_counts_each_response_once() {
    let path = corpus().join("codex-0.169.0/exec.jsonl");
    let bytes = fs::read(&path).expect("read");
    let transcript = Transcript {
        path,
        session: None,
        subagent: false,
    };
    let codex = adapter("codex");
    let found = codex
        .reader(&transcript, None)
        .expect("a reader")
        .take(0, &bytes);
    assert_eq!(
        found.session.as_deref(),
        Some("01a20ae1-29f0-7e90-b9bc-a9d0101e8006")
    );
    assert_eq!(found.title.as_deref(), Some("say hello"));
    assert_eq!(found.model.as_deref(), Some("gpt-5.4"));
    assert_eq!(found.requests, 1);
    assert_eq!(found.entries.len(), 1);
    assert_eq!(
        found.entries[0].tokens,
        Tokens {
            input: 60,
            output: 20,
            cache_read: 40,
            ..Tokens::default()
        }
    );
    let said: Vec<_> = found
        .passages
        .iter()
        .map(|it| (it.role, it.text.as_str()))
        .collect();
    assert_eq!(
        said,
        [
            (Role::User, "say hello"),
            (Role::Assistant, "Good morning.")
        ]
    );
    // A version that writes running totals only repeats them.
    let totals: Vec<u8> = bytes
        .split_inclusive(|&byte| byte == b'\n')
        .filter(|row| !row.windows(20).any(|it| it == b"\"token_usage_record\""))
        .flat_map(|row| [row, row].concat())
        .collect();
    let found = codex
        .reader(&transcript, None)
        .expect("a reader")
        .take(0, &totals);
    assert_eq!(found.entries.len(), 1);
}
