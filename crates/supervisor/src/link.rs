//! Keeps in touch with one agent.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use stratavore_core::clock::Timestamp;
use stratavore_core::fact::Fact;
use stratavore_core::ids::RunnerId;
use stratavore_core::launch::{Ceiling, CeilingAction};
use stratavore_core::runner::{Input, Process, Runner, State};
use stratavore_programs::ProcessId;
use stratavore_store::{Heartbeat, Observation};
use stratavore_wire::client::{Connection, Receiver, Sender};
use stratavore_wire::{Attached, Message, Refusal, Stop, Viewers};
use tokio::sync::{Notify, mpsc, oneshot};
use tokio::time::Instant;
use tracing::{debug, info, warn};

use crate::attention::{self, Watch};
use crate::supervisor::{Change, Inner};
use crate::{observe, process, spawn};

/// Where the desktop's own window says that it is.
const WINDOW: &str = "window";

/// What an agent said last that is true only while it lives, and therefore never stored.
#[derive(Clone, Debug, Default)]
pub struct Live {
    /// Who looks on.
    pub attached: Vec<Attached>,
    /// What the program reported of itself.
    pub report: Option<Reported>,
}

/// A report of a program, by its own words (OSC 7501).
#[derive(Clone, Debug)]
pub struct Reported {
    /// When it came.
    pub at: Timestamp,
    /// The words, free of control characters.
    pub text: String,
}

/// A connection to the agent of one attempt.
pub(crate) struct Link {
    pub(crate) attempt: u32,
    commands: mpsc::UnboundedSender<Message>,
    heard: Mutex<Instant>,
    live: Mutex<Live>,
    watch: Mutex<Watch>,
    /// Told when a hook was heard.
    pub(crate) asked: Notify,
    /// Held by whoever writes what is kept of the attempt.
    pub(crate) keeping: tokio::sync::Mutex<()>,
    /// Who waits to be told whether an answer to a hook was in time.
    answering: Mutex<HashMap<u64, oneshot::Sender<bool>>>,
    /// Why the agent refuses prompts and tools, as it was told last; nothing: it was not told yet.
    gate: Mutex<Option<Option<String>>>,
}

impl Link {
    /// Tells the agent something. That it is gone by now will be seen by its link's end.
    pub(crate) fn tell(&self, message: Message) {
        let _ = self.commands.send(message);
    }

    /// Returns when the agent last said anything, by a clock that never jumps.
    pub(crate) fn heard(&self) -> Instant {
        *self.heard.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Returns what the agent said last of what is true now.
    pub(crate) fn live(&self) -> Live {
        self.knows().clone()
    }

    /// Tells whether somebody looks at its terminal. Whether the desktop's own window is looked at the desktop alone knows.
    pub(crate) fn is_looked_at(&self) -> bool {
        let live = self.knows();
        live.attached.iter().any(|viewer| viewer.place != WINDOW)
    }

    /// Makes an adopted agent agree with what its runner is, where it is not known to do so.
    pub(crate) fn agree(&self, state: &State, frozen: Option<bool>) {
        match *state {
            State::Paused { .. } if frozen != Some(true) => self.tell(Message::Freeze),
            State::Running { .. } if frozen != Some(false) => self.tell(Message::Thaw),
            State::Stopping { grace_ms, .. } => self.tell(Message::Stop(Stop { grace_ms })),
            _ => {}
        }
    }

    pub(crate) fn watch(&self) -> MutexGuard<'_, Watch> {
        self.watch.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits to hear whether the answer to a hook was in time.
    pub(crate) fn answering(&self, hook: u64, taken: oneshot::Sender<bool>) {
        self.answers().insert(hook, taken);
    }

    /// Notes what the agent is told of budgets, and whether that is news to it.
    pub(crate) fn gates(&self, reason: Option<String>) -> bool {
        let mut gate = self.gate.lock().unwrap_or_else(PoisonError::into_inner);
        let news = gate.as_ref() != Some(&reason);
        *gate = Some(reason);
        news
    }

    fn answered(&self, hook: u64, in_time: bool) {
        if let Some(waits) = self.answers().remove(&hook) {
            // Who waited has given up by now.
            let _ = waits.send(in_time);
        }
    }

    fn answers(&self) -> MutexGuard<'_, HashMap<u64, oneshot::Sender<bool>>> {
        self.answering
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }

    fn knows(&self) -> MutexGuard<'_, Live> {
        self.live.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn hears(&self) {
        *self.heard.lock().unwrap_or_else(PoisonError::into_inner) = Instant::now();
    }
}

/// Begins to keep in touch, as a task of its own. `agent`: the adopted one; one that is launched tells it when it accepts.
/// `resumed`: the session that an attempt after the first goes on with.
pub(crate) fn begin(
    inner: &Arc<Inner>,
    runner: &Runner,
    attempt: u32,
    connection: Connection,
    agent: Option<u32>,
    resumed: Option<String>,
) -> Arc<Link> {
    let mut watch = attention::begin(inner, runner, attempt, resumed);
    if let (Some(process), Some(at)) = (runner.state.process(), runner.state.started_at())
        && runner.state.attempt() == attempt
    {
        watch.started(process_id(process), at);
    }
    let (commands, queue) = mpsc::unbounded_channel();
    let link = Arc::new(Link {
        attempt,
        commands,
        heard: Mutex::new(Instant::now()),
        live: Mutex::default(),
        watch: Mutex::new(watch),
        asked: Notify::new(),
        keeping: tokio::sync::Mutex::default(),
        answering: Mutex::default(),
        gate: Mutex::default(),
    });
    inner.links().insert(runner.id, Arc::clone(&link));
    inner.linked.notify_one();
    inner.tracker.spawn(attention::learn(
        Arc::clone(inner),
        runner.clone(),
        Arc::clone(&link),
    ));
    inner.budgets.gate(inner, runner, &link);
    let (sender, receiver) = connection.into_split();
    let task = Task {
        inner: Arc::clone(inner),
        runner: runner.id,
        attempt,
        ceiling: runner.launch.ceiling,
        over: false,
        seen: None,
        agent_pid: agent,
        launching: agent.is_none(),
        link: Arc::clone(&link),
    };
    inner.tracker.spawn(task.run(sender, receiver, queue));
    link
}

struct Task {
    inner: Arc<Inner>,
    runner: RunnerId,
    attempt: u32,
    ceiling: Option<Ceiling>,
    over: bool,
    /// What its last heartbeat said.
    seen: Option<Observation>,
    agent_pid: Option<u32>,
    launching: bool,
    link: Arc<Link>,
}

impl Task {
    async fn run(
        mut self,
        mut sender: Sender,
        mut receiver: Receiver,
        mut queue: mpsc::UnboundedReceiver<Message>,
    ) {
        loop {
            tokio::select! {
                () = self.inner.cancel.cancelled() => return,
                command = queue.recv() => {
                    let Some(command) = command else { break };
                    if let Err(error) = sender.send(&command).await {
                        debug!(runner = %self.runner, %error, "cannot tell the agent");
                        break;
                    }
                }
                message = receiver.recv() => match message {
                    Ok(Some(Message::Ended) | None) => break,
                    Ok(Some(message)) => {
                        self.link.hears();
                        self.take(message).await;
                    }
                    Err(error) => {
                        warn!(runner = %self.runner, %error, "the connection to an agent failed");
                        break;
                    }
                }
            }
        }
        self.end().await;
    }

    async fn take(&mut self, message: Message) {
        let (runner, attempt) = (self.runner, self.attempt);
        match message {
            Message::Welcome(welcome) => self.agent_pid = u32::try_from(welcome.agent_pid).ok(),
            Message::Started(started) => {
                self.launching = false;
                let process = observe::program(started.program);
                let at = observe::time(started.at);
                let known = process_id(&process);
                self.inner.attend(runner, &self.link, |watch| {
                    watch.started(known, at);
                    false
                });
                // Its pid file has a name now.
                self.inner.linked.notify_one();
                self.inner
                    .tell(
                        runner,
                        Input::Started {
                            attempt,
                            process,
                            at,
                        },
                    )
                    .await;
            }
            Message::SpawnFailed(failed) => {
                self.launching = false;
                let input = Input::CouldNotStart {
                    attempt,
                    code: failed.code.word().to_owned(),
                    message: failed.message,
                    at: observe::time(failed.at),
                };
                self.inner.tell(runner, input).await;
            }
            Message::Exited(exited) if exited.interrupted => {
                let input = Input::Lost {
                    attempt,
                    interrupted: true,
                };
                self.inner.tell(runner, input).await;
            }
            Message::Exited(exited) => {
                let input = Input::Exited {
                    attempt,
                    exit: observe::exit(exited.exit),
                    at: observe::time(exited.at),
                };
                self.inner.tell(runner, input).await;
            }
            Message::Heartbeat(heartbeat) => self.observe(&heartbeat).await,
            Message::Viewers(viewers) => self.looked_on(viewers).await,
            Message::Report(report) => {
                let at = observe::time(report.at);
                self.inner.attend(runner, &self.link, |watch| {
                    watch.reported(&report.text, at);
                    false
                });
                self.link.knows().report = Some(Reported {
                    at,
                    text: report.text,
                });
                self.inner.changed(Change::Observations);
            }
            Message::Hooked(hooked) => {
                let at = observe::time(hooked.at);
                self.inner.hooked(runner, &self.link, &hooked, at);
            }
            Message::HookGone(gone) => {
                self.link.answered(gone.id, gone.answered);
                self.inner.attend(runner, &self.link, |watch| {
                    watch.hook_gone(gone.id);
                    false
                });
            }
            Message::Refused(refused) => self.refused(refused.code, refused.message).await,
            Message::Stopped(stopped) => {
                info!(%runner, killed = stopped.killed, "the tree has ended")
            }
            Message::Frozen(frozen) => {
                debug!(%runner, frozen = frozen.frozen, "the tree is paused or goes on")
            }
            other => debug!(%runner, message = other.name(), "an agent said something else"),
        }
    }

    async fn refused(&mut self, code: Refusal, message: String) {
        match code {
            // Another agent has or had this attempt: what became of it is on disk.
            Refusal::AlreadyRunning | Refusal::AlreadyAttempted => {
                info!(runner = %self.runner, attempt = self.attempt, "the attempt exists already");
                self.launching = false;
            }
            _ if self.launching => {
                self.launching = false;
                let code = "refused".to_owned();
                let input = Input::CouldNotStart {
                    attempt: self.attempt,
                    code,
                    message,
                    at: self.inner.clock.now(),
                };
                self.inner.tell(self.runner, input).await;
            }
            _ => warn!(runner = %self.runner, message, "an agent refused"),
        }
    }

    async fn observe(&mut self, heartbeat: &stratavore_wire::Heartbeat) {
        let observation = Observation {
            at: observe::time(heartbeat.at),
            cpu_percent: f64::from(heartbeat.cpu_percent),
            memory_bytes: heartbeat.memory_bytes,
            viewers: heartbeat.viewers,
            title: Some(heartbeat.title.clone()).filter(|title| !title.is_empty()),
        };
        let (cpu, at) = (observation.cpu_percent, observation.at);
        self.inner.attend(self.runner, &self.link, |watch| {
            watch.used(cpu, at);
            if let Some(title) = &observation.title {
                watch.titled(title, at);
            }
            false
        });
        self.check_ceiling(&observation).await;
        self.seen = Some(observation.clone());
        self.record(observation).await;
    }

    /// Tells at once who looks on: what else was seen is that of the last heartbeat.
    async fn looked_on(&mut self, viewers: Viewers) {
        self.link.knows().attached = viewers.attached;
        self.inner.changed(Change::Observations);
        if let Some(seen) = &mut self.seen {
            seen.at = self.inner.clock.now();
            seen.viewers = viewers.count;
            let observation = seen.clone();
            self.record(observation).await;
        }
    }

    async fn record(&self, observation: Observation) {
        let (runner, attempt) = (self.runner, self.attempt);
        if self
            .inner
            .heartbeats
            .send(Heartbeat {
                runner,
                attempt,
                observation,
            })
            .await
            .is_err()
        {
            debug!(%runner, "a heartbeat came after the end");
        }
    }

    /// Acts once when a ceiling is exceeded, and again only after the runner was below it.
    async fn check_ceiling(&mut self, observation: &Observation) {
        let Some(ceiling) = self.ceiling else { return };
        let Some(excess) = ceiling.exceeded(observation.memory_bytes, observation.cpu_percent)
        else {
            self.over = false;
            return;
        };
        if std::mem::replace(&mut self.over, true) {
            return;
        }
        let fact = Fact::OverCeiling {
            attempt: self.attempt,
            excess,
            action: ceiling.action,
        };
        let now = self.inner.clock.now();
        if let Err(error) = self.inner.store.note(self.runner, fact, now).await {
            warn!(runner = %self.runner, error = &error as &dyn std::error::Error, "cannot note an exceeded ceiling");
        }
        self.inner.changed(Change::Notices);
        match ceiling.action {
            CeilingAction::Notify => {}
            CeilingAction::Pause => self.inner.tell(self.runner, Input::Pause).await,
            CeilingAction::Stop => {
                let grace = self.inner.config().stop_grace();
                self.inner.tell(self.runner, Input::Stop { grace }).await;
            }
        }
    }

    /// Looks after what the agent leaves, once it is truly gone.
    async fn end(self) {
        if self.launching {
            let dir = self.inner.places.attempt_dir(self.runner, self.attempt);
            // It died before it accepted the launch. If it recorded nothing, trying again would fail again.
            if matches!(
                observe::observe(&dir, &process::boot_id()),
                Ok(stratavore_core::plan::Attempt::Absent)
            ) {
                let agent = spawn::find_agent().unwrap_or_default();
                let error = spawn::SpawnError::Mute {
                    agent,
                    said: spawn::last_words(&dir),
                };
                let input = Input::CouldNotStart {
                    attempt: self.attempt,
                    code: "agent".to_owned(),
                    message: error.to_string(),
                    at: self.inner.clock.now(),
                };
                self.inner.tell(self.runner, input).await;
            }
        }
        self.inner.stopping().remove(&(self.runner, self.attempt));
        // Its lock goes when the process does, a moment after its connection.
        if let Some(pid) = self.agent_pid {
            tokio::select! {
                () = process::ended(pid) => {}
                // It lives on though this connection does not: the next pass finds its lock held, and adopts it.
                () = tokio::time::sleep(Inner::ANSWER) => {}
                () = self.inner.cancel.cancelled() => return,
            }
        }
        {
            let mut links = self.inner.links();
            if links
                .get(&self.runner)
                .is_some_and(|link| Arc::ptr_eq(link, &self.link))
            {
                links.remove(&self.runner);
            }
        }
        self.inner.changed(Change::Runner(self.runner));
        self.inner.nudge.notify_one();
    }
}

fn process_id(process: &Process) -> ProcessId {
    ProcessId {
        pid: process.pid,
        started_ticks: process.start_time,
    }
}
