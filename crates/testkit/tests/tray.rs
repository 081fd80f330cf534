//! The stand-in for the panel, with a small tray item of the test's own.

use std::collections::HashMap;
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use stratavore_testkit::TempHome;
use stratavore_testkit::bus::Bus;
use stratavore_testkit::tray::{MenuItem, Pixmap, TrayHost};
use zbus::zvariant::{ObjectPath, OwnedValue, StructureBuilder, Value};

const SOON: Duration = Duration::from_secs(10);

/// What the item was told, and the label it shows.
#[derive(Default)]
struct State {
    events: Vec<(i32, String)>,
    label: String,
    revision: u32,
}

type Shared = Arc<Mutex<State>>;

/// Has its icon in this directory.
struct Item(String);

#[zbus::interface(name = "org.kde.StatusNotifierItem")]
impl Item {
    #[zbus(property)]
    fn title(&self) -> &str {
        "A title"
    }
    #[zbus(property)]
    fn status(&self) -> &str {
        "Active"
    }
    #[zbus(property)]
    fn icon_name(&self) -> &str {
        "running"
    }
    #[zbus(property)]
    fn icon_theme_path(&self) -> &str {
        &self.0
    }
    #[zbus(property)]
    fn icon_pixmap(&self) -> Vec<(i32, i32, Vec<u8>)> {
        vec![(1, 1, vec![255, 1, 2, 3])]
    }
    #[zbus(property)]
    fn menu(&self) -> ObjectPath<'static> {
        ObjectPath::from_static_str_unchecked("/TheMenu")
    }
}

struct Menu(Shared);

type Properties = HashMap<&'static str, Value<'static>>;

fn entry(id: i32, properties: Properties, children: Vec<Value<'static>>) -> Value<'static> {
    let entry = StructureBuilder::new()
        .add_field(id)
        .add_field(properties)
        .add_field(children)
        .build()
        .expect("a structure");
    Value::from(entry)
}

#[zbus::interface(name = "com.canonical.dbusmenu")]
impl Menu {
    fn get_layout(
        &self,
        _parent: i32,
        _depth: i32,
        _names: Vec<String>,
    ) -> (u32, (i32, Properties, Vec<Value<'static>>)) {
        let state = self.0.lock().expect("no panic");
        let label = |text: &str| Value::from(text.to_owned());
        let children = vec![
            entry(
                11,
                [("label", label(&state.label))].into(),
                vec![entry(12, [("label", label("_Attach"))].into(), vec![])],
            ),
            entry(13, [("type", label("separator"))].into(), vec![]),
            entry(
                14,
                [
                    ("label", label("Start at login")),
                    ("toggle-type", label("checkmark")),
                    ("toggle-state", Value::from(1_i32)),
                ]
                .into(),
                vec![],
            ),
            entry(
                15,
                [("label", label("Stop")), ("enabled", Value::from(false))].into(),
                vec![],
            ),
        ];
        (state.revision, (0, Properties::new(), children))
    }

    fn event(&self, id: i32, event: String, _data: OwnedValue, _time: u32) {
        let mut state = self.0.lock().expect("no panic");
        if event == "clicked" {
            state.label = "demo clicked".to_owned();
            state.revision += 1;
        }
        state.events.push((id, event));
    }

    fn about_to_show(&self, _id: i32) -> bool {
        false
    }
}

async fn item_on(bus: &Bus, icons: &Path, state: &Shared) -> zbus::Connection {
    let connection = zbus::connection::Builder::address(bus.address())
        .expect("an address")
        .serve_at("/TheItem", Item(icons.display().to_string()))
        .expect("served")
        .serve_at("/TheMenu", Menu(Arc::clone(state)))
        .expect("served")
        .build()
        .await
        .expect("connected");
    connection
        .call_method(
            Some("org.kde.StatusNotifierWatcher"),
            "/StatusNotifierWatcher",
            Some("org.kde.StatusNotifierWatcher"),
            "RegisterStatusNotifierItem",
            &"/TheItem",
        )
        .await
        .expect("registered");
    connection
}

#[tokio::test]
async fn an_item_registers_is_read_and_clicked_and_goes() {
    let home = TempHome::new();
    let bus = Bus::start(&home).expect("started");
    let host = TrayHost::start(&bus).await.expect("started");
    assert!(host.items().await.expect("listed").is_empty());
    let state = Shared::default();
    state.lock().expect("no panic").label = "demo".to_owned();
    let program = item_on(&bus, &home.data(), &state).await;

    let item = host.wait_for_item(SOON).await;
    assert_eq!(item.title().await.expect("read"), "A title");
    assert_eq!(item.status().await.expect("read"), "Active");
    assert_eq!(item.icon_name().await.expect("read"), "running");
    assert_eq!(item.icon_file().await.expect("read"), None);
    let icon = home.data().join("running.png");
    std::fs::write(&icon, "").expect("written");
    assert_eq!(item.icon_file().await.expect("read"), Some(icon));
    let pixel = Pixmap {
        width: 1,
        height: 1,
        argb: vec![255, 1, 2, 3],
    };
    assert_eq!(item.icon_pixmaps().await.expect("read"), [pixel]);

    let menu = item.menu().await.expect("read");
    assert_eq!(
        menu.outline(),
        "demo\n  Attach\n----\n[x] Start at login\nStop (disabled)\n"
    );
    assert_eq!(menu.find(&["demo", "Attach"]).map(|it| it.id), Some(12));

    let error = item
        .click(&["demo", "Nothing"])
        .await
        .expect_err("no such entry");
    assert!(error.to_string().contains("Start at login"), "{error}");
    item.click(&["Stop"]).await.expect_err("disabled");
    assert_eq!(state.lock().expect("no panic").events, []);

    let revision = item.menu_revision().await.expect("read");
    item.open_menu().await.expect("opened");
    item.click(&["demo", "Attach"]).await.expect("clicked");
    let clicked = |menu: &MenuItem| menu.find(&["demo clicked"]).map(|it| it.id);
    let id = item.wait_for_menu(SOON, "the new label", clicked).await;
    assert_eq!(id, 11);
    assert_eq!(item.menu_revision().await.expect("read"), revision + 1);
    assert_eq!(
        state.lock().expect("no panic").events,
        [(0, "opened".to_owned()), (12, "clicked".to_owned())]
    );

    program.close().await.expect("closed");
    stratavore_testkit::wait_until_async(SOON, "no item", async || {
        host.items().await.is_ok_and(|items| items.is_empty())
    })
    .await;
}
