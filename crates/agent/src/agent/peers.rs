//! Whoever connects: supervisors, viewers, clients, strangers.

use std::os::unix::net::UnixStream;
use std::time::{Duration, Instant};

use stratavore_wire::{Hello, LaunchSpec, Message, ProgramState, Refusal, Role, Welcome};

use super::Agent;
use crate::lent::Heard;
use crate::peer::{GREETING_TIMEOUT, Peer, Wanted};
use crate::screen::Size;

/// Names this build to peers.
const SOFTWARE: &str = concat!("stratavore-agent ", env!("CARGO_PKG_VERSION"));
/// Connections beside these are refused at once.
const PEERS_MAX: usize = 64;
/// So many are let in before those are heard that came: of a flood each has its turn, and none makes room for the next.
const AT_ONCE_MAX: usize = 16;

impl Agent {
    pub(super) fn accept(&mut self) {
        for _ in 0..AT_ONCE_MAX {
            let Ok((stream, _)) = self.parts.listener.accept() else {
                break;
            };
            let now = Instant::now();
            let id = self.next_peer;
            self.next_peer += 1;
            let Ok(mut peer) = Peer::new(id, stream, now) else {
                continue;
            };
            if !peer.is_ours() {
                peer.refuse(Refusal::WrongUser, "this runner belongs to another user");
                continue;
            }
            if self.parts.peers.len() >= PEERS_MAX {
                // A stranger that says nothing makes room before a peer is turned away.
                match self.parts.peers.iter().position(|peer| peer.role.is_none()) {
                    Some(stranger) => drop(self.parts.peers.remove(stranger)),
                    None => {
                        peer.refuse(
                            Refusal::TooManyPeers,
                            "too many are connected to this runner: close some viewers",
                        );
                        continue;
                    }
                }
            }
            self.parts.peers.push(peer);
        }
    }

    pub(super) fn hear(&mut self, buffer: &mut [u8]) {
        for index in 0..self.parts.peers.len() {
            if !std::mem::take(&mut self.parts.peers[index].ready) {
                continue;
            }
            self.parts.peers[index].receive(buffer);
            while let Some(message) = self.parts.peers[index].take_message() {
                self.handle(index, message);
            }
            self.parts.peers[index].flush();
        }
    }

    /// Takes what was typed in the terminals that viewers lend.
    pub(super) fn hear_typing(&mut self, buffer: &mut [u8]) {
        for index in 0..self.parts.peers.len() {
            let peer = &mut self.parts.peers[index];
            if !std::mem::take(&mut peer.typed) || peer.gone {
                continue;
            }
            match peer.lent().map_or(Heard::Nothing, |lent| lent.read(buffer)) {
                Heard::Programs(bytes) => self.type_in(index, bytes.to_vec()),
                Heard::Viewers(bytes) => {
                    let bytes = bytes.to_vec();
                    peer.send(&Message::Typed { bytes });
                }
                Heard::Nothing => {}
                Heard::Over => peer.send(&Message::Typed { bytes: Vec::new() }),
            }
        }
    }

    fn handle(&mut self, index: usize, message: Message) {
        let Some(role) = self.parts.peers[index].role else {
            match message {
                Message::Hello(hello) => self.greet(index, &hello),
                other => {
                    let peer = &mut self.parts.peers[index];
                    let text = format!("{} came before hello: greet first", other.name());
                    peer.refuse(Refusal::OutOfTurn, text);
                    peer.leaving = true;
                }
            }
            return;
        };
        match message {
            Message::Attach(attach) => self.attach(index, attach),
            Message::Resize(resize) => self.viewer_resized(index, &resize),
            Message::TakeOver => self.take_over(index),
            Message::Redraw(redraw) => {
                if let Some(viewer) = &mut self.parts.peers[index].viewer {
                    viewer.want(Wanted::History(redraw.history_lines));
                }
            }
            Message::Ack(ack) => {
                if let Some(viewer) = &mut self.parts.peers[index].viewer {
                    viewer.acknowledge(ack.bytes);
                }
            }
            Message::Input { bytes } => {
                self.parts.peers[index].reads_itself();
                self.type_in(index, bytes);
            }
            Message::Lend(lend) => self.parts.peers[index].take_lent(lend),
            Message::GetScreen(get) => self.parts.peers[index].wants_screen = Some(get.ansi),
            Message::GetHistory(get) => self.give_history(index, &get),
            Message::Stop(_) | Message::Freeze | Message::Thaw if role == Role::Viewer => {
                self.refuse(
                    index,
                    Refusal::OutOfTurn,
                    &format!("a viewer may not {}", message.name()),
                );
            }
            Message::Stop(stop) => self.stop(Duration::from_millis(stop.grace_ms)),
            Message::Freeze => self.freeze(index, true),
            Message::Thaw => self.freeze(index, false),
            Message::Hook(hook) => self.hook(index, hook),
            Message::HookAnswer(_) | Message::Gate(_) if role != Role::Supervisor => {
                self.refuse(
                    index,
                    Refusal::OutOfTurn,
                    &format!("{} is for a supervisor to say", message.name()),
                );
            }
            Message::HookAnswer(answer) => self.answer_hook(index, answer),
            Message::Gate(gate) => self.gate(gate),
            Message::Unknown { kind, .. } => {
                self.refuse(
                    index,
                    Refusal::UnknownMessage,
                    &format!("message kind {kind:#04x} is not known to {SOFTWARE}: it needs a newer agent, which the next launch brings"),
                );
            }
            Message::Refused(_) => {}
            Message::Hello(_)
            | Message::Launch(_)
            | Message::Welcome(_)
            | Message::Started(_)
            | Message::SpawnFailed(_)
            | Message::Heartbeat(_)
            | Message::Exited(_)
            | Message::Stopped(_)
            | Message::Frozen(_)
            | Message::Ended
            | Message::Resized(_)
            | Message::Viewers(_)
            | Message::Asked(_)
            | Message::Report(_)
            | Message::HookOutput(_)
            | Message::Hooked(_)
            | Message::HookGone(_)
            | Message::Output { .. }
            | Message::Snapshot { .. }
            | Message::Typed { .. }
            | Message::Screen { .. }
            | Message::History { .. } => {
                self.refuse(
                    index,
                    Refusal::OutOfTurn,
                    &format!("{} makes no sense here and now", message.name()),
                );
            }
        }
    }

    pub(super) fn refuse(&mut self, index: usize, code: Refusal, text: &str) {
        self.parts.peers[index].refuse(code, text);
    }

    fn greet(&mut self, index: usize, hello: &Hello) {
        let size = self.screen.size();
        let peer = &mut self.parts.peers[index];
        let version = match hello.negotiate() {
            Ok(version) => version,
            Err(refused) => {
                peer.send(&Message::Refused(refused));
                peer.leaving = true;
                return;
            }
        };
        peer.greeted(hello);
        peer.send(&Message::Welcome(welcome(
            &self.parts.launch,
            version,
            Some(self.parts.program.clone()),
            size,
            self.frozen,
            self.stopping.is_some(),
        )));
        if hello.role == Role::Supervisor {
            self.beat_at = Instant::now();
            if let Some(report) = self.report.last() {
                peer.send(&Message::Report(report.clone()));
            }
            if let Some(session) = self.hooks.session()
                && peer.hears_hooks()
            {
                peer.send(&Message::Hooked(session.clone()));
            }
            if self.told_viewers.count > 0 {
                peer.send(&Message::Viewers(self.told_viewers.clone()));
            }
        }
        if let Some(exited) = &self.exited {
            peer.send(&Message::Exited(exited.clone()));
        }
    }

    /// Lets go of peers that left.
    pub(super) fn part(&mut self) {
        let before = self.parts.peers.len();
        let now = Instant::now();
        for peer in &mut self.parts.peers {
            if peer.role.is_none() && now >= peer.since + GREETING_TIMEOUT {
                peer.gone = true;
            }
            if peer.gone {
                self.paste.left(peer.id, &mut self.input);
            }
        }
        let gone: Vec<u64> = self
            .parts
            .peers
            .iter()
            .filter(|peer| peer.gone)
            .map(|peer| peer.id)
            .collect();
        for peer in gone {
            self.forget_hook(peer);
        }
        self.parts.peers.retain(|peer| !peer.gone);
        if self.parts.peers.len() != before {
            self.unfit = true;
        }
    }

    pub(super) fn tell_supervisors(&mut self, message: &Message) {
        for peer in self
            .parts
            .peers
            .iter_mut()
            .filter(|peer| peer.role == Some(Role::Supervisor))
        {
            peer.send(message);
        }
    }

    pub(super) fn tell_all(&mut self, message: &Message) {
        for peer in self
            .parts
            .peers
            .iter_mut()
            .filter(|peer| peer.role.is_some())
        {
            peer.send_gathered();
            peer.send(message);
        }
    }
}

/// Says what a peer reached.
pub fn welcome(
    launch: &LaunchSpec,
    version: u16,
    program: Option<ProgramState>,
    size: Size,
    frozen: bool,
    stopping: bool,
) -> Welcome {
    use stratavore_wire::hello::capability;
    Welcome {
        version,
        software: SOFTWARE.to_owned(),
        capabilities: [
            capability::ACK,
            capability::HISTORY,
            capability::FILTERED,
            capability::FREEZE,
            capability::HOOKS,
            capability::LENT,
        ]
        .map(str::to_owned)
        .to_vec(),
        runner_id: launch.runner_id.clone(),
        attempt: launch.attempt,
        agent_pid: std::process::id() as i32,
        program,
        columns: size.columns,
        rows: size.rows,
        frozen,
        stopping,
    }
}

/// Gives the pid at the other end of a stream.
pub fn peer_pid(stream: &UnixStream) -> Option<i32> {
    rustix::net::sockopt::socket_peercred(stream)
        .ok()
        .map(|credentials| credentials.pid.as_raw_nonzero().get())
}
