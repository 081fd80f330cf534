//! Identities. All are version 7 UUIDs: unique without asking anyone, and sorted by the time they were made.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use uuid::{NoContext, Timestamp as UuidTime, Uuid};

use crate::clock::Timestamp;

macro_rules! id {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(transparent)]
        pub struct $name(Uuid);

        impl $name {
            /// Makes a new identity that sorts by `now`.
            #[must_use]
            pub fn new(now: Timestamp) -> Self {
                let millis = now.timestamp_millis().max(0).cast_unsigned();
                let time = UuidTime::from_unix(
                    NoContext,
                    millis / 1000,
                    u32::try_from(millis % 1000).unwrap_or(0) * 1_000_000,
                );
                Self(Uuid::new_v7(time))
            }

            /// Wraps a UUID that was read from somewhere.
            #[must_use]
            pub const fn from_uuid(uuid: Uuid) -> Self {
                Self(uuid)
            }

            /// Returns the UUID itself.
            #[must_use]
            pub const fn as_uuid(&self) -> Uuid {
                self.0
            }

            /// Returns the 32 hexadecimal digits without hyphens, for file names.
            #[must_use]
            pub fn simple(&self) -> String {
                self.0.simple().to_string()
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.fmt(f)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.fmt(f)
            }
        }

        impl FromStr for $name {
            type Err = uuid::Error;
            fn from_str(text: &str) -> Result<Self, Self::Err> {
                Uuid::parse_str(text).map(Self)
            }
        }
    };
}

id!(
    /// Names a runner through all its attempts.
    RunnerId
);
id!(
    /// Names a project.
    ProjectId
);
id!(
    /// Names an event; consumers recognise a repeated delivery by it.
    EventId
);
id!(
    /// Names a budget.
    BudgetId
);
id!(
    /// Names a notification a person is owed.
    NoticeId
);

/// Returns the least and the greatest UUID whose text begins so; nothing for what no UUID begins with.
#[must_use]
pub fn beginning_with(prefix: &str) -> Option<(Uuid, Uuid)> {
    let filled = |filler: &str| {
        let rest = Uuid::nil()
            .to_string()
            .get(prefix.len()..)?
            .replace('0', filler);
        let text = format!("{prefix}{rest}");
        // Only in its usual form is a text the beginning of another.
        Uuid::parse_str(&text)
            .ok()
            .filter(|id| id.to_string() == text)
    };
    Some((filled("0")?, filled("f")?))
}

/// Names one data directory, so that instances side by side never adopt each other's runners. The host of that directory
/// is a node, and goes by this name among several.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
#[serde(transparent)]
pub struct InstanceId(String);

impl InstanceId {
    /// Makes a new instance id: eight hexadecimal digits, short because socket paths are.
    #[must_use]
    pub fn random() -> Self {
        Self(Uuid::new_v4().simple().to_string()[..8].to_owned())
    }

    /// Wraps an id that was read from the store.
    #[must_use]
    pub fn from_stored(id: String) -> Self {
        Self(id)
    }

    /// Returns its text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for InstanceId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_beginning_spans_every_uuid_that_has_it() {
        let id = Uuid::from_u128(0x0199_5c1f_aabb_7ccd_8eef_0123_4567_89ab);
        let text = id.to_string();
        for length in 0..=text.len() {
            let (least, greatest) = beginning_with(&text[..length]).unwrap();
            assert!(least <= id && id <= greatest, "{}", &text[..length]);
            assert!(least.to_string().starts_with(&text[..length]));
            assert!(greatest.to_string().starts_with(&text[..length]));
        }
        for other in [
            "api",
            "0199-",
            "01995C1F",
            "01995c1faabb",
            "é",
            &format!("{text}0"),
        ] {
            assert_eq!(beginning_with(other), None, "{other}");
        }
    }
}
