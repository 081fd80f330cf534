//! Where a broker is.

use std::fmt;
use std::str::FromStr;

use lapin::uri::{AMQPScheme, AMQPUri};

use super::BrokerError;

/// How often each side shows that it lives, in seconds, unless the URL says otherwise. A peer that is silent for twice as
/// long is gone.
const HEARTBEAT: u16 = 10;

/// Says where a broker is and how to log in there. Neither form of printing it shows the password.
#[derive(Clone, PartialEq, Eq)]
pub struct Address(AMQPUri);

impl Address {
    pub(super) fn uri(&self) -> AMQPUri {
        self.0.clone()
    }

    /// Returns the virtual host.
    #[must_use]
    pub fn vhost(&self) -> &str {
        &self.0.vhost
    }

    /// Returns the user.
    #[must_use]
    pub fn user(&self) -> &str {
        &self.0.authority.userinfo.username
    }
}

impl FromStr for Address {
    type Err = BrokerError;

    /// Reads `amqp://user:password@host:port/vhost` or the same with `amqps`.
    fn from_str(text: &str) -> Result<Self, BrokerError> {
        let mut uri: AMQPUri = text.parse().map_err(|reason: String| BrokerError::BadUrl {
            // The parser repeats what it was given, which may hold the password.
            reason: reason.replace(text, "…"),
        })?;
        // The parser reads an address in brackets as no host at all, which means the local one.
        if let Some(host) = in_brackets(text) {
            host.clone_into(&mut uri.authority.host);
        }
        if uri.vhost.is_empty() {
            // What a URL that ends in `/` says to the letter, and nobody means.
            "/".clone_into(&mut uri.vhost);
        }
        uri.query.heartbeat.get_or_insert(HEARTBEAT);
        Ok(Self(uri))
    }
}

fn in_brackets(url: &str) -> Option<&str> {
    let authority = url.split_once("://")?.1;
    let authority = authority.split(['/', '?']).next()?;
    let host = authority.rsplit('@').next()?.strip_prefix('[')?;
    host.split_once(']').map(|(host, _)| host)
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let scheme = match self.0.scheme {
            AMQPScheme::AMQP => "amqp",
            AMQPScheme::AMQPS => "amqps",
        };
        let (host, port) = (&self.0.authority.host, self.0.authority.port);
        let (user, vhost) = (self.user(), self.vhost().replace('/', "%2f"));
        if host.contains(':') {
            write!(f, "{scheme}://{user}:…@[{host}]:{port}/{vhost}")
        } else {
            write!(f, "{scheme}://{user}:…@{host}:{port}/{vhost}")
        }
    }
}

impl fmt::Debug for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_printed_without_its_password() {
        for (given, printed) in [
            (
                "amqp://ann:s3cret@broker.example/team",
                "amqp://ann:…@broker.example:5672/team",
            ),
            (
                "amqps://ann:s3cret@10.0.0.7:5699/%2f",
                "amqps://ann:…@10.0.0.7:5699/%2f",
            ),
            (
                "amqp://ann:s3cret@[::1]:5673/",
                "amqp://ann:…@[::1]:5673/%2f",
            ),
            ("amqp://broker", "amqp://guest:…@broker:5672/%2f"),
        ] {
            let address: Address = given.parse().unwrap();
            assert_eq!(address.to_string(), printed);
            assert_eq!(format!("{address:?}"), printed);
        }
    }

    #[test]
    fn what_is_no_address_is_refused_without_repeating_it() {
        for bad in ["s3cret", "http://ann:s3cret@broker", "amqp:s3cret"] {
            let said = bad.parse::<Address>().unwrap_err().to_string();
            assert!(!said.contains("s3cret"), "{said}");
            assert!(said.contains("broker.url"), "{said}");
        }
    }
}
