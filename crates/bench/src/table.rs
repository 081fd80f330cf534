//! The table that is printed.

/// Says what was found of one figure.
pub(crate) enum Cell {
    /// It was measured.
    Measured(String),
    /// It was not, and why.
    Missing(String),
    /// There is nothing of the kind.
    Inapplicable,
}

impl Cell {
    /// Tells what was measured, or what went wrong.
    pub(crate) fn of(result: anyhow::Result<String>) -> Self {
        match result {
            Ok(figures) => Self::Measured(figures),
            Err(error) => Self::Missing(format!("{error:#}")),
        }
    }

    fn print(&self) -> String {
        match self {
            Self::Measured(figures) => figures.clone(),
            Self::Missing(why) => format!(
                "not measured: {}",
                why.replace('|', "\\|").replace('\n', " ")
            ),
            Self::Inapplicable => "–".to_owned(),
        }
    }
}

/// Is one line of the table.
pub(crate) struct Row {
    /// What is measured.
    pub(crate) figure: String,
    /// What it should be; empty where nothing was promised.
    pub(crate) goal: &'static str,
    /// What it is.
    pub(crate) ours: Cell,
    /// What it is for tmux.
    pub(crate) tmux: Cell,
}

impl Row {
    /// Prints the line.
    pub(crate) fn print(&self) -> String {
        let goal = if self.goal.is_empty() {
            "–"
        } else {
            self.goal
        };
        format!(
            "| {} | {goal} | {} | {} |",
            self.figure,
            self.ours.print(),
            self.tmux.print()
        )
    }

    /// Tells whether all that there is of it was measured.
    pub(crate) fn is_whole(&self) -> bool {
        ![&self.ours, &self.tmux]
            .iter()
            .any(|cell| matches!(cell, Cell::Missing(_)))
    }
}

/// Gives the lines above the first row.
pub(crate) fn head(tmux: &str) -> String {
    format!("| figure | goal | Stratavore | {tmux} |\n|---|---|---|---|")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_missing_says_why_in_one_line() {
        let row = Row {
            figure: "launch".into(),
            goal: "",
            ours: Cell::of(Ok("8 ms".into())),
            tmux: Cell::of(Err(anyhow::anyhow!("a|b\nc").context("cannot start tmux"))),
        };
        assert_eq!(
            row.print(),
            "| launch | – | 8 ms | not measured: cannot start tmux: a\\|b c |"
        );
        assert!(!row.is_whole());
        assert!(
            Row {
                tmux: Cell::Inapplicable,
                ..row
            }
            .is_whole()
        );
    }
}
