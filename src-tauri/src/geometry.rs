//! The window's size and place, remembered per data directory.

use std::io;
use std::path::Path;

use serde::{Deserialize, Serialize};

use crate::memory;

/// Below this the window cannot be used.
pub const SMALLEST: (f64, f64) = (480.0, 320.0);
/// How much of the window must be on a screen, so that it can be taken hold of.
const GRIP: f64 = 64.0;

/// Where a window is and how large, in logical pixels.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Geometry {
    /// Width of its inside.
    pub width: f64,
    /// Height of its inside.
    pub height: f64,
    /// Its upper left corner; Wayland tells none.
    pub at: Option<(f64, f64)>,
    /// It fills the screen.
    pub maximized: bool,
}

/// A screen: its upper left corner and its size, in logical pixels.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Screen {
    /// Its left edge.
    pub x: f64,
    /// Its upper edge.
    pub y: f64,
    /// Its width.
    pub width: f64,
    /// Its height.
    pub height: f64,
}

impl Default for Geometry {
    fn default() -> Self {
        Self {
            width: 1280.0,
            height: 800.0,
            at: None,
            maximized: false,
        }
    }
}

impl Geometry {
    /// Reads what was remembered; the default when nothing usable was.
    #[must_use]
    pub fn load(path: &Path) -> Self {
        memory::load::<Self>(path)
            .filter(|geometry| geometry.width.is_finite() && geometry.height.is_finite())
            .unwrap_or_default()
    }

    /// Remembers it.
    ///
    /// # Errors
    /// The file could not be written.
    pub fn store(&self, path: &Path) -> io::Result<()> {
        memory::store(path, self)
    }

    /// Fits it to the screens there are now: one may have been unplugged.
    #[must_use]
    pub fn fitted(self, screens: &[Screen]) -> Self {
        let widest = screens
            .iter()
            .map(|screen| screen.width)
            .fold(SMALLEST.0, f64::max);
        let highest = screens
            .iter()
            .map(|screen| screen.height)
            .fold(SMALLEST.1, f64::max);
        let (width, height) = if screens.is_empty() {
            (self.width.max(SMALLEST.0), self.height.max(SMALLEST.1))
        } else {
            (
                self.width.clamp(SMALLEST.0, widest),
                self.height.clamp(SMALLEST.1, highest),
            )
        };
        let at = self.at.filter(|(x, y)| {
            screens.iter().any(|screen| {
                x + width >= screen.x + GRIP
                    && *x <= screen.x + screen.width - GRIP
                    && *y >= screen.y
                    && *y <= screen.y + screen.height - GRIP
            })
        });
        Self {
            width,
            height,
            at,
            maximized: self.maximized,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SCREEN: Screen = Screen {
        x: 0.0,
        y: 0.0,
        width: 1920.0,
        height: 1080.0,
    };

    #[test]
    fn it_is_remembered_and_nonsense_is_forgotten() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("window.json");
        assert_eq!(Geometry::load(&path), Geometry::default());
        let geometry = Geometry {
            width: 900.0,
            height: 700.0,
            at: Some((10.0, 20.0)),
            maximized: true,
        };
        geometry.store(&path).unwrap();
        assert_eq!(Geometry::load(&path), geometry);
        std::fs::write(&path, "{\"width\":\"wide\"}").unwrap();
        assert_eq!(Geometry::load(&path), Geometry::default());
    }

    #[test]
    fn it_is_fitted_to_the_screens_there_are() {
        let geometry = Geometry {
            width: 3000.0,
            height: 100.0,
            at: Some((2500.0, 10.0)),
            maximized: false,
        };
        let fitted = geometry.fitted(&[SCREEN]);
        assert_eq!(
            fitted,
            Geometry {
                width: 1920.0,
                height: 320.0,
                at: None,
                maximized: false
            }
        );
        let second = Screen {
            x: 1920.0,
            ..SCREEN
        };
        assert_eq!(geometry.fitted(&[SCREEN, second]).at, Some((2500.0, 10.0)));
    }
}
