//! Several notices of one project, told together. A permission that can be given is told by itself: the notification in which it is
//! shown has the buttons that answer it, and one card has them for one request alone.

use std::collections::{BTreeMap, BTreeSet};

use chrono::TimeZone;
use stratavore_api::v1;
use stratavore_core::attention::Need;

use super::card::{Card, Circumstances, missed};
use crate::subject::{cut, visible};

/// From how many on the notices of a project are one card.
const MANY: usize = 3;
/// Lines of such a card.
const LINES: usize = 8;
/// Characters of a line before it is cut.
const WIDEST: usize = 100;

/// What is shown as one card.
#[derive(Debug, PartialEq)]
pub(super) enum Bundle {
    /// A notice by itself.
    One(Box<v1::Notification>),
    /// Many of one project.
    Many(String, Vec<v1::Notification>),
}

impl Bundle {
    /// Bundles what was claimed at once, each bundle where its first notice was.
    pub(super) fn all(notices: Vec<v1::Notification>) -> Vec<Self> {
        let mut counts: BTreeMap<String, usize> = BTreeMap::new();
        for project in notices.iter().filter_map(bundled) {
            *counts.entry(project.to_owned()).or_default() += 1;
        }
        let mut bundles: Vec<Self> = Vec::new();
        for notice in notices {
            let project = bundled(&notice)
                .filter(|project| counts[*project] >= MANY)
                .map(str::to_owned);
            let Some(project) = project else {
                bundles.push(Self::One(Box::new(notice)));
                continue;
            };
            let begun = bundles.iter_mut().find_map(|bundle| match bundle {
                Self::Many(of, notices) if *of == project => Some(notices),
                _ => None,
            });
            match begun {
                Some(notices) => notices.push(notice),
                None => bundles.push(Self::Many(project, vec![notice])),
            }
        }
        bundles
    }

    /// Makes its card.
    pub(super) fn card<Z: TimeZone>(&self, around: &Circumstances<'_, Z>) -> Card
    where
        Z::Offset: std::fmt::Display,
    {
        match self {
            Self::One(notice) => Card::of(notice, around),
            Self::Many(project, notices) => {
                let mut lines: Vec<String> = notices
                    .iter()
                    .take(LINES)
                    .map(|notice| line(notice, missed(notice, around)))
                    .collect();
                if notices.len() > LINES {
                    lines.push(format!("and {} more", notices.len() - LINES));
                }
                let troubled = !notices.iter().all(is_done);
                Card::group(summary(project, notices), &lines, troubled, around)
            }
        }
    }

    /// The notices in it.
    pub(super) fn notices(&self) -> &[v1::Notification] {
        match self {
            Self::One(notice) => std::slice::from_ref(&**notice),
            Self::Many(_, notices) => notices,
        }
    }
}

/// Returns the project with whose others a notice may be told.
fn bundled(notice: &v1::Notification) -> Option<&str> {
    let project = notice.project.as_deref();
    project.filter(|_| notice.ask.is_none())
}

fn summary(project: &str, notices: &[v1::Notification]) -> String {
    let runners: BTreeSet<_> = notices
        .iter()
        .filter_map(|notice| notice.runner_id.as_deref())
        .collect();
    let needy = notices.iter().filter(|notice| needs_a_person(notice));
    let needy: BTreeSet<_> = needy
        .filter_map(|notice| notice.runner_id.as_deref())
        .collect();
    match (runners.len(), needy.len()) {
        (all @ 1.., needy) if all == needy && notices.iter().all(needs_a_person) => match all {
            1 => format!("A runner of {project} needs you"),
            all => format!("{all} runners of {project} need you"),
        },
        (_, 1) => format!("{} notices of {project}, 1 runner needs you", notices.len()),
        (_, needy @ 2..) => format!(
            "{} notices of {project}, {needy} runners need you",
            notices.len()
        ),
        (2.., 0) if notices.iter().all(is_done) => {
            format!("{} runners of {project} are done", runners.len())
        }
        _ => format!("{} notices of {project}", notices.len()),
    }
}

/// Tells it in one line.
fn line(notice: &v1::Notification, missed: Option<String>) -> String {
    let mut line = visible(&notice.title);
    if let Some(body) = notice.body.lines().find(|line| !line.trim().is_empty()) {
        line.push_str(": ");
        line.push_str(&visible(body.trim()));
    }
    let mut line = cut(&line, WIDEST);
    if let Some(when) = missed {
        line.push_str(&format!(" (at {when})"));
    }
    line
}

fn needs_a_person(notice: &v1::Notification) -> bool {
    Need::ALL
        .into_iter()
        .any(|need| need.needs_a_person() && need.as_str() == notice.edge)
}

fn is_done(notice: &v1::Notification) -> bool {
    matches!(notice.edge.as_str(), "ended" | "turn-done")
}

#[cfg(test)]
mod tests {
    use chrono::Utc;
    use stratavore_core::clock::Timestamp;

    use super::*;

    fn notice(project: &str, runner: &str, edge: &str) -> v1::Notification {
        v1::Notification {
            id: format!("{runner} {edge}"),
            edge: edge.into(),
            title: format!("{runner} {edge}"),
            body: "\nls <a>\nmore".into(),
            project: (!project.is_empty()).then(|| project.into()),
            runner_id: (!runner.is_empty()).then(|| runner.into()),
            ..v1::Notification::default()
        }
    }

    fn card(bundle: &Bundle) -> Card {
        bundle.card(&Circumstances {
            markup: true,
            attended: true,
            started: Timestamp::default(),
            now: Timestamp::default(),
            zone: &Utc,
        })
    }

    #[test]
    fn three_of_a_project_are_one_and_two_or_those_of_none_are_not() {
        let notices = vec![
            notice("a", "r1", "needs-answer"),
            notice("b", "r2", "needs-answer"),
            notice("", "", "quota-refused"),
            notice("a", "r3", "stalled"),
            notice("", "", "quota-refused"),
            notice("b", "r4", "needs-answer"),
            notice("", "", "quota-refused"),
            notice("a", "r5", "needs-permission"),
        ];
        let bundles = Bundle::all(notices.clone());
        let one = |n: usize| Bundle::One(Box::new(notices[n].clone()));
        let a = [0, 3, 7].map(|n| notices[n].clone()).to_vec();
        assert_eq!(
            bundles,
            [
                Bundle::Many("a".into(), a),
                one(1),
                one(2),
                one(4),
                one(5),
                one(6)
            ]
        );
        let card = card(&bundles[0]);
        assert_eq!(card.summary, "3 runners of a need you");
        assert_eq!(
            card.body,
            "r1 needs-answer: ls &lt;a&gt;\nr3 stalled: ls &lt;a&gt;\nr5 needs-permission: ls &lt;a&gt;"
        );
        assert_eq!(card.actions, ["default", "Open Stratavore"]);
    }

    #[test]
    fn what_can_be_decided_stands_alone_with_its_buttons() {
        let asks = |runner: &str| v1::Notification {
            ask: Some(v1::Ask {
                id: runner.into(),
                tool: "Bash".into(),
                subject: "ls".into(),
                ..v1::Ask::default()
            }),
            ..notice("a", runner, "needs-permission")
        };
        // Three of a project, two of which can be decided: nothing is left to bundle.
        let few = vec![asks("r1"), notice("a", "r2", "stalled"), asks("r3")];
        let alone = |notices: &[v1::Notification]| -> Vec<Bundle> {
            let notices = notices.iter().cloned();
            notices.map(|it| Bundle::One(Box::new(it))).collect()
        };
        assert_eq!(Bundle::all(few.clone()), alone(&few));
        let asking = ["r1", "r2", "r3"].map(asks).to_vec();
        let bundles = Bundle::all(asking.clone());
        assert_eq!(bundles, alone(&asking));
        for bundle in &bundles {
            let card = card(bundle);
            assert!(card.offers("allow") && card.offers("deny") && card.offers("attach"));
        }
        // Others of the project are one card all the same; and so is a permission that is given in the terminal alone.
        let many = vec![
            notice("a", "r4", "errored"),
            asks("r1"),
            notice("a", "r5", "needs-permission"),
            notice("a", "r6", "needs-answer"),
        ];
        let rest = [0, 2, 3].map(|n| many[n].clone()).to_vec();
        assert_eq!(
            Bundle::all(many),
            [
                Bundle::Many("a".into(), rest),
                Bundle::One(Box::new(asks("r1")))
            ]
        );
    }

    #[test]
    fn it_says_how_many_need_a_person() {
        for (edges, said) in [
            (
                &[("r1", "errored"), ("r1", "stalled"), ("r1", "errored")][..],
                "A runner of a needs you",
            ),
            (
                &[("r1", "errored"), ("r2", "failed"), ("r3", "ended")],
                "3 notices of a, 1 runner needs you",
            ),
            (
                &[("r1", "errored"), ("r2", "needs-answer"), ("r2", "ended")],
                "3 notices of a, 2 runners need you",
            ),
            (
                &[("r1", "ended"), ("r2", "turn-done"), ("r3", "ended")],
                "3 runners of a are done",
            ),
            (
                &[("r1", "ended"), ("r2", "failed"), ("r3", "ended")],
                "3 notices of a",
            ),
        ] {
            let notices = edges
                .iter()
                .map(|(runner, edge)| notice("a", runner, edge))
                .collect();
            assert_eq!(summary("a", Bundle::all(notices)[0].notices()), said);
        }
    }

    #[test]
    fn a_long_one_says_how_many_more_there_are() {
        let notices = (0..10)
            .map(|n| notice("a", &format!("r{n}"), "failed"))
            .collect();
        let card = card(&Bundle::all(notices)[0]);
        assert_eq!(card.body.lines().count(), LINES + 1);
        assert!(card.body.ends_with("\nand 2 more"), "{card:?}");
    }
}
