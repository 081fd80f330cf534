//! What comes over a socket, or is found in a record, is understood or refused, whatever it is.

use std::path::{Path, PathBuf};
use std::time::Duration;

use stratavore_wire::{ExitRecord, Frame, FrameDecoder, FrameError, Message, RunnerRecord};

/// How long each target runs as a test; a fuzzer ignores it.
const SHORTLY: Duration = Duration::from_secs(2);

#[test]
fn any_stream_is_decoded_the_same_in_any_pieces_or_refused_for_good() {
    bolero::check!()
        .with_test_time(SHORTLY)
        .with_type::<(u16, u8, Vec<u8>)>()
        .for_each(|(limit, piece, stream)| decoded(stream, (*limit).into(), (*piece).into()));
}

#[test]
fn a_recorded_conversation_with_errors_in_it_is_decoded_or_refused() {
    let recorded = read("conversations", "bin");
    bolero::check!()
        .with_test_time(SHORTLY)
        .with_type::<(u8, u8, Vec<(u16, u8)>)>()
        .for_each(|(which, piece, errors)| {
            let mut stream = recorded[usize::from(*which) % recorded.len()].clone();
            disturb(&mut stream, errors);
            decoded(&stream, usize::MAX, (*piece).into());
        });
}

#[test]
fn a_record_with_errors_in_it_is_read_or_refused() {
    let recorded = read("records", "json");
    bolero::check!()
        .with_test_time(SHORTLY)
        .with_type::<(u8, Vec<(u16, u8)>)>()
        .for_each(|(which, errors)| {
            let mut text = recorded[usize::from(*which) % recorded.len()].clone();
            disturb(&mut text, errors);
            let text = String::from_utf8_lossy(&text);
            if let Ok(record) = RunnerRecord::parse(&text) {
                let again = RunnerRecord::parse(&record.serialize().unwrap()).unwrap();
                assert_eq!(again, record);
            }
            if let Ok(record) = ExitRecord::parse(&text) {
                let again = ExitRecord::parse(&record.serialize().unwrap()).unwrap();
                assert_eq!(again, record);
            }
        });
}

/// Reads what earlier versions wrote, in a fixed order.
fn read(directory: &str, extension: &str) -> Vec<Vec<u8>> {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests")
        .join(directory);
    let mut files: Vec<PathBuf> = std::fs::read_dir(directory)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|own| own == extension))
        .collect();
    files.sort();
    assert!(!files.is_empty());
    files
        .iter()
        .map(|path| std::fs::read(path).unwrap())
        .collect()
}

/// Changes bytes, and where that would be at the end, cuts the rest off.
fn disturb(bytes: &mut Vec<u8>, errors: &[(u16, u8)]) {
    for (at, byte) in errors {
        let at = usize::from(*at) % (bytes.len() + 1);
        match bytes.get_mut(at) {
            Some(place) => *place = *byte,
            None => bytes.truncate(at / 2),
        }
    }
}

fn decoded(stream: &[u8], limit: usize, piece: usize) {
    let whole = frames(stream, limit, usize::MAX);
    assert_eq!(whole, frames(stream, limit, piece.max(1)));
    for frame in whole.0 {
        assert!(frame.payload.len() < limit);
        let Ok(message) = Message::from_frame(frame) else {
            continue;
        };
        // What was understood is said again in words of our own, and means the same.
        let mut decoder = FrameDecoder::new();
        decoder.push(&message.to_bytes().unwrap());
        assert_eq!(decoder.next_message().unwrap(), Some(message));
        assert_eq!(decoder.finish(), Ok(()));
    }
}

/// Cuts a stream that comes in pieces of one size into frames, up to its error.
fn frames(stream: &[u8], limit: usize, piece: usize) -> (Vec<Frame>, Option<FrameError>) {
    let mut decoder = FrameDecoder::with_limit(limit);
    let (mut frames, mut taken) = (Vec::new(), 0);
    for piece in stream.chunks(piece) {
        decoder.push(piece);
        loop {
            match decoder.next_frame() {
                Ok(Some(frame)) => {
                    taken += 5 + frame.payload.len();
                    assert!(taken <= stream.len(), "more came out than went in");
                    frames.push(frame);
                }
                Ok(None) => break,
                Err(error) => {
                    assert_eq!(
                        decoder.next_frame(),
                        Err(error.clone()),
                        "a broken stream was resumed"
                    );
                    return (frames, Some(error));
                }
            }
        }
    }
    let end = decoder.finish().err();
    (frames, end)
}
