//! Moments as each database keeps them: microseconds in SQLite, `timestamptz` in PostgreSQL.

use chrono::{DateTime, Utc};
use sqlx::encode::IsNull;
use sqlx::error::BoxDynError;
use sqlx::{Decode, Encode, Postgres, Sqlite, Type};
use stratavore_core::clock::Timestamp;

/// A moment, in microseconds since 1970 in UTC.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Moment(pub(crate) i64);

impl From<Timestamp> for Moment {
    fn from(at: Timestamp) -> Self {
        Self(at.timestamp_micros())
    }
}

impl Type<Sqlite> for Moment {
    fn type_info() -> sqlx::sqlite::SqliteTypeInfo {
        <i64 as Type<Sqlite>>::type_info()
    }

    fn compatible(ty: &sqlx::sqlite::SqliteTypeInfo) -> bool {
        <i64 as Type<Sqlite>>::compatible(ty)
    }
}

impl<'r> Decode<'r, Sqlite> for Moment {
    fn decode(value: sqlx::sqlite::SqliteValueRef<'r>) -> Result<Self, BoxDynError> {
        <i64 as Decode<'r, Sqlite>>::decode(value).map(Self)
    }
}

impl Type<Postgres> for Moment {
    fn type_info() -> sqlx::postgres::PgTypeInfo {
        <DateTime<Utc> as Type<Postgres>>::type_info()
    }
}

impl sqlx::postgres::PgHasArrayType for Moment {
    fn array_type_info() -> sqlx::postgres::PgTypeInfo {
        <DateTime<Utc> as sqlx::postgres::PgHasArrayType>::array_type_info()
    }
}

impl<'r> Decode<'r, Postgres> for Moment {
    fn decode(value: sqlx::postgres::PgValueRef<'r>) -> Result<Self, BoxDynError> {
        let at = <DateTime<Utc> as Decode<'r, Postgres>>::decode(value)?;
        Ok(Self(at.timestamp_micros()))
    }
}

impl<'q> Encode<'q, Postgres> for Moment {
    fn encode_by_ref(
        &self,
        into: &mut sqlx::postgres::PgArgumentBuffer,
    ) -> Result<IsNull, BoxDynError> {
        let at = DateTime::<Utc>::from_timestamp_micros(self.0)
            .ok_or_else(|| format!("{} is no moment", self.0))?;
        <DateTime<Utc> as Encode<'q, Postgres>>::encode(at, into)
    }
}
