//! Aligned columns.

use std::fmt::Write;

use unicode_width::UnicodeWidthStr;

use crate::output::Style;
use crate::text::printable;

/// Which side of a column its cells keep to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Side {
    Left,
    Right,
}

/// Rows under a heading.
#[derive(Debug)]
pub(crate) struct Table {
    heading: Vec<(&'static str, Side)>,
    rows: Vec<Vec<String>>,
}

impl Table {
    pub(crate) fn new(heading: &[(&'static str, Side)]) -> Self {
        Self {
            heading: heading.to_vec(),
            rows: Vec::new(),
        }
    }

    /// Adds a row; a cell that is empty shows as `-`.
    pub(crate) fn row(&mut self, cells: impl IntoIterator<Item = String>) {
        let cells = cells.into_iter().map(|cell| {
            if cell.is_empty() {
                "-".to_owned()
            } else {
                cell
            }
        });
        self.rows
            .push(cells.map(|cell| printable(&cell).into_owned()).collect());
    }

    /// Renders heading and rows, two spaces between columns, no space at a line's end.
    pub(crate) fn render(&self, style: Style) -> String {
        let widths: Vec<usize> = (0..self.heading.len())
            .map(|column| {
                let cells = self
                    .rows
                    .iter()
                    .filter_map(|row| row.get(column))
                    .map(|cell| cell.width());
                cells
                    .chain([self.heading[column].0.len()])
                    .max()
                    .unwrap_or(0)
            })
            .collect();
        let line = |cells: Vec<&str>| {
            let mut line = String::new();
            for (column, cell) in cells.iter().enumerate() {
                let gap = " ".repeat(widths[column].saturating_sub(cell.width()));
                let space = if column == 0 { "" } else { "  " };
                // Writing to a String cannot fail.
                let _ = match self.heading[column].1 {
                    Side::Left => write!(line, "{space}{cell}{gap}"),
                    Side::Right => write!(line, "{space}{gap}{cell}"),
                };
            }
            line.truncate(line.trim_end().len());
            line
        };
        let heading = line(self.heading.iter().map(|(name, _)| *name).collect());
        let mut text = format!("{}\n", style.bold(&heading));
        for row in &self.rows {
            text.push_str(&line(row.iter().map(String::as_str).collect()));
            text.push('\n');
        }
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_align_by_what_a_terminal_shows() {
        let mut table = Table::new(&[
            ("NAME", Side::Left),
            ("CPU", Side::Right),
            ("STATE", Side::Left),
        ]);
        table.row(["工具".to_owned(), "7%".to_owned(), "running".to_owned()]);
        table.row(["a\x1b[m".to_owned(), String::new(), "failed".to_owned()]);
        assert_eq!(
            table.render(Style::PLAIN),
            "NAME       CPU  STATE\n工具        7%  running\na\\u{1b}[m    -  failed\n"
        );
    }
}
