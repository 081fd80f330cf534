//! Payloads of hooks: the little of them that is understood here, and how long ones are shortened.
//!
//! Whose payload it is and what follows from it is known to those who know the program. Here only the name of the event
//! counts, which all programs call alike.

use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde::{Deserialize, de};
use serde_json::{Map, Value};

/// Longest payload that is passed on whole, in bytes.
pub const PAYLOAD_MAX: usize = 1024 * 1024;
/// The event by which a program asks a person for permission.
pub const PERMISSION_REQUEST: &str = "PermissionRequest";

/// The event's name.
const EVENT: &str = "hook_event_name";
/// The session's id.
const SESSION: &str = "session_id";
/// Marks a payload that was shortened.
const CUT: &str = "stratavore_cut";
/// No name or id is longer; these are kept whatever else is dropped.
const NAME_MAX: usize = 256;
/// Objects within a payload are kept down to here: a tool's input names its file.
const DEPTH: u8 = 1;

/// Tells what a payload is about.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
pub struct Head {
    /// The event's name; none where the payload is malformed.
    #[serde(default, rename = "hook_event_name")]
    pub event: Option<String>,
    /// Whether it was shortened.
    #[serde(default, rename = "stratavore_cut")]
    pub cut: bool,
}

impl Head {
    /// Reads it; that of a payload that is no JSON object is empty.
    pub fn of(payload: &str) -> Self {
        if !payload.trim_start().starts_with('{') {
            return Self::default();
        }
        serde_json::from_str(payload).unwrap_or_default()
    }
}

/// Shortens a payload to what fits into `most` bytes: its event, its session, then the short values in their order.
///
/// What comes after a point at which it is malformed or ends is lost. The result is always a JSON object, marked as cut.
pub fn cut(payload: &[u8], most: usize) -> String {
    let mut object = Map::new();
    object.insert(CUT.to_owned(), Value::Bool(true));
    // Braces, the mark, and the names that are always kept.
    let mut room = most.saturating_sub(32 + 2 * (NAME_MAX + 32));
    let seed = Kept {
        into: &mut object,
        longest: most / 4,
        room: &mut room,
        depth: 0,
    };
    // Where it breaks off, what was read counts.
    let _ = seed.deserialize(&mut serde_json::Deserializer::from_slice(payload));
    Value::Object(object).to_string()
}

/// Keeps what is short of an object.
struct Kept<'a> {
    into: &'a mut Map<String, Value>,
    longest: usize,
    room: &'a mut usize,
    depth: u8,
}

impl<'de> DeserializeSeed<'de> for Kept<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_map(self)
    }
}

impl<'de> Visitor<'de> for Kept<'_> {
    type Value = ();

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(mut self, mut map: A) -> Result<(), A::Error> {
        while let Some(key) = map.next_key::<String>()? {
            map.next_value_seed(Entry {
                kept: &mut self,
                key,
            })?;
        }
        Ok(())
    }
}

impl Kept<'_> {
    fn keep(&mut self, key: String, value: Value) {
        if self.depth == 0 && key == CUT {
            return;
        }
        let length = value.to_string().len();
        let named = self.depth == 0 && (key == EVENT || key == SESSION) && length <= NAME_MAX;
        if !named {
            // The key may grow by what is escaped in it, then quotes, a colon and a comma.
            let whole = length + 6 * key.len() + 4;
            if length > self.longest || whole > *self.room {
                return;
            }
            *self.room -= whole;
        }
        self.into.insert(key, value);
    }
}

/// Keeps one value of an object, if it is short.
struct Entry<'k, 'a> {
    kept: &'k mut Kept<'a>,
    key: String,
}

impl<'de> DeserializeSeed<'de> for Entry<'_, '_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Entry<'_, '_> {
    type Value = ();

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("any value")
    }

    fn visit_bool<E: de::Error>(self, value: bool) -> Result<(), E> {
        self.kept.keep(self.key, value.into());
        Ok(())
    }

    fn visit_i64<E: de::Error>(self, value: i64) -> Result<(), E> {
        self.kept.keep(self.key, value.into());
        Ok(())
    }

    fn visit_u64<E: de::Error>(self, value: u64) -> Result<(), E> {
        self.kept.keep(self.key, value.into());
        Ok(())
    }

    fn visit_f64<E: de::Error>(self, value: f64) -> Result<(), E> {
        self.kept.keep(self.key, value.into());
        Ok(())
    }

    fn visit_str<E: de::Error>(self, value: &str) -> Result<(), E> {
        // What is too long as it stands is not copied to learn how long it is in quotes.
        if value.len() <= self.kept.longest.max(NAME_MAX) {
            self.kept.keep(self.key, value.into());
        }
        Ok(())
    }

    fn visit_unit<E: de::Error>(self) -> Result<(), E> {
        self.kept.keep(self.key, Value::Null);
        Ok(())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<(), A::Error> {
        while list.next_element::<IgnoredAny>()?.is_some() {}
        Ok(())
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        if self.kept.depth == DEPTH {
            while map.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
            return Ok(());
        }
        self.kept.keep(self.key.clone(), Value::Object(Map::new()));
        // Filled where it stands: what comes before a break counts.
        match self.kept.into.get_mut(&self.key) {
            Some(Value::Object(into)) => Kept {
                into,
                longest: self.kept.longest,
                room: self.kept.room,
                depth: self.kept.depth + 1,
            }
            .visit_map(map),
            _ => {
                while map.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
                Ok(())
            }
        }
    }
}
