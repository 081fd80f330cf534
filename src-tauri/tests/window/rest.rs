//! What the window costs while nothing happens, and after much has.

use std::collections::BTreeMap;
use std::fs;
use std::time::Duration;

use stratavore_testkit::home::TEST_ID;
use stratavore_testkit::{Process, wait_until_async};

use crate::desk::{Desk, at_work};
use crate::page::{SOON, Window, row};

/// How long a page is looked at that does nothing.
const WHILE: Duration = Duration::from_secs(5);
/// More than WebKit takes for itself on any machine, less than a caret costs that blinks: percent of a core.
const MOST: f64 = 2.5;
const TABS: usize = 6;

/// The window's processes: the program, and those of its webview. Agents are nobody's children.
pub(crate) fn processes(desk: &Desk) -> Vec<Process> {
    let program = Process::all_with_environment(TEST_ID, desk.place.home.id())
        .into_iter()
        .find(|process| {
            let command = process.command_line();
            command
                .first()
                .is_some_and(|program| program.ends_with("stratavore-desktop"))
        })
        .expect("the program runs");
    let mut processes = program.descendants();
    processes.push(program);
    processes
}

/// Tells the processor time of each of the window's threads, in nanoseconds.
fn spent(desk: &Desk) -> BTreeMap<u32, u64> {
    let tasks = processes(desk).into_iter().flat_map(|process| {
        fs::read_dir(format!("/proc/{}/task", process.pid))
            .into_iter()
            .flatten()
    });
    tasks
        .filter_map(|task| {
            let task = task.ok()?;
            let ran = fs::read_to_string(task.path().join("schedstat")).ok()?;
            let ran = ran.split_whitespace().next()?.parse().ok()?;
            Some((task.file_name().to_str()?.parse().ok()?, ran))
        })
        .collect()
}

/// Measures what the window takes of one core, in percent, while nothing is done to it.
pub(crate) async fn processor_share(desk: &Desk, length: Duration) -> f64 {
    let before = spent(desk);
    tokio::time::sleep(length).await;
    let spent: u64 = spent(desk)
        .iter()
        .map(|(thread, after)| after.saturating_sub(*before.get(thread).unwrap_or(&0)))
        .sum();
    spent as f64 / length.as_nanos() as f64 * 100.0
}

/// From now on the page counts what it does by itself.
const COUNT: &str = "
    const real = window.requestAnimationFrame;
    window.counted = { frames: 0, changes: 0 };
    window.requestAnimationFrame = (run) => { window.counted.frames += 1; return real.call(window, run); };
    new MutationObserver((all) => { window.counted.changes += all.length; })
        .observe(document.body, { subtree: true, childList: true, attributes: true, characterData: true });";

#[tokio::test(flavor = "multi_thread")]
async fn a_terminal_that_shows_nothing_new_leaves_the_page_at_rest() {
    let desk = Desk::set().await;
    // A runner's facts change when its agent tells of it, which it does not do here meanwhile.
    desk.configure("[heartbeat]\ninterval_seconds = 600\n");
    let (window, _) = at_work(&desk, &[("idle", "print ready; echo")]).await;
    window.sees_in_terminal("ready").await;
    window.click("[data-testid=terminal]").await;
    window.holds("[data-testid=terminal] textarea:focus").await;
    // The cause of 4 % of a core: a caret that nobody sees.
    let caret = "return getComputedStyle(document.activeElement).fontSize";
    assert_eq!(window.run(caret).await, "0px");
    wait_until_async(SOON, "an idle window", async || {
        window.run(COUNT).await;
        let share = processor_share(&desk, WHILE).await;
        let did = window
            .run("return { ...window.counted, moves: document.getAnimations().length }")
            .await;
        if share < MOST && did == serde_json::json!({ "frames": 0, "changes": 0, "moves": 0 }) {
            Ok(())
        } else {
            Err(format!("{share:.1} % of a core: {did}"))
        }
    })
    .await;
    // It is idle, not asleep.
    window.keys("on\u{e007}").await;
    window.sees_in_terminal("you said: on").await;
    window.end().await;
    desk.end();
}

/// From now on the page knows which listeners hold on to what outlives a terminal.
const WATCH_LISTENERS: &str = "
    const numbers = new WeakMap();
    const number = (thing) => numbers.get(thing) ?? (numbers.set(thing, ++number.last), number.last);
    number.last = 0;
    window.listeners = new Set();
    window.seen = [];
    const lasts = [window, document, document.documentElement, document.body];
    for (const [name, act] of [['addEventListener', 'add'], ['removeEventListener', 'delete']]) {
        const real = EventTarget.prototype[name];
        EventTarget.prototype[name] = function (type, listener, options) {
            const target = this ?? window;
            const capture = typeof options === 'object' ? options?.capture === true : options === true;
            if (listener != null && (lasts.includes(target) || target instanceof MediaQueryList))
                window.listeners[act]([number(target), type, number(listener), capture].join());
            return real.call(target, type, listener, options);
        };
    }";

/// What a page holds that a terminal may leave behind.
const HELD: &str = "return {
    elements: document.querySelectorAll('*').length,
    listeners: window.listeners.size,
    terminals: document.querySelectorAll('.xterm').length,
};";

/// Goes once through all tabs.
async fn go_round(window: &Window) {
    for tab in 0..TABS {
        window.click(&row(&format!("r{tab}"), "running")).await;
        window.sees_in_terminal(&format!("I am r{tab}")).await;
        window
            .run("window.seen.push(new WeakRef(document.querySelector('.xterm')))")
            .await;
    }
}

/// Counts the program's connections: one to the agent of each terminal that is open, and those that stay.
fn connections(desk: &Desk) -> usize {
    let program = processes(desk).pop().expect("the program runs");
    fs::read_dir(format!("/proc/{}/fd", program.pid))
        .into_iter()
        .flatten()
        .filter_map(|file| fs::read_link(file.ok()?.path()).ok())
        .filter(|file| file.to_string_lossy().starts_with("socket:"))
        .count()
}

#[tokio::test(flavor = "multi_thread")]
async fn terminals_that_left_the_screen_are_gone() {
    let desk = Desk::set().await;
    desk.configure("[heartbeat]\ninterval_seconds = 600\n");
    let scenes: Vec<(String, String)> = (0..TABS)
        .map(|tab| {
            (
                format!("r{tab}"),
                format!("flood 20000; print I am r{tab}; echo"),
            )
        })
        .collect();
    let scenes: Vec<(&str, &str)> = scenes
        .iter()
        .map(|(name, scene)| (name.as_str(), scene.as_str()))
        .collect();
    let (window, _) = at_work(&desk, &scenes).await;
    window.run(WATCH_LISTENERS).await;
    let mut rounds = Vec::new();
    for _ in 1..=6 {
        go_round(&window).await;
        // What was closed last goes with the next frame.
        let held = wait_until_async(SOON, "one terminal", async || {
            let held = window.run(HELD).await;
            if held["terminals"] == 1 {
                Ok(held)
            } else {
                Err(held)
            }
        })
        .await;
        rounds.push((held, connections(&desk)));
    }
    assert_eq!(rounds[1], rounds[5], "{rounds:?}");
    // None is kept alive: given reason to, WebKit frees all but a few that its stack may still name.
    wait_until_async(SOON, "the terminals to be freed", async || {
        let alive = window
            .run(
                "for (let made = 0; made < 40; made += 1) window.garbage = new Array(1e6).fill(made);
                 return window.seen.filter((one) => one.deref() !== undefined).length",
            )
            .await;
        if alive.as_u64() <= Some(3) { Ok(()) } else { Err(alive) }
    })
    .await;
    window.end().await;
    desk.end();
}
