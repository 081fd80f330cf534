//! Finds what was said: by the store's index, or, while that is away with a shared database, in this machine's own transcripts.

use std::path::Path;

use stratavore_core::session::{Passage, Session};
use stratavore_programs::{Transcript, adapter};
use stratavore_store::{Hit, SearchQuery, SessionFilter, StoreError, Wanted};
use tracing::debug;

use super::archive;
use super::reading::{Open, Piece};
use crate::supervisor::Supervisor;

impl Supervisor {
    /// Finds what was said. While a shared database is away that is what was said in the sessions of this machine that were last
    /// known, as their transcripts or their archives stand now, the latest first.
    ///
    /// # Errors
    /// As [`stratavore_store::Sessions::search`]; that it is away only where no session was known before.
    pub async fn search_sessions(&self, query: SearchQuery) -> Result<Vec<Hit>, StoreError> {
        match self.inner.store.search(query.clone()).await {
            Err(away @ StoreError::Away { .. }) => self.search_transcripts(query, away).await,
            found => found,
        }
    }

    async fn search_transcripts(
        &self,
        query: SearchQuery,
        away: StoreError,
    ) -> Result<Vec<Hit>, StoreError> {
        let filter = SessionFilter {
            project: query.project,
            ..SessionFilter::default()
        };
        let Ok(sessions) = self.inner.store.sessions(filter).await else {
            return Err(away);
        };
        let wanted = Wanted::parse(&query.text);
        let most = query.limit as usize;
        let mut hits = Vec::new();
        for session in sessions {
            if session.key.node != *self.inner.store.instance() {
                continue;
            }
            if hits.len() >= most {
                break;
            }
            let wanted = wanted.clone();
            let found = tokio::task::spawn_blocking(move || look_in(&session, &wanted));
            hits.extend(found.await.unwrap_or_default());
        }
        hits.truncate(most);
        Ok(hits)
    }
}

/// Finds what was said in a session, the last first; nothing where neither its transcript nor an archive can be read.
fn look_in(session: &Session, wanted: &Wanted) -> Vec<Hit> {
    let mut hits = Vec::new();
    let mut take = |passages| hits.extend(found(session, passages, wanted));
    let is_read = session.transcript.as_ref().is_some_and(|path| {
        read(session, Path::new(path), &mut take)
            .inspect_err(|error| debug!(path, %error, "cannot look into a transcript"))
            .is_ok()
    });
    if let (false, Some((copy, checksum))) = (is_read, &session.archive) {
        match archive::expand(Path::new(copy), checksum) {
            Ok(bytes) => {
                hits.clear();
                hits.extend(found(
                    session,
                    passages(session, Path::new(copy), &bytes),
                    wanted,
                ));
            }
            Err(error) => debug!(
                error = &error as &dyn std::error::Error,
                "cannot look into an archive"
            ),
        }
    }
    hits.reverse();
    hits
}

/// Returns the passages of a session that have what is wanted.
fn found<'w>(
    session: &'w Session,
    passages: Vec<Passage>,
    wanted: &'w Wanted,
) -> impl Iterator<Item = Hit> + 'w {
    passages.into_iter().filter_map(|passage| {
        Some(Hit {
            snippet: wanted.find_in(passage.text)?,
            session: session.clone(),
            offset: passage.offset,
            role: passage.role,
            at: passage.at,
        })
    })
}

fn transcript(session: &Session, path: &Path) -> Transcript {
    Transcript {
        path: path.to_owned(),
        session: Some(session.key.id.clone()),
        subagent: false,
    }
}

fn read(
    session: &Session,
    path: &Path,
    take: &mut impl FnMut(Vec<Passage>),
) -> std::io::Result<()> {
    let mut open = Open::at(path)?;
    let reader = adapter(&session.key.program).reader(&transcript(session, path), None);
    let Some(mut reader) = reader else {
        return Ok(());
    };
    while let Some(Piece { offset, rows, .. }) = open.next()? {
        take(reader.take(offset, &rows).passages);
    }
    Ok(())
}

/// Returns what a whole transcript says.
pub(super) fn passages(session: &Session, path: &Path, bytes: &[u8]) -> Vec<Passage> {
    let end = bytes.iter().rposition(|byte| *byte == b'\n');
    let whole = end.map_or(0, |end| end + 1);
    adapter(&session.key.program)
        .reader(&transcript(session, path), None)
        .map(|mut reader| reader.take(0, &bytes[..whole]).passages)
        .unwrap_or_default()
}
