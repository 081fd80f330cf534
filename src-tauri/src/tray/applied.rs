//! The real menu, made what the model says.

use std::collections::HashMap;

use tauri::menu::{
    CheckMenuItem, IsMenuItem, Menu as RealMenu, MenuItem, PredefinedMenuItem, Submenu,
};
use tauri::tray::TrayIcon;
use tauri::{AppHandle, Wry};

use super::entry::{Entry, are_built_alike};
use super::icon;
use super::model::Menu;
use super::{Mark, Panel};

/// What the tray shows now. Used on the main thread alone.
pub struct Applied {
    app: AppHandle,
    icon: TrayIcon<Wry>,
    picture: Option<(Mark, Panel)>,
    entries: Option<Vec<Entry>>,
    real: HashMap<String, Real>,
}

enum Real {
    Item(MenuItem<Wry>),
    Check(CheckMenuItem<Wry>),
}

impl Applied {
    /// Takes charge of an icon.
    #[must_use]
    pub fn new(app: AppHandle, icon: TrayIcon<Wry>) -> Self {
        Self {
            app,
            icon,
            picture: None,
            entries: None,
            real: HashMap::new(),
        }
    }

    /// Makes the tray show `menu`: texts in place where the structure is the same, all anew where it is not.
    ///
    /// # Errors
    /// GTK did not do it, or the picture could not be written.
    pub fn apply(&mut self, menu: &Menu, panel: Panel) -> tauri::Result<()> {
        if self.picture != Some((menu.mark, panel)) {
            self.icon
                .set_icon(Some(icon::picture(menu.mark, panel, icon::scale())?))?;
            self.picture = Some((menu.mark, panel));
        }
        match self.entries.take() {
            Some(shown) if are_built_alike(&shown, &menu.entries) => {
                self.amend(&shown, &menu.entries)?
            }
            _ => self.rebuild(&menu.entries)?,
        }
        self.entries = Some(menu.entries.clone());
        Ok(())
    }

    fn rebuild(&mut self, entries: &[Entry]) -> tauri::Result<()> {
        let mut real = HashMap::new();
        let built = self.build(entries, &mut real)?;
        let menu = RealMenu::new(&self.app)?;
        for item in &built {
            menu.append(&**item)?;
        }
        self.icon.set_menu(Some(menu))?;
        self.real = real;
        Ok(())
    }

    fn build(
        &self,
        entries: &[Entry],
        real: &mut HashMap<String, Real>,
    ) -> tauri::Result<Vec<Box<dyn IsMenuItem<Wry>>>> {
        let mut built: Vec<Box<dyn IsMenuItem<Wry>>> = Vec::with_capacity(entries.len());
        for entry in entries {
            match entry {
                Entry::Item { id, text, enabled } => {
                    let item =
                        MenuItem::with_id(&self.app, id, plain(text), *enabled, None::<&str>)?;
                    real.insert(id.clone(), Real::Item(item.clone()));
                    built.push(Box::new(item));
                }
                Entry::Check { id, text, checked } => {
                    let item = CheckMenuItem::with_id(
                        &self.app,
                        id,
                        plain(text),
                        true,
                        *checked,
                        None::<&str>,
                    )?;
                    real.insert(id.clone(), Real::Check(item.clone()));
                    built.push(Box::new(item));
                }
                Entry::Submenu { id, text, entries } => {
                    let submenu = Submenu::with_id(&self.app, id, plain(text), true)?;
                    for item in &self.build(entries, real)? {
                        submenu.append(&**item)?;
                    }
                    built.push(Box::new(submenu));
                }
                Entry::Separator => built.push(Box::new(PredefinedMenuItem::separator(&self.app)?)),
            }
        }
        Ok(built)
    }

    fn amend(&self, shown: &[Entry], entries: &[Entry]) -> tauri::Result<()> {
        for (was, entry) in shown.iter().zip(entries) {
            // The desktop ticks a check item by itself when it is clicked, whether or not that did anything.
            if was == entry && !matches!(entry, Entry::Check { .. }) {
                continue;
            }
            if let (Entry::Submenu { entries: shown, .. }, Entry::Submenu { entries, .. }) =
                (was, entry)
            {
                self.amend(shown, entries)?;
            }
            match (entry, entry.id().and_then(|id| self.real.get(id))) {
                (Entry::Item { text, enabled, .. }, Some(Real::Item(item))) => {
                    item.set_text(plain(text))?;
                    item.set_enabled(*enabled)?;
                }
                (Entry::Check { text, checked, .. }, Some(Real::Check(item))) => {
                    item.set_text(plain(text))?;
                    item.set_checked(*checked)?;
                }
                _ => {}
            }
        }
        Ok(())
    }
}

/// Keeps a label from underlining a letter: an ampersand is one only when doubled.
fn plain(text: &str) -> String {
    text.replace('&', "&&")
}
