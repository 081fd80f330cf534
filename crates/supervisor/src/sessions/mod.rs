//! Indexes the programs' own conversations: finds their transcripts, reads what is appended, and keeps what that says.
//!
//! Nothing is written to a program's files, but that a copy of a deleted one is put back when a person asks for it; and everything kept can be read from them again. How far each was read is kept
//! in the transaction that keeps what was read, so that nothing is lost or counted twice whenever the host or the database
//! goes: what was not kept is read again.

mod archive;
mod export;
mod index;
mod known;
mod reading;
mod search;

use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::{Mutex, MutexGuard, PoisonError};

use stratavore_core::ids::RunnerId;
use stratavore_core::runner::Runner;
use stratavore_core::session::{Session, SessionKey};
use stratavore_store::{SessionFilter, StoreError};
use tokio::sync::{mpsc, oneshot};

pub use archive::ArchiveError;
pub use export::Format;
pub(crate) use index::run;
pub use known::Known;

use crate::supervisor::{Inner, Supervisor};

/// What the index is told.
#[derive(Debug)]
enum Word {
    /// A program keeps its things there.
    Home(String, PathBuf),
    /// A runner holds this session.
    Held(RunnerId, String),
    /// A transcript may have grown.
    Touched(PathBuf),
    /// Another directory is a project now.
    Projects,
    /// Look at everything now, and say when that is done.
    Scan(oneshot::Sender<Scanned>),
    /// Forget what was read, and read it again.
    Again(oneshot::Sender<Result<Scanned, StoreError>>),
}

/// What was found in looking at everything.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Scanned {
    /// Transcripts that there are.
    pub transcripts: u32,
    /// Bytes read of them.
    pub bytes: u64,
}

/// Tells the index what to look at, and knows who holds what.
#[derive(Debug)]
pub(crate) struct Sessions {
    words: mpsc::UnboundedSender<Word>,
    holders: Mutex<HashMap<String, RunnerId>>,
    pub(crate) known: known::Cache,
}

/// What the index is told, to be given to [`run`].
pub(crate) struct Words(mpsc::UnboundedReceiver<Word>);

impl Sessions {
    pub(crate) fn new() -> (Self, Words) {
        let (words, queue) = mpsc::unbounded_channel();
        let sessions = Self {
            words,
            holders: Mutex::default(),
            known: known::Cache::default(),
        };
        (sessions, Words(queue))
    }

    /// Learns where a program keeps its things.
    pub(crate) fn lives_in(&self, program: &str, home: PathBuf) {
        self.tell(Word::Home(program.to_owned(), home));
    }

    /// Learns that a runner holds a session.
    pub(crate) fn held(&self, runner: RunnerId, session: String) {
        self.holders().insert(session.clone(), runner);
        self.tell(Word::Held(runner, session));
    }

    /// Learns that a transcript may have grown.
    pub(crate) fn touched(&self, path: PathBuf) {
        self.tell(Word::Touched(path));
    }

    /// Learns that another directory is a project.
    pub(crate) fn projects_changed(&self) {
        self.tell(Word::Projects);
    }

    /// Returns who holds a session, or held it last.
    pub(crate) fn holder(&self, session: &str) -> Option<RunnerId> {
        self.holders().get(session).copied()
    }

    fn holders(&self) -> MutexGuard<'_, HashMap<String, RunnerId>> {
        self.holders.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn tell(&self, word: Word) {
        // Nobody reads any more: the host is ending, and the next one looks at everything.
        let _ = self.words.send(word);
    }
}

impl Supervisor {
    /// Lists sessions, the latest first.
    ///
    /// # Errors
    /// As [`stratavore_store::Sessions::sessions`].
    pub async fn sessions(&self, filter: SessionFilter) -> Result<Vec<Session>, StoreError> {
        self.inner.store.sessions(filter).await
    }

    /// Returns a session.
    ///
    /// # Errors
    /// As [`stratavore_store::Sessions::session`].
    pub async fn session(&self, key: &SessionKey) -> Result<Session, StoreError> {
        self.inner.store.session(key).await
    }

    /// Looks at every transcript now, and returns when all that is there was read.
    pub async fn scan_sessions(&self) -> Scanned {
        let (done, scanned) = oneshot::channel();
        self.inner.sessions.tell(Word::Scan(done));
        scanned.await.unwrap_or_default()
    }

    /// Forgets the index and reads everything again.
    ///
    /// # Errors
    /// As [`stratavore_store::Sessions::forget_index`].
    pub async fn reindex(&self) -> Result<Scanned, StoreError> {
        let (done, scanned) = oneshot::channel();
        self.inner.sessions.tell(Word::Again(done));
        scanned.await.unwrap_or(Err(StoreError::Closed))
    }

    /// Returns the session that a runner holds, as far as it is known without asking the store.
    #[must_use]
    pub fn session_of(&self, runner: &Runner) -> Option<String> {
        self.inner.session_of(runner)
    }

    /// Returns the runner that holds a session now.
    ///
    /// # Errors
    /// As [`stratavore_store::Store::runners`].
    pub async fn holder(&self, session: &str) -> Result<Option<Runner>, StoreError> {
        self.inner.holder(session).await
    }
}

impl Inner {
    fn session_of(&self, runner: &Runner) -> Option<String> {
        let links = self.links();
        let live = links
            .get(&runner.id)
            .and_then(|link| link.watch().session().map(str::to_owned));
        live.or_else(|| runner.launch.session.clone())
    }

    pub(crate) async fn holder(&self, session: &str) -> Result<Option<Runner>, StoreError> {
        let active = self.active_here().await?;
        Ok(active
            .into_iter()
            .find(|runner| self.session_of(runner).as_deref() == Some(session)))
    }
}
