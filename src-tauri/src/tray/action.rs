//! What a click in the menu asks for, and the stable id of the item that asks it.

/// Something that can be done from the tray.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Action {
    /// Show a runner's terminal.
    Attach(String),
    /// Show a runner's terminal in the user's terminal emulator.
    OpenInTerminal(String),
    /// Stop a runner.
    Stop(String),
    /// Restart a runner.
    Restart(String),
    /// Pause a runner.
    Pause(String),
    /// Let a runner go on.
    Continue(String),
    /// Launch a project's default program.
    Launch(String),
    /// Open the launch dialog on a project.
    LaunchInWindow(String),
    /// Stop a project's runners.
    StopProject(String),
    /// Open the window.
    Open,
    /// Start at login, or no longer.
    Autostart,
    /// Quit; runners keep running.
    Quit,
    /// Stop every runner and quit.
    StopAndQuit,
}

impl Action {
    /// Returns the id of the item that asks for it: the same at every rebuild, so that a click in a menu that was open
    /// meanwhile means what its label said.
    #[must_use]
    pub fn id(&self) -> String {
        match self {
            Self::Attach(runner) => format!("attach {runner}"),
            Self::OpenInTerminal(runner) => format!("open-in-terminal {runner}"),
            Self::Stop(runner) => format!("stop {runner}"),
            Self::Restart(runner) => format!("restart {runner}"),
            Self::Pause(runner) => format!("pause {runner}"),
            Self::Continue(runner) => format!("continue {runner}"),
            Self::Launch(project) => format!("launch {project}"),
            Self::LaunchInWindow(project) => format!("launch-in-window {project}"),
            Self::StopProject(project) => format!("stop-project {project}"),
            Self::Open => "open".to_owned(),
            Self::Autostart => "autostart".to_owned(),
            Self::Quit => "quit".to_owned(),
            Self::StopAndQuit => "stop-and-quit".to_owned(),
        }
    }

    /// Reads an id; `None` for an item that asks for nothing. What follows a second blank tells items of one action
    /// apart.
    #[must_use]
    pub fn from_id(id: &str) -> Option<Self> {
        let mut words = id.splitn(3, ' ');
        let word = words.next()?;
        let of = words.next().map(str::to_owned);
        Some(match (word, of) {
            ("attach", Some(runner)) => Self::Attach(runner),
            ("open-in-terminal", Some(runner)) => Self::OpenInTerminal(runner),
            ("stop", Some(runner)) => Self::Stop(runner),
            ("restart", Some(runner)) => Self::Restart(runner),
            ("pause", Some(runner)) => Self::Pause(runner),
            ("continue", Some(runner)) => Self::Continue(runner),
            ("launch", Some(project)) => Self::Launch(project),
            ("launch-in-window", Some(project)) => Self::LaunchInWindow(project),
            ("stop-project", Some(project)) => Self::StopProject(project),
            ("open", _) => Self::Open,
            ("autostart", None) => Self::Autostart,
            ("quit", None) => Self::Quit,
            ("stop-and-quit", None) => Self::StopAndQuit,
            _ => return None,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_action_is_read_back_from_its_id() {
        let of = || "0199-a".to_owned();
        for action in [
            Action::Attach(of()),
            Action::OpenInTerminal(of()),
            Action::Stop(of()),
            Action::Restart(of()),
            Action::Pause(of()),
            Action::Continue(of()),
            Action::Launch(of()),
            Action::LaunchInWindow(of()),
            Action::StopProject(of()),
            Action::Open,
            Action::Autostart,
            Action::Quit,
            Action::StopAndQuit,
        ] {
            assert_eq!(Action::from_id(&action.id()), Some(action));
        }
        assert_eq!(
            Action::from_id("attach r1 within"),
            Some(Action::Attach("r1".into()))
        );
        assert_eq!(Action::from_id("status"), None);
        assert_eq!(Action::from_id("stop"), None);
    }
}
