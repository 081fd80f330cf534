//! A terminal whose connection to its agent is cut.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};

use stratavore_api::{Api, v1};
use tokio::io::copy_bidirectional;
use tokio::net::{UnixListener, UnixStream};
use tokio::task::JoinHandle;

use crate::desk::{Desk, at_work, launch};
use crate::page::row;

const ENTER: &str = "\u{e007}";

/// A wire to an agent, which can be cut.
struct Line {
    broken: Arc<AtomicBool>,
    calls: Arc<Mutex<Vec<JoinHandle<()>>>>,
    listening: JoinHandle<()>,
}

impl Line {
    /// Puts itself between an agent and those who will call it at this socket.
    fn lay(socket: &Path) -> Self {
        let agent: PathBuf = socket.with_extension("a");
        std::fs::rename(socket, &agent).unwrap();
        let listener = UnixListener::bind(socket).unwrap();
        let (broken, calls) = (Arc::default(), Arc::default());
        let listening = tokio::spawn(Self::carry(
            listener,
            agent,
            Arc::clone(&broken),
            Arc::clone(&calls),
        ));
        Self {
            broken,
            calls,
            listening,
        }
    }

    async fn carry(
        listener: UnixListener,
        agent: PathBuf,
        broken: Arc<AtomicBool>,
        calls: Arc<Mutex<Vec<JoinHandle<()>>>>,
    ) {
        while let Ok((mut caller, _)) = listener.accept().await {
            if broken.load(Ordering::Relaxed) {
                continue;
            }
            let agent = agent.clone();
            calls.lock().unwrap().push(tokio::spawn(async move {
                if let Ok(mut called) = UnixStream::connect(agent).await {
                    let _ = copy_bidirectional(&mut caller, &mut called).await;
                }
            }));
        }
    }

    /// Cuts every call; who calls now hears nothing.
    fn cut(&self) {
        self.broken.store(true, Ordering::Relaxed);
        for call in self.calls.lock().unwrap().drain(..) {
            call.abort();
        }
    }

    fn mend(&self) {
        self.broken.store(false, Ordering::Relaxed);
    }
}

impl Drop for Line {
    fn drop(&mut self) {
        self.cut();
        self.listening.abort();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_terminal_whose_connection_is_cut_comes_back_by_itself_as_it_was() {
    let desk = Desk::set().await;
    let (window, host) = at_work(&desk, &[("other", "echo")]).await;
    let scene = "flood 20000; print before the cut; echo";
    launch(&host, "atlas", "claude", "steady", scene).await;
    window.see(&row("steady", "running")).await;
    let terminal = host
        .terminal(v1::RunnerRef {
            runner: "steady".into(),
        })
        .await
        .unwrap();
    let line = Line::lay(Path::new(&terminal.socket));
    window.click(&row("steady", "running")).await;
    window.sees_in_terminal("before the cut").await;
    window.keys(&format!("one{ENTER}")).await;
    window.sees_in_terminal("you said: one").await;
    let before = window.terminal_text().await;

    line.cut();
    window
        .reads("lost-strip", "Connection to the terminal lost")
        .await;
    assert_eq!(window.terminal_text().await, before, "what was shown stays");
    window.keys("x").await;
    window
        .reads("lost-strip", "what you type is not sent")
        .await;
    window.picture("lost.png").await;

    line.mend();
    window.see_gone("[data-testid=lost-strip]").await;
    window.see("[data-testid=terminal][data-ready=true]").await;
    assert_eq!(window.terminal_text().await, before);
    // The keys still go where they went, and what was typed into the void stays there.
    window.keys(&format!("two{ENTER}")).await;
    window.sees_in_terminal("you said: two").await;
    window.end().await;
    desk.end();
}
