//! Command lines: one text split into the words to execute.

/// Why a text is no command.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum BadCommand {
    /// The text ends inside quotes.
    #[error("a quote is not closed")]
    Unclosed,
    /// There is no first word, or it is empty.
    #[error("it names no program")]
    NoProgram,
}

/// Splits a text into words as a POSIX shell does, without expanding anything.
///
/// # Errors
/// [`BadCommand`] when a quote stays open or no program is named.
pub fn split(text: &str) -> Result<Vec<String>, BadCommand> {
    let words = shell_words::split(text).map_err(|_| BadCommand::Unclosed)?;
    if words.first().is_none_or(String::is_empty) {
        return Err(BadCommand::NoProgram);
    }
    Ok(words)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_those_of_a_shell_and_nothing_is_expanded() {
        let words = split(r#"run 'a b' "c\"d" e\ f $HOME *"#).unwrap();
        assert_eq!(words, ["run", "a b", "c\"d", "e f", "$HOME", "*"]);
        // As a shell does where nothing follows it.
        assert_eq!(split("a \\").unwrap(), ["a", "\\"]);
        assert_eq!(split("say 'one\ntwo' ''").unwrap(), ["say", "one\ntwo", ""]);
    }

    #[test]
    fn what_does_not_end_or_names_nothing_is_refused() {
        for open in ["a 'b", "a \"b", "a \"b\\"] {
            assert_eq!(split(open), Err(BadCommand::Unclosed), "{open:?}");
        }
        for nothing in ["", " \t\n", "'' a"] {
            assert_eq!(split(nothing), Err(BadCommand::NoProgram), "{nothing:?}");
        }
    }
}
