//! Addresses of servers, which may hold passwords.

use std::fmt;

/// The address of a database or a broker. It is shown and logged without its password.
#[derive(Clone, PartialEq, Eq)]
pub struct ServerUrl(String);

/// Parts of a URL that begin a parameter whose value nobody else is to see.
const SECRET: [&str; 4] = ["password", "passphrase", "secret", "token"];
/// Stands for what is not shown.
const HIDDEN: &str = "…";

impl ServerUrl {
    /// Takes an address of one of these schemes.
    #[must_use]
    pub fn new(text: &str, schemes: &[&str]) -> Option<Self> {
        let (scheme, rest) = text.split_once("://")?;
        (schemes.contains(&scheme) && !rest.is_empty() && !text.contains(char::is_whitespace))
            .then(|| Self(text.to_owned()))
    }

    /// Gives the address with its password, for connecting.
    #[must_use]
    pub fn expose(&self) -> &str {
        &self.0
    }

    /// Writes any text that may be an address as it may be shown: `postgres://ann:…@db.example/team`.
    #[must_use]
    pub fn redact(text: &str) -> String {
        let (scheme, rest) = match text.split_once("://") {
            Some((scheme, rest)) => (format!("{scheme}://"), rest),
            None => (String::new(), text),
        };
        // Whoever writes an @ or / into a password without escaping it shows no part of it either.
        let (user, rest) = match rest.rsplit_once('@') {
            Some((user, rest)) => match user.split_once(':') {
                Some((name, _)) => (format!("{name}:{HIDDEN}@"), rest),
                None => (format!("{user}@"), rest),
            },
            None => (String::new(), rest),
        };
        let (address, parameters) = rest.split_once('?').unwrap_or((rest, ""));
        let parameters: Vec<String> = parameters
            .split('&')
            .filter(|parameter| !parameter.is_empty())
            .map(|parameter| match parameter.split_once('=') {
                Some((name, _)) if is_secret(name) => format!("{name}={HIDDEN}"),
                _ => parameter.to_owned(),
            })
            .collect();
        let query = if parameters.is_empty() { "" } else { "?" };
        format!("{scheme}{user}{address}{query}{}", parameters.join("&"))
    }
}

fn is_secret(name: &str) -> bool {
    let name = name.to_lowercase();
    SECRET.iter().any(|secret| name.contains(secret))
}

impl fmt::Display for ServerUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&Self::redact(&self.0))
    }
}

impl fmt::Debug for ServerUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ServerUrl({self})")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_password_is_never_shown() {
        for (url, shown) in [
            ("postgres://ann:s3cret@db/team", "postgres://ann:…@db/team"),
            (
                "postgres://ann:s3/c@ret@db/team",
                "postgres://ann:…@db/team",
            ),
            (
                "postgres://db/team?user=ann&password=s3cret&sslmode=require",
                "postgres://db/team?user=ann&password=…&sslmode=require",
            ),
            (
                "amqps://ann:s3cret@mq:5671/%2f?heartbeat=10",
                "amqps://ann:…@mq:5671/%2f?heartbeat=10",
            ),
            ("postgres://ann@db", "postgres://ann@db"),
            ("ann:s3cret@db", "ann:…@db"),
        ] {
            assert_eq!(ServerUrl::redact(url), shown);
            if let Some(url) = ServerUrl::new(url, &["postgres", "amqps"]) {
                assert!(!format!("{url} {url:?}").contains("s3"));
            }
        }
    }

    #[test]
    fn only_addresses_of_the_scheme_are_taken() {
        assert!(ServerUrl::new("postgres://db", &["postgres"]).is_some());
        for text in ["", "postgres://", "postgres", "http://db", "postgres://d b"] {
            assert!(ServerUrl::new(text, &["postgres"]).is_none(), "{text}");
        }
    }
}
