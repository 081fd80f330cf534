//! The window's page, as a person sees and uses it.

use std::fs;
use std::path::Path;
use std::time::Duration;

use fantoccini::actions::{
    Actions, InputSource, KeyAction, KeyActions, MOUSE_BUTTON_LEFT, MouseActions, PointerAction,
    WheelAction, WheelActions,
};
use fantoccini::key::Key;
use fantoccini::{Client, Locator};
use stratavore_testkit::wait_until_async;
use stratavore_testkit::webdriver::WebDriver;

/// The longest that anything takes.
pub(crate) const SOON: Duration = Duration::from_secs(60);

/// The colours there are, and how the names of pictures in them end. The window is opened in the last.
pub(crate) const THEMES: [(&str, &str); 2] = [("light", "-light"), ("dark", "")];

/// The program's window, through the eyes and hands of a person.
pub(crate) struct Window {
    pub(crate) client: Client,
    pub(crate) driver: WebDriver,
}

impl Window {
    /// Waits until this is on the screen.
    pub(crate) async fn see(&self, css: &str) {
        wait_until_async(SOON, css, async || {
            let found = self.client.find(Locator::Css(css)).await;
            match found {
                Ok(element) => element.is_displayed().await.unwrap_or(false),
                Err(_) => false,
            }
        })
        .await;
    }

    /// Waits until the page holds this, where a person need not see it.
    pub(crate) async fn holds(&self, css: &str) {
        wait_until_async(SOON, css, async || {
            self.client.find(Locator::Css(css)).await.map(drop)
        })
        .await;
    }

    pub(crate) async fn see_gone(&self, css: &str) {
        wait_until_async(SOON, &format!("no {css}"), async || {
            self.client
                .find_all(Locator::Css(css))
                .await
                .is_ok_and(|found| found.is_empty())
        })
        .await;
    }

    /// Clicks it once it takes clicks.
    pub(crate) async fn click(&self, css: &str) {
        self.see(css).await;
        wait_until_async(SOON, &format!("a click on {css}"), async || {
            let element = self.client.find(Locator::Css(css)).await?;
            element.click().await
        })
        .await;
    }

    /// Types into a field.
    pub(crate) async fn fill(&self, css: &str, text: &str) {
        self.click(css).await;
        let field = self.client.find(Locator::Css(css)).await.unwrap();
        // In WebKit a line break ends a line only as the key that does.
        let typed = text.replace('\n', "\u{e007}");
        field.send_keys(&typed).await.unwrap();
        assert_eq!(
            field.prop("value").await.unwrap().as_deref(),
            Some(text),
            "{css}"
        );
    }

    /// Types into a field in place of what it holds.
    pub(crate) async fn replace(&self, css: &str, text: &str) {
        self.see(css).await;
        let field = self.client.find(Locator::Css(css)).await.unwrap();
        field.clear().await.unwrap();
        self.fill(css, text).await;
    }

    /// Chooses one of the values of a list.
    pub(crate) async fn choose(&self, css: &str, value: &str) {
        self.see(css).await;
        wait_until_async(SOON, &format!("`{value}` of {css}"), async || {
            let list = self.client.find(Locator::Css(css)).await?;
            list.select_by_value(value).await
        })
        .await;
    }

    /// Chooses the window's colours, as a person does who wants others than the desktop's.
    pub(crate) async fn wear(&self, theme: &str) {
        self.click("[data-testid=view-settings]").await;
        self.choose("[data-testid=preference-theme]", theme).await;
        self.holds(&format!("html[data-theme={theme}]")).await;
    }

    /// Presses these keys together.
    pub(crate) async fn chord(&self, keys: &[char]) {
        let mut actions = KeyActions::new("keyboard".into());
        for value in keys.iter().copied() {
            actions = actions.then(KeyAction::Down { value });
        }
        for value in keys.iter().rev().copied() {
            actions = actions.then(KeyAction::Up { value });
        }
        self.client.perform_actions(actions).await.unwrap();
    }

    /// Types at whatever has the focus.
    pub(crate) async fn keys(&self, text: &str) {
        let actions = text
            .chars()
            .fold(KeyActions::new("keyboard".into()), |actions, value| {
                actions
                    .then(KeyAction::Down { value })
                    .then(KeyAction::Up { value })
            });
        self.client.perform_actions(actions).await.unwrap();
    }

    /// Gives where the middle of a cell of the terminal that takes the keys is in the window.
    pub(crate) async fn cell(&self, column: u32, row: u32) -> (f64, f64) {
        let script = format!(
            "const pane = document.querySelector('[data-testid=pane][data-active=true]');
             const [columns, rows] = pane.querySelector('[data-testid=terminal]').dataset.size.split('x');
             const at = pane.querySelector('.xterm-screen').getBoundingClientRect();
             return [at.x + at.width / columns * ({column} + 0.5), at.y + at.height / rows * ({row} + 0.5)];"
        );
        serde_json::from_value(self.run(&script).await).unwrap()
    }

    /// Presses the mouse at one place, as often as said, and lets go at the other.
    pub(crate) async fn drag(&self, from: (f64, f64), to: (f64, f64), clicks: u32) {
        let button = MOUSE_BUTTON_LEFT;
        let go = |(x, y)| PointerAction::MoveTo {
            duration: None,
            x,
            y,
        };
        let mut actions = MouseActions::new("mouse".into()).then(go(from));
        for click in 1..=clicks {
            actions = actions.then(PointerAction::Down { button });
            if click == clicks {
                actions = actions.then(go(to));
            }
            actions = actions.then(PointerAction::Up { button });
        }
        self.client.perform_actions(actions).await.unwrap();
    }

    /// Holds the mouse over a place.
    pub(crate) async fn hover(&self, (x, y): (f64, f64)) {
        let duration = None;
        let actions = MouseActions::new("mouse".into())
            .then(PointerAction::MoveTo {
                duration,
                x: x + 1.0,
                y,
            })
            .then(PointerAction::MoveTo { duration, x, y });
        self.client.perform_actions(actions).await.unwrap();
    }

    /// Turns the wheel over a place, by so many pixels downwards.
    pub(crate) async fn wheel(&self, (x, y): (f64, f64), by: i64) {
        let mut actions = WheelActions::new("wheel".into());
        // WebKit's driver takes what is asked for as a place to go to, from the one before.
        for delta_y in [0, by] {
            actions.push(WheelAction::Scroll {
                duration: None,
                x: x as i64,
                y: y as i64,
                delta_x: 0,
                delta_y,
            });
        }
        self.client.perform_actions(actions).await.unwrap();
        self.client.release_actions().await.unwrap();
    }

    /// Clicks on a place with the control key held.
    pub(crate) async fn control_click(&self, (x, y): (f64, f64)) {
        let button = MOUSE_BUTTON_LEFT;
        let held = Duration::from_millis(0);
        let key = KeyActions::new("keyboard".into())
            .then(KeyAction::Down {
                value: Key::Control.into(),
            })
            .then(KeyAction::Pause { duration: held })
            .then(KeyAction::Pause { duration: held })
            .then(KeyAction::Pause { duration: held })
            .then(KeyAction::Up {
                value: Key::Control.into(),
            });
        let mouse = MouseActions::new("mouse".into())
            .then(PointerAction::Pause { duration: held })
            .then(PointerAction::MoveTo {
                duration: None,
                x,
                y,
            })
            .then(PointerAction::Down { button })
            .then(PointerAction::Up { button })
            .then(PointerAction::Pause { duration: held });
        self.client
            .perform_actions(Actions::from(key).and(mouse))
            .await
            .unwrap();
    }

    /// Puts a picture on the clipboard, as a page may when a person clicks in it.
    pub(crate) async fn copy_picture(&self, css: &str) {
        let script = "
            const canvas = document.createElement('canvas');
            canvas.width = canvas.height = 8;
            canvas.getContext('2d').fillRect(0, 0, 8, 8);
            const picture = new Promise((made) => canvas.toBlob(made, 'image/png'));
            addEventListener('click', () => {
                navigator.clipboard.write([new ClipboardItem({ 'image/png': picture })])
                    .then(() => { window.copied = true }, (cause) => { window.copied = String(cause) });
            }, { once: true, capture: true });";
        self.run(script).await;
        self.click(css).await;
        self.holds_true("a picture on the clipboard", "return window.copied ?? null")
            .await;
    }

    /// Runs a command of the palette by the keyboard alone.
    pub(crate) async fn palette(&self, words: &str) {
        self.chord(&[Key::Control.into(), 'k']).await;
        self.see("[data-testid=palette-text]:focus").await;
        self.keys(words).await;
        self.see("[data-testid=palette-option][aria-selected=true]")
            .await;
        self.keys(&char::from(Key::Enter).to_string()).await;
        self.see_gone("[data-testid=palette]").await;
    }

    /// Waits until the text of what has this name contains the words.
    pub(crate) async fn reads(&self, testid: &str, words: &str) {
        let css = format!("[data-testid={testid}]");
        wait_until_async(SOON, &format!("`{words}` in {testid}"), async || {
            let found = self.client.find(Locator::Css(&css)).await;
            let text = found.map_err(|error| error.to_string())?.text().await;
            let text = text.map_err(|error| error.to_string())?;
            if text.contains(words) {
                Ok(())
            } else {
                Err(text)
            }
        })
        .await;
    }

    /// Waits until the line of a runner in the list says these words.
    pub(crate) async fn reads_row(&self, runner: &str, words: &str) {
        let script = format!(
            "return document.querySelector('[data-testid=runner-row][data-name=\"{runner}\"]')?.innerText ?? null"
        );
        wait_until_async(SOON, &format!("`{words}` of {runner}"), async || {
            let said = self.run(&script).await;
            if said.as_str().is_some_and(|said| said.contains(words)) {
                Ok(())
            } else {
                Err(said)
            }
        })
        .await;
    }

    pub(crate) async fn sees_in_terminal(&self, text: &str) {
        wait_until_async(SOON, &format!("`{text}` in the terminal"), async || {
            let shown = self.terminal_text().await;
            if shown.contains(text) {
                Ok(())
            } else {
                Err(shown)
            }
        })
        .await;
    }

    /// Reads what the terminal that takes the keys shows.
    pub(crate) async fn terminal_text(&self) -> String {
        let shown = self.run("return window.__stratavore_terminal_text()").await;
        shown.as_str().unwrap_or_default().trim().to_owned()
    }

    /// Waits until this script returns `true`.
    pub(crate) async fn holds_true(&self, what: &str, script: &str) {
        wait_until_async(SOON, what, async || {
            let answer = self.run(script).await;
            if answer == true { Ok(()) } else { Err(answer) }
        })
        .await;
    }

    pub(crate) async fn run(&self, script: &str) -> serde_json::Value {
        self.client.execute(script, Vec::new()).await.unwrap()
    }

    /// Takes a picture for the documentation, where one was asked for.
    pub(crate) async fn picture(&self, name: &str) {
        let Some(directory) = std::env::var_os("STRATAVORE_SCREENSHOTS") else {
            return;
        };
        // It shows what was painted last, which may be some frames behind what the page holds: each makes the next one newer.
        let frames = "const done = arguments[0];
            const wait = (left) => left === 0 ? done(true) : requestAnimationFrame(() => wait(left - 1));
            wait(5);";
        for _ in 0..2 {
            self.client.screenshot().await.unwrap();
            self.client.execute_async(frames, Vec::new()).await.unwrap();
        }
        let picture = self.client.screenshot().await.unwrap();
        fs::create_dir_all(&directory).unwrap();
        fs::write(Path::new(&directory).join(name), picture).unwrap();
    }

    /// Ends the program; what it runs goes on.
    pub(crate) async fn end(self) {
        self.client.close().await.unwrap();
        drop(self.driver);
    }
}

/// Finds a runner of this name and state in the list.
pub(crate) fn row(name: &str, state: &str) -> String {
    format!("[data-testid=runner-row][data-name=\"{name}\"][data-state={state}]")
}

/// Finds a runner of this name that says this of itself.
pub(crate) fn attends(name: &str, state: &str) -> String {
    format!("[data-testid=runner-row][data-name=\"{name}\"][data-attention={state}]")
}
