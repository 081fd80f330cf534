//! What goes to the page: one tag byte, then what the tag says.

use serde::Serialize;
use stratavore_api::v1;
use stratavore_wire::{Asked, Viewers};

const SNAPSHOT: u8 = 0;
const OUTPUT: u8 = 1;
const CONTROL: u8 = 2;

/// One message to a viewer.
#[derive(Clone, Debug, PartialEq)]
pub enum Message {
    /// What brings an empty terminal of this size to the program's screen.
    Snapshot {
        /// Width.
        columns: u16,
        /// Height.
        rows: u16,
        /// What to feed to the terminal.
        bytes: Vec<u8>,
    },
    /// What the program wrote.
    Output(Vec<u8>),
    /// What is told beside the bytes.
    Control(Control),
}

/// What is told beside the bytes, as JSON.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Control {
    /// The program ended; nothing follows.
    Ended {
        /// How, when that is known.
        exit: Option<v1::Exit>,
    },
    /// The terminal has another size from here on.
    Resized {
        /// Width.
        columns: u16,
        /// Height.
        rows: u16,
    },
    /// Who is attached, on every change.
    Viewers(Viewers),
    /// What the program asks of whoever looks on.
    Asked(Asked),
    /// The connection broke, for this reason; nothing follows.
    Lost(String),
    /// The agent did not do what was asked, for this reason; the attachment goes on.
    Refused(String),
}

impl Message {
    /// Lays it out as the page reads it.
    #[must_use]
    pub fn into_bytes(self) -> Vec<u8> {
        match self {
            Self::Snapshot {
                columns,
                rows,
                bytes,
            } => {
                let mut laid = Vec::with_capacity(bytes.len() + 5);
                laid.push(SNAPSHOT);
                laid.extend_from_slice(&columns.to_le_bytes());
                laid.extend_from_slice(&rows.to_le_bytes());
                laid.extend_from_slice(&bytes);
                laid
            }
            Self::Output(bytes) => {
                let mut laid = Vec::with_capacity(bytes.len() + 1);
                laid.push(OUTPUT);
                laid.extend_from_slice(&bytes);
                laid
            }
            Self::Control(control) => {
                let mut laid = vec![CONTROL];
                // Strings and numbers under string keys always serialize.
                laid.extend(serde_json::to_vec(&control).unwrap_or_default());
                laid
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_are_laid_out_as_the_page_reads_them() {
        assert_eq!(
            Message::Snapshot {
                columns: 300,
                rows: 2,
                bytes: b"ab".to_vec()
            }
            .into_bytes(),
            [0, 44, 1, 2, 0, b'a', b'b']
        );
        assert_eq!(Message::Output(b"x".to_vec()).into_bytes(), [1, b'x']);
        let control = |control| String::from_utf8(Message::Control(control).into_bytes()).unwrap();
        assert_eq!(
            control(Control::Resized {
                columns: 80,
                rows: 24
            }),
            "\u{2}{\"resized\":{\"columns\":80,\"rows\":24}}"
        );
        let viewers = Viewers {
            count: 1,
            read_only: 0,
            attached: vec![stratavore_wire::Attached {
                place: "window".into(),
                columns: 80,
                rows: 24,
                read_only: false,
                decides: true,
                you: true,
            }],
        };
        assert_eq!(
            control(Control::Viewers(viewers)),
            concat!(
                "\u{2}{\"viewers\":{\"count\":1,\"read_only\":0,\"attached\":[{\"place\":\"window\",\"columns\":80,",
                "\"rows\":24,\"read_only\":false,\"decides\":true,\"you\":true}]}}"
            )
        );
        let asked = Asked::Clipboard {
            selection: 'c',
            text: "copied".into(),
        };
        assert_eq!(
            control(Control::Asked(asked)),
            "\u{2}{\"asked\":{\"clipboard\":{\"selection\":\"c\",\"text\":\"copied\"}}}"
        );
        assert_eq!(
            control(Control::Lost("why".into())),
            "\u{2}{\"lost\":\"why\"}"
        );
        assert_eq!(
            control(Control::Ended { exit: None }),
            "\u{2}{\"ended\":{\"exit\":null}}"
        );
        assert!(
            control(Control::Ended {
                exit: Some(v1::Exit::default())
            })
            .contains("\"ended\":{\"exit\":{")
        );
    }
}
