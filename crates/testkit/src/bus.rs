//! A private D-Bus session bus (apt: `dbus-daemon`).
//!
//! Its configuration has no service directories: nothing (a portal, an accessibility bus, a real notification service)
//! is started behind the test's back.

use std::fs::{self, File};
use std::io::{self, BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};

use crate::home::TempHome;

/// Runs a session bus until it is dropped.
pub struct Bus {
    daemon: Child,
    address: String,
}

impl Bus {
    /// Starts a bus with its socket in `home`, and waits until it listens.
    pub fn start(home: &TempHome) -> io::Result<Bus> {
        let configuration = home.path().join("bus.conf");
        fs::write(&configuration, configure(&home.path().join("bus")))?;
        let log = home.path().join("bus.log");
        let mut daemon = home
            .command("dbus-daemon")
            .arg("--config-file")
            .arg(&configuration)
            .args(["--nofork", "--nopidfile", "--print-address=1"])
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(File::create(&log)?)
            .spawn()
            .map_err(|error| {
                io::Error::new(
                    error.kind(),
                    format!("could not start dbus-daemon: {error}"),
                )
            })?;
        // The address is printed once the socket listens.
        let mut address = String::new();
        let said = daemon
            .stdout
            .take()
            .map(|out| BufReader::new(out).read_line(&mut address));
        let bus = Bus {
            daemon,
            address: address.trim().to_owned(),
        };
        match said {
            Some(Ok(1..)) => Ok(bus),
            _ => {
                let said = fs::read_to_string(&log)?;
                Err(io::Error::other(format!(
                    "dbus-daemon did not listen: {said}"
                )))
            }
        }
    }

    /// Gives the address (`DBUS_SESSION_BUS_ADDRESS`).
    pub fn address(&self) -> &str {
        &self.address
    }

    /// Gives the variable by which programs find the bus.
    pub fn environment(&self) -> [(String, String); 1] {
        [("DBUS_SESSION_BUS_ADDRESS".to_owned(), self.address.clone())]
    }

    /// Prepares a command that runs with the environment of `home` on this bus.
    pub fn command(&self, home: &TempHome, program: &str) -> Command {
        let mut command = home.command(program);
        command.envs(self.environment());
        command
    }

    /// Opens a connection of the test's own.
    pub async fn connect(&self) -> zbus::Result<zbus::Connection> {
        zbus::connection::Builder::address(self.address())?
            .build()
            .await
    }
}

impl Drop for Bus {
    fn drop(&mut self) {
        // Fails only when the daemon has ended by itself.
        let _ = self.daemon.kill();
        let _ = self.daemon.wait();
    }
}

fn configure(socket: &Path) -> String {
    format!(
        r#"<!DOCTYPE busconfig PUBLIC "-//freedesktop//DTD D-Bus Bus Configuration 1.0//EN"
 "http://www.freedesktop.org/standards/dbus/1.0/busconfig.dtd">
<busconfig>
  <type>session</type>
  <listen>unix:path={}</listen>
  <auth>EXTERNAL</auth>
  <policy context="default">
    <allow send_destination="*" eavesdrop="true"/>
    <allow eavesdrop="true"/>
    <allow own="*"/>
  </policy>
</busconfig>
"#,
        socket.display()
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn names_are_owned_on_it_nothing_is_started_and_it_ends_at_drop() {
        let home = TempHome::new();
        let bus = Bus::start(&home).expect("started");
        let connection = bus.connect().await.expect("connected");
        connection
            .request_name("org.example.Test")
            .await
            .expect("owned");
        let proxy = zbus::fdo::DBusProxy::new(&connection)
            .await
            .expect("the bus");
        let names = proxy.list_activatable_names().await.expect("listed");
        assert_eq!(names, ["org.freedesktop.DBus"], "something can be started");
        assert_eq!(home.left_running().len(), 1);
        let other = Bus::start(&TempHome::new()).expect("a second bus");
        assert_ne!(other.address(), bus.address());
        drop(bus);
        assert_eq!(home.left_running(), []);
    }
}
