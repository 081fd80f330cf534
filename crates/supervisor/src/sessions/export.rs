//! Gives a session's transcript: as its program wrote it, or as Markdown.

use std::path::Path;

use stratavore_core::clock::to_rfc3339;
use stratavore_core::session::{Passage, Role, Session, SessionKey};

use super::archive::{self, ArchiveError};
use super::search;
use crate::supervisor::Supervisor;

/// How a transcript is given.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// For people.
    Markdown,
    /// As its program wrote it.
    Jsonl,
}

impl Supervisor {
    /// Gives a session's transcript, from its program's file, else from the copy that was kept.
    ///
    /// # Errors
    /// [`ArchiveError`].
    pub async fn export_session(
        &self,
        key: &SessionKey,
        format: Format,
    ) -> Result<Vec<u8>, ArchiveError> {
        let session = self.session_here(key).await?;
        let read = tokio::task::spawn_blocking(move || export(&session, format));
        read.await.unwrap_or_else(|error| {
            Err(ArchiveError::File {
                operation: "read",
                path: key.id.clone().into(),
                source: std::io::Error::other(error),
            })
        })
    }
}

fn export(session: &Session, format: Format) -> Result<Vec<u8>, ArchiveError> {
    let bytes = read(session)?;
    match format {
        Format::Jsonl => Ok(bytes),
        Format::Markdown => {
            let path = session.transcript.as_deref().unwrap_or_default();
            let passages = search::passages(session, Path::new(path), &bytes);
            Ok(markdown(session, &passages).into_bytes())
        }
    }
}

fn read(session: &Session) -> Result<Vec<u8>, ArchiveError> {
    if let Some(path) = &session.transcript
        && let Ok(bytes) = std::fs::read(path)
    {
        return Ok(bytes);
    }
    let Some((copy, checksum)) = &session.archive else {
        return Err(ArchiveError::NoTranscript {
            session: session.key.id.clone(),
        });
    };
    archive::expand(Path::new(copy), checksum)
}

fn markdown(session: &Session, passages: &[Passage]) -> String {
    let mut text = format!(
        "# {}\n\n{} session {}, in {}, {} to {}\n",
        session.title.as_deref().unwrap_or("Untitled"),
        session.key.program,
        session.key.id,
        session.cwd,
        to_rfc3339(session.began_at),
        to_rfc3339(session.updated_at)
    );
    for passage in passages {
        let who = match passage.role {
            Role::User => "You",
            Role::Assistant => "Assistant",
            Role::Tool => "Tool",
        };
        let said = if passage.role == Role::Tool {
            fenced(&passage.text)
        } else {
            passage.text.clone()
        };
        text.push_str(&format!(
            "\n## {who}, {}\n\n{said}\n",
            to_rfc3339(passage.at)
        ));
    }
    text
}

/// Fences a text that may hold fences itself.
fn fenced(text: &str) -> String {
    let mut fence = "```".to_owned();
    while text.contains(&fence) {
        fence.push('`');
    }
    format!("{fence}\n{text}\n{fence}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fence_is_longer_than_any_within() {
        assert_eq!(fenced("a"), "```\na\n```");
        assert_eq!(fenced("````x"), "`````\n````x\n`````");
    }
}
