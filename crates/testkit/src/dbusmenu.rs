//! The client side of `com.canonical.dbusmenu`: the menu of a tray item, read and clicked.

use std::collections::HashMap;

use zbus::zvariant::{OwnedObjectPath, OwnedValue, Structure, Value};

/// Is one entry of a menu, with all below it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct MenuItem {
    /// The id that events name; may change when the menu is rebuilt.
    pub id: i32,
    /// The text without its mnemonic; empty for the root and for separators.
    pub label: String,
    /// Whether a click does anything.
    pub enabled: bool,
    /// Whether it is shown.
    pub visible: bool,
    /// Whether this is a line between others.
    pub separator: bool,
    /// Whether it is ticked; none when it cannot be.
    pub checked: Option<bool>,
    /// The entries of its submenu.
    pub children: Vec<MenuItem>,
}

impl MenuItem {
    /// Finds the entry at the end of a path of labels.
    pub fn find(&self, path: &[&str]) -> Option<&MenuItem> {
        path.iter().try_fold(self, |menu, label| {
            menu.children.iter().find(|item| item.label == *label)
        })
    }

    /// Draws the tree with an entry a line, as a person would see it.
    pub fn outline(&self) -> String {
        let mut lines = String::new();
        self.draw(0, &mut lines);
        lines
    }

    fn draw(&self, depth: usize, lines: &mut String) {
        for item in self.children.iter().filter(|item| item.visible) {
            let mark = match item.checked {
                Some(true) => "[x] ",
                Some(false) => "[ ] ",
                None => "",
            };
            let label = if item.separator { "----" } else { &item.label };
            let state = if item.enabled { "" } else { " (disabled)" };
            lines.push_str(&format!("{}{mark}{label}{state}\n", "  ".repeat(depth)));
            item.draw(depth + 1, lines);
        }
    }

    fn read((id, properties, children): RawItem) -> zbus::Result<MenuItem> {
        let text = |name: &str| match properties.get(name).map(|value| &**value) {
            Some(Value::Str(text)) => Some(text.to_string()),
            _ => None,
        };
        let flag = |name: &str| match properties.get(name).map(|value| &**value) {
            Some(Value::Bool(flag)) => *flag,
            // What is not told is as the protocol's default: on.
            _ => true,
        };
        let checked = match properties.get("toggle-state").map(|value| &**value) {
            Some(Value::I32(state)) if text("toggle-type").is_some_and(|kind| !kind.is_empty()) => {
                Some(*state == 1)
            }
            _ => None,
        };
        Ok(MenuItem {
            id,
            label: without_mnemonic(&text("label").unwrap_or_default()),
            enabled: flag("enabled"),
            visible: flag("visible"),
            separator: text("type").is_some_and(|kind| kind == "separator"),
            checked,
            children: children
                .into_iter()
                .map(|child| {
                    let child = Structure::try_from(child)?;
                    MenuItem::read(RawItem::try_from(child)?)
                })
                .collect::<zbus::Result<_>>()?,
        })
    }
}

/// An entry as the protocol has it: id, properties, children (each a variant of the same).
type RawItem = (i32, HashMap<String, OwnedValue>, Vec<OwnedValue>);

/// Talks to the menu of one tray item.
#[derive(Clone, Debug)]
pub(crate) struct Menu {
    pub(crate) connection: zbus::Connection,
    pub(crate) service: String,
    pub(crate) path: OwnedObjectPath,
}

impl Menu {
    /// Reads the whole tree, with the revision of its structure.
    pub(crate) async fn layout(&self) -> zbus::Result<(u32, MenuItem)> {
        let reply = self
            .call("GetLayout", &(0_i32, -1_i32, Vec::<&str>::new()))
            .await?;
        let (revision, root): (u32, RawItem) = reply.body().deserialize()?;
        Ok((revision, MenuItem::read(root)?))
    }

    /// Sends an event (`clicked`, `opened`, `closed`) to the entry.
    pub(crate) async fn event(&self, id: i32, event: &str) -> zbus::Result<()> {
        self.call("Event", &(id, event, Value::from(0_i32), 0_u32))
            .await?;
        Ok(())
    }

    /// Says that the entry's submenu is about to be shown, as panels do before they draw it.
    pub(crate) async fn about_to_show(&self, id: i32) -> zbus::Result<()> {
        self.call("AboutToShow", &id).await?;
        Ok(())
    }

    async fn call<B>(&self, method: &str, body: &B) -> zbus::Result<zbus::Message>
    where
        B: serde::Serialize + zbus::zvariant::DynamicType,
    {
        self.connection
            .call_method(
                Some(self.service.as_str()),
                &self.path,
                Some("com.canonical.dbusmenu"),
                method,
                body,
            )
            .await
    }
}

/// Takes the underscore that marks an access key out of a label; two of them stand for one.
fn without_mnemonic(label: &str) -> String {
    let mut text = String::with_capacity(label.len());
    let mut letters = label.chars();
    while let Some(letter) = letters.next() {
        if letter == '_' {
            text.extend(letters.next());
        } else {
            text.push(letter);
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn mnemonics_are_taken_out() {
        assert_eq!(without_mnemonic("_Open"), "Open");
        assert_eq!(without_mnemonic("my__project _x"), "my_project x");
        assert_eq!(without_mnemonic("plain_"), "plain");
    }
}
