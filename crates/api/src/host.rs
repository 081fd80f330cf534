//! The host of a data directory: takes its lock, opens its store, supervises, and answers at its socket.

pub mod logs;
mod peer;
mod serve;
mod store;

use std::collections::BTreeMap;
use std::fs::{self, DirBuilder, File};
use std::io;
use std::os::unix::fs::{DirBuilderExt, MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use stratavore_core::clock::SystemClock;
use stratavore_core::config::{BadConfig, Config};
use stratavore_core::launch::RUNNER_VARIABLE;
use stratavore_core::places::{MAX_SOCKET_PATH, Places};
use stratavore_core::usage::{BadPrices, Prices};
use stratavore_rpc::HostRecord;
use stratavore_store::StoreError;
use stratavore_supervisor::broker::BrokerError;
use stratavore_supervisor::{Parts, Supervisor};
use stratavore_wire::lock;
use tokio::sync::{Mutex, mpsc};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use tracing::{error, info};

use crate::{Api, Local, v1};

pub(crate) use peer::Peer;
pub use serve::Clients;
use store::Opened;

/// Which program hosts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HostKind {
    /// The tray app.
    Desktop,
    /// The headless `stratavored`.
    Daemon,
}

impl HostKind {
    /// Returns its word.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Desktop => "desktop",
            Self::Daemon => "stratavored",
        }
    }
}

/// Why a host did not start.
#[derive(Debug, thiserror::Error)]
pub enum HostError {
    /// It would descend from a runner's agent, and end with that.
    #[error(
        "this is inside of the runner {0}, with which a host would end, and all that it starts with it; start it outside"
    )]
    Inside(String),
    /// The table of prices cannot be used.
    #[error("{0}; mend it, or unset prices.file")]
    Prices(BadPrices),
    /// Another host supervises this data directory.
    #[error("{} is supervised by another process", .0.display())]
    Held(PathBuf),
    /// What needs the data directory to itself is asked for while a host has it.
    #[error(
        "{0}; end it {1}, and run this again: its runners go on meanwhile, and the next host adopts them"
    )]
    HostRuns(String, &'static str),
    /// The settings are wrong.
    #[error(transparent)]
    Config(#[from] BadConfig),
    /// A file or directory cannot be used.
    #[error("cannot {operation} {}: {source}; {mend}", path.display())]
    Place {
        /// What was tried.
        operation: &'static str,
        /// On what.
        path: PathBuf,
        /// Why.
        source: io::Error,
        /// What to do.
        mend: &'static str,
    },
    /// A directory belongs to somebody else.
    #[error("{} belongs to user {owner}, not to you; point STRATAVORE_DATA_DIR or STRATAVORE_RUNTIME_DIR at a directory of your own", path.display())]
    Foreign {
        /// Which.
        path: PathBuf,
        /// Whose.
        owner: u32,
    },
    /// The socket would have too long a path.
    #[error("the socket path {} has {} bytes, more than the {MAX_SOCKET_PATH} that a Unix socket can have; set STRATAVORE_RUNTIME_DIR to a shorter directory", .0.display(), .0.as_os_str().len())]
    SocketPath(PathBuf),
    /// Runners of this machine's own store would be lost sight of.
    #[error(
        "{count} runners of this machine's own store have not ended, {runner} among them, and the shared database does not know them; \
         copy them with `stratavore db copy --from sqlite --to postgres`, or unset store.url and stop them first"
    )]
    LeftBehind {
        /// One of them.
        runner: String,
        /// How many there are.
        count: usize,
    },
    /// There is nothing to migrate or to copy to.
    #[error("store.url names no shared database; set it to postgres://USER:PASSWORD@HOST/NAME")]
    NotShared,
    /// The broker's address is none.
    #[error("broker.url: {0}")]
    Broker(BrokerError),
    /// The store cannot be used.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Reads the user's settings and lays the environment over them.
///
/// # Errors
/// [`HostError::Config`] for the first thing wrong, [`HostError::Place`] when the file cannot be read.
pub fn load_config(
    places: &Places,
    environment: &BTreeMap<String, String>,
) -> Result<Config, HostError> {
    let path = &places.config_file;
    let config = match fs::read_to_string(path) {
        Ok(text) => Config::default().with_user_file(path, &text)?,
        Err(error) if error.kind() == io::ErrorKind::NotFound => Config::default(),
        Err(source) => {
            return Err(HostError::Place {
                operation: "read the settings",
                path: path.clone(),
                source,
                mend: "give yourself the right to read it, or remove it",
            });
        }
    };
    Ok(config.with_env(environment)?)
}

/// Reads the table of prices: the built-in one, or that of the settings.
fn prices(config: &Config) -> Result<Prices, HostError> {
    let Some(path) = config.prices_file() else {
        return Ok(Prices::built_in());
    };
    let text = fs::read_to_string(path).map_err(|source| HostError::Place {
        operation: "read the table of prices",
        path: path.to_owned(),
        source,
        mend: "point prices.file at one that can be read, or unset it",
    })?;
    Prices::parse(&path.display().to_string(), &text).map_err(HostError::Prices)
}

/// How often, and after which pauses, a lock is tried again whose holder is not the host that was recorded.
const LOCK_PATIENCE: u32 = 100;
const LOCK_INTERVAL: Duration = Duration::from_millis(20);

/// How long clients may take to leave when the host ends.
const LEAVING: Duration = Duration::from_secs(1);

/// Hosts a supervisor until it is told to end. Runners go on.
pub struct Host {
    api: Arc<dyn Api>,
    supervisor: Supervisor,
    clients: Clients,
    asked: Mutex<mpsc::UnboundedReceiver<v1::ShutdownRequest>>,
    ended: CancellationToken,
    server: Mutex<Option<JoinHandle<()>>>,
    places: Places,
    socket: PathBuf,
    // Held for as long as this lives.
    _lock: File,
}

impl Host {
    /// Becomes the host of a data directory.
    ///
    /// # Errors
    /// [`HostError::Held`] when another is; otherwise what is wrong with the place, and how to mend it.
    pub async fn start(places: Places, kind: HostKind, config: Config) -> Result<Self, HostError> {
        if let Some(runner) = std::env::var_os(RUNNER_VARIABLE) {
            return Err(HostError::Inside(runner.to_string_lossy().into_owned()));
        }
        let lock = held_directory(&places).await?;
        private_directory(&places.runtime_dir)?;
        let broker = match config.broker_url() {
            Some(url) => Some(url.expose().parse().map_err(HostError::Broker)?),
            None => None,
        };
        let prices = prices(&config)?;
        let Opened { store, membership } = store::open(&places, &config).await?;
        let socket = places.host_socket(store.instance());
        if socket.as_os_str().len() > MAX_SOCKET_PATH {
            store.close().await;
            return Err(HostError::SocketPath(socket));
        }
        private_directory(&places.sockets(store.instance()))?;
        let listener = serve::bind(&socket)?;
        let record = HostRecord {
            host: kind.as_str().to_owned(),
            pid: std::process::id(),
            socket: socket.clone(),
            instance_id: store.instance().to_string(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
        };
        let supervisor = Supervisor::start(Parts {
            places: places.clone(),
            store,
            clock: Arc::new(SystemClock),
            config,
            environment: environment(),
            prices,
            broker,
            membership,
        });
        let ended = CancellationToken::new();
        let (shutdown, asked) = mpsc::unbounded_channel();
        let api: Arc<dyn Api> = Arc::new(Local::new(
            supervisor.clone(),
            kind,
            shutdown,
            ended.clone(),
        ));
        let clients = Clients::default();
        let server = tokio::spawn(serve::serve(
            listener,
            Arc::clone(&api),
            clients.clone(),
            ended.clone(),
        ));
        // Last, since whoever reads it expects an answer.
        write_record(&places, &record)?;
        info!(pid = record.pid, socket = %socket.display(), instance = %record.instance_id, "hosting as {}", record.host);
        Ok(Self {
            api,
            supervisor,
            clients,
            asked: Mutex::new(asked),
            ended,
            server: Mutex::new(Some(server)),
            places,
            socket,
            _lock: lock,
        })
    }

    /// Returns the api, in this process.
    #[must_use]
    pub fn api(&self) -> Arc<dyn Api> {
        Arc::clone(&self.api)
    }

    /// Returns the supervisor.
    #[must_use]
    pub const fn supervisor(&self) -> &Supervisor {
        &self.supervisor
    }

    /// Returns who is connected.
    #[must_use]
    pub const fn clients(&self) -> &Clients {
        &self.clients
    }

    /// Waits until a client asks this host to end.
    pub async fn closed(&self) {
        self.asked.lock().await.recv().await;
    }

    /// Ends hosting: clients are let go, what is in hand is finished, the store is closed. Runners go on.
    pub async fn shutdown(&self) {
        self.ended.cancel();
        if let Some(mut server) = self.server.lock().await.take() {
            match tokio::time::timeout(LEAVING, &mut server).await {
                Ok(Ok(())) => {}
                Ok(Err(error)) => error!(%error, "the server did not end well"),
                // A client that holds on to its connection does not hold us.
                Err(_) => server.abort(),
            }
        }
        self.supervisor.stop_supervising().await;
        self.supervisor.store().close().await;
        for left in [&self.places.host_record(), &self.socket] {
            let _ = fs::remove_file(left);
        }
        info!("hosting ended; runners go on");
    }
}

/// Takes the lock of a data directory, so that no host uses it meanwhile.
pub(crate) async fn held_directory(places: &Places) -> Result<File, HostError> {
    private_directory(&places.data_dir)?;
    take_lock(places).await
}

async fn take_lock(places: &Places) -> Result<File, HostError> {
    let path = places.host_lock();
    let mut patience = LOCK_PATIENCE;
    loop {
        match lock::take(&path) {
            Ok(Some(lock)) => return Ok(lock),
            // A host that was killed while it started a process leaves its lock with that process, until it executes.
            Ok(None) if patience > 0 && !recorded_host_lives(places) => {
                patience -= 1;
                tokio::time::sleep(LOCK_INTERVAL).await;
            }
            Ok(None) => return Err(HostError::Held(places.data_dir.clone())),
            Err(source) => {
                return Err(HostError::Place {
                    operation: "lock",
                    path,
                    source,
                    mend: "make the data directory writable, or set STRATAVORE_DATA_DIR to one that is",
                });
            }
        }
    }
}

/// Says which host has the data directory, and how it is ended.
pub(crate) fn running(places: &Places) -> HostError {
    let dir = places.data_dir.display();
    let (host, how) = match stratavore_rpc::find(places) {
        Ok(HostRecord { host, pid, .. }) if host == HostKind::Desktop.as_str() => (
            format!("the desktop app (pid {pid}) runs on {dir}"),
            "by its tray's \"Quit\"",
        ),
        Ok(HostRecord { host, pid, .. }) => (
            format!("the host {host} (pid {pid}) runs on {dir}"),
            "with `stratavore host stop`",
        ),
        // It is starting, or ending.
        Err(_) => (
            format!("a host runs on {dir}"),
            "with `stratavore host stop`",
        ),
    };
    HostError::HostRuns(host, how)
}

fn recorded_host_lives(places: &Places) -> bool {
    let record = fs::read(places.host_record())
        .ok()
        .and_then(|text| serde_json::from_slice(&text).ok());
    record
        .is_some_and(|record: HostRecord| Path::new("/proc").join(record.pid.to_string()).exists())
}

/// Makes a directory that only the user may enter, or takes away others' rights to it.
fn private_directory(path: &Path) -> Result<(), HostError> {
    let failed = |operation| {
        let path = path.to_owned();
        move |source| HostError::Place {
            operation,
            path,
            source,
            mend: "free the path and make what is above it writable, or point STRATAVORE_DATA_DIR and STRATAVORE_RUNTIME_DIR elsewhere",
        }
    };
    DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(path)
        .map_err(failed("make the directory"))?;
    let metadata = fs::metadata(path).map_err(failed("look at"))?;
    if metadata.uid() != rustix::process::geteuid().as_raw() {
        return Err(HostError::Foreign {
            path: path.to_owned(),
            owner: metadata.uid(),
        });
    }
    if metadata.permissions().mode() & 0o077 != 0 {
        fs::set_permissions(path, fs::Permissions::from_mode(0o700))
            .map_err(failed("close to others"))?;
    }
    Ok(())
}

fn write_record(places: &Places, record: &HostRecord) -> Result<(), HostError> {
    let path = places.host_record();
    let aside = path.with_extension("json.new");
    let text = serde_json::to_vec_pretty(record).unwrap_or_default();
    fs::write(&aside, text)
        .and_then(|()| fs::rename(&aside, &path))
        .map_err(|source| HostError::Place {
            operation: "write",
            path,
            source,
            mend: "free some space, and make the data directory writable",
        })
}

/// Returns this process's environment; what is no UTF-8 cannot be passed on as text.
#[must_use]
pub fn environment() -> BTreeMap<String, String> {
    std::env::vars_os()
        .filter_map(|(key, value)| Some((key.into_string().ok()?, value.into_string().ok()?)))
        .collect()
}
