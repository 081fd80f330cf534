//! How large a screen is.

use alacritty_terminal::grid::Dimensions;

/// A size that the engine is safe with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Size {
    /// Width.
    pub columns: u16,
    /// Height.
    pub rows: u16,
}

impl Size {
    /// Bounds a size: below, characters of two columns do not fit; above, cells would take more memory than a runner may.
    pub fn bounded(columns: u16, rows: u16) -> Self {
        Self {
            columns: columns.clamp(2, 1000),
            rows: rows.clamp(1, 500),
        }
    }
}

impl Dimensions for Size {
    fn total_lines(&self) -> usize {
        self.rows.into()
    }

    fn screen_lines(&self) -> usize {
        self.rows.into()
    }

    fn columns(&self) -> usize {
        self.columns.into()
    }
}
