//! A host whose Claude Code is a stand-in that does what it is ordered to, and a client that follows it.

use std::fs;
use std::io::Write;
use std::path::PathBuf;
use std::time::Instant;

use futures::StreamExt;
use futures::stream::BoxStream;
use rustix::fs::{CWD, FileType, Mode, mknodat};
use stratavore_rpc::{Status, v1};
use stratavore_testkit::{TempHome, binary, wait_until_async};
use tokio::time::timeout;

use super::{Host, SOON};

/// Starts a host with these settings that takes the stand-in for Claude Code, with a project `p`.
pub async fn host(settings: &str) -> Host {
    host_in(TempHome::new(), settings).await
}

/// Starts one in directories that were made ready.
pub async fn host_in(home: TempHome, settings: &str) -> Host {
    let stand_in = binary::stand_in();
    let settings = format!("[programs]\nclaude = {stand_in:?}\n{settings}");
    fs::write(home.config_file(), settings).unwrap();
    Host::in_home(home).await
}

/// Does what it is ordered to, until its host is dropped.
pub struct StandIn {
    pub name: String,
    orders: fs::File,
}

impl StandIn {
    /// Launches one in the project `p`.
    pub async fn launch(host: &Host, name: &str) -> Self {
        Self::launch_as(host, name, v1::LaunchRequest::default()).await
    }

    /// Launches one as the request says besides.
    pub async fn launch_as(host: &Host, name: &str, request: v1::LaunchRequest) -> Self {
        let path = host.home.path().join(format!("orders-{name}"));
        mknodat(CWD, &path, FileType::Fifo, Mode::RUSR | Mode::WUSR, 0).unwrap();
        // For reading too, so that opening it waits for nobody; it is read by the stand-in alone.
        let orders = fs::File::options().read(true).write(true).open(&path);
        let mut request = v1::LaunchRequest {
            program: request.program.or_else(|| Some("claude".into())),
            name: Some(name.into()),
            ..request
        };
        if request.project.is_empty() {
            request.project = "p".into();
        }
        request.env.push(v1::EnvVar {
            key: "STRATAVORE_STAND_IN".into(),
            value: path.to_str().unwrap().into(),
        });
        host.try_launch(request).await.unwrap();
        Self {
            name: name.into(),
            orders: orders.unwrap(),
        }
    }

    /// Gives an order.
    pub fn order(&mut self, order: &str) {
        self.orders
            .write_all(format!("{order}\n").as_bytes())
            .unwrap();
    }

    /// Orders it to report a state, and waits until that is known.
    pub async fn reports(&mut self, host: &Host, state: &str) -> v1::Runner {
        self.order(&format!("report state={state}:app=claude-code"));
        self.needs(host, state).await
    }

    /// Waits until it needs this of a person.
    pub async fn needs(&self, host: &Host, state: &str) -> v1::Runner {
        let needs = |runner: &v1::Runner| {
            let attention = runner.attention.as_ref();
            attention.is_some_and(|attention| attention.state == state)
        };
        host.until(&self.name, needs).await
    }
}

/// The file that the stand-in keeps of its process.
pub async fn pid_file(host: &Host, name: &str) -> PathBuf {
    let pid = host.runner(name).await.pid.expect("it runs");
    host.home
        .home()
        .join(format!(".claude/sessions/{pid}.json"))
}

/// Follows one runner as the window does: a nudge says that something changed, a question what.
pub struct Follower<'h> {
    host: &'h Host,
    runner: String,
    nudges: BoxStream<'static, Result<v1::Nudge, Status>>,
}

impl<'h> Follower<'h> {
    pub async fn of(host: &'h Host, runner: &str) -> Self {
        let nudges = host.client().watch(v1::WatchRequest {}).await.unwrap();
        Self {
            host,
            runner: host.runner(runner).await.id,
            nudges: nudges.into_inner().boxed(),
        }
    }

    /// Waits until the runner is known to be in a state, and tells when that was.
    pub async fn knows(&mut self, state: &str) -> Instant {
        let heard = timeout(SOON, async {
            loop {
                let nudge = self.nudges.next().await.expect("the host tells on");
                let nudge = nudge.unwrap();
                if nudge.entity != "status" && nudge.id != self.runner {
                    continue;
                }
                let attention = self.host.runner(&self.runner).await.attention;
                if attention.is_some_and(|attention| attention.state == state) {
                    return Instant::now();
                }
            }
        });
        let told = heard.await;
        told.unwrap_or_else(|_| panic!("no client was told that the runner is {state}"))
    }
}

/// Waits until a person is owed notifications of this edge, and returns them.
pub async fn told(host: &Host, edge: &str) -> Vec<v1::Notification> {
    wait_until_async(SOON, "a notification", async || {
        let mut told = host.notifications().await;
        told.retain(|told| told.edge == edge);
        if told.is_empty() {
            Err(host.log())
        } else {
            Ok(told)
        }
    })
    .await
}
