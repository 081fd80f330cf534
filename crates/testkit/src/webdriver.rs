//! The real desktop app driven as a person would, by WebDriver: `tauri-driver` and `WebKitWebDriver`
//! (apt: `webkit2gtk-driver`; `cargo install tauri-driver --version ^2`).

use std::collections::BTreeMap;
use std::io;
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Stdio};
use std::time::Duration;

use fantoccini::{Client, ClientBuilder};
use hyper_util::client::legacy::connect::HttpConnector;
use serde_json::json;

use crate::cache;
use crate::home::TempHome;
use crate::process::Process;
use crate::wait::wait_until;

/// The variable that names `tauri-driver` where it is in no usual place.
pub const TAURI_DRIVER: &str = "STRATAVORE_TAURI_DRIVER";

/// Runs the drivers until it is dropped; the app ends with them.
pub struct WebDriver {
    driver: Child,
    port: u16,
}

impl WebDriver {
    /// Starts the drivers with this environment (the display's, the bus's, the home's), and waits until both listen.
    pub fn start(home: &TempHome, environment: &BTreeMap<String, String>) -> io::Result<WebDriver> {
        let program = tauri_driver()?;
        let (port, native_port) = free_ports()?;
        let driver = home
            .command(&program)
            .envs(environment)
            .args(["--port", &port.to_string()])
            .args(["--native-port", &native_port.to_string()])
            .stdin(Stdio::null())
            .spawn()
            .map_err(|error| {
                io::Error::new(
                    error.kind(),
                    format!("could not start {}: {error}", program.display()),
                )
            })?;
        let mut driver = WebDriver { driver, port };
        // tauri-driver listens before the native driver does, and fails what comes in between.
        for (port, name) in [(port, "tauri-driver"), (native_port, "WebKitWebDriver")] {
            wait_until(
                Duration::from_secs(20),
                &format!("{name} to listen"),
                || {
                    if let Ok(Some(status)) = driver.driver.try_wait() {
                        panic!("tauri-driver ended ({status}): is webkit2gtk-driver installed?");
                    }
                    TcpStream::connect((Ipv4Addr::LOCALHOST, port)).map(drop)
                },
            );
        }
        Ok(driver)
    }

    /// Starts the desktop app and gives the client that drives its window.
    pub async fn open(&self, application: &Path, arguments: &[&str]) -> io::Result<Client> {
        self.open_named("wry", application, arguments).await
    }

    /// Starts an application that calls itself `name` (a Tauri app is a `wry`) and gives the client that drives it.
    pub async fn open_named(
        &self,
        name: &str,
        application: &Path,
        arguments: &[&str],
    ) -> io::Result<Client> {
        let capabilities = json!({
            "browserName": name,
            "tauri:options": { "application": application, "args": arguments },
        });
        let serde_json::Value::Object(capabilities) = capabilities else {
            unreachable!("an object is written above");
        };
        ClientBuilder::new(HttpConnector::new())
            .capabilities(capabilities)
            .connect(&format!("http://127.0.0.1:{}", self.port))
            .await
            .map_err(|error| {
                io::Error::other(format!("could not open {}: {error}", application.display()))
            })
    }
}

impl Drop for WebDriver {
    fn drop(&mut self) {
        if let Some(process) = Process::find(self.driver.id()) {
            // The native driver and the app are its children; what they leave is found by the home.
            for left in process.descendants() {
                let _ = left.kill();
            }
        }
        let _ = self.driver.kill();
        let _ = self.driver.wait();
    }
}

/// Finds `tauri-driver`: where [`TAURI_DRIVER`] says, in the tests' cache, where cargo installs, on the path.
fn tauri_driver() -> io::Result<PathBuf> {
    let name = "tauri-driver";
    if let Some(named) = std::env::var_os(TAURI_DRIVER) {
        return Ok(named.into());
    }
    let cargo = std::env::var_os("CARGO_HOME")
        .map(PathBuf::from)
        .or_else(|| std::env::var_os("HOME").map(|home| Path::new(&home).join(".cargo")));
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::iter::once(cache::directory().join("bin"))
        .chain(cargo.map(|cargo| cargo.join("bin")))
        .chain(std::env::split_paths(&path))
        .map(|directory| directory.join(name))
        .find(|program| program.is_file())
        .ok_or_else(|| {
            io::Error::new(
                io::ErrorKind::NotFound,
                "tauri-driver is not installed: cargo install tauri-driver --version '^2' --locked",
            )
        })
}

/// Picks two ports that are free now; both are held until both are known, so that they differ.
fn free_ports() -> io::Result<(u16, u16)> {
    let first = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
    let second = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
    Ok((first.local_addr()?.port(), second.local_addr()?.port()))
}
