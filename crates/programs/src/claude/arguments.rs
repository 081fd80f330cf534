//! A person's own arguments, as Claude Code reads them.

/// Options that take the next word as their value, whatever it looks like.
const WITH_VALUE: &[&str] = &[
    "--agent",
    "--agents",
    "--append-system-prompt",
    "--append-system-prompt-file",
    "--autocompact",
    "--debug-file",
    "--effort",
    "--environment",
    "--fallback-model",
    "--input-format",
    "--json-schema",
    "--max-budget-usd",
    "--max-turns",
    "--model",
    "-n",
    "--name",
    "--output-format",
    "--permission-mode",
    "--permission-prompt-tool",
    "--permission-prompts",
    "--plugin-dir",
    "--plugin-url",
    "--remote-control-session-name-prefix",
    "--session-id",
    "--setting-sources",
    "--settings",
    "--system-prompt",
    "--system-prompt-file",
    "--system-prompt-snapshot",
];

/// Options that take the next word as their value unless it is an option.
const WITH_OPTIONAL_VALUE: &[&str] = &[
    "--cloud",
    "-d",
    "--debug",
    "--from-pr",
    "--prompt-suggestions",
    "--remote-control",
    "-r",
    "--resume",
    "--teleport",
    "-w",
    "--worktree",
];

/// First words that are a command of the program, and no conversation.
const COMMANDS: &[&str] = &[
    "agents",
    "attach",
    "auth",
    "auto-mode",
    "config",
    "doctor",
    "gateway",
    "import",
    "install",
    "kill",
    "logs",
    "mcp",
    "plugin",
    "plugins",
    "purge",
    "respawn",
    "rm",
    "setup-token",
    "stop",
    "ultrareview",
    "update",
    "upgrade",
];

/// An option that was given.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Given<'a> {
    /// Its name, as given.
    pub(super) name: &'a str,
    /// Its value, where one was given.
    pub(super) value: Option<&'a str>,
    /// Where its value, or the word that has both, stands.
    pub(super) at: usize,
}

/// Lists the options among arguments; what is the value of another, or follows `--`, is none.
pub(super) fn options(args: &[String]) -> Vec<Given<'_>> {
    let mut found = Vec::new();
    let mut at = 0;
    while let Some(word) = args.get(at) {
        if word == "--" {
            break;
        }
        if word.starts_with('-') && word.len() > 1 {
            if let Some((name, value)) = word.split_once('=').filter(|_| word.starts_with("--")) {
                let value = Some(value);
                found.push(Given { name, value, at });
            } else {
                let next = args.get(at + 1).map(String::as_str);
                let name = word.as_str();
                let value = if WITH_VALUE.contains(&name) {
                    next
                } else if WITH_OPTIONAL_VALUE.contains(&name) {
                    next.filter(|next| !next.starts_with('-'))
                } else {
                    None
                };
                at += usize::from(value.is_some());
                found.push(Given { name, value, at });
            }
        }
        at += 1;
    }
    found
}

/// Tells whether the arguments are of a command of the program, and not of a conversation.
pub(super) fn is_command(args: &[String]) -> bool {
    args.first()
        .is_some_and(|first| COMMANDS.contains(&first.as_str()))
        || options(args).iter().any(|given| {
            matches!(
                given.name,
                "-h" | "--help" | "-v" | "--version" | "--bg" | "--background" | "--desktop"
            )
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(text: &str) -> Vec<String> {
        shell_words::split(text).expect("words")
    }

    #[test]
    fn a_value_that_looks_like_an_option_is_none() {
        let args = words("--append-system-prompt -c --model=opus -r --debug -- --resume x");
        let found: Vec<_> = options(&args)
            .into_iter()
            .map(|given| (given.name, given.value, given.at))
            .collect();
        assert_eq!(
            found,
            [
                ("--append-system-prompt", Some("-c"), 1),
                ("--model", Some("opus"), 2),
                ("-r", None, 3),
                ("--debug", None, 4),
            ]
        );
    }

    #[test]
    fn commands_are_told_from_requests() {
        assert!(is_command(&words("mcp list")));
        assert!(is_command(&words("--model opus --version")));
        assert!(!is_command(&words("'mcp servers are slow, why?'")));
        assert!(!is_command(&words("--model mcp")));
        assert!(!is_command(&[]));
    }
}
