//! One line of the menu.

use super::Action;

/// Entries of a list before the window has to show the rest: a menu must not be longer than a screen.
pub(super) const LONGEST: usize = 25;

/// One line of a menu.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Entry {
    /// A line that is clicked, or only read.
    Item {
        /// What it is, for ever; see [`Action::id`].
        id: String,
        /// What it says.
        text: String,
        /// It can be clicked.
        enabled: bool,
    },
    /// A line that is on or off.
    Check {
        /// What it is.
        id: String,
        /// What it says.
        text: String,
        /// It is on.
        checked: bool,
    },
    /// A line that opens more.
    Submenu {
        /// What it is.
        id: String,
        /// What it says.
        text: String,
        /// What it opens.
        entries: Vec<Entry>,
    },
    /// A rule between groups.
    Separator,
}

impl Entry {
    /// Makes a line that is clicked.
    pub(super) fn click(action: &Action, text: impl Into<String>) -> Self {
        Self::item(action.id(), text, true)
    }

    /// Makes a line that is only read.
    pub(super) fn read(id: impl Into<String>, text: impl Into<String>) -> Self {
        Self::item(id, text, false)
    }

    /// Makes a line that can be clicked at times.
    pub(super) fn item(id: impl Into<String>, text: impl Into<String>, enabled: bool) -> Self {
        Self::Item {
            id: id.into(),
            text: text.into(),
            enabled,
        }
    }

    /// Makes a line that opens more.
    pub(super) fn submenu(
        id: impl Into<String>,
        text: impl Into<String>,
        entries: Vec<Self>,
    ) -> Self {
        Self::Submenu {
            id: id.into(),
            text: text.into(),
            entries,
        }
    }

    /// Returns its id; a rule has none.
    #[must_use]
    pub fn id(&self) -> Option<&str> {
        match self {
            Self::Item { id, .. } | Self::Check { id, .. } | Self::Submenu { id, .. } => Some(id),
            Self::Separator => None,
        }
    }

    /// Tells whether one can be made the other by changing the texts of items alone. A submenu's own text cannot be changed
    /// in place: muda puts it in a box, and then sets a label that GTK does not show.
    #[must_use]
    pub fn is_built_like(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Item { id, .. }, Self::Item { id: other, .. })
            | (Self::Check { id, .. }, Self::Check { id: other, .. }) => id == other,
            (
                Self::Submenu { id, text, entries },
                Self::Submenu {
                    id: other_id,
                    text: other_text,
                    entries: others,
                },
            ) => id == other_id && text == other_text && are_built_alike(entries, others),
            (Self::Separator, Self::Separator) => true,
            _ => false,
        }
    }
}

/// Tells whether one menu can be made the other by changing texts alone.
#[must_use]
pub(super) fn are_built_alike(entries: &[Entry], others: &[Entry]) -> bool {
    entries.len() == others.len()
        && entries
            .iter()
            .zip(others)
            .all(|(entry, other)| entry.is_built_like(other))
}

/// Makes entries of the first things of a list, and says how many more there are.
pub(super) fn shortened<T>(
    things: &[T],
    longest: usize,
    list: &str,
    entry: impl Fn(&T) -> Entry,
) -> Vec<Entry> {
    let mut entries: Vec<Entry> = things.iter().take(longest).map(entry).collect();
    if let Some(more) = things.len().checked_sub(longest).filter(|more| *more > 0) {
        entries.push(Entry::item(
            Action::Open.id_at(list),
            format!("{more} more in the window…"),
            true,
        ));
    }
    entries
}
