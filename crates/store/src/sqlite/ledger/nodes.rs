//! Nodes. Beside the host's own there is one only where a test made it, or a database was copied from a team's.

use std::time::Duration;

use stratavore_core::clock::Timestamp;
use stratavore_core::ids::InstanceId;
use uuid::Uuid;

use super::{Ledger, Outcome};
use crate::chain::Chain;
use crate::farewell::farewell;
use crate::row::{NodeRow, small};
use crate::sqlite::sql::{node as sql, runner};
use crate::{Applied, NewNode, StoreError};

impl Ledger {
    pub(in crate::sqlite) async fn register_node(
        &mut self,
        new: NewNode,
        incarnation: Uuid,
        ttl: Duration,
    ) -> Outcome<()> {
        let registered: Option<String> = sqlx::query_scalar(sql::REGISTER)
            .bind(new.id.as_str())
            .bind(&new.name)
            .bind(&new.version)
            .bind(new.max_runners)
            .bind(&new.seat)
            .bind(incarnation)
            .bind(i64::try_from(ttl.as_micros()).unwrap_or(i64::MAX))
            .fetch_optional(&mut self.connection)
            .await?;
        match registered {
            Some(_) => Ok(()),
            None => Err(self.taken(new.id).await?.into()),
        }
    }

    pub(in crate::sqlite) async fn heard_from_node(
        &mut self,
        id: InstanceId,
        incarnation: Uuid,
    ) -> Outcome<()> {
        let known: Option<String> = sqlx::query_scalar(sql::HEARD)
            .bind(id.as_str())
            .bind(incarnation)
            .fetch_optional(&mut self.connection)
            .await?;
        match known {
            Some(_) => Ok(()),
            None => Err(self.taken(id).await?.into()),
        }
    }

    pub(in crate::sqlite) async fn node_left(
        &mut self,
        id: InstanceId,
        incarnation: Uuid,
    ) -> Outcome<()> {
        sqlx::query(sql::LEFT)
            .bind(id.as_str())
            .bind(incarnation)
            .execute(&mut self.connection)
            .await?;
        Ok(())
    }

    pub(in crate::sqlite) async fn forget_node(
        &mut self,
        id: InstanceId,
        now: Timestamp,
    ) -> Outcome<Vec<Applied>> {
        let node = self.node(&id).await?;
        if !node.silent || id == self.instance {
            let name = node.name;
            return Err(StoreError::NodeAlive { id, name }.into());
        }
        let unended: Vec<Uuid> = sqlx::query_scalar(runner::UNENDED_ON)
            .bind(id.as_str())
            .fetch_all(&mut self.connection)
            .await?;
        let mut ended = Vec::with_capacity(unended.len());
        for runner in unended {
            let Some(row) = self.runner_row(runner::GET, runner).await? else {
                continue;
            };
            let chain = Chain::of_runner(&row)?;
            let last = farewell(row.view()?.runner, now).map_err(StoreError::from)?;
            ended.push(self.keep(chain, last, now).await?);
        }
        sqlx::query(sql::FORGET)
            .bind(id.as_str())
            .execute(&mut self.connection)
            .await?;
        Ok(ended)
    }

    /// Returns how many runners may be active on a node, as it said itself.
    pub(super) async fn places_on(&mut self, id: &InstanceId) -> Outcome<Option<u32>> {
        let places: Option<Option<i64>> = sqlx::query_scalar(sql::PLACES)
            .bind(id.as_str())
            .fetch_optional(&mut self.connection)
            .await?;
        let places = places.flatten();
        Ok(places.map(|max| small("a node", max)).transpose()?)
    }

    async fn node(&mut self, id: &InstanceId) -> Outcome<NodeRow> {
        let row: Option<NodeRow> = sqlx::query_as(sql::GET)
            .bind(id.as_str())
            .fetch_optional(&mut self.connection)
            .await?;
        Ok(row.ok_or_else(|| StoreError::NoNode(id.clone()))?)
    }

    /// Says who goes by a node's id instead, or that nobody does.
    async fn taken(&mut self, id: InstanceId) -> Outcome<StoreError> {
        let other = self.node(&id).await?;
        Ok(StoreError::NodeTaken {
            id,
            heard: other.heard(),
            name: other.name,
        })
    }
}
