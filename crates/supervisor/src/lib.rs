//! Supervises runners: launches them, keeps in touch with their agents, finds again what it lost sight of, and delivers
//! what happened.
//!
//! A host embeds one [`Supervisor`]. Ending it leaves every runner running; the next one adopts them.
//!
//! | task | takes | gives | ends, and on error |
//! |---|---|---|---|
//! | reconcile (`reconcile`) | nudges, a 30 s tick, due times | actions from `core::plan` | on cancel; an action that fails is logged and planned again |
//! | link, one per agent (`link`) | an agent's messages, commands | inputs to the store, heartbeats | on cancel, or when the agent closes; then it nudges reconcile |
//! | spawn, one per launch (`spawn`) | an attempt | a link | when the agent answered; a failure is told to the runner |
//! | heartbeats (`heartbeat`) | observations | one statement per batch | on cancel, after writing what it has; a failed write is logged, the next observation replaces it |
//! | publisher ([`publisher`]) | commits, shards of the outbox | events on the [`bus`] or a [`broker`] | on cancel, after the delivery in hand or 2 s, giving its shards back; a sink or store that is away is tried again with backoff; an event that is refused again and again parks its aggregate |
//! | checkpoints (`publisher`) | commits | signed audit checkpoints | on cancel, after a last one |
//! | nodes (`nodes`), where the store is shared | a tick, twice for each heartbeat of agents | this node's heartbeat, what is known of the others | on cancel, saying that it leaves; when another host goes by its id it cancels all |
//! | follow (`follow`), where the store is shared | commits of any host | changes, nudges, steered agents | on cancel; what cannot be read is read again |
//! | attention (`attention`) | changes of pid files, a look each second, time | what each runner needs of a person, the event `runner.attention` | on cancel; without runners it waits for one |
//! | sessions (`sessions`) | what is appended to transcripts, new ones | the index, the ledger of usage | on cancel; what could not be kept is read again |
//! | budgets (`budgets`) | usage, a tick while something runs | warnings, denials, pauses, stops | on cancel; a check that fails is made again |
//! | prices (`prices`) | the table of prices | usage priced by it | once; again when a store that was away is back |
//! | quiet hours (`quiet`), where some are set | the time of day | a nudge when they end | on cancel |
//! | environment (`environment`) | the login shell | the environment of runners | once; a failure falls back to the host's own |

mod attention;
pub mod broker;
mod budgets;
pub mod bus;
mod descriptors;
mod directories;
mod doctor;
mod environment;
mod file;
mod follow;
mod heartbeat;
mod launch;
mod link;
mod nodes;
mod observe;
mod pause;
mod presets;
mod prices;
mod process;
pub mod publisher;
mod quiet;
mod reconcile;
mod sessions;
mod spawn;
mod supervisor;
mod sweep;
mod terminal;
mod version;
mod worktree;

pub use attention::{Asking, DecideError};
pub use doctor::{Check, Found, Outcome};
pub use environment::Environment;
pub use launch::{LaunchError, LaunchRequest, Words};
pub use link::{Live, Reported};
pub use nodes::{Where, node_ttl};
pub use sessions::{ArchiveError, Format, Known, Scanned};
pub use spawn::SpawnError;
pub use supervisor::{Change, Membership, Parts, Supervisor, host_name, machine_name};
pub use terminal::TerminalError;
pub use worktree::WorktreeError;
