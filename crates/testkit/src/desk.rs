//! A place to work at: a home with a display and a bus of its own, and the programs in one directory, as they are installed.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use crate::bus::Bus;
use crate::display::Display;
use crate::home::TempHome;

/// Holds everything that a desktop program needs around it, until it is dropped.
pub struct Desk {
    // Dropped in this order: what was started in the home goes before what it talks to.
    /// The home of what is started here.
    pub home: TempHome,
    /// Its display.
    pub display: Display,
    /// Its session bus.
    pub bus: Bus,
    /// The environment of what is started here; a test may change it.
    pub environment: BTreeMap<String, String>,
    programs: PathBuf,
}

impl Desk {
    /// Sets up a desk with copies of these programs.
    pub fn set(programs: &[&Path]) -> io::Result<Desk> {
        let home = TempHome::new();
        let display = Display::start(&home, 1400, 900)?;
        let bus = Bus::start(&home)?;
        let mut environment = home.environment();
        environment.extend(display.environment());
        environment.extend(bus.environment());
        let directory = home.path().join("bin");
        fs::create_dir(&directory)?;
        for program in programs {
            fs::copy(
                program,
                directory.join(program.file_name().unwrap_or_default()),
            )?;
        }
        Ok(Desk {
            home,
            display,
            bus,
            environment,
            programs: directory,
        })
    }

    /// Gives the path of a program that was copied here.
    pub fn program(&self, name: &str) -> PathBuf {
        self.programs.join(name)
    }

    /// Prepares to run a program that was copied here; what it says goes to a file in the home.
    pub fn command(&self, name: &str, arguments: &[&str]) -> io::Result<Command> {
        let log = self.home.path().join(format!("{name}.stderr"));
        let mut command = Command::new(self.program(name));
        command.env_clear().envs(&self.environment).args(arguments);
        // A webview's processes may outlive the program by a moment; the test's own output is not theirs to hold.
        command
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(File::options().create(true).append(true).open(log)?);
        Ok(command)
    }
}
