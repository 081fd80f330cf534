//! What the desktop's tests share: a made-up host, a made-up windowing system, and the window's side of the commands.

pub(crate) mod host;
pub(crate) mod screen;
pub(crate) mod told;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use stratavore_desktop::autostart::Autostart;
use stratavore_desktop::desktop::{Desktop, Surroundings};
use stratavore_desktop::mailbox::Letter;
use stratavore_desktop::notifications::Pause;
use stratavore_desktop::open_terminal::Emulator;
use stratavore_desktop::slot::Seat;
use tempfile::TempDir;

use self::host::FakeHost;

/// Records what the desktop asked of the windowing system.
#[derive(Default)]
pub(crate) struct FakeShell {
    pub(crate) folder: Mutex<Option<PathBuf>>,
    pub(crate) links: Mutex<Vec<String>>,
    pub(crate) raised: Mutex<Vec<Option<String>>>,
    pub(crate) delivered: Mutex<Vec<Letter>>,
    pub(crate) focused: AtomicBool,
    pub(crate) ended: AtomicBool,
}

#[async_trait]
impl Surroundings for FakeShell {
    async fn pick_folder(&self) -> Option<PathBuf> {
        self.folder.lock().unwrap().clone()
    }
    fn open_link(&self, url: &str) -> Result<(), String> {
        self.links.lock().unwrap().push(url.to_owned());
        Ok(())
    }
    fn raise(&self, token: Option<String>) {
        self.raised.lock().unwrap().push(token);
    }
    fn deliver(&self, letter: &Letter) {
        self.delivered.lock().unwrap().push(letter.clone());
    }
    fn is_focused(&self) -> bool {
        self.focused.load(Ordering::Relaxed)
    }
    fn end(&self) {
        self.ended.store(true, Ordering::Relaxed);
    }
}

/// A desktop with a made-up host and windowing system.
pub(crate) struct Rig {
    pub(crate) desktop: Arc<Desktop>,
    pub(crate) host: Arc<FakeHost>,
    pub(crate) shell: Arc<FakeShell>,
    pub(crate) home: TempDir,
}

impl Rig {
    pub(crate) fn new() -> Self {
        let home = tempfile::tempdir().unwrap();
        let bin = home.path().join("bin");
        std::fs::create_dir(&bin).unwrap();
        let text = |path: &Path| path.to_str().unwrap().to_owned();
        let env = BTreeMap::from([
            ("HOME".to_owned(), text(home.path())),
            ("PATH".to_owned(), text(&bin)),
        ]);
        let shell = Arc::new(FakeShell::default());
        let desktop = Arc::new(Desktop::new(
            Autostart::new(&env, "/bin/stratavore-desktop".as_ref()),
            Emulator::new(env, &bin.join("stratavore-desktop")),
            Pause::remembered(home.path().join("pause.json")),
            shell.clone(),
        ));
        let host = Arc::new(FakeHost::new("first"));
        desktop.slot.fill(Seat {
            api: host.clone(),
            embedded: true,
        });
        Self {
            desktop,
            host,
            shell,
            home,
        }
    }
}
