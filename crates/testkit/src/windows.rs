//! The windows on a private display, and what a window manager and a keyboard do to them.

use std::cell::Cell;
use std::error::Error;
use std::time::Duration;

use x11rb::CURRENT_TIME;
use x11rb::connection::Connection;
use x11rb::protocol::Event;
use x11rb::protocol::xproto::{
    AtomEnum, ChangeWindowAttributesAux, ClientMessageEvent, ConnectionExt, EventMask, InputFocus,
    KEY_PRESS_EVENT, KEY_RELEASE_EVENT, MapState, Window,
};
use x11rb::protocol::xtest::ConnectionExt as _;
use x11rb::rust_connection::RustConnection;
use x11rb::wrapper::ConnectionExt as _;

use crate::display::Display;
use crate::wait::wait_until;

/// How long a program may take to answer.
const ANSWER: Duration = Duration::from_secs(30);
/// The keysym of the key that ends a line.
const RETURN: u32 = 0xff0d;
/// The keysym of the left shift key.
const SHIFT: u32 = 0xffe1;

/// What goes wrong when a display is asked.
type Result<T> = std::result::Result<T, Box<dyn Error + Send + Sync>>;

/// Looks at the windows of a display, and acts on them.
pub struct Windows {
    connection: RustConnection,
    root: Window,
    pings: Cell<u32>,
}

impl Windows {
    /// Connects to a display.
    pub fn of(display: &Display) -> Result<Windows> {
        let (connection, screen) = x11rb::connect(Some(display.name()))?;
        let root = connection.setup().roots[screen].root;
        // Answers to pings go to the root window.
        let notify = ChangeWindowAttributesAux::new().event_mask(EventMask::SUBSTRUCTURE_NOTIFY);
        connection
            .change_window_attributes(root, &notify)?
            .check()?;
        Ok(Windows {
            connection,
            root,
            pings: Cell::new(0),
        })
    }

    /// Tells whether a window with this title is shown.
    pub fn shows(&self, title: &str) -> bool {
        matches!(self.titled(title), Ok(Some(_)))
    }

    /// Gives a text property of the window with this title.
    pub fn property(&self, title: &str, property: &str) -> Result<Option<String>> {
        let Some(window) = self.titled(title)? else {
            return Ok(None);
        };
        self.text(window, property)
    }

    /// Asks the window with this title to close, as the button in its frame does.
    pub fn close(&self, title: &str) -> Result<()> {
        let window = self.one(title)?;
        let (protocols, delete) = (self.atom("WM_PROTOCOLS")?, self.atom("WM_DELETE_WINDOW")?);
        let event = ClientMessageEvent::new(32, window, protocols, [delete, CURRENT_TIME, 0, 0, 0]);
        self.connection
            .send_event(false, window, EventMask::NO_EVENT, event)?;
        self.connection.sync()?;
        Ok(())
    }

    /// Types a line into the window with this title.
    pub fn enter(&self, title: &str, line: &str) -> Result<()> {
        let window = self.one(title)?;
        self.connection
            .set_input_focus(InputFocus::PARENT, window, CURRENT_TIME)?;
        self.settle(window)?;
        for character in line.chars() {
            self.strike(character.into())?;
            self.settle(window)?;
        }
        self.strike(RETURN)
    }

    /// Waits until the window's program has handled what came to it so far, or closed the window, by the ping with which window managers tell
    /// whether a program still answers.
    fn settle(&self, window: Window) -> Result<()> {
        let (protocols, ping) = (self.atom("WM_PROTOCOLS")?, self.atom("_NET_WM_PING")?);
        let number = self.pings.get() + 1;
        self.pings.set(number);
        let event = ClientMessageEvent::new(32, window, protocols, [ping, number, window, 0, 0]);
        self.connection
            .send_event(false, window, EventMask::NO_EVENT, event)?;
        self.connection.flush()?;
        wait_until(ANSWER, "the program answers a ping", || {
            while let Ok(Some(event)) = self.connection.poll_for_event() {
                if let Event::ClientMessage(answer) = event
                    && answer.data.as_data32()[..2] == [ping, number]
                {
                    return true;
                }
            }
            !self.is_there(window)
        });
        Ok(())
    }

    fn is_there(&self, window: Window) -> bool {
        let asked = self.connection.get_window_attributes(window);
        asked.is_ok_and(|asked| asked.reply().is_ok())
    }

    fn one(&self, title: &str) -> Result<Window> {
        self.titled(title)?
            .ok_or_else(|| format!("no window is titled {title:?}").into())
    }

    fn titled(&self, title: &str) -> Result<Option<Window>> {
        // Without a window manager every window of a program is a child of the root.
        for window in self.connection.query_tree(self.root)?.reply()?.children {
            // A window may go while it is looked at.
            let Ok(attributes) = self.connection.get_window_attributes(window)?.reply() else {
                continue;
            };
            if attributes.map_state == MapState::VIEWABLE
                && self.text(window, "_NET_WM_NAME")?.as_deref() == Some(title)
            {
                return Ok(Some(window));
            }
        }
        Ok(None)
    }

    fn text(&self, window: Window, property: &str) -> Result<Option<String>> {
        let property = self.atom(property)?;
        let asked =
            self.connection
                .get_property(false, window, property, AtomEnum::ANY, 0, 1024)?;
        Ok(asked
            .reply()
            .ok()
            .filter(|reply| reply.format == 8)
            .map(|reply| String::from_utf8_lossy(&reply.value).into_owned()))
    }

    fn atom(&self, name: &str) -> Result<u32> {
        let asked = self.connection.intern_atom(false, name.as_bytes())?;
        Ok(asked.reply()?.atom)
    }

    /// Presses and releases the key that types this symbol.
    fn strike(&self, symbol: u32) -> Result<()> {
        let (code, shifted) = self.key(symbol)?;
        let (shift, _) = self.key(SHIFT)?;
        let mut strokes = vec![(KEY_PRESS_EVENT, code), (KEY_RELEASE_EVENT, code)];
        if shifted {
            strokes.insert(0, (KEY_PRESS_EVENT, shift));
            strokes.push((KEY_RELEASE_EVENT, shift));
        }
        for (stroke, code) in strokes {
            self.connection
                .xtest_fake_input(stroke, code, CURRENT_TIME, self.root, 0, 0, 0)?;
        }
        self.connection.sync()?;
        Ok(())
    }

    /// Finds the key for a symbol, and whether it takes shift.
    fn key(&self, symbol: u32) -> Result<(u8, bool)> {
        let setup = self.connection.setup();
        let (least, most) = (setup.min_keycode, setup.max_keycode);
        let asked = self
            .connection
            .get_keyboard_mapping(least, most - least + 1)?;
        let keys = asked.reply()?;
        let columns = usize::from(keys.keysyms_per_keycode);
        for (code, symbols) in (least..=most).zip(keys.keysyms.chunks(columns)) {
            if let Some(level) = symbols.iter().take(2).position(|own| *own == symbol) {
                return Ok((code, level == 1));
            }
        }
        Err(format!("no key types the symbol {symbol:#x}").into())
    }
}
