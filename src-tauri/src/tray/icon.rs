//! The icon's pictures: four marks, for dark and light panels, at two sizes.

use gtk::prelude::MonitorExt;
use tauri::image::Image;

use super::Panel;

/// How things stand, at a glance.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mark {
    /// Nothing runs.
    Quiet,
    /// Something runs.
    Running,
    /// Somebody waits for a person.
    NeedsYou,
    /// Something went wrong that a person has not seen, or no host answers.
    Problem,
}

/// How densely the screen is drawn. Panels show 22 or 24 pixels, or twice that.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Scale {
    Single,
    Double,
}

macro_rules! pictures {
    ($($mark:ident $panel:ident => $name:literal),+ $(,)?) => {
        const fn png(mark: Mark, panel: Panel, scale: Scale) -> &'static [u8] {
            match (mark, panel, scale) {
                $(
                    (Mark::$mark, Panel::$panel, Scale::Single) =>
                        include_bytes!(concat!("../../../icons/tray/", $name, "-22.png")),
                    (Mark::$mark, Panel::$panel, Scale::Double) =>
                        include_bytes!(concat!("../../../icons/tray/", $name, "-44.png")),
                )+
            }
        }
    };
}
pictures! {
    Quiet Dark => "quiet-dark",
    Quiet Light => "quiet-light",
    Running Dark => "running-dark",
    Running Light => "running-light",
    NeedsYou Dark => "needs-you-dark",
    NeedsYou Light => "needs-you-light",
    Problem Dark => "problem-dark",
    Problem Light => "problem-light",
}

/// Decodes a picture.
pub(super) fn picture(mark: Mark, panel: Panel, scale: Scale) -> tauri::Result<Image<'static>> {
    Image::from_bytes(png(mark, panel, scale))
}

/// Tells how densely the screen with the panel is drawn, on the main thread.
pub(super) fn scale() -> Scale {
    let monitor = gtk::gdk::Display::default()
        .and_then(|display| display.primary_monitor().or_else(|| display.monitor(0)));
    if monitor.is_some_and(|monitor| monitor.scale_factor() > 1) {
        Scale::Double
    } else {
        Scale::Single
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_picture_decodes_to_its_size_and_no_two_are_alike() {
        let mut seen: Vec<Vec<u8>> = Vec::new();
        for mark in [Mark::Quiet, Mark::Running, Mark::NeedsYou, Mark::Problem] {
            for panel in [Panel::Dark, Panel::Light] {
                for (scale, size) in [(Scale::Single, 22), (Scale::Double, 44)] {
                    let picture = picture(mark, panel, scale).unwrap();
                    assert_eq!(
                        (picture.width(), picture.height()),
                        (size, size),
                        "{mark:?} {panel:?}"
                    );
                    assert!(
                        !seen.contains(&picture.rgba().to_vec()),
                        "{mark:?} {panel:?} looks like another"
                    );
                    seen.push(picture.rgba().to_vec());
                }
            }
        }
    }
}
