//! The command line.

use clap::Parser;

/// Runs Stratavore in the tray, with a window when one is asked for.
#[derive(Clone, Debug, Default, PartialEq, Eq, Parser)]
#[command(name = "stratavore-desktop", version)]
pub struct Arguments {
    /// Open the window on this runner's terminal
    #[arg(long, value_name = "RUNNER")]
    pub attach: Option<String>,
    /// Start in the tray, without a window
    #[arg(long, conflicts_with = "attach")]
    pub hidden: bool,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_runner_to_attach_asks_for_the_window_and_hidden_for_none() {
        let parse =
            |args: &[&str]| Arguments::try_parse_from([&["stratavore-desktop"], args].concat());
        assert_eq!(parse(&[]).unwrap(), Arguments::default());
        assert_eq!(
            parse(&["--attach", "a1"]).unwrap().attach.as_deref(),
            Some("a1")
        );
        assert!(parse(&["--hidden"]).unwrap().hidden);
        assert!(parse(&["--hidden", "--attach", "a1"]).is_err());
    }
}
