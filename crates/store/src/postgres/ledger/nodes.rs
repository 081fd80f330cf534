//! Nodes: the hosts that share the database.

use std::time::Duration;

use sqlx::PgConnection;
use stratavore_core::clock::Timestamp;
use stratavore_core::ids::{InstanceId, RunnerId};
use uuid::Uuid;

use super::runners::{keep, read};
use super::{Ledger, Scope};
use crate::chain::Chain;
use crate::farewell::farewell;
use crate::postgres::sql::{node as sql, runner};
use crate::postgres::trouble::Outcome;
use crate::row::NodeRow;
use crate::{Applied, NewNode, StoreError};

impl Ledger<'_> {
    pub(in crate::postgres) async fn register_node(
        &mut self,
        new: NewNode,
        incarnation: Uuid,
        ttl: Duration,
    ) -> Outcome<()> {
        let registered: Option<String> = sqlx::query_scalar(sql::REGISTER)
            .bind(new.id.as_str())
            .bind(&new.name)
            .bind(&new.version)
            .bind(new.max_runners.map(i64::from))
            .bind(&new.seat)
            .bind(incarnation)
            .bind(i64::try_from(ttl.as_micros()).unwrap_or(i64::MAX))
            .fetch_optional(&mut *self.connection)
            .await?;
        match registered {
            Some(_) => Ok(()),
            None => Err(taken(self.connection, &new.id).await?.into()),
        }
    }

    pub(in crate::postgres) async fn heard_from_node(
        &mut self,
        id: &InstanceId,
        incarnation: Uuid,
    ) -> Outcome<()> {
        let known: Option<String> = sqlx::query_scalar(sql::HEARD)
            .bind(id.as_str())
            .bind(incarnation)
            .fetch_optional(&mut *self.connection)
            .await?;
        match known {
            Some(_) => Ok(()),
            None => Err(taken(self.connection, id).await?.into()),
        }
    }

    pub(in crate::postgres) async fn node_left(
        &mut self,
        id: &InstanceId,
        incarnation: Uuid,
    ) -> Outcome<()> {
        sqlx::query(sql::LEFT)
            .bind(id.as_str())
            .bind(incarnation)
            .execute(&mut *self.connection)
            .await?;
        Ok(())
    }

    pub(in crate::postgres) async fn forget_node(
        &mut self,
        id: &InstanceId,
        now: Timestamp,
    ) -> Outcome<Vec<Applied>> {
        let node = self.node;
        let mut transaction = self.begin(&[Scope::Node(id)]).await?;
        // Its host must not come back in the middle of this.
        sqlx::query(sql::LOCK)
            .bind(id.as_str())
            .execute(&mut *transaction)
            .await?;
        let known = get(&mut transaction, id).await?;
        if !known.silent {
            return Err(StoreError::NodeAlive {
                id: id.clone(),
                name: known.name,
            }
            .into());
        }
        let unended: Vec<Uuid> = sqlx::query_scalar(runner::UNENDED_ON)
            .bind(id.as_str())
            .fetch_all(&mut *transaction)
            .await?;
        let mut ended = Vec::with_capacity(unended.len());
        for runner in unended.into_iter().map(RunnerId::from_uuid) {
            // Until nobody changed it between reading and writing.
            loop {
                let row = read(&mut transaction, runner).await?;
                let chain = Chain::of_runner(&row)?;
                let before = row.view()?.runner;
                if before.state.name().is_final() {
                    break;
                }
                let last = farewell(before, now).map_err(StoreError::from)?;
                if let Some(applied) = keep(&mut transaction, node, chain, last, now).await? {
                    ended.push(applied);
                    break;
                }
            }
        }
        sqlx::query(sql::FORGET)
            .bind(id.as_str())
            .execute(&mut *transaction)
            .await?;
        transaction.commit().await?;
        Ok(ended)
    }
}

async fn get(connection: &mut PgConnection, id: &InstanceId) -> Outcome<NodeRow> {
    let row: Option<NodeRow> = sqlx::query_as(sql::GET)
        .bind(id.as_str())
        .fetch_optional(connection)
        .await?;
    Ok(row.ok_or_else(|| StoreError::NoNode(id.clone()))?)
}

/// Says who goes by a node's id instead, or that nobody does.
async fn taken(connection: &mut PgConnection, id: &InstanceId) -> Outcome<StoreError> {
    let other = get(connection, id).await?;
    Ok(StoreError::NodeTaken {
        id: id.clone(),
        heard: other.heard(),
        name: other.name,
    })
}
