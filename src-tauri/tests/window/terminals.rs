//! Terminals, as a person uses them.

use std::os::unix::fs::PermissionsExt;

use fantoccini::key::Key;
use stratavore_api::{Api, Remote, v1};
use stratavore_testkit::wait_until_async;
use stratavore_wire::client::Connection;
use stratavore_wire::{Attach, Attached, Hello, Message as Wire, Role, Viewers};

use crate::desk::{Desk, at_work, launch};
use crate::page::{SOON, Window, row};

const CONTROL: char = '\u{e009}';
const SHIFT: char = '\u{e008}';
const ALT: char = '\u{e00a}';
const ENTER: &str = "\u{e007}";

#[tokio::test(flavor = "multi_thread")]
async fn text_is_selected_copied_pasted_and_found() {
    let desk = Desk::set().await;
    let (window, _) = at_work(&desk, &[("words", "print alpha beta gamma; echo")]).await;
    window.sees_in_terminal("alpha beta gamma").await;

    // A double click takes a word; what was copied is what is pasted.
    let word = window.cell(7, 0).await;
    window.drag(word, word, 2).await;
    window.chord(&[CONTROL, SHIFT, 'c']).await;
    window.click("[data-testid=terminal]").await;
    window.chord(&[CONTROL, SHIFT, 'v']).await;
    window.sees_in_terminal("\nbeta").await;
    window.keys(ENTER).await;
    window.sees_in_terminal("you said: beta").await;

    // A selection by dragging, copied at once where that is preferred.
    window.palette("go to settings").await;
    window.click("[data-testid=preference-copyOnSelect]").await;
    window.chord(&[CONTROL, '1']).await;
    window.see("[data-testid=terminal][data-ready=true]").await;
    window.sees_in_terminal("alpha beta gamma").await;
    window
        .drag(window.cell(0, 0).await, window.cell(10, 0).await, 1)
        .await;
    window.click("[data-testid=terminal]").await;
    window.chord(&[CONTROL, SHIFT, 'v']).await;
    window.keys(ENTER).await;
    window.sees_in_terminal("you said: alpha beta").await;

    window.chord(&[CONTROL, SHIFT, 'f']).await;
    window.see("[data-testid=find-text]:focus").await;
    window.keys("beta").await;
    window.reads("find-count", "of 5").await;
    window.keys("q").await;
    window.reads("find-count", "none").await;
    window.keys(&char::from(Key::Escape).to_string()).await;
    window.see_gone("[data-testid=find]").await;
    window.holds("[data-testid=terminal] textarea:focus").await;
    window.end().await;
    desk.end();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_program_copies_only_when_allowed_and_lines_are_pasted_only_when_meant() {
    let desk = Desk::set().await;
    // `first line`, a line break, `second line`; and a question that nobody may answer.
    let scene =
        r"write \e]52\sc\sZmlyc3QgbGluZQpzZWNvbmQgbGluZQ==\a\e]52\sc\s?\a; print copied; echo";
    let (window, _) = at_work(&desk, &[("idle", "echo")]).await;
    let host = desk.host().await;
    // It has to look on when the program asks.
    launch(
        &host,
        "atlas",
        "claude",
        "copier",
        &format!("wait-line; {scene}"),
    )
    .await;
    window.click(&row("copier", "running")).await;
    window.see("[data-testid=terminal][data-ready=true]").await;
    window.click("[data-testid=terminal]").await;
    window.keys(ENTER).await;
    window.sees_in_terminal("copied").await;
    window
        .reads("clipboard-bar", "22 characters into the clipboard")
        .await;
    window.picture("clipboard.png").await;
    window.click("[data-testid=clipboard-once]").await;
    window.see_gone("[data-testid=clipboard-bar]").await;

    window.chord(&[CONTROL, SHIFT, 'v']).await;
    window.reads("paste-text", "first line\nsecond line").await;
    window.picture("paste.png").await;
    window.click("[data-testid=paste-cancel]").await;
    window.see_gone("[data-testid=paste-dialog]").await;
    window.holds("[data-testid=terminal] textarea:focus").await;
    window.chord(&[CONTROL, SHIFT, 'v']).await;
    window.click("[data-testid=paste-one-line]").await;
    window.see_gone("[data-testid=paste-dialog]").await;
    window.keys(ENTER).await;
    window
        .sees_in_terminal("you said: first line second line")
        .await;
    window.end().await;
    desk.end();
}

#[tokio::test(flavor = "multi_thread")]
async fn an_image_is_pasted_as_the_path_of_a_private_file() {
    let desk = Desk::set().await;
    let (window, _) = at_work(&desk, &[("words", "print ready; echo")]).await;
    window.sees_in_terminal("ready").await;
    window.copy_picture("[data-testid=terminal]").await;
    window.palette("paste the clipboard's image").await;
    window.sees_in_terminal("/1/pasted/image-1.png").await;
    let pasted = desk
        .place
        .home
        .home()
        .join(".local/share/stratavore/runners")
        .read_dir()
        .unwrap()
        .map(|runner| runner.unwrap().path().join("1/pasted/image-1.png"))
        .find(|file| file.exists())
        .expect("the file is there");
    let mode = std::fs::metadata(&pasted).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    assert_eq!(&std::fs::read(&pasted).unwrap()[1..4], b"PNG");
    // The key pastes it too.
    window.click("[data-testid=terminal]").await;
    window.chord(&[CONTROL, SHIFT, 'v']).await;
    window.sees_in_terminal("/1/pasted/image-2.png").await;
    window.end().await;
    desk.end();
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_composed_arrives_whole_and_once() {
    let desk = Desk::set().await;
    let (window, _) = at_work(&desk, &[("words", "print ready; echo")]).await;
    window.sees_in_terminal("ready").await;
    window.click("[data-testid=terminal]").await;
    // What an input method does, event by event.
    let size = window
        .run(
            "const area = document.querySelector('[data-testid=terminal] textarea');
             const compose = (type, data) => area.dispatchEvent(new CompositionEvent(type, { data, bubbles: true }));
             compose('compositionstart', '');
             for (const text of ['n', 'ni', 'nih']) { area.value = text; compose('compositionupdate', text); }
             area.value = '你好';
             compose('compositionupdate', '你好');
             const size = getComputedStyle(area).fontSize;
             compose('compositionend', '你好');
             return size;",
        )
        .await;
    assert_ne!(size, "0px", "an input method looks for the caret");
    window.sees_in_terminal("\n你好").await;
    window.keys(ENTER).await;
    window.sees_in_terminal("you said: 你好").await;
    window.end().await;
    desk.end();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_screen_reader_is_given_the_screen_as_lines_of_text() {
    let desk = Desk::set().await;
    let (window, _) = at_work(&desk, &[("words", "print ready; echo")]).await;
    window.sees_in_terminal("ready").await;
    let reads = |text: &str| {
        format!(
            "const tree = document.querySelector('.xterm-accessibility-tree[role=list]');
             return tree !== null && document.querySelector('[aria-live=assertive]') !== null
                 && [...tree.querySelectorAll('[role=listitem]')].some((line) => line.textContent.includes('{text}'))"
        )
    };
    window.palette("go to settings").await;
    window.click("[data-testid=preference-screenReader]").await;
    window.chord(&[CONTROL, '1']).await;
    window.see("[data-testid=terminal][data-ready=true]").await;
    window
        .holds_true("the screen in lines", &reads("ready"))
        .await;
    window.click("[data-testid=terminal]").await;
    window.keys("hello").await;
    window.keys(ENTER).await;
    window
        .holds_true("what is new in it", &reads("you said: hello"))
        .await;
    window.end().await;
    desk.end();
}

#[tokio::test(flavor = "multi_thread")]
async fn reversed_text_has_the_colours_of_plain_text_in_both_themes() {
    let desk = Desk::set().await;
    let scene = r"write plain \e[7mreversed\e[0m\r\n; echo";
    let (window, _) = at_work(&desk, &[("words", scene)]).await;
    window.sees_in_terminal("plain reversed").await;
    let reversed = "
        const span = document.querySelector('.xterm-rows .xterm-bg-257');
        if (span === null) return document.querySelector('.xterm-rows').innerHTML;
        const rows = getComputedStyle(document.querySelector('.xterm-rows'));
        const ground = getComputedStyle(document.querySelector('.frame'));
        const { color, backgroundColor } = getComputedStyle(span);
        const is = color === ground.backgroundColor && backgroundColor === rows.color;
        return is || [color, backgroundColor, ground.backgroundColor, rows.color].join(' ');";
    window.holds_true("dark on light", reversed).await;
    window.palette("go to settings").await;
    window.see("[data-testid=preference-theme]").await;
    let light = "const theme = document.querySelector('[data-testid=preference-theme]');
        theme.value = 'light'; theme.dispatchEvent(new Event('change', { bubbles: true }));
        return document.documentElement.dataset.theme";
    window.run(light).await;
    window.chord(&[CONTROL, '1']).await;
    window.sees_in_terminal("plain reversed").await;
    window
        .holds_true(
            "light colours",
            "return document.documentElement.dataset.theme === 'light'",
        )
        .await;
    window.holds_true("light on dark", reversed).await;
    window.end().await;
    desk.end();
}

#[tokio::test(flavor = "multi_thread")]
async fn what_scrolled_off_comes_when_somebody_looks_for_it() {
    let desk = Desk::set().await;
    let scene = "print the very first line; flood 40000; print the last line; echo";
    let (window, _) = at_work(&desk, &[("long", scene)]).await;
    window.sees_in_terminal("the last line").await;
    window.click("[data-testid=terminal]").await;
    let page_up = [SHIFT, char::from(Key::PageUp)];
    wait_until_up(&window, &page_up, "the very first line").await;
    // Typing goes back to the present.
    window.keys(&format!("on{ENTER}")).await;
    window.sees_in_terminal("you said: on").await;
    window.end().await;
    desk.end();
}

#[tokio::test(flavor = "multi_thread")]
async fn the_wheel_brings_what_scrolled_off_and_goes_back() {
    let desk = Desk::set().await;
    let scene = "print the very first line; flood 40000; print the last line; echo";
    let (window, _) = at_work(&desk, &[("long", scene)]).await;
    window.sees_in_terminal("the last line").await;
    let at = window.cell(10, 3).await;
    // One turn asks for the history; a reader is not lost when it comes.
    turned_until(&window, at, -300, "the very first line").await;
    turned_until(&window, at, 3000, "the last line").await;
    window.end().await;
    desk.end();
}

/// Turns the wheel until the terminal shows the text.
async fn turned_until(window: &Window, at: (f64, f64), by: i64, text: &str) {
    wait_until_async(SOON, text, async || {
        window.wheel(at, by).await;
        let shown = window.terminal_text().await;
        if shown.contains(text) {
            Ok(())
        } else {
            Err(shown)
        }
    })
    .await;
}

/// Presses the keys until the terminal shows the text.
async fn wait_until_up(window: &Window, keys: &[char], text: &str) {
    wait_until_async(SOON, text, async || {
        window.chord(keys).await;
        let shown = window.terminal_text().await;
        if shown.contains(text) {
            Ok(())
        } else {
            Err(shown)
        }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn terminals_are_split_by_keyboard_resized_by_mouse_and_typed_into_each() {
    let desk = Desk::set().await;
    let scene = |name: &str| format!("print I am {name}; echo");
    let (window, _) = at_work(
        &desk,
        &[
            ("api", &scene("api")),
            ("web", &scene("web")),
            ("docs", &scene("docs")),
        ],
    )
    .await;
    for (key, name) in [('e', "web"), ('o', "docs")] {
        window.chord(&[CONTROL, SHIFT, key]).await;
        window.see("[data-testid=palette-text]:focus").await;
        window.keys(name).await;
        window.keys(ENTER).await;
        window.sees_in_terminal(&format!("I am {name}")).await;
    }
    window
        .holds_true(
            "three terminals, all drawn",
            "return document.querySelectorAll('[data-testid=terminal][data-ready=true]').length === 3",
        )
        .await;
    window.keys(&format!("to docs{ENTER}")).await;
    window.sees_in_terminal("you said: to docs").await;
    window.chord(&[ALT, SHIFT, char::from(Key::Up)]).await;
    window.sees_in_terminal("I am web").await;
    window.keys(&format!("to web{ENTER}")).await;
    window.sees_in_terminal("you said: to web").await;
    window.chord(&[ALT, SHIFT, char::from(Key::Left)]).await;
    window.sees_in_terminal("I am api").await;

    let wide = "return Number(document.querySelector('[data-testid=pane][data-active=true] [data-testid=terminal]')
                .dataset.size.split('x')[0])";
    let before = window.run(wide).await.as_u64().unwrap();
    let middle =
        "const at = document.querySelector('[data-testid=divider]').getBoundingClientRect();
                  return [at.x + at.width / 2, at.y + at.height / 4]";
    let (x, y): (f64, f64) = serde_json::from_value(window.run(middle).await).unwrap();
    window.drag((x, y), (x + 120.0, y), 1).await;
    wait_until_async(SOON, "a wider terminal", async || {
        let now = window.run(wide).await.as_u64().unwrap_or_default();
        if now > before + 5 { Ok(()) } else { Err(now) }
    })
    .await;

    window.chord(&[CONTROL, SHIFT, 'w']).await;
    window.sees_in_terminal("I am web").await;
    window
        .holds_true(
            "two terminals",
            "return document.querySelectorAll('[data-testid=terminal]').length === 2",
        )
        .await;
    window.end().await;
    desk.end();
}

/// Another's view of a runner's terminal.
struct Other {
    connection: Connection,
}

impl Other {
    async fn attach(host: &Remote, runner: &str, read_only: bool) -> Self {
        let terminal = host
            .terminal(v1::RunnerRef {
                runner: runner.into(),
            })
            .await
            .unwrap();
        let mut connection = Connection::connect(&terminal.socket).await.unwrap();
        connection
            .greet(Hello::new(Role::Viewer, "test"))
            .await
            .unwrap();
        let attach = Attach {
            columns: 60,
            rows: 16,
            read_only,
            place: "pts/3".into(),
        };
        connection.send(&Wire::Attach(attach)).await.unwrap();
        Self { connection }
    }

    /// Reads until it is told of company that is as said.
    async fn company(&mut self, is: impl Fn(&[Attached]) -> bool) -> Vec<Attached> {
        let seen = async {
            loop {
                if let Some(Wire::Viewers(Viewers { attached, .. })) =
                    self.connection.recv().await.unwrap()
                    && is(&attached)
                {
                    return attached;
                }
            }
        };
        tokio::time::timeout(SOON, seen)
            .await
            .expect("no such company")
    }

    async fn say(&mut self, message: Wire) {
        self.connection.send(&message).await.unwrap();
    }
}

fn decider(attached: &[Attached]) -> Option<&str> {
    attached
        .iter()
        .find(|viewer| viewer.decides)
        .map(|viewer| viewer.place.as_str())
}

#[tokio::test(flavor = "multi_thread")]
async fn anothers_size_is_shown_in_its_own_frame_until_this_window_takes_over() {
    let desk = Desk::set().await;
    let (window, host) = at_work(&desk, &[("shared", "print hello; echo")]).await;
    window.sees_in_terminal("hello").await;
    let mut other = Other::attach(&host, "shared", false).await;
    let before = other.company(|all| decider(all) == Some("pts/3")).await;
    window.reads("letterbox", "pts/3 shows it: 60 × 16").await;
    window.reads("company", "window · you").await;
    window
        .see("[data-testid=terminal][data-size='60x16']")
        .await;
    window.picture("letterbox.png").await;

    window.click("[data-testid=take-over]").await;
    let after = other.company(|all| decider(all) == Some("window")).await;
    // What it takes over with is all the room that it had before.
    let room = |all: &[Attached]| (all[0].columns, all[0].rows);
    assert_eq!(room(&after), room(&before));
    window.see_gone("[data-testid=letterbox]").await;
    window
        .see_gone("[data-testid=terminal][data-size='60x16']")
        .await;

    // Whoever types decides.
    other
        .say(Wire::Input {
            bytes: b"from there\r".to_vec(),
        })
        .await;
    other.company(|all| decider(all) == Some("pts/3")).await;
    window.see("[data-testid=letterbox]").await;
    window.sees_in_terminal("you said: from there").await;
    window.click("[data-testid=terminal]").await;
    window.keys(&format!("from here{ENTER}")).await;
    other.company(|all| decider(all) == Some("window")).await;
    window.see_gone("[data-testid=letterbox]").await;
    window.sees_in_terminal("you said: from here").await;

    // One that only reads is named as such, and decides nothing.
    let mut reader = Other::attach(&host, "shared", true).await;
    reader.company(|all| all.len() == 3).await;
    window.reads("company", "pts/3 · read-only").await;
    drop((other, reader));
    window.see_gone("[data-testid=company]").await;
    window.end().await;
    desk.end();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_host_that_is_killed_takes_no_terminal_with_it() {
    let desk = Desk::set().await;
    // Before the host reads the login shell's environment.
    desk.install("claude", "2.1.34 (Claude Code)");
    let mut daemon = desk.daemon();
    let (window, host) = at_work(&desk, &[("steady", "print hello; echo")]).await;
    window.sees_in_terminal("hello").await;
    let status = host.status().await.unwrap();
    assert_eq!(
        (status.host.as_str(), status.host_pid),
        ("stratavored", daemon.id())
    );
    drop(host);
    daemon.kill().unwrap();
    daemon.wait().unwrap();

    // The terminal is the agent's: it goes on while nobody supervises, and when another host does.
    window.click("[data-testid=terminal]").await;
    window.keys(&format!("meanwhile{ENTER}")).await;
    window.sees_in_terminal("you said: meanwhile").await;
    let host = desk.host().await;
    wait_until_async(SOON, "the runner, adopted", async || {
        let runner = host
            .runner(v1::RunnerRef {
                runner: "steady".into(),
            })
            .await
            .map_err(|failure| failure.message)?;
        if runner.state == "running" && !runner.unreachable {
            Ok(())
        } else {
            Err(runner.state)
        }
    })
    .await;
    window.see_gone("[data-testid=foot-unreachable]").await;
    window.keys(&format!("afterwards{ENTER}")).await;
    window.sees_in_terminal("you said: afterwards").await;

    // What another window shows is the same terminal.
    window.end().await;
    let window = desk.open("Adwaita:dark").await;
    window.click(&row("steady", "running")).await;
    window.sees_in_terminal("you said: afterwards").await;
    window.sees_in_terminal("hello").await;
    window.end().await;
    desk.end();
}
