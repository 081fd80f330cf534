//! Figures of the real window: how fast bytes reach the screen, how soon a key and a change of state show, what terminals weigh.
//!
//! `make bench` runs them on the release build.
//! With `measure` in the webview's storage its terminals leave marks in the performance timeline, which is read here.

use std::time::Duration;

use fantoccini::key::Key;
use serde::Deserialize;

use crate::desk::{Desk, at_work, launch};
use crate::page::{Window, row};
use crate::question;
use crate::rest::{processes, processor_share};

/// What a renderer's terminal is fed: lines of 80 characters, as from `yes` or `cat`.
const FLOOD: u64 = 30_000_000;
const KEYS: usize = 200;
const EDGES: usize = 100;
const TERMINALS: usize = 20;
/// How often each of them is brought to the front.
const ROUNDS: usize = 10;
/// How long nothing happens: as long as three heartbeats are apart, for each changes what the window shows.
const IDLE: Duration = Duration::from_secs(30);

/// The marks of one kind.
#[derive(Debug, Deserialize)]
struct Mark {
    at: f64,
    bytes: u64,
}

async fn marks(window: &Window, name: &str) -> Vec<Mark> {
    let script = format!(
        "return performance.getEntriesByName('terminal:{name}')
                .map((mark) => ({{ at: mark.startTime, bytes: mark.detail }}))"
    );
    serde_json::from_value(window.run(&script).await).unwrap()
}

/// Loads the page anew with these preferences, and has it leave marks.
async fn measured(window: &Window, preferences: &str) {
    let script = format!(
        "localStorage.setItem('measure', 'on'); localStorage.setItem('preferences', '{preferences}');
         location.reload()"
    );
    window.run(&script).await;
    window
        .holds_true(
            "the page, loaded anew",
            "return performance.getEntriesByType('mark').length === 0
                 && document.querySelector('[data-testid=window][data-loaded=true]') !== null",
        )
        .await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "measures, and finds nothing right or wrong"]
async fn figures_of_throughput_and_echo() {
    let desk = Desk::set().await;
    desk.install("claude", "2.1.34 (Claude Code)");
    let window = desk.open("Adwaita:dark").await;
    let host = desk.host().await;
    desk.project(&host, "atlas", None).await;
    for renderer in ["dom", "webgl"] {
        let name = format!("flood-{renderer}");
        let scene = format!("print ready; wait-line; flood {FLOOD}; print all done; echo");
        launch(&host, "atlas", "claude", &name, &scene).await;
        measured(&window, &format!("{{\"renderer\":\"{renderer}\"}}")).await;
        window.click(&row(&name, "running")).await;
        window.sees_in_terminal("ready").await;
        window.click("[data-testid=terminal]").await;
        window.keys(&char::from(Key::Enter).to_string()).await;
        window.sees_in_terminal("all done").await;
        let canvases = "return document.querySelectorAll('[data-testid=terminal] canvas').length";
        let canvases = window.run(canvases).await;
        let arrived = marks(&window, "arrived").await;
        let drawn = marks(&window, "drawn").await;
        let frames = marks(&window, "frame").await;
        let (first, last) = (arrived[1].at, drawn.last().unwrap().at);
        let bytes: u64 = drawn[1..].iter().map(|mark| mark.bytes).sum();
        println!(
            "{renderer} ({canvases} canvases): {:.1} of {:.0} MB drawn in {:.2} s, {:.1} MB/s, {} frames",
            bytes as f64 / 1e6,
            FLOOD as f64 / 1e6,
            (last - first) / 1e3,
            bytes as f64 / 1e3 / (last - first),
            frames.len(),
        );

        window.run("performance.clearMarks()").await;
        for _ in 0..KEYS {
            window.keys("x").await;
        }
        let typed = marks(&window, "typed").await;
        let frames = marks(&window, "frame").await;
        let mut waits: Vec<f64> = typed
            .iter()
            .filter_map(|key| {
                frames
                    .iter()
                    .find(|frame| frame.at > key.at)
                    .map(|frame| frame.at - key.at)
            })
            .collect();
        waits.sort_by(f64::total_cmp);
        println!(
            "{renderer}: key to the frame that shows it, ms: p50 {:.1}, p99 {:.1}, of {} keys",
            waits[waits.len() / 2],
            waits[waits.len() * 99 / 100],
            waits.len(),
        );
    }
    window.end().await;
    desk.end();
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "measures, and finds nothing right or wrong"]
async fn figures_of_attention() {
    let desk = Desk::set().await;
    // As it is where nothing is configured.
    desk.configure("");
    let (window, host) = at_work(&desk, &[("limits", &question::scene(EDGES))]).await;
    let mut waits = question::edges(&window, &host, "limits", EDGES).await;
    waits.sort();
    println!(
        "since a state holds until the frame that shows it: p50 {}, p99 {} ms, of {EDGES} edges",
        waits[EDGES / 2].as_millis(),
        waits[EDGES * 99 / 100].as_millis(),
    );
    window.end().await;
    desk.end();
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "measures, and finds nothing right or wrong"]
async fn figures_of_memory() {
    let desk = Desk::set().await;
    // As it is where nothing is configured.
    desk.configure("");
    desk.install("claude", "2.1.34 (Claude Code)");
    let window = desk.open("Adwaita:dark").await;
    let host = desk.host().await;
    desk.project(&host, "atlas", None).await;
    println!("no terminal: {} MB", weight(&desk));
    for number in 0..TERMINALS {
        let name = format!("r{number:02}");
        launch(
            &host,
            "atlas",
            "claude",
            &name,
            "flood 200000; print ready; echo",
        )
        .await;
        window.see(&row(&name, "running")).await;
        window.click(&row(&name, "running")).await;
        window.sees_in_terminal("ready").await;
        if number == 0 {
            println!("1 terminal: {} MB", weight(&desk));
            window.click("[data-testid=terminal]").await;
            println!(
                "1 terminal, idle, taking the keys: {:.1} % of a core",
                processor_share(&desk, IDLE).await
            );
        }
    }
    println!("{TERMINALS} tabs, one on screen: {} MB", weight(&desk));
    for round in 2..=ROUNDS {
        for number in 0..TERMINALS {
            // Most of the list is below the fold.
            let row = row(&format!("r{number:02}"), "running");
            let click = format!("document.querySelector('{row}').click()");
            window.run(&click).await;
            window.sees_in_terminal("ready").await;
        }
        println!("after {round} rounds: {} MB", weight(&desk));
    }
    for number in 1..TERMINALS {
        let along = if number % 2 == 0 { 'o' } else { 'e' };
        window
            .chord(&[Key::Control.into(), Key::Shift.into(), along])
            .await;
        window.see("[data-testid=palette-text]:focus").await;
        window.keys(&format!("r{:02}", number - 1)).await;
        window.keys(&char::from(Key::Enter).to_string()).await;
        window.see_gone("[data-testid=palette]").await;
    }
    window
        .holds_true(
            "all terminals on screen",
            &format!(
                "return document.querySelectorAll('[data-testid=terminal][data-ready=true]').length
                     === {TERMINALS}"
            ),
        )
        .await;
    println!("{TERMINALS} terminals on screen: {} MB", weight(&desk));
    window.end().await;
    desk.end();
}

/// Sums what the window's processes take alone, in MB (PSS).
fn weight(desk: &Desk) -> u64 {
    let kilobytes: u64 = processes(desk)
        .iter()
        .filter_map(|process| {
            let file = format!("/proc/{}/smaps_rollup", process.pid);
            let text = std::fs::read_to_string(file).ok()?;
            let line = text.lines().find(|line| line.starts_with("Pss:"))?;
            line.split_whitespace().nth(1)?.parse::<u64>().ok()
        })
        .sum();
    kilobytes / 1024
}
