//! Versions, as programs print them.

/// Finds the version in what a program prints of it, such as `codex-cli 0.169.0`.
pub(crate) fn of(printed: &str) -> Option<(u32, u32, u32)> {
    printed.split_whitespace().find_map(parse)
}

/// Tells whether a version, such as `2.1.330 (Claude Code)` or `codex-cli 0.169.0`, is this or a later one. What holds no
/// version is not.
pub(crate) fn at_least(version: &str, least: (u32, u32, u32)) -> bool {
    of(version).is_some_and(|version| version >= least)
}

/// Tells whether a program's version is the one that it was recorded with, or a later one, and says so.
pub(crate) fn recorded(version: &str, with: (u32, u32, u32)) -> (bool, String) {
    let is_recorded = at_least(version, with);
    let (major, minor, patch) = with;
    let but = if is_recorded {
        ""
    } else {
        ", not with this version"
    };
    (
        is_recorded,
        format!("recorded with {major}.{minor}.{patch}{but}"),
    )
}

fn parse(word: &str) -> Option<(u32, u32, u32)> {
    let word = word.trim_start_matches('v');
    let (core, _) = word.split_once(['-', '+']).unwrap_or((word, ""));
    let mut parts = core.split('.').map(str::parse);
    let major = parts.next()?.ok()?;
    let minor = parts.next()?.ok()?;
    let patch = parts.next().and_then(Result::ok).unwrap_or(0);
    Some((major, minor, patch))
}

#[cfg(test)]
mod tests {
    use super::{at_least, recorded};

    #[test]
    fn what_was_recorded_is_said_with_its_version() {
        let with = (0, 61, 0);
        assert_eq!(
            recorded("0.62.1", with),
            (true, "recorded with 0.61.0".to_owned())
        );
        assert_eq!(
            recorded("0.9.0", with),
            (
                false,
                "recorded with 0.61.0, not with this version".to_owned()
            )
        );
    }

    #[test]
    fn versions_are_compared_by_number_and_nonsense_is_none() {
        let least = (2, 1, 330);
        assert!(at_least("2.1.330 (Claude Code)", least));
        assert!(at_least("claude v2.2.0-beta.1", least));
        assert!(at_least("10.0", least));
        assert!(!at_least("2.1.99 (Claude Code)", least));
        assert!(!at_least("unknown", least));
        assert!(!at_least("", least));
    }
}
