//! A connection at work: every change and its transaction.

mod audit;
mod budgets;
mod nodes;
mod notices;
mod outbox;
mod projects;
mod runners;
mod sessions;

pub(super) use audit::inspect;
pub(super) use runners::counts;
pub(super) use sessions::say;

use std::collections::BTreeSet;
use std::sync::atomic::AtomicBool;

use sha2::{Digest, Sha256};
use sqlx::postgres::{PgArguments, PgConnection};
use sqlx::{AssertSqlSafe, Connection, Postgres, Transaction};
use stratavore_core::clock::Timestamp;
use stratavore_core::fact::Fact;
use stratavore_core::ids::{InstanceId, ProjectId};

use super::trouble::Outcome;
use crate::audit::Keyring;
use crate::chain::Chain;
use crate::moment::Moment;
use crate::row;

/// What all work on behalf of this node knows.
pub(super) struct Node {
    pub(super) keys: Keyring,
    pub(super) instance: InstanceId,
    /// Whether a budget held launches back everywhere when one was last weighed.
    budgeted_together: AtomicBool,
}

impl Node {
    pub(super) fn new(keys: Keyring, instance: InstanceId) -> Self {
        Self {
            keys,
            instance,
            budgeted_together: AtomicBool::new(false),
        }
    }
}

/// A connection that is lent to one piece of work.
pub(super) struct Ledger<'l> {
    pub(super) connection: &'l mut PgConnection,
    pub(super) node: &'l Node,
}

/// What is locked while its places are counted. Whoever appends to a project's chain holds the project's lock too, and whoever
/// reads a node's transcript on holds the transcript's.
pub(super) enum Scope<'s> {
    Project(ProjectId),
    Node(&'s InstanceId),
    /// All runners, for the budgets of all of them.
    Everything,
    Transcript(&'s InstanceId, &'s str),
}

impl Scope<'_> {
    /// The number of its advisory lock.
    fn key(&self) -> i64 {
        let text = match self {
            Self::Project(id) => format!("stratavore project {id}"),
            Self::Node(id) => format!("stratavore node {id}"),
            Self::Everything => "stratavore everything".to_owned(),
            Self::Transcript(node, path) => format!("stratavore transcript {node} {path}"),
        };
        let digest = Sha256::digest(text.as_bytes());
        let bytes = digest.first_chunk::<8>().copied().unwrap_or_default();
        i64::from_be_bytes(bytes)
    }
}

/// A statement that appends; it returns how many rows of the aggregate it changed: one, or none where the row was no longer
/// as it had been read.
type Appending = sqlx::query::QueryScalar<'static, Postgres, i64, PgArguments>;

impl Ledger<'_> {
    /// Begins a transaction with scopes locked, all in one order, so that nobody waits in a circle. What is read after that
    /// is read with eyes opened after the locks were got.
    pub(super) async fn begin(
        &mut self,
        scopes: &[Scope<'_>],
    ) -> Outcome<Transaction<'_, Postgres>> {
        let keys: BTreeSet<i64> = scopes.iter().map(Scope::key).collect();
        let mut begin = "BEGIN".to_owned();
        for key in keys {
            begin.push_str(&format!("; SELECT pg_advisory_xact_lock({key})"));
        }
        Ok(self.connection.begin_with(AssertSqlSafe(begin)).await?)
    }
}

/// Seals facts to a chain, and binds what follows from them to a statement made with `append!`.
fn appending(
    statement: &'static str,
    node: &Node,
    chain: &mut Chain,
    facts: &[Fact],
    person: &str,
    now: Timestamp,
) -> Outcome<Appending> {
    let entries = chain.append(&node.keys, facts, now)?;
    let (mut ids, mut seqs, mut kinds) = (Vec::new(), Vec::new(), Vec::new());
    let (mut payloads, mut macs, mut notices) = (Vec::new(), Vec::new(), Vec::new());
    for entry in entries {
        if let Some((occasion, edge)) = entry.notice {
            notices.push((entry.seq, occasion, edge.as_str(), person.to_owned()));
        }
        ids.push(entry.event_id);
        seqs.push(entry.seq);
        kinds.push(entry.kind);
        payloads.push(entry.payload);
        macs.push(entry.mac);
    }
    Ok(sqlx::query_scalar(statement)
        .bind(chain.kind)
        .bind(chain.id)
        .bind(chain.project_id)
        .bind(Moment::from(now))
        .bind(node.keys.current().id.clone())
        .bind(ids)
        .bind(seqs)
        .bind(kinds)
        .bind(payloads)
        .bind(macs)
        .bind(i16::from(chain.shard()))
        .bind(row::json("notices", &notices)?))
}
