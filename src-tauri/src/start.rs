//! Starts the desktop: what must be there first, then the tasks, then GTK's loop until it ends.

use std::collections::BTreeMap;
use std::io::IsTerminal;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, bail};
use stratavore_api::{HostKind, v1};
use stratavore_core::clock::SystemClock;
use stratavore_core::config::Config;
use stratavore_core::places::Places;
use tauri::webview::PageLoadEvent;
use tauri::{App, AppHandle, Emitter, Manager, RunEvent, WindowEvent};
use tauri_plugin_dialog::{DialogExt, MessageDialogKind};
use tokio::sync::broadcast::error::RecvError;
use tokio::sync::watch;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

use crate::arguments::Arguments;
use crate::autostart::Autostart;
use crate::desktop::{Desktop, SELF};
use crate::doorbell::{Doorbell, Ring, Start};
use crate::hosting::{DataDirectory, Ended};
use crate::mailbox::Letter;
use crate::open_terminal::Emulator;
use crate::shell::Shell;
use crate::tray::{self, Applied, Panel};
use crate::{activation, commands, hosting, notifications, presence, window};

/// How long the tasks may take to end before the program ends without them.
const FAREWELL: Duration = Duration::from_secs(10);
/// How long the session bus may take to answer at all.
const BUS: Duration = Duration::from_secs(5);
/// How long after a start at login the panel may take to show a tray, before a window is shown instead.
const TRAY_AT_LOGIN: Duration = Duration::from_secs(30);
/// Threads for everything but GTK; what is done there is short, or waits.
const THREADS: usize = 2;

/// Runs the desktop until it quits, or tells the one that runs already.
///
/// # Errors
/// What keeps it from starting, with what to do.
pub fn run(arguments: Arguments) -> anyhow::Result<()> {
    let env = stratavore_api::environment();
    let is_set = |key: &str| env.get(key).is_some_and(|value| !value.is_empty());
    if !is_set("DISPLAY") && !is_set("WAYLAND_DISPLAY") {
        bail!("no display: DISPLAY and WAYLAND_DISPLAY are not set; without one, run stratavored");
    }
    let places = Places::from_env(&env)?;
    let config = stratavore_api::load_config(&places, &env)?;
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(THREADS)
        .thread_name("stratavore")
        .enable_all()
        .build()
        .context("cannot start threads")?;
    tauri::async_runtime::set(runtime.handle().clone());

    let ring = Ring {
        attach: arguments.attach.clone(),
        token: activation::token_of(&env),
    };
    let doorbell = match runtime.block_on(Doorbell::take(&places, &ring))? {
        Start::First(doorbell) => doorbell,
        Start::Rung => return Ok(()),
    };
    let _logs = stratavore_api::logs::begin(
        &places,
        HostKind::Desktop,
        config.log_level(),
        std::io::stderr().is_terminal(),
    )?;
    if gtk::init().is_err() {
        bail!(
            "cannot reach the display that DISPLAY or WAYLAND_DISPLAY names; without one, run stratavored"
        );
    }
    let program = std::env::current_exe().context("cannot tell this program's own path")?;
    let parts = Parts {
        autostart: Autostart::new(&env, &program),
        emulator: Emulator::new(env.clone(), &program),
        places,
        config,
        env,
        arguments,
        ring,
        doorbell,
    };
    let stop = CancellationToken::new();
    // Returns instead of leaving the process, so that the log is written to its end.
    build(parts, &stop)?.run_return(move |app, event| react(app, &event, &stop));
    Ok(())
}

/// What a start has in hand.
struct Parts {
    places: Places,
    config: Config,
    env: BTreeMap<String, String>,
    arguments: Arguments,
    ring: Ring,
    autostart: Autostart,
    emulator: Emulator,
    doorbell: Doorbell,
}

fn build(parts: Parts, stop: &CancellationToken) -> anyhow::Result<App> {
    let memory = parts.places.data_dir.join("window.json");
    let on_event = memory.clone();
    let stop = stop.clone();
    tauri::Builder::default()
        .plugin(tauri_plugin_dialog::init())
        .invoke_handler(commands::handler())
        .on_page_load(|webview, load| {
            if load.event() == PageLoadEvent::Started {
                webview.state::<Arc<Desktop>>().page_gone();
            }
        })
        .on_window_event(move |window, event| heed(window, event, &on_event))
        .setup(move |app| {
            let shell = Shell {
                app: app.handle().clone(),
                memory,
                stop: stop.clone(),
            };
            let desktop = Arc::new(Desktop::new(
                parts.autostart.clone(),
                parts.emulator.clone(),
                notifications::Pause::remembered(parts.places.data_dir.join("pause.json")),
                Arc::new(shell),
            ));
            app.manage(desktop.clone());
            begin(app, parts, &desktop, &stop);
            Ok(())
        })
        .build(tauri::generate_context!())
        .context("cannot start the desktop")
}

/// Starts the tasks; the crate's documentation lists them.
fn begin(app: &App, parts: Parts, desktop: &Arc<Desktop>, stop: &CancellationToken) {
    let Parts {
        places,
        config,
        env,
        arguments,
        ring,
        doorbell,
        ..
    } = parts;
    let runtime = tauri::async_runtime::handle();
    let runtime = runtime.inner();
    let tasks = &desktop.tasks;
    let app = app.handle().clone();
    let has_tray_library = tray::has_library();
    let (seen, seeing) = watch::channel(0);
    app.manage(Seen(seen));

    tasks.spawn_on(
        keep_host(
            app.clone(),
            places.clone(),
            config.clone(),
            desktop.clone(),
            stop.clone(),
        ),
        runtime,
    );
    tasks.spawn_on(
        listen_at_door(doorbell, places.clone(), desktop.clone(), stop.clone()),
        runtime,
    );
    tasks.spawn_on(
        pass_nudges(app.clone(), desktop.clone(), stop.clone()),
        runtime,
    );
    tasks.spawn_on(heed_signals(stop.clone()), runtime);

    let panel = watch::Sender::new(Panel::of(desktops(&env), None));
    if has_tray_library {
        let directory = places.data_dir.join("tray");
        tasks.spawn_on(
            show_tray(
                app.clone(),
                directory,
                tray::Follow {
                    desktop: desktop.clone(),
                    seen: seeing,
                    clock: Arc::new(SystemClock),
                },
                panel.clone(),
                stop.clone(),
            ),
            runtime,
        );
    } else {
        tracing::warn!(
            "no tray: neither libayatana-appindicator3 nor libappindicator3 is installed"
        );
    }
    let on_bus = {
        let (desktop, stop) = (desktop.clone(), stop.clone());
        async move {
            let bus = match timeout(BUS, zbus::Connection::session()).await {
                Ok(Ok(bus)) => Some(bus),
                Ok(Err(error)) => {
                    tracing::warn!(%error, "no session bus: no tray, no notifications");
                    None
                }
                Err(_) => {
                    tracing::warn!("the session bus does not answer: no tray, no notifications");
                    None
                }
            };
            let known = presence::follow(bus.as_ref(), has_tray_library, &desktop.presence, &stop);
            let on_bus = async {
                if let Some(bus) = &bus {
                    desktop.lock.ask_on(bus.clone());
                    tokio::join!(
                        notifications::follow(
                            &desktop,
                            bus,
                            &SystemClock,
                            config.notifications(),
                            &stop
                        ),
                        tray::follow_panel(bus, desktops(&env), &panel, &stop),
                    );
                }
            };
            tokio::join!(known, on_bus, tell_losses(&desktop, &stop));
        }
    };
    tasks.spawn_on(on_bus, runtime);
    tasks.spawn_on(
        first_window(arguments, ring, desktop.clone(), stop.clone()),
        runtime,
    );

    // Not among the tasks: it waits for them, and ends the program.
    let (desktop, stop) = (desktop.clone(), stop.clone());
    runtime.spawn(async move {
        stop.cancelled().await;
        desktop.attachments.close_all();
        desktop.tasks.close();
        if timeout(FAREWELL, desktop.tasks.wait()).await.is_err() {
            tracing::warn!("not every task has ended: ending without them");
        }
        app.exit(0);
    });
}

fn desktops(env: &BTreeMap<String, String>) -> &str {
    env.get("XDG_CURRENT_DESKTOP").map_or("", String::as_str)
}

async fn keep_host(
    app: AppHandle,
    places: Places,
    config: Config,
    desktop: Arc<Desktop>,
    stop: CancellationToken,
) {
    let hosts = DataDirectory { places, config };
    match hosting::keep(&hosts, &desktop.slot, &desktop.nudges, &stop).await {
        Ended::Cancelled => {}
        Ended::Asked => stop.cancel(),
        Ended::Refused(why) => {
            eprintln!("stratavore-desktop: {why}");
            let ended = stop.clone();
            app.dialog()
                .message(why)
                .title("Stratavore cannot start")
                .kind(MessageDialogKind::Error)
                .show(move |_| ended.cancel());
        }
    }
}

async fn listen_at_door(
    doorbell: Doorbell,
    places: Places,
    desktop: Arc<Desktop>,
    stop: CancellationToken,
) {
    // The sockets stand under the instance's id, which only the store knows.
    let sockets = loop {
        let asked = async { desktop.slot.api().await?.status().await };
        match stop.run_until_cancelled(asked).await {
            None => return,
            Some(Ok(status)) => break places.runtime_dir.join(status.instance_id),
            Some(Err(failure)) => tracing::debug!(%failure, "not at the door yet"),
        }
        let mut seats = desktop.slot.changes();
        if stop.run_until_cancelled(seats.changed()).await.is_none() {
            return;
        }
    };
    let (rung, mut rings) = tokio::sync::mpsc::unbounded_channel::<Ring>();
    let answered = async {
        while let Some(ring) = rings.recv().await {
            match ring.attach {
                Some(runner) => desktop.attach(&runner, ring.token).await,
                None => desktop.show(None, ring.token),
            }
        }
    };
    let listened = async {
        // Nobody holds the receiver but the future beside this one.
        let listened = doorbell
            .listen(&sockets, move |ring| drop(rung.send(ring)), &stop)
            .await;
        if let Err(error) = listened {
            tracing::error!(
                error = hosting::chain(&error),
                "a second start cannot reach this one"
            );
            stop.cancelled().await;
        }
    };
    tokio::join!(listened, answered);
}

/// Takes the host's nudges to the window, where there is one.
async fn pass_nudges(app: AppHandle, desktop: Arc<Desktop>, stop: CancellationToken) {
    let mut nudges = desktop.nudges.subscribe();
    loop {
        let nudge = match stop.run_until_cancelled(nudges.recv()).await {
            None | Some(Err(RecvError::Closed)) => return,
            Some(Ok(nudge)) if nudge.entity == SELF => continue,
            Some(Ok(nudge)) => nudge,
            Some(Err(RecvError::Lagged(_))) => v1::Nudge {
                entity: "status".into(),
                ..v1::Nudge::default()
            },
        };
        if app.get_webview_window(window::LABEL).is_some()
            && let Err(error) = app.emit_to(window::LABEL, "nudge", &nudge)
        {
            tracing::warn!(%error, "cannot nudge the window");
        }
    }
}

/// Ends as a person's quit does when the session or the shell asks.
async fn heed_signals(stop: CancellationToken) {
    use tokio::signal::unix::{SignalKind, signal};
    let (Ok(mut terminate), Ok(mut interrupt)) = (
        signal(SignalKind::terminate()),
        signal(SignalKind::interrupt()),
    ) else {
        return tracing::warn!("cannot listen for signals");
    };
    tokio::select! {
        () = stop.cancelled() => {}
        _ = terminate.recv() => stop.cancel(),
        _ = interrupt.recv() => stop.cancel(),
    }
}

async fn show_tray(
    app: AppHandle,
    directory: PathBuf,
    follow: tray::Follow,
    panel: watch::Sender<Panel>,
    stop: CancellationToken,
) {
    let desktop = follow.desktop.clone();
    let (clicked, mut clicks) = tokio::sync::mpsc::unbounded_channel();
    let (shown, mut menus) = watch::channel(None);
    let following = tray::follow(follow, move |menu| drop(shown.send(Some(menu))), &stop);
    let acting = async {
        while let Some(Some(action)) = stop.run_until_cancelled(clicks.recv()).await {
            let desktop = desktop.clone();
            // A stop that waits must not hold back the next click.
            desktop
                .clone()
                .tasks
                .spawn(async move { tray::act(&desktop, action, &SystemClock).await });
        }
    };
    let applying = async {
        let applied: Arc<std::sync::Mutex<Option<Applied>>> = Arc::default();
        let mut panels = panel.subscribe();
        loop {
            let changed = async {
                tokio::select! {
                    changed = menus.changed() => changed.is_ok(),
                    changed = panels.changed() => changed.is_ok(),
                }
            };
            if stop.run_until_cancelled(changed).await != Some(true) {
                break;
            }
            let Some(menu) = menus.borrow_and_update().clone() else {
                continue;
            };
            let panel = *panels.borrow_and_update();
            let (main, applied, directory, clicked) = (
                app.clone(),
                applied.clone(),
                directory.clone(),
                clicked.clone(),
            );
            let asked = app.run_on_main_thread(move || {
                let mut applied = applied
                    .lock()
                    .unwrap_or_else(std::sync::PoisonError::into_inner);
                let done = (|| {
                    let tray = match &mut *applied {
                        Some(tray) => tray,
                        none => {
                            let icon = tray::build(&main, &directory, move |action| {
                                drop(clicked.send(action))
                            })?;
                            none.insert(Applied::new(main.clone(), icon))
                        }
                    };
                    tray.apply(&menu, panel)
                })();
                if let Err(error) = done {
                    tracing::error!(%error, "the tray does not show how things stand");
                }
            });
            if let Err(error) = asked {
                tracing::error!(%error, "cannot reach the tray");
            }
        }
    };
    tokio::join!(following, acting, applying);
}

/// Says once, when the tray or the notification service goes while Stratavore runs, that it did. What was never there the
/// window tells by itself.
async fn tell_losses(desktop: &Desktop, stop: &CancellationToken) {
    let mut presence = desktop.presence.subscribe();
    let (mut tray_told, mut notifications_told) = (false, false);
    let mut before = presence::Presence::default();
    while let Some(Ok(())) = stop.run_until_cancelled(presence.changed()).await {
        let Some(now) = *presence.borrow_and_update() else {
            continue;
        };
        if before.tray && !now.tray && !std::mem::replace(&mut tray_told, true) {
            desktop.post(Letter::Problem(
                "the tray went away: closing the window asks what to do".into(),
            ));
        }
        if before.notifications
            && !now.notifications
            && !std::mem::replace(&mut notifications_told, true)
        {
            desktop.post(Letter::Problem(
                "the notification service went away: what ends is told in this window".into(),
            ));
        }
        before = now;
    }
}

/// Opens the window that this start asks for. Hidden, it opens none, unless there is no tray to find Stratavore in.
async fn first_window(
    arguments: Arguments,
    ring: Ring,
    desktop: Arc<Desktop>,
    stop: CancellationToken,
) {
    if let Some(runner) = arguments.attach {
        stop.run_until_cancelled(desktop.attach(&runner, ring.token))
            .await;
    } else if !arguments.hidden {
        desktop.show(None, ring.token);
    } else {
        let mut presence = desktop.presence.subscribe();
        let tray = timeout(
            TRAY_AT_LOGIN,
            presence.wait_for(|known| known.is_some_and(|known| known.tray)),
        );
        if let Some(Err(_)) = stop
            .run_until_cancelled(tray)
            .await
            .map(|waited| waited.map(drop))
        {
            desktop.show(None, None);
        }
    }
}

/// Rises whenever a person has the window in front.
struct Seen(watch::Sender<u64>);

fn heed(window: &tauri::Window, event: &WindowEvent, memory: &Path) {
    let desktop = window.state::<Arc<Desktop>>();
    match event {
        WindowEvent::CloseRequested { api, .. } => {
            window::remember(window, memory);
            // Without a tray there is nothing to live on in; the page asks, if it can.
            if !has_tray(&desktop) && desktop.page_listens() {
                api.prevent_close();
                let _ = window.emit_to(window::LABEL, "close-requested", ());
            }
        }
        WindowEvent::Focused(true) => window.state::<Seen>().0.send_modify(|times| *times += 1),
        WindowEvent::Destroyed => desktop.page_gone(),
        _ => {}
    }
}

/// Until it is known, a tray is taken to be there: nothing is lost by living on.
fn has_tray(desktop: &Desktop) -> bool {
    desktop
        .presence
        .borrow()
        .is_none_or(|presence| presence.tray)
}

fn react(app: &AppHandle, event: &RunEvent, stop: &CancellationToken) {
    if let RunEvent::ExitRequested {
        code: None, api, ..
    } = event
    {
        // The last window closed.
        api.prevent_exit();
        if !has_tray(&app.state::<Arc<Desktop>>()) {
            stop.cancel();
        }
    }
}
