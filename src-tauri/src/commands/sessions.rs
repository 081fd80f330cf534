//! The programs' conversations: listed, searched, read, resumed.

use std::fs::OpenOptions;
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use stratavore_api::{Code, Failure, v1};

use super::{Reply, Shared};

/// Longer names are cut: file systems take 255 bytes, and a number may follow.
const NAME_CHARS: usize = 60;

#[tauri::command]
pub(super) async fn list_sessions(
    desktop: Shared<'_>,
    request: v1::ListSessionsRequest,
) -> Reply<v1::Sessions> {
    desktop.slot.api().await?.sessions(request).await
}

#[tauri::command]
pub(super) async fn get_session(desktop: Shared<'_>, session: String) -> Reply<v1::Session> {
    desktop
        .slot
        .api()
        .await?
        .session(v1::SessionRef { session })
        .await
}

#[tauri::command]
pub(super) async fn search_sessions(
    desktop: Shared<'_>,
    request: v1::SearchSessionsRequest,
) -> Reply<v1::SearchHits> {
    desktop.slot.api().await?.search_sessions(request).await
}

#[tauri::command]
pub(super) async fn read_session(desktop: Shared<'_>, session: String) -> Reply<String> {
    let content = markdown(&desktop, session).await?;
    Ok(String::from_utf8_lossy(&content).into_owned())
}

/// Writes a session's transcript as a new Markdown file into a folder, which only its owner reads, and gives its path.
#[tauri::command]
pub(super) async fn export_session(
    desktop: Shared<'_>,
    session: String,
    folder: PathBuf,
) -> Reply<String> {
    let known = desktop
        .slot
        .api()
        .await?
        .session(v1::SessionRef {
            session: session.clone(),
        })
        .await?;
    let content = markdown(&desktop, session).await?;
    match write_new(&folder, &file_name(&known), &content) {
        Ok(path) => Ok(path.to_string_lossy().into_owned()),
        Err(error) => Err(Failure::new(
            Code::Internal,
            format!(
                "cannot write session {} into {}: {error}",
                known.id,
                folder.display()
            ),
        )
        .hint("choose another folder, or see that there is room and that it is yours")),
    }
}

#[tauri::command]
pub(super) async fn archive_session(desktop: Shared<'_>, session: String) -> Reply<()> {
    desktop
        .slot
        .api()
        .await?
        .archive_sessions(v1::ArchiveSessionsRequest {
            session: Some(session),
        })
        .await
        .map(drop)
}

#[tauri::command]
pub(super) async fn resume_session(
    desktop: Shared<'_>,
    request: v1::ResumeRequest,
) -> Reply<v1::Runner> {
    desktop.slot.api().await?.resume(request).await
}

#[tauri::command]
pub(super) async fn reindex(desktop: Shared<'_>) -> Reply<v1::ReindexReply> {
    desktop.slot.api().await?.reindex().await
}

async fn markdown(desktop: &Shared<'_>, session: String) -> Reply<Vec<u8>> {
    let format = "markdown".to_owned();
    let exported = desktop
        .slot
        .api()
        .await?
        .export_session(v1::ExportSessionRequest { session, format })
        .await?;
    Ok(exported.content)
}

/// Names a session's file after its title, of which only letters and digits are kept, else after its id.
fn file_name(session: &v1::Session) -> String {
    let title = session.title.as_deref().unwrap_or_default();
    let words: Vec<&str> = title
        .split(|character: char| !character.is_alphanumeric())
        .filter(|word| !word.is_empty())
        .collect();
    let name: String = words.join("-").chars().take(NAME_CHARS).collect();
    if name.is_empty() {
        let id = session.id.chars().filter(char::is_ascii_alphanumeric);
        format!("session-{}", id.take(8).collect::<String>())
    } else {
        name.to_lowercase()
    }
}

/// Writes the first of `name.md`, `name-2.md`… that does not exist.
fn write_new(folder: &Path, name: &str, content: &[u8]) -> io::Result<PathBuf> {
    let mut number = 1_u32;
    loop {
        let path = match number {
            1 => folder.join(format!("{name}.md")),
            _ => folder.join(format!("{name}-{number}.md")),
        };
        match OpenOptions::new()
            .write(true)
            .create_new(true)
            .mode(0o600)
            .open(&path)
        {
            Ok(mut file) => return file.write_all(content).map(|()| path),
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => number += 1,
            Err(error) => return Err(error),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_named_after_the_title_and_stays_within_its_folder() {
        let named = |title: Option<&str>| {
            file_name(&v1::Session {
                id: "57180ccb-1c1a".into(),
                title: title.map(Into::into),
                ..v1::Session::default()
            })
        };
        assert_eq!(
            named(Some("Größe of ../the token check?")),
            "größe-of-the-token-check"
        );
        assert_eq!(named(Some("../..")), "session-57180ccb");
        assert_eq!(named(None), "session-57180ccb");
        assert_eq!(named(Some(&"x".repeat(300))).len(), NAME_CHARS);
    }
}
