//! A private X display that no screen shows (apt: `xvfb imagemagick`).

use std::fs::{self, File};
use std::io::{self, BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use crate::home::TempHome;
use crate::wait::comes_true_within;

/// Runs an X server until it is dropped.
pub struct Display {
    server: Child,
    name: String,
}

impl Display {
    /// Starts a display of `width` by `height` on a free number, and waits until it takes clients.
    pub fn start(home: &TempHome, width: u32, height: u32) -> io::Result<Display> {
        let log = home.path().join("display.log");
        let mut server = home
            .command("Xvfb")
            .args([
                "-displayfd",
                "1",
                "-nolisten",
                "tcp",
                "-noreset",
                "-screen",
                "0",
            ])
            .arg(format!("{width}x{height}x24"))
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(File::create(&log)?)
            .spawn()
            .map_err(|error| {
                io::Error::new(error.kind(), format!("could not start Xvfb: {error}"))
            })?;
        // The number is printed once the socket listens.
        let mut number = String::new();
        let said = server
            .stdout
            .take()
            .map(|out| BufReader::new(out).read_line(&mut number));
        let display = Display {
            server,
            name: format!(":{}", number.trim()),
        };
        match said {
            Some(Ok(1..)) => Ok(display),
            _ => {
                let said = fs::read_to_string(&log)?;
                Err(io::Error::other(format!("Xvfb took no clients: {said}")))
            }
        }
    }

    /// Gives the name (`DISPLAY`).
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Gives the variables by which GTK programs draw here, and do not reach for what is not here.
    pub fn environment(&self) -> Vec<(String, String)> {
        [
            ("DISPLAY", self.name.as_str()),
            ("GDK_BACKEND", "x11"),
            ("GSETTINGS_BACKEND", "memory"),
            ("NO_AT_BRIDGE", "1"),
        ]
        .map(|(key, value)| (key.to_owned(), value.to_owned()))
        .into()
    }

    /// Writes what the whole display shows now into a PNG file.
    pub fn screenshot(&self, file: &Path) -> io::Result<()> {
        let mut target = std::ffi::OsString::from("png:");
        target.push(file);
        let output = Command::new("import")
            .env("DISPLAY", &self.name)
            .args(["-silent", "-window", "root", "-strip"])
            .arg(target)
            .output()
            .map_err(|error| {
                io::Error::new(
                    error.kind(),
                    format!("could not run import (imagemagick): {error}"),
                )
            })?;
        if output.status.success() {
            Ok(())
        } else {
            let said = String::from_utf8_lossy(&output.stderr);
            Err(io::Error::other(format!("import took no picture: {said}")))
        }
    }
}

impl Drop for Display {
    fn drop(&mut self) {
        // By TERM, so that it takes its socket away; by KILL should it hang.
        if let Some(process) = crate::Process::find(self.server.id()) {
            let _ = process.signal(rustix::process::Signal::TERM);
            comes_true_within(Duration::from_secs(5), || !process.is_alive());
        }
        let _ = self.server.kill();
        let _ = self.server.wait();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_screenshot_shows_what_was_drawn_and_the_server_leaves_nothing() {
        let home = TempHome::new();
        let display = Display::start(&home, 640, 480).expect("started");
        let other = Display::start(&home, 64, 48).expect("a second one");
        assert_ne!(display.name(), other.name());
        // It paints the root window and exits with 1: whether it painted, the picture shows.
        home.command("display")
            .envs(display.environment())
            .args(["-window", "root", "-size", "640x480", "xc:#c03020"])
            .output()
            .expect("imagemagick is installed");

        let picture = home.path().join("screen.png");
        display.screenshot(&picture).expect("taken");
        let seen = home
            .command("convert")
            .arg(&picture)
            .args(["-format", "%m %wx%h %[hex:p{320,240}]", "info:"])
            .output()
            .expect("imagemagick is installed");
        assert_eq!(String::from_utf8_lossy(&seen.stdout), "PNG 640x480 C03020");

        let socket = format!("/tmp/.X11-unix/X{}", &display.name()[1..]);
        assert!(Path::new(&socket).exists());
        drop((display, other));
        assert!(!Path::new(&socket).exists(), "its socket is left");
        assert_eq!(home.left_running(), []);
    }
}
