//! Files dragged from another program, as the X server knows it (XDND 5), and what a terminal makes of them.

use std::path::Path;

use stratavore_testkit::display::Display;
use stratavore_testkit::{wait_until, wait_until_async};
use x11rb::CURRENT_TIME;
use x11rb::connection::Connection;
use x11rb::protocol::Event;
use x11rb::protocol::xproto::{
    Atom, AtomEnum, ClientMessageEvent, ConnectionExt, CreateWindowAux, EventMask, MapState,
    PropMode, SELECTION_NOTIFY_EVENT, SelectionNotifyEvent, SelectionRequestEvent, Window,
    WindowClass,
};
use x11rb::rust_connection::RustConnection;
use x11rb::wrapper::ConnectionExt as _;

use crate::desk::{Desk, at_work};
use crate::page::{self, SOON};

const CONTROL: char = '\u{e009}';
const SHIFT: char = '\u{e008}';
const ENTER: &str = "\u{e007}";
/// The version of the protocol, in the byte where it is told.
const VERSION: u32 = 5 << 24;

/// A program from whose window files are dragged.
struct Source {
    connection: RustConnection,
    root: Window,
    window: Window,
    target: Window,
    files: String,
}

impl Source {
    /// Takes hold of files, on the way to the one window on this display that takes things dropped.
    fn grasp(display: &Display, files: &[&Path]) -> Self {
        let (connection, screen) = x11rb::connect(Some(display.name())).unwrap();
        let root = connection.setup().roots[screen].root;
        let window = connection.generate_id().unwrap();
        connection
            .create_window(
                0,
                window,
                root,
                0,
                0,
                1,
                1,
                0,
                WindowClass::INPUT_ONLY,
                0,
                &CreateWindowAux::new(),
            )
            .unwrap();
        let files = files.iter().map(|file| format!("{}\r\n", uri(file)));
        let mut source = Self {
            connection,
            root,
            window,
            target: root,
            files: files.collect(),
        };
        source.target = wait_until(SOON, "a window that takes what is dropped", || {
            source.aware()
        });
        let selection = source.atom("XdndSelection");
        source
            .connection
            .set_selection_owner(window, selection, CURRENT_TIME)
            .unwrap();
        let types = [VERSION, source.atom("text/uri-list"), 0, 0];
        source.tell("XdndEnter", types);
        source
    }

    fn atom(&self, name: &str) -> Atom {
        let asked = self.connection.intern_atom(false, name.as_bytes()).unwrap();
        asked.reply().unwrap().atom
    }

    fn aware(&self) -> Option<Window> {
        let aware = self.atom("XdndAware");
        let all = self.connection.query_tree(self.root).ok()?.reply().ok()?;
        all.children.into_iter().find(|window| {
            let shown = self.connection.get_window_attributes(*window).unwrap();
            let property = self
                .connection
                .get_property(false, *window, aware, AtomEnum::ANY, 0, 1);
            shown
                .reply()
                .is_ok_and(|shown| shown.map_state == MapState::VIEWABLE)
                && property
                    .unwrap()
                    .reply()
                    .is_ok_and(|property| property.value_len > 0)
        })
    }

    fn tell(&self, what: &str, [a, b, c, d]: [u32; 4]) {
        let data = [self.window, a, b, c, d];
        let message = ClientMessageEvent::new(32, self.target, self.atom(what), data);
        self.connection
            .send_event(false, self.target, EventMask::NO_EVENT, message)
            .unwrap();
        self.connection.flush().unwrap();
    }

    /// Holds the files over a place in the window, until it says that it would take them there.
    fn hold_over(&self, (x, y): (f64, f64)) {
        let root = self
            .connection
            .translate_coordinates(self.target, self.root, x as i16, y as i16)
            .unwrap()
            .reply()
            .unwrap();
        let at =
            (u32::from(root.dst_x.cast_unsigned()) << 16) | u32::from(root.dst_y.cast_unsigned());
        let copy = self.atom("XdndActionCopy");
        wait_until(SOON, "to be welcome", || {
            self.tell("XdndPosition", [0, at, CURRENT_TIME, copy]);
            self.hears("XdndStatus")
                .filter(|[_, flags, ..]| flags & 1 == 1)
        });
    }

    /// Lets go of them there.
    fn let_go(self) {
        self.tell("XdndDrop", [0, CURRENT_TIME, 0, 0]);
        wait_until(SOON, "the end of the drop", || self.hears("XdndFinished"));
    }

    /// Serves who has asked for the files; tells whether such a message came meanwhile.
    fn hears(&self, name: &str) -> Option<[u32; 5]> {
        let kind = self.atom(name);
        while let Some(event) = self.connection.poll_for_event().unwrap() {
            match event {
                Event::ClientMessage(message) if message.type_ == kind => {
                    return Some(message.data.as_data32());
                }
                Event::SelectionRequest(request) => self.serve(&request),
                _ => {}
            }
        }
        None
    }

    fn serve(&self, request: &SelectionRequestEvent) {
        let list = self.atom("text/uri-list");
        let known = request.target == list;
        if known {
            let (requestor, property) = (request.requestor, request.property);
            self.connection
                .change_property8(
                    PropMode::REPLACE,
                    requestor,
                    property,
                    list,
                    self.files.as_bytes(),
                )
                .unwrap();
        }
        let answer = SelectionNotifyEvent {
            response_type: SELECTION_NOTIFY_EVENT,
            sequence: 0,
            time: request.time,
            requestor: request.requestor,
            selection: request.selection,
            target: request.target,
            property: if known {
                request.property
            } else {
                AtomEnum::NONE.into()
            },
        };
        self.connection
            .send_event(false, request.requestor, EventMask::NO_EVENT, answer)
            .unwrap();
        self.connection.flush().unwrap();
    }
}

/// Writes a path as file managers do.
fn uri(path: &Path) -> String {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"/-._~".contains(&byte);
    path.to_str()
        .unwrap()
        .bytes()
        .fold("file://".to_owned(), |written, byte| match plain(byte) {
            true => written + &char::from(byte).to_string(),
            false => written + &format!("%{byte:02X}"),
        })
}

#[tokio::test(flavor = "multi_thread")]
async fn files_let_go_over_a_terminal_paste_their_paths_there() {
    let desk = Desk::set().await;
    let scenes = [
        ("left", "print I am left; echo"),
        ("right", "print I am right; echo"),
    ];
    let (window, _) = at_work(&desk, &scenes).await;
    window.chord(&[CONTROL, SHIFT, 'e']).await;
    window.see("[data-testid=palette-text]:focus").await;
    window.keys("right").await;
    window.keys(ENTER).await;
    window.sees_in_terminal("I am right").await;
    let right = window.cell(10, 10).await;
    window.chord(&['\u{e00a}', SHIFT, '\u{e012}']).await;
    window.sees_in_terminal("I am left").await;

    let directory = desk.directory("dropped");
    let files = ["plain.txt", "it's a näme.txt"].map(|name| directory.join(name));
    for file in &files {
        std::fs::write(file, "x").unwrap();
    }
    let source = Source::grasp(&desk.place.display, &[&files[0], &files[1]]);
    source.hold_over(right);
    window
        .see("[data-testid=pane][data-active=false] [data-testid=drop]")
        .await;
    window.picture("drop.png").await;
    source.let_go();
    window.see_gone("[data-testid=drop]").await;
    // The terminal under it takes the keys from now on.
    window.sees_in_terminal("I am right").await;
    window.keys(ENTER).await;
    let directory = directory.display();
    let said = format!("you said: {directory}/plain.txt '{directory}/it'\\''s a näme.txt'");
    wait_until_said(&window, &said).await;
    window.end().await;
    desk.end();
}

/// Waits until the terminal shows the words, wherever it breaks the line.
async fn wait_until_said(window: &page::Window, said: &str) {
    wait_until_async(SOON, said, async || {
        let shown = window.terminal_text().await;
        if shown.replace('\n', "").contains(said) {
            Ok(())
        } else {
            Err(shown)
        }
    })
    .await;
}
