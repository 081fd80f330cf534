//! The desktop's clipboards: text is put there without asking the webview, which wants a gesture for it; an image becomes a
//! file for programs that take paths.

use std::fs::{DirBuilder, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use gtk::{Clipboard, gdk};
use stratavore_api::{Code, Failure, v1};
use tauri::{AppHandle, Runtime};
use tokio::sync::oneshot;

use crate::desktop::Desktop;

/// Puts text on the clipboard, or on the primary selection.
///
/// # Errors
/// [`Code::Unavailable`] when the program is ending.
pub fn copy<R: Runtime>(app: &AppHandle<R>, text: String, primary: bool) -> Result<(), Failure> {
    app.run_on_main_thread(move || board(primary).set_text(&text))
        .map_err(|error| unreachable("copy", &error))
}

/// Gives the clipboard's image as PNG; `None` when it holds none.
///
/// # Errors
/// [`Code::Unavailable`] when the program is ending, [`Code::Internal`] when the image cannot be written as PNG.
pub async fn image<R: Runtime>(app: &AppHandle<R>) -> Result<Option<Vec<u8>>, Failure> {
    let (asked, answer) = oneshot::channel();
    app.run_on_main_thread(move || {
        board(false).request_image(move |_, image| {
            let _ = asked.send(image.map(|image| image.save_to_bufferv("png", &[])));
        });
    })
    .map_err(|error| unreachable("read", &error))?;
    match answer.await.ok().flatten() {
        None => Ok(None),
        Some(Ok(png)) => Ok(Some(png)),
        Some(Err(error)) => Err(Failure::new(
            Code::Internal,
            format!("cannot write the clipboard's image as PNG: {error}"),
        )),
    }
}

/// Keeps an image beside what else a runner's attempt leaves, where only its owner reads, and gives the file's path.
///
/// # Errors
/// What the host said against the runner; [`Code::Internal`] when the file cannot be written.
pub async fn keep(desktop: &Desktop, runner: &str, png: &[u8]) -> Result<String, Failure> {
    let api = desktop.slot.api().await?;
    let runner = api
        .runner(v1::RunnerRef {
            runner: runner.to_owned(),
        })
        .await?;
    let directory = Path::new(&api.status().await?.data_dir)
        .join("runners")
        .join(&runner.id)
        .join(runner.attempt.to_string())
        .join("pasted");
    match write(&directory, png) {
        Ok(path) => Ok(path.to_string_lossy().into_owned()),
        Err(error) => Err(Failure::new(
            Code::Internal,
            format!(
                "cannot keep the clipboard's image in {}: {error}",
                directory.display()
            ),
        )
        .hint("see that there is room and that the directory is yours")),
    }
}

fn write(directory: &Path, png: &[u8]) -> io::Result<PathBuf> {
    DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(directory)?;
    let (path, mut file) = fresh(directory)?;
    file.write_all(png)?;
    Ok(path)
}

/// Creates the first of `image-1.png`, `image-2.png`… that does not exist.
fn fresh(directory: &Path) -> io::Result<(PathBuf, File)> {
    let mut number = 1_u32;
    loop {
        let path = directory.join(format!("image-{number}.png"));
        match OpenOptions::new()
            .write(true)
            .create_new(true)
            .mode(0o600)
            .open(&path)
        {
            Ok(file) => return Ok((path, file)),
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => number += 1,
            Err(error) => return Err(error),
        }
    }
}

fn board(primary: bool) -> Clipboard {
    Clipboard::get(if primary {
        &gdk::SELECTION_PRIMARY
    } else {
        &gdk::SELECTION_CLIPBOARD
    })
}

fn unreachable(act: &str, error: &tauri::Error) -> Failure {
    Failure::new(
        Code::Unavailable,
        format!("cannot {act} the clipboard: {error}"),
    )
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    #[test]
    fn each_image_is_kept_in_a_file_of_its_own_that_only_its_owner_reads() {
        let home = tempfile::tempdir().unwrap();
        let directory = home.path().join("attempt/pasted");
        let first = write(&directory, b"one").unwrap();
        let second = write(&directory, b"two").unwrap();
        assert_eq!(
            [&first, &second].map(|path| path.file_name().unwrap().to_str().unwrap()),
            ["image-1.png", "image-2.png"]
        );
        assert_eq!(fs::read(&first).unwrap(), b"one");
        let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
        assert_eq!((mode(&directory), mode(&second)), (0o700, 0o600));
    }
}
