//! The outbox: who delivers which part of it, and what became of each delivery.

use std::time::Duration;

use sqlx::Connection;
use stratavore_core::clock::Timestamp;
use uuid::Uuid;

use super::Ledger;
use crate::moment::Moment;
use crate::postgres::sql::event;
use crate::postgres::sql::outbox as sql;
use crate::postgres::trouble::Outcome;
use crate::{Position, Result, SHARDS, Shard, StoreError};

#[derive(sqlx::FromRow)]
struct ShardRow {
    number: i16,
    epoch: i64,
    owner: Option<Uuid>,
    live: bool,
}

/// What an owner does with its lease of each shard.
#[derive(Debug, Default, PartialEq)]
struct Division {
    keep: Vec<i16>,
    take: Vec<i16>,
    give_up: Vec<i16>,
}

/// Divides the shards: each of so many owners gets a fair share, keeps what it has of it, and takes what is free.
fn divide(shards: &[ShardRow], owner: Uuid, owners: usize) -> Division {
    let share = shards.len().div_ceil(owners.max(1));
    let mut division = Division::default();
    for shard in shards.iter().filter(|shard| shard.owner == Some(owner)) {
        if division.keep.len() < share {
            division.keep.push(shard.number);
        } else {
            division.give_up.push(shard.number);
        }
    }
    let free = shards
        .iter()
        .filter(|shard| shard.owner != Some(owner) && (shard.owner.is_none() || !shard.live));
    let room = share - division.keep.len();
    division
        .take
        .extend(free.take(room).map(|shard| shard.number));
    division
}

fn micros(time: Duration) -> i64 {
    i64::try_from(time.as_micros()).unwrap_or(i64::MAX)
}

fn shard(number: i16, epoch: i64) -> Result<Shard> {
    let number = u8::try_from(number)
        .ok()
        .filter(|number| *number < SHARDS)
        .ok_or_else(|| crate::row::corrupt("a shard", format!("{number} is none")))?;
    Ok(Shard { number, epoch })
}

/// Writes shards as the statements take them.
fn columns(shards: &[Shard]) -> (Vec<i16>, Vec<i64>) {
    shards
        .iter()
        .map(|shard| (i16::from(shard.number), shard.epoch))
        .unzip()
}

/// An outcome, unless some of the shards were lost.
fn fenced<T>(shards: &[Shard], held: i64, outcome: T) -> Outcome<Result<T>> {
    if i64::try_from(shards.len()).is_ok_and(|asked| asked == held) {
        return Ok(Ok(outcome));
    }
    Ok(Err(StoreError::Fenced))
}

impl Ledger<'_> {
    pub(in crate::postgres) async fn outbox_hold(
        &mut self,
        owner: Uuid,
        ttl: Duration,
    ) -> Outcome<Vec<Shard>> {
        let ttl = micros(ttl);
        let mut transaction = self.connection.begin().await?;
        let shards: Vec<ShardRow> = sqlx::query_as(sql::LOCK)
            .fetch_all(&mut *transaction)
            .await?;
        sqlx::query(sql::FORGET_DEAD)
            .execute(&mut *transaction)
            .await?;
        sqlx::query(sql::WANT)
            .bind(owner)
            .bind(ttl)
            .execute(&mut *transaction)
            .await?;
        let owners: i64 = sqlx::query_scalar(sql::DELIVERERS)
            .fetch_one(&mut *transaction)
            .await?;
        let owners = usize::try_from(owners).unwrap_or(1);
        let division = divide(&shards, owner, owners);
        let mut held = Vec::new();
        if !division.keep.is_empty() {
            sqlx::query(sql::RENEW)
                .bind(&division.keep)
                .bind(ttl)
                .execute(&mut *transaction)
                .await?;
            let kept = |row: &&ShardRow| division.keep.contains(&row.number);
            for row in shards.iter().filter(kept) {
                held.push(shard(row.number, row.epoch)?);
            }
        }
        if !division.take.is_empty() {
            let taken: Vec<(i16, i64)> = sqlx::query_as(sql::TAKE)
                .bind(&division.take)
                .bind(ttl)
                .bind(owner)
                .fetch_all(&mut *transaction)
                .await?;
            for (number, epoch) in taken {
                held.push(shard(number, epoch)?);
            }
        }
        if !division.give_up.is_empty() {
            sqlx::query(sql::GIVE_UP)
                .bind(&division.give_up)
                .execute(&mut *transaction)
                .await?;
        }
        transaction.commit().await?;
        held.sort();
        Ok(held)
    }

    pub(in crate::postgres) async fn outbox_release(&mut self, owner: Uuid) -> Outcome<()> {
        sqlx::query(sql::RELEASE)
            .bind(owner)
            .execute(&mut *self.connection)
            .await?;
        Ok(())
    }

    pub(in crate::postgres) async fn outbox_delivered(
        &mut self,
        shards: &[Shard],
        positions: &[Position],
    ) -> Outcome<Result<()>> {
        let (numbers, epochs) = columns(shards);
        let positions: Vec<i64> = positions.iter().map(|position| position.0).collect();
        let held: i64 = sqlx::query_scalar(sql::DELIVERED)
            .bind(numbers)
            .bind(epochs)
            .bind(positions)
            .fetch_one(&mut *self.connection)
            .await?;
        fenced(shards, held, ())
    }

    pub(in crate::postgres) async fn outbox_failed(
        &mut self,
        shards: &[Shard],
        position: Position,
        error: &str,
        max_attempts: u32,
        now: Timestamp,
    ) -> Outcome<Result<bool>> {
        let (numbers, epochs) = columns(shards);
        let (held, parked): (i64, bool) = sqlx::query_as(sql::FAILED)
            .bind(numbers)
            .bind(epochs)
            .bind(position.0)
            .bind(error.replace('\0', ""))
            .bind(i64::from(max_attempts))
            .bind(Moment::from(now))
            .fetch_one(&mut *self.connection)
            .await?;
        fenced(shards, held, parked)
    }

    pub(in crate::postgres) async fn outbox_retry(
        &mut self,
        aggregate: Option<Uuid>,
    ) -> Outcome<u64> {
        let released = sqlx::query(sql::RETRY)
            .bind(aggregate)
            .execute(&mut *self.connection)
            .await?;
        self.wake().await?;
        Ok(released.rows_affected())
    }

    pub(in crate::postgres) async fn outbox_drop(&mut self, position: Position) -> Outcome<()> {
        let dropped = sqlx::query(sql::DROP)
            .bind(position.0)
            .execute(&mut *self.connection)
            .await?;
        if dropped.rows_affected() == 0 {
            return Err(StoreError::NoDeadLetter(position).into());
        }
        self.wake().await
    }

    /// Has every node look at the outbox.
    async fn wake(&mut self) -> Outcome<()> {
        sqlx::query(event::WAKE)
            .execute(&mut *self.connection)
            .await?;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn held(owners: [Option<u128>; 8], live: bool) -> Vec<ShardRow> {
        (0..8)
            .zip(owners)
            .map(|(number, owner)| ShardRow {
                number,
                epoch: 1,
                owner: owner.map(Uuid::from_u128),
                live,
            })
            .collect()
    }

    #[test]
    fn one_owner_takes_all_and_two_share() {
        let (one, two) = (Uuid::from_u128(1), Uuid::from_u128(2));
        let free = held([None; 8], false);
        assert_eq!(divide(&free, one, 1).take, [0, 1, 2, 3, 4, 5, 6, 7]);
        let all = held([Some(1); 8], true);
        assert_eq!(divide(&all, two, 2), Division::default(), "all are held");
        let division = divide(&all, one, 2);
        assert_eq!(division.keep, [0, 1, 2, 3]);
        assert_eq!(division.give_up, [4, 5, 6, 7]);
        assert_eq!(
            divide(&held([Some(1); 8], false), two, 2).take,
            [0, 1, 2, 3]
        );
        let three = held(
            [
                Some(1),
                Some(1),
                Some(1),
                None,
                Some(2),
                Some(2),
                Some(2),
                None,
            ],
            true,
        );
        assert_eq!(divide(&three, Uuid::from_u128(3), 3).take, [3, 7]);
    }
}
