//! The host: found, started when there is none, asked.

mod start;

use std::path::Path;
use std::time::Duration;

use stratavore_core::places::Places;
use stratavore_rpc::{Client, Code, ConnectError, HostRecord, v1};
use tokio::time::{Instant, sleep, timeout};
use tonic::{Response, Status};

use self::start::Starting;
pub(crate) use self::start::find as stratavored;
use crate::failure::{Failure, Result};

/// How long a host may take from its start, or from taking its lock, to its first answer.
const READY_DEADLINE: Duration = Duration::from_secs(10);
/// How long a host that went away may take to come back before another is started.
const RETURN_DEADLINE: Duration = Duration::from_secs(5);
/// How long a host may take over a request that waits for nothing. Capturing the login environment is the slowest.
const REQUEST_DEADLINE: Duration = Duration::from_secs(150);
/// How often the places are looked at while waiting for a host.
const LOOK_INTERVAL: Duration = Duration::from_millis(10);

/// Whether a host may be started.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Start {
    Allowed,
    Refused,
}

/// A host that answers.
#[derive(Debug)]
pub(crate) struct Host {
    pub(crate) record: HostRecord,
    client: Client,
    places: Places,
    start: Start,
}

impl Host {
    /// Reaches the host of these places. One is started, after `check` has found nothing wrong, when nobody holds its
    /// lock: the lock, which the started one takes, is what keeps two from running.
    pub(crate) async fn reach(
        places: &Places,
        start: Start,
        check: impl FnOnce() -> Result,
    ) -> Result<Self> {
        let mut check = Some(check);
        let mut starting: Option<Starting> = None;
        let deadline = Instant::now() + READY_DEADLINE;
        loop {
            let seen = Self::connect(places, start).await;
            let overdue = Instant::now() >= deadline;
            match seen {
                Ok(host) => return Ok(host),
                Err(ConnectError::NoHost(_)) if start == Start::Allowed => match &mut starting {
                    None => {
                        check.take().map_or(Ok(()), |check| check())?;
                        starting = Some(Starting::new()?);
                    }
                    Some(starting) => {
                        // Of two started at once one ends, because the other took the lock since we looked.
                        let failed = starting.has_exited()
                            && matches!(stratavore_rpc::find(places), Err(ConnectError::NoHost(_)));
                        if failed || overdue {
                            return Err(starting.failure(overdue));
                        }
                    }
                },
                // A record left by a host that was killed, or one that is just coming or going.
                Err(ConnectError::NotReady(_) | ConnectError::Unreachable { .. }) if !overdue => {}
                Err(error) => return Err(error.into()),
            }
            sleep(LOOK_INTERVAL).await;
        }
    }

    async fn connect(places: &Places, start: Start) -> Result<Self, ConnectError> {
        let record = stratavore_rpc::find(places)?;
        let client = stratavore_rpc::connect(&record.socket).await?;
        Ok(Self {
            record,
            client,
            places: places.clone(),
            start,
        })
    }

    /// Reaches a host again after this one went away: the one that follows it, or, in its absence, one of our own.
    pub(crate) async fn reach_again(&mut self) -> Result {
        let follower = timeout(RETURN_DEADLINE, self.await_follower()).await;
        if follower.is_err() {
            *self = Self::reach(&self.places, self.start, || Ok(())).await?;
        }
        Ok(())
    }

    /// Waits until a host answers again, without starting one.
    pub(crate) async fn await_follower(&mut self) {
        loop {
            // Before looking, so that a host that answers but serves nothing is not asked without pause.
            sleep(Duration::from_millis(50)).await;
            if let Ok(host) = Self::connect(&self.places, self.start).await {
                *self = host;
                return;
            }
        }
    }

    /// Asks for something that is answered without waiting for anything.
    pub(crate) async fn ask<T>(
        &mut self,
        request: impl AsyncFnOnce(&mut Client) -> Result<Response<T>, Status>,
    ) -> Result<T> {
        Ok(self.ask_in_time(request).await?)
    }

    async fn ask_in_time<T>(
        &mut self,
        request: impl AsyncFnOnce(&mut Client) -> Result<Response<T>, Status>,
    ) -> Result<T, Status> {
        match timeout(REQUEST_DEADLINE, request(&mut self.client)).await {
            Ok(reply) => reply.map(Response::into_inner),
            Err(_) => {
                let (pid, seconds) = (self.record.pid, REQUEST_DEADLINE.as_secs());
                let message = format!("the host (pid {pid}) has not answered for {seconds} s");
                Err(stratavore_rpc::Failure::new(Code::Timeout, message)
                    .hint("see its logs; `stratavore status` tells the data directory they are in")
                    .into())
            }
        }
    }

    /// Asks for something that takes as long as it takes.
    pub(crate) async fn await_reply<T>(
        &mut self,
        request: impl AsyncFnOnce(&mut Client) -> Result<Response<T>, Status>,
    ) -> Result<T> {
        Ok(request(&mut self.client).await?.into_inner())
    }

    /// The connection itself, for streams.
    pub(crate) const fn client(&mut self) -> &mut Client {
        &mut self.client
    }

    pub(crate) async fn status(&mut self) -> Result<v1::Status> {
        self.ask(async |client| client.get_status(v1::StatusRequest {}).await)
            .await
    }

    /// Gives the runner of a name, id or prefix.
    pub(crate) async fn runner(&mut self, runner: &str) -> Result<v1::Runner> {
        let runner = runner.to_owned();
        self.ask(async |client| client.get_runner(v1::RunnerRef { runner }).await)
            .await
    }

    pub(crate) async fn runners(
        &mut self,
        project: Option<String>,
        all: bool,
    ) -> Result<Vec<v1::Runner>> {
        let request = v1::ListRunnersRequest { project, all };
        Ok(self
            .ask(async |client| client.list_runners(request).await)
            .await?
            .runners)
    }

    /// Gives every setting, with a project's own.
    pub(crate) async fn settings(&mut self, project: Option<&str>) -> Result<Vec<v1::Setting>> {
        let request = v1::ConfigRequest {
            project: project.map(str::to_owned),
        };
        Ok(self
            .ask(async |client| client.get_config(request).await)
            .await?
            .settings)
    }

    pub(crate) async fn terminal(&mut self, runner: &str) -> Result<v1::Terminal> {
        let runner = runner.to_owned();
        self.ask(async |client| client.get_terminal(v1::RunnerRef { runner }).await)
            .await
    }

    /// Launches. A host that dies over it is asked again: the request's id makes two requests one launch.
    pub(crate) async fn launch(&mut self, request: v1::LaunchRequest) -> Result<v1::Runner> {
        let first = request.clone();
        match self
            .ask_in_time(async |client| client.launch(first).await)
            .await
        {
            Err(status) if is_lost(&status) => {
                self.reach_again().await?;
                self.ask(async |client| client.launch(request).await).await
            }
            reply => Ok(reply?),
        }
    }

    /// Stops, for as long as it takes. A host that dies over it is asked again: two stops are one.
    pub(crate) async fn stop(&mut self, request: v1::StopRequest) -> Result<Vec<v1::Runner>> {
        let lost = match self.client.stop(request.clone()).await {
            Err(status) if is_lost(&status) => Failure::from(status),
            reply => return Ok(reply?.into_inner().runners),
        };
        self.reach_again().await?;
        match (self.client.stop(request.clone()).await, request.target) {
            (Ok(reply), _) => Ok(reply.into_inner().runners),
            // The first stop may have done it.
            (Err(status), Some(v1::stop_request::Target::Runner(name))) => {
                let refused = if is_lost(&status) {
                    lost
                } else {
                    status.into()
                };
                match self.runner(&name).await {
                    Ok(runner) if crate::runner::has_ended(&runner) => Ok(vec![runner]),
                    _ => Err(refused),
                }
            }
            (Err(status), _) => Err(status.into()),
        }
    }

    /// Waits until a runner, named by its id, is as `done` wants it; outlives restarts of the host.
    pub(crate) async fn runner_after(
        &mut self,
        id: &str,
        done: impl Fn(&v1::Runner) -> bool,
    ) -> Result<v1::Runner> {
        loop {
            match self.watch_runner(id, &done).await {
                Ok(runner) => return Ok(runner),
                Err(status) if is_lost(&status) => self.reach_again().await?,
                Err(status) => return Err(status.into()),
            }
        }
    }

    async fn watch_runner(
        &mut self,
        id: &str,
        done: impl Fn(&v1::Runner) -> bool,
    ) -> Result<v1::Runner, Status> {
        // Watching comes before looking: a change between the two would else be missed.
        let mut nudges = self.client.watch(v1::WatchRequest {}).await?.into_inner();
        loop {
            let runner = self
                .client
                .get_runner(v1::RunnerRef {
                    runner: id.to_owned(),
                })
                .await?
                .into_inner();
            if done(&runner) {
                return Ok(runner);
            }
            loop {
                match nudges.message().await? {
                    // What a runner needs is observed, and may change without its record.
                    Some(nudge) if matches!(nudge.entity.as_str(), "status" | "observations") => {
                        break;
                    }
                    Some(nudge) if nudge.entity == "runner" && nudge.id == id => break,
                    Some(_) => {}
                    None => return Err(Status::unavailable("the host went away")),
                }
            }
        }
    }

    /// Waits until nobody holds the host's lock, and tells whether that came in time.
    pub(crate) async fn await_end(self, deadline: Duration) -> bool {
        let Self { places, client, .. } = self;
        // A host that drains its connections must not wait for ours.
        drop(client);
        timeout(deadline, async {
            while !matches!(stratavore_rpc::find(&places), Err(ConnectError::NoHost(_))) {
                sleep(LOOK_INTERVAL).await;
            }
        })
        .await
        .is_ok()
    }
}

/// Tells whether a failure is the connection's rather than the host's own word.
pub(crate) fn is_lost(status: &Status) -> bool {
    use tonic::Code;
    status.metadata().get("stratavore-code").is_none()
        && matches!(
            status.code(),
            Code::Unavailable | Code::Cancelled | Code::Unknown | Code::Internal
        )
}

/// Renders a path for a sentence.
pub(crate) fn shown(path: &Path) -> String {
    crate::text::printable(&path.to_string_lossy()).into_owned()
}
