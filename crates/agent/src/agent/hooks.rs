//! Hooks: what the program tells before it does something, and what it is answered.
//!
//! Every hook is answered at once, by what stands here, and then told to supervisors. Only a request for permission is held:
//! while there is a supervisor to answer it, and no longer than the launch allows.

use std::time::{Duration, Instant};

use stratavore_wire::payload::{self, Head, PAYLOAD_MAX, PERMISSION_REQUEST};
use stratavore_wire::{
    Gate, Hook, HookAnswer, HookGone, HookOutput, Hooked, Message, Refusal, Role, WhenAway,
};

use super::Agent;
use crate::clock;
use crate::peer::Peer;

/// So many wait at once; each is a connection, of which others need some, too.
const HELD_MAX: usize = 16;
/// A supervisor that has not taken this much is told no more hooks until it has.
const BEHIND_MAX: usize = 4 * 1024 * 1024;
/// None waits longer, whatever the launch says.
const WAIT_MAX: Duration = Duration::from_secs(24 * 3600);
/// What is kept of the last hook that told the session.
const SESSION_MAX: usize = 4 * 1024;
/// The events after which the session may be another; `SessionStatus` tells all that is true.
const SESSION_EVENTS: [&str; 3] = ["SessionStart", "UserPromptSubmit", "SessionStatus"];

/// Remembers what hooks are answered with, and which of them wait.
#[derive(Debug, Default)]
pub(super) struct Hooks {
    /// The last id given.
    last: u64,
    held: Vec<Held>,
    gate: Gate,
    /// The last hook that told the session.
    session: Option<Hooked>,
    /// How many were not told to some supervisor.
    missed: u64,
}

/// A hook that waits.
#[derive(Debug)]
struct Held {
    id: u64,
    /// Its connection.
    peer: u64,
    until: Instant,
}

impl Hooks {
    /// Gives what a hook of this event is denied with.
    fn denial(&self, event: &str, supervised: bool) -> Option<&str> {
        if !supervised && self.gate.when_away == WhenAway::Open {
            return None;
        }
        let outputs = &self.gate.deny.as_ref()?.outputs;
        outputs.get(event).map(String::as_str)
    }

    /// Gives when the next has waited long enough.
    pub(super) fn due(&self) -> Option<Instant> {
        self.held.iter().map(|held| held.until).min()
    }

    /// Gives the last hook that told the session.
    pub(super) fn session(&self) -> Option<&Hooked> {
        self.session.as_ref()
    }

    fn note_session(&mut self, event: &str, hooked: &Hooked) {
        if !SESSION_EVENTS.contains(&event) {
            return;
        }
        let payload = if hooked.payload.len() > SESSION_MAX {
            payload::cut(hooked.payload.as_bytes(), SESSION_MAX)
        } else {
            hooked.payload.clone()
        };
        self.session = Some(Hooked { payload, ..*hooked });
    }
}

impl Agent {
    pub(super) fn hook(&mut self, index: usize, hook: Hook) {
        let now = Instant::now();
        let peer = &self.parts.peers[index];
        let pid = peer.pid();
        if peer.role != Some(Role::Client)
            || self.hooks.held.iter().any(|held| held.peer == peer.id)
        {
            self.refuse(
                index,
                Refusal::OutOfTurn,
                "a hook is told by a client, and one at a time: connect anew",
            );
            return;
        }
        if !pid.is_some_and(|pid| self.parts.tree.holds(pid)) {
            let peer = &mut self.parts.peers[index];
            peer.refuse(
                Refusal::NotOfThisRunner,
                "not a process of this runner: only its own program tells of its hooks",
            );
            peer.leaving = true;
            return;
        }
        let payload = if hook.payload.len() > PAYLOAD_MAX {
            payload::cut(hook.payload.as_bytes(), PAYLOAD_MAX)
        } else {
            hook.payload
        };
        let head = Head::of(&payload);
        let event = head.event.as_deref().unwrap_or_default();
        let supervised = self.parts.peers.iter().any(Peer::hears_hooks);
        let denial = self.hooks.denial(event, supervised).map(str::to_owned);
        let wait = Duration::from_millis(self.parts.launch.hooks.permission_wait_ms).min(WAIT_MAX);
        // What a person cannot be shown whole, a person cannot permit from afar.
        let may_wait = event == PERMISSION_REQUEST && !head.cut && denial.is_none();
        let held = (!wait.is_zero())
            .then(|| now + wait)
            .filter(|_| may_wait && supervised && self.hooks.held.len() < HELD_MAX)
            .filter(|_| self.exited.is_none());
        self.hooks.last += 1;
        let mut hooked = Hooked {
            id: self.hooks.last,
            at: clock::now(),
            payload,
            waits: held.is_some(),
            denied: denial.is_some(),
            missed: 0,
        };
        self.hooks.note_session(event, &hooked);
        match held {
            Some(until) => {
                let peer = self.parts.peers[index].id;
                let id = hooked.id;
                self.hooks.held.push(Held { id, peer, until });
                if !self.tell_hooked(&mut hooked) {
                    // Nobody knows that it waits.
                    self.hooks.held.pop();
                    self.output(index, String::new());
                }
            }
            None => {
                // The program first: it waits.
                self.output(index, denial.unwrap_or_default());
                self.tell_hooked(&mut hooked);
            }
        }
    }

    /// Answers a hook's connection, and says whether it was still there to take it.
    fn output(&mut self, index: usize, output: String) -> bool {
        let peer = &mut self.parts.peers[index];
        peer.send(&Message::HookOutput(HookOutput { output }));
        let taken = !peer.gone;
        peer.leaving = true;
        peer.flush();
        taken
    }

    /// Tells supervisors of a hook, and whether any was told. One that is behind is told later how many it missed.
    fn tell_hooked(&mut self, hooked: &mut Hooked) -> bool {
        let (mut told, mut missed) = (false, false);
        for peer in self
            .parts
            .peers
            .iter_mut()
            .filter(|peer| peer.hears_hooks())
        {
            if peer.unsent() + hooked.payload.len() > BEHIND_MAX {
                peer.missed += 1;
                self.hooks.missed += 1;
                missed = true;
                continue;
            }
            hooked.missed = std::mem::take(&mut peer.missed);
            let message = Message::Hooked(hooked.clone());
            peer.send(&message);
            told = true;
        }
        let count = self.hooks.missed;
        if missed && count.is_power_of_two() {
            self.note(&format!(
                "tell a supervisor of {count} hooks by now: it does not take what it is told"
            ));
        }
        told
    }

    pub(super) fn answer_hook(&mut self, index: usize, answer: HookAnswer) {
        let id = answer.id;
        let Some(held) = self.take_held(|held| held.id == id) else {
            // It may have hung up in this very moment; whoever answered learns that it was too late.
            let answered = false;
            self.parts.peers[index].send(&Message::HookGone(HookGone { id, answered }));
            return;
        };
        let by = self.parts.peers[index].id;
        let hook = self
            .parts
            .peers
            .iter()
            .position(|peer| peer.id == held.peer);
        let taken = hook.is_some_and(|hook| self.output(hook, answer.output));
        self.tell_gone(id, taken.then_some(by));
    }

    pub(super) fn gate(&mut self, gate: Gate) {
        self.hooks.gate = gate;
    }

    /// Forgets a hook whose connection is gone: it was killed, for the program needs no answer any more.
    pub(super) fn forget_hook(&mut self, peer: u64) {
        if let Some(held) = self.take_held(|held| held.peer == peer) {
            self.tell_gone(held.id, None);
        }
    }

    /// Lets those go that nobody will answer, or that have waited long enough.
    pub(super) fn release_hooks(&mut self) {
        if self.hooks.held.is_empty() {
            return;
        }
        let now = Instant::now();
        let alone = !self.parts.peers.iter().any(Peer::hears_hooks);
        while let Some(held) = self.take_held(|held| alone || held.until <= now) {
            if let Some(hook) = self
                .parts
                .peers
                .iter()
                .position(|peer| peer.id == held.peer)
            {
                self.output(hook, String::new());
            }
            self.tell_gone(held.id, None);
        }
    }

    fn take_held(&mut self, which: impl Fn(&Held) -> bool) -> Option<Held> {
        let index = self.hooks.held.iter().position(which)?;
        Some(self.hooks.held.remove(index))
    }

    fn tell_gone(&mut self, id: u64, answered_by: Option<u64>) {
        for peer in self
            .parts
            .peers
            .iter_mut()
            .filter(|peer| peer.hears_hooks())
        {
            let answered = answered_by == Some(peer.id);
            peer.send(&Message::HookGone(HookGone { id, answered }));
        }
    }
}
