//! What is read of a program's files, as the cases give it.

use stratavore_core::clock::Timestamp;
use stratavore_core::session::{Passage, Role, Session, SessionKey};
use stratavore_core::usage::{Entry, NanoUsd, Tokens};

use super::world::World;
use crate::{Digest, Reading};

/// A moment so many seconds into the cases' time.
pub(super) fn at(seconds: i64) -> Timestamp {
    Timestamp::from_timestamp(1_800_000_000 + seconds, 0).expect("a moment")
}

pub(super) fn said(offset: u64, text: &str) -> Passage {
    Passage {
        offset,
        role: Role::Assistant,
        at: at(1),
        text: text.to_owned(),
    }
}

/// An entry of a message, which used so many tokens of input and costs as many billionths.
pub(super) fn entry(message: &str, tokens: u64) -> (Entry, Option<NanoUsd>) {
    let entry = Entry {
        message: message.to_owned(),
        session: "s1".into(),
        model: "opus-1".into(),
        at: at(1),
        tokens: Tokens {
            input: tokens,
            ..Tokens::default()
        },
    };
    (entry, Some(NanoUsd(tokens)))
}

impl World {
    pub(super) fn key(&self, id: &str) -> SessionKey {
        SessionKey {
            node: self.store.instance().clone(),
            program: "claude".into(),
            id: id.to_owned(),
        }
    }

    pub(super) fn a_session(&self, id: &str) -> Session {
        Session {
            key: self.key(id),
            project: None,
            cwd: "/srv/api".into(),
            title: None,
            model: None,
            began_at: at(0),
            updated_at: at(1),
            requests: 1,
            parent: None,
            runner: None,
            transcript: Some(path(id)),
            program_cost: None,
            archive: None,
        }
    }

    /// What was read of a session's transcript for the first time, up to `offset`.
    pub(super) fn first(&self, id: &str, offset: u64) -> Digest {
        Digest {
            from: None,
            reading: Reading {
                path: path(id),
                file: "1:2".into(),
                offset,
                memory: "{}".into(),
            },
            session: self.a_session(id),
            passages: Vec::new(),
            entries: Vec::new(),
            runner: None,
        }
    }

    /// What was read of it after that.
    pub(super) fn then(&self, id: &str, from: u64, offset: u64) -> Digest {
        Digest {
            from: Some(from),
            ..self.first(id, offset)
        }
    }

    /// Keeps what was read, and returns how much of its usage was new.
    pub(super) async fn digest(&self, digest: Digest) -> u64 {
        self.store.digest(digest).await.expect("it is kept")
    }
}

pub(super) fn path(id: &str) -> String {
    format!("/home/ada/.claude/projects/api/{id}.jsonl")
}
