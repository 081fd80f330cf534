//! What a click in the menu asks for, and the stable id of the item that asks it.

use crate::notifications::Length;

/// Something that can be done from the tray.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Action {
    /// Show a runner's terminal.
    Attach(String),
    /// Show a runner's terminal in the user's terminal emulator.
    OpenInTerminal(String),
    /// Give a runner the permission that it asks for.
    Allow {
        /// Which runner.
        runner: String,
        /// Which ask: another one is not meant.
        ask: String,
    },
    /// Refuse it.
    Deny {
        /// Which runner.
        runner: String,
        /// Which ask.
        ask: String,
    },
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
    /// Launch a preset in a project.
    LaunchPreset {
        /// Which project.
        project: String,
        /// The preset's name.
        preset: String,
    },
    /// Go on with the latest session of a project.
    ContinueLast(String),
    /// Launch a project's default program in a fresh worktree.
    LaunchInWorktree(String),
    /// Open the launch dialog on a project.
    LaunchInWindow(String),
    /// Stop a project's runners.
    StopProject(String),
    /// Open the window.
    Open,
    /// Notify nothing for a while.
    PauseNotifications(Length),
    /// Notify again.
    ResumeNotifications,
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
            Self::Allow { runner, ask } => format!("allow {runner} {ask}"),
            Self::Deny { runner, ask } => format!("deny {runner} {ask}"),
            Self::Stop(runner) => format!("stop {runner}"),
            Self::Restart(runner) => format!("restart {runner}"),
            Self::Pause(runner) => format!("pause {runner}"),
            Self::Continue(runner) => format!("continue {runner}"),
            Self::Launch(project) => format!("launch {project}"),
            Self::LaunchPreset { project, preset } => format!("launch-preset {project} {preset}"),
            Self::ContinueLast(project) => format!("continue-last {project}"),
            Self::LaunchInWorktree(project) => format!("launch-in-worktree {project}"),
            Self::LaunchInWindow(project) => format!("launch-in-window {project}"),
            Self::StopProject(project) => format!("stop-project {project}"),
            Self::Open => "open".to_owned(),
            Self::PauseNotifications(length) => format!("pause-notifications {}", length.as_str()),
            Self::ResumeNotifications => "resume-notifications".to_owned(),
            Self::Autostart => "autostart".to_owned(),
            Self::Quit => "quit".to_owned(),
            Self::StopAndQuit => "stop-and-quit".to_owned(),
        }
    }

    /// Returns an id for one more item of the same action, elsewhere in the menu.
    pub(super) fn id_at(&self, place: &str) -> String {
        format!("{} {place}", self.id())
    }

    /// Reads an id; `None` for an item that asks for nothing. What follows a second blank tells items of one action
    /// apart, where the action itself needs no more than one word.
    #[must_use]
    pub fn from_id(id: &str) -> Option<Self> {
        let mut words = id.splitn(3, ' ');
        let word = words.next()?;
        let of = words.next().map(str::to_owned);
        let more = words.next().map(str::to_owned);
        Some(match (word, of, more) {
            ("attach", Some(runner), _) => Self::Attach(runner),
            ("open-in-terminal", Some(runner), _) => Self::OpenInTerminal(runner),
            ("allow", Some(runner), Some(ask)) => Self::Allow { runner, ask },
            ("deny", Some(runner), Some(ask)) => Self::Deny { runner, ask },
            ("stop", Some(runner), _) => Self::Stop(runner),
            ("restart", Some(runner), _) => Self::Restart(runner),
            ("pause", Some(runner), _) => Self::Pause(runner),
            ("continue", Some(runner), _) => Self::Continue(runner),
            ("launch", Some(project), _) => Self::Launch(project),
            ("launch-preset", Some(project), Some(preset)) => {
                Self::LaunchPreset { project, preset }
            }
            ("continue-last", Some(project), _) => Self::ContinueLast(project),
            ("launch-in-worktree", Some(project), _) => Self::LaunchInWorktree(project),
            ("launch-in-window", Some(project), _) => Self::LaunchInWindow(project),
            ("stop-project", Some(project), _) => Self::StopProject(project),
            ("open", ..) => Self::Open,
            ("pause-notifications", Some(length), _) => {
                Self::PauseNotifications(Length::parse(&length)?)
            }
            ("resume-notifications", None, _) => Self::ResumeNotifications,
            ("autostart", None, _) => Self::Autostart,
            ("quit", None, _) => Self::Quit,
            ("stop-and-quit", None, _) => Self::StopAndQuit,
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
        let ask = || "7".to_owned();
        for action in [
            Action::Attach(of()),
            Action::OpenInTerminal(of()),
            Action::Allow {
                runner: of(),
                ask: ask(),
            },
            Action::Deny {
                runner: of(),
                ask: ask(),
            },
            Action::Stop(of()),
            Action::Restart(of()),
            Action::Pause(of()),
            Action::Continue(of()),
            Action::Launch(of()),
            Action::LaunchPreset {
                project: of(),
                preset: "a review of it".into(),
            },
            Action::ContinueLast(of()),
            Action::LaunchInWorktree(of()),
            Action::LaunchInWindow(of()),
            Action::StopProject(of()),
            Action::Open,
            Action::PauseNotifications(Length::Hour),
            Action::PauseNotifications(Length::Tomorrow),
            Action::ResumeNotifications,
            Action::Autostart,
            Action::Quit,
            Action::StopAndQuit,
        ] {
            assert_eq!(Action::from_id(&action.id()), Some(action));
        }
        assert_eq!(
            Action::from_id(&Action::Attach("r1".into()).id_at("needs-you")),
            Some(Action::Attach("r1".into()))
        );
        assert_eq!(Action::from_id("status"), None);
        assert_eq!(Action::from_id("stop"), None);
        assert_eq!(Action::from_id("allow r1"), None, "which ask is not said");
    }
}
