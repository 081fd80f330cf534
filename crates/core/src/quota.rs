//! Quotas: how many runners may be active at once.

use serde::{Deserialize, Serialize};

use crate::budget::Terms;
use crate::runner::StateName;

/// What a quota covers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Scope {
    /// One project.
    Project,
    /// All runners of this machine.
    Node,
}

impl std::fmt::Display for Scope {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Project => "project",
            Self::Node => "node",
        })
    }
}

/// The limits that a launch is held to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Limits {
    /// Active runners in the project.
    pub project: Option<u32>,
    /// Active runners on the node.
    pub node: Option<u32>,
    /// By what terms budgets are held too; nothing: they are not.
    pub budgets: Option<Terms>,
}

/// How much of each limit is taken.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Usage {
    /// Active runners in the project.
    pub project: u32,
    /// Active runners on the node.
    pub node: u32,
}

/// A quota that leaves no room.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Full {
    /// Which.
    pub scope: Scope,
    /// Its limit.
    pub limit: u32,
}

/// Tells whether one more runner fits.
///
/// # Errors
/// [`Full`] names the first quota that leaves no room, the project's before the node's.
pub fn admit(limits: Limits, usage: Usage) -> Result<(), Full> {
    for (scope, limit, used) in [
        (Scope::Project, limits.project, usage.project),
        (Scope::Node, limits.node, usage.node),
    ] {
        if let Some(limit) = limit
            && used >= limit
        {
            return Err(Full { scope, limit });
        }
    }
    Ok(())
}

/// Tells whether a runner in this state holds a place.
#[must_use]
pub const fn counts(state: StateName) -> bool {
    match state {
        StateName::Starting
        | StateName::Running
        | StateName::Paused
        | StateName::Stopping
        | StateName::Backoff => true,
        StateName::Queued | StateName::Terminated | StateName::Failed | StateName::Cancelled => {
            false
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_place_is_given_and_no_more() {
        let limits = Limits {
            project: Some(2),
            node: Some(3),
            budgets: None,
        };
        assert_eq!(
            admit(
                limits,
                Usage {
                    project: 1,
                    node: 2
                }
            ),
            Ok(())
        );
        assert_eq!(
            admit(
                limits,
                Usage {
                    project: 2,
                    node: 2
                }
            ),
            Err(Full {
                scope: Scope::Project,
                limit: 2
            })
        );
        assert_eq!(
            admit(
                limits,
                Usage {
                    project: 0,
                    node: 3
                }
            ),
            Err(Full {
                scope: Scope::Node,
                limit: 3
            })
        );
        assert_eq!(
            admit(
                Limits::default(),
                Usage {
                    project: 9,
                    node: 9
                }
            ),
            Ok(())
        );
    }

    #[test]
    fn zero_means_none() {
        assert!(
            admit(
                Limits {
                    project: Some(0),
                    node: None,
                    budgets: None
                },
                Usage::default()
            )
            .is_err()
        );
    }
}
