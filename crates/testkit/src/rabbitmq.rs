//! A private RabbitMQ (apt: `rabbitmq-server`), started as whoever runs the test, and thrown away.
//!
//! It listens on loopback alone, with an epmd of its own, and knows nothing of a broker that the machine may have.

use std::fs::{self, File};
use std::io::{self, Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use rustix::process::Signal;

use crate::home::TempHome;
use crate::kept::Kept;
use crate::process::Process;
use crate::wait::comes_true_within;

/// The variable that names a broker that is there already, as a URL; then no private one is started.
pub const URL: &str = "STRATAVORE_TEST_AMQP_URL";

/// The largest message this broker takes, in bytes: RabbitMQ's own default is above what a test should send.
pub const MAX_MESSAGE: usize = 8 << 20;

/// Where Debian puts the programs that do not insist on a user of their own.
const PROGRAMS: &str = "/usr/lib/rabbitmq/bin";
/// A start takes 6 to 14 seconds on an idle machine.
const START: Duration = Duration::from_secs(90);
/// The file by which a home is known to be a broker's, and in use.
const LOCK: &str = "rabbitmq.lock";
/// How often other ports are tried: between choosing a free one and listening, another process may take it.
const STARTS: u32 = 3;
/// Enough for the broker to go on; see [`RabbitMq::disk_alarm`].
const DISK_FREE: u64 = 50 << 20;

/// Runs a broker until it is dropped.
pub struct RabbitMq {
    broker: Option<Kept>,
    epmd: Option<Kept>,
    ports: Ports,
    /// Held for as long as the home is in use.
    _lock: File,
    /// Dropped last: it ends whatever else the broker started.
    home: TempHome,
}

#[derive(Clone, Copy)]
struct Ports {
    amqp: u16,
    distribution: u16,
    epmd: u16,
}

impl RabbitMq {
    /// Tells whether this machine has RabbitMQ.
    pub fn is_installed() -> bool {
        Path::new(PROGRAMS).join("rabbitmq-server").exists()
    }

    /// Starts a broker and waits until it speaks AMQP.
    pub fn start() -> io::Result<RabbitMq> {
        RabbitMq::configured("")
    }

    /// Starts a broker with these further lines of configuration.
    pub fn configured(lines: &str) -> io::Result<RabbitMq> {
        sweep();
        let mut tried = 0;
        loop {
            tried += 1;
            let home = TempHome::new();
            // Locked before it has its name, or another test might take the home for an abandoned one.
            let unnamed = home.path().join("lock");
            let lock = File::create(&unnamed)?;
            lock.lock()?;
            fs::rename(unnamed, home.path().join(LOCK))?;
            let mut broker = RabbitMq {
                broker: None,
                epmd: None,
                ports: Ports::free()?,
                _lock: lock,
                home,
            };
            match broker.prepare(lines).and_then(|()| broker.run()) {
                Ok(()) => return Ok(broker),
                Err(error) if tried == STARTS => return Err(error),
                Err(_) => {}
            }
        }
    }

    /// Gives the URL of the default virtual host.
    pub fn url(&self) -> String {
        format!("amqp://guest:guest@{}/%2f", self.address())
    }

    /// Gives the address it listens on, which stays the same over [`RabbitMq::restart`].
    pub fn address(&self) -> SocketAddr {
        (Ipv4Addr::LOCALHOST, self.ports.amqp).into()
    }

    /// Makes a virtual host of its own and gives its URL.
    pub fn vhost(&self) -> io::Result<String> {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let name = format!("t{}", COUNT.fetch_add(1, Ordering::Relaxed));
        self.evaluate(&format!(
            r#"rabbit_vhost:add(<<"{name}">>, <<"test">>),
               rabbit_auth_backend_internal:set_permissions(<<"guest">>, <<"{name}">>, <<".*">>, <<".*">>, <<".*">>, <<"test">>)."#
        ))?;
        Ok(format!("amqp://guest:guest@{}/{name}", self.address()))
    }

    /// Makes a user who may configure, write and read what the patterns say, in the default virtual host.
    pub fn user(&self, name: &str, password: &str, may: [&str; 3]) -> io::Result<()> {
        let [configure, write, read] = may;
        self.evaluate(&format!(
            r#"rabbit_auth_backend_internal:add_user(<<"{name}">>, <<"{password}">>, <<"test">>),
               rabbit_auth_backend_internal:set_permissions(<<"{name}">>, <<"/">>, <<"{configure}">>, <<"{write}">>, <<"{read}">>, <<"test">>)."#
        ))
        .map(|_| ())
    }

    /// Raises the disk alarm, so that the broker takes no more messages and confirms none; or lets it go on.
    pub fn disk_alarm(&self, raised: bool) -> io::Result<()> {
        let limit = if raised { 1 << 60 } else { DISK_FREE };
        self.evaluate(&format!(
            "rabbit_disk_monitor:set_disk_free_limit({limit})."
        ))
        .map(|_| ())
    }

    /// Has the broker take messages of so many bytes from now on, on channels that are opened from now on.
    pub fn max_message(&self, bytes: usize) -> io::Result<()> {
        self.evaluate(&format!(
            "application:set_env(rabbit, max_message_size, {bytes}), persistent_term:put(max_message_size, {bytes})."
        ))
        .map(|_| ())
    }

    /// Has the broker evaluate an Erlang expression.
    pub fn evaluate(&self, expression: &str) -> io::Result<String> {
        let output = self
            .command("rabbitmqctl")
            .args(["eval", expression])
            .output()?;
        let said = String::from_utf8_lossy(&output.stdout).into_owned();
        if output.status.success() && !said.trim_start().starts_with("{error") {
            return Ok(said);
        }
        let errors = String::from_utf8_lossy(&output.stderr);
        Err(io::Error::other(format!(
            "rabbitmqctl eval {expression}: {said}{errors}"
        )))
    }

    /// Gives what the broker itself says of its `queues`, `exchanges` or `bindings`: these columns, as JSON.
    pub fn list(&self, what: &str, columns: &[&str]) -> io::Result<String> {
        let output = self
            .command("rabbitmqctl")
            .args(["--quiet", "--formatter", "json", &format!("list_{what}")])
            .args(columns)
            .output()?;
        if output.status.success() {
            return Ok(String::from_utf8_lossy(&output.stdout).into_owned());
        }
        let errors = String::from_utf8_lossy(&output.stderr);
        Err(io::Error::other(format!(
            "rabbitmqctl list_{what}: {errors}"
        )))
    }

    /// Has the broker write down now what quorum queues it has. By itself it does so up to a second after a queue was made;
    /// killed before, it loses the queue's messages and finds no leader for it, ever again.
    pub fn settle(&self) -> io::Result<()> {
        self.evaluate("[dets:sync(Table) || Table <- dets:all()].")
            .map(|_| ())
    }

    /// Ends the broker as `kill -9` does. See [`RabbitMq::settle`] where it has not run for long.
    pub fn kill(&mut self) -> io::Result<()> {
        self.broker
            .take()
            .map_or(Ok(()), |mut broker| broker.kill())
    }

    /// Stops the broker as an administrator does.
    pub fn stop(&mut self) -> io::Result<()> {
        let Some(mut broker) = self.broker.take() else {
            return Ok(());
        };
        broker.signal(Signal::TERM)?;
        broker.wait().map(|_| ())
    }

    /// Starts the broker again after [`RabbitMq::kill`] or [`RabbitMq::stop`], with what it kept, where it was.
    pub fn restart(&mut self) -> io::Result<()> {
        self.run()
    }

    /// Gives the broker's process, while it runs.
    pub fn process(&self) -> Option<Process> {
        self.broker.as_ref().map(Kept::process)
    }

    fn prepare(&mut self, lines: &str) -> io::Result<()> {
        let path = self.home.path();
        for directory in ["mnesia", "log"] {
            fs::create_dir(path.join(directory))?;
        }
        fs::write(path.join("plugins"), "[].")?;
        let configuration = format!(
            "listeners.tcp.1 = {}\ndisk_free_limit.absolute = {DISK_FREE}\nmax_message_size = {MAX_MESSAGE}\n\
             log.console = false\nlog.file.level = warning\n{lines}\n",
            self.address()
        );
        fs::write(path.join("rabbitmq.conf"), configuration)?;
        // The broker would start a daemon of its own, which nothing could find again.
        let mut epmd = self.home.command("epmd");
        epmd.args([
            "-address",
            "127.0.0.1",
            "-port",
            &self.ports.epmd.to_string(),
        ])
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null());
        self.epmd = Some(Kept::start(epmd)?);
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, self.ports.epmd));
        let listens = comes_true_within(Duration::from_secs(10), || {
            TcpStream::connect(address).is_ok()
        });
        if listens {
            Ok(())
        } else {
            Err(io::Error::other("epmd does not listen"))
        }
    }

    fn run(&mut self) -> io::Result<()> {
        let log = self.home.path().join("console.log");
        let mut command = self.command("rabbitmq-server");
        command
            .stdin(Stdio::null())
            .stdout(File::create(&log)?)
            .stderr(File::options().append(true).open(&log)?);
        let mut broker = Kept::start(command)?;
        let deadline = Instant::now() + START;
        // Whoever does not understand AMQP is told so, and whoever does is greeted: the listener comes last.
        while !greets(self.address()) {
            let ended = broker.ended()?;
            if ended.is_some() || Instant::now() >= deadline {
                let said = fs::read_to_string(&log).unwrap_or_default();
                return Err(io::Error::other(format!(
                    "rabbitmq-server did not start ({ended:?}): {said}"
                )));
            }
            comes_true_within(Duration::from_millis(100), || false);
        }
        self.broker = Some(broker);
        Ok(())
    }

    fn command(&self, program: &str) -> Command {
        let path = self.home.path();
        let file = |name: &str| path.join(name).into_os_string();
        let interface = "-kernel inet_dist_use_interface {127,0,0,1}";
        let mut command = self.home.command(PathBuf::from(PROGRAMS).join(program));
        command
            .env("RABBITMQ_CONF_ENV_FILE", "/dev/null")
            .env("RABBITMQ_CONFIG_FILE", file("rabbitmq.conf"))
            // Together: the broker takes the place of the script, so that the pid is its own.
            .env("RABBITMQ_ALLOW_INPUT", "true")
            .env("RABBITMQ_SERVER_START_ARGS", "-noinput +B i")
            .env("RABBITMQ_NODENAME", "test@localhost")
            .env("RABBITMQ_NODE_IP_ADDRESS", "127.0.0.1")
            .env("RABBITMQ_NODE_PORT", self.ports.amqp.to_string())
            .env("RABBITMQ_DIST_PORT", self.ports.distribution.to_string())
            .env("RABBITMQ_MNESIA_BASE", file("mnesia"))
            .env("RABBITMQ_LOG_BASE", file("log"))
            .env("RABBITMQ_ENABLED_PLUGINS_FILE", file("plugins"))
            .env("RABBITMQ_PID_FILE", file("pid"))
            .env("RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS", interface)
            .env("RABBITMQ_CTL_ERL_ARGS", interface)
            .env("ERL_EPMD_PORT", self.ports.epmd.to_string())
            .env("ERL_EPMD_ADDRESS", "127.0.0.1");
        command
    }
}

impl Ports {
    /// Chooses three that nobody listens on now.
    fn free() -> io::Result<Ports> {
        let listeners: Vec<TcpListener> = (0..3)
            .map(|_| TcpListener::bind((Ipv4Addr::LOCALHOST, 0)))
            .collect::<Result<_, _>>()?;
        let port = |index: usize| listeners[index].local_addr().map(|address| address.port());
        Ok(Ports {
            amqp: port(0)?,
            distribution: port(1)?,
            epmd: port(2)?,
        })
    }
}

/// Removes the homes of brokers whose test was killed. The brokers themselves died with it.
fn sweep() {
    for home in fs::read_dir("/tmp").into_iter().flatten().flatten() {
        let lock = home.path().join(LOCK);
        let free = File::open(&lock).is_ok_and(|lock| lock.try_lock().is_ok());
        if free {
            // Another test may be about the same.
            let _ = fs::remove_dir_all(home.path());
        }
    }
}

/// Tells whether somebody answers the AMQP greeting with a method frame.
fn greets(address: SocketAddr) -> bool {
    let greeted = || -> io::Result<u8> {
        let mut stream = TcpStream::connect_timeout(&address, Duration::from_secs(2))?;
        stream.set_read_timeout(Some(Duration::from_secs(5)))?;
        stream.write_all(b"AMQP\0\0\x09\x01")?;
        let mut first = [0];
        stream.read_exact(&mut first)?;
        Ok(first[0])
    };
    greeted().is_ok_and(|kind| kind == 1)
}

/// A broker to test with: the one that [`URL`] names, or a private one.
pub enum Broker {
    /// It was there before and will be there after.
    Given(String),
    /// It is this value's own.
    Private(Box<RabbitMq>),
}

impl Broker {
    /// Takes the broker that is named, or starts one.
    pub fn get() -> io::Result<Broker> {
        match std::env::var(URL) {
            Ok(url) => Ok(Broker::Given(url)),
            Err(_) => RabbitMq::start().map(|broker| Broker::Private(Box::new(broker))),
        }
    }

    /// Gives its URL.
    pub fn url(&self) -> String {
        match self {
            Broker::Given(url) => url.clone(),
            Broker::Private(broker) => broker.url(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    // One test: a broker takes its time to start.
    #[test]
    fn a_broker_speaks_amqp_keeps_its_address_over_a_kill_and_leaves_nothing() {
        let mut broker = RabbitMq::start().expect("started");
        let (address, home) = (broker.address(), broker.home.path().to_owned());
        assert!(greets(address));
        assert!(
            broker
                .vhost()
                .expect("a vhost")
                .contains(&address.port().to_string())
        );
        broker.kill().expect("killed");
        assert!(!greets(address));
        broker.restart().expect("started again");
        assert!(greets(address));
        let listeners = broker.home.left_running();
        assert!(!listeners.is_empty());
        drop(broker);
        assert!(!home.exists());
        assert!(
            listeners.iter().all(|process| !process.is_alive()),
            "{listeners:?}"
        );
    }
}
