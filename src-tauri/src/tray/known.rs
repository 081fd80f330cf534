//! What the tray knows, and how it comes to know it.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use stratavore_api::{Api, v1};
use stratavore_core::clock::Timestamp;
use stratavore_core::program;
use stratavore_core::runner::StateName;
use tokio::time::Instant;

use super::entry::LONGEST;
use super::model::Snapshot;
use crate::desktop::Desktop;
use crate::slot::Seat;

/// How long settings and presets are believed: a project's file changes without a nudge.
const BELIEVED: Duration = Duration::from_secs(60);

/// What is kept from one look to the next.
#[derive(Default)]
pub(super) struct Memory {
    failures: Option<u32>,
    failures_seen: Option<u32>,
    settings: Option<(Instant, Settings)>,
    last: Option<Last>,
    /// Runners that ended before this desktop looked have been asked for, for the sake of the last of them.
    asked_for_last: bool,
}

/// What changes seldom, and is asked for seldom.
#[derive(Clone, Default)]
struct Settings {
    /// What each project launches by default.
    programs: BTreeMap<String, String>,
    /// What can be launched by name in each project.
    presets: BTreeMap<String, Vec<v1::Preset>>,
    /// Whether permissions may be given from here.
    decide: bool,
}

/// The latest launch: when, and in which project.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord)]
struct Last {
    at: String,
    project: String,
}

impl Memory {
    /// Takes a nudge in; tells whether it concerns the desktop itself.
    pub(super) fn heed(&mut self, nudge: &v1::Nudge) -> bool {
        if matches!(nudge.entity.as_str(), "project" | "presets" | "status") {
            self.settings = None;
        }
        nudge.entity == crate::desktop::SELF
    }

    /// Notes that a person has seen what failed so far.
    pub(super) fn see_failures(&mut self) {
        self.failures_seen = self.failures;
    }

    /// Forgets what a host said of itself: another may be in force.
    pub(super) fn forget_host(&mut self) {
        self.settings = None;
        self.last = None;
        self.asked_for_last = false;
    }

    /// Asks how things stand.
    pub(super) async fn look(
        &mut self,
        seat: Option<Seat>,
        desktop: &Desktop,
        now: Timestamp,
    ) -> Snapshot {
        let nobody = Snapshot {
            autostart: desktop.autostart.is_enabled(),
            paused_until: desktop.pause.until(now),
            now,
            ..Snapshot::default()
        };
        let Some(Seat { api, .. }) = seat else {
            return nobody;
        };
        let asked = futures::try_join!(
            api.status(),
            api.runners(v1::ListRunnersRequest {
                project: None,
                all: !self.asked_for_last,
            }),
            api.projects(v1::ListProjectsRequest::default()),
        );
        let (status, listed, projects) = match asked {
            Ok(answered) => answered,
            Err(failure) => {
                tracing::warn!(%failure, "the tray cannot tell how things stand");
                return nobody;
            }
        };
        let mut runners = listed.runners;
        self.last = self.last.take().max(latest(&runners));
        self.asked_for_last = true;
        runners.retain(|runner| !has_ended(runner));
        let projects = projects.projects;
        let settings = self.settings(&api, &projects).await;
        // What had failed before this desktop started is told by notifications, not by the icon.
        let failures = status.runners.get("failed").copied().unwrap_or(0);
        self.failures = Some(failures);
        let seen = self
            .failures_seen
            .map_or(failures, |seen| seen.min(failures));
        self.failures_seen = Some(seen);
        Snapshot {
            status: Some(status),
            runners,
            projects,
            programs: settings.programs,
            presets: settings.presets,
            decide: settings.decide,
            last_project: self.last.as_ref().map(|last| last.project.clone()),
            unseen_failures: failures - seen,
            ..nobody
        }
    }

    async fn settings(&mut self, api: &Arc<dyn Api>, projects: &[v1::Project]) -> Settings {
        let at = Instant::now();
        if let Some((asked, settings)) = &self.settings
            && at.duration_since(*asked) < BELIEVED
        {
            return settings.clone();
        }
        let mut settings = Settings {
            decide: setting(api, None, "notifications.decide").await.as_deref() == Some("true"),
            ..Settings::default()
        };
        // The menu shows no more.
        for project in projects.iter().take(LONGEST) {
            if let Some(name) = setting(api, Some(&project.id), "launch.program").await {
                let title = program::find(&name).map_or(name, |known| known.title.to_owned());
                settings.programs.insert(project.id.clone(), title);
            }
            let request = v1::ListPresetsRequest {
                project: Some(project.id.clone()),
            };
            match api.presets(request).await {
                Ok(presets) => {
                    settings.presets.insert(project.id.clone(), presets.presets);
                }
                // Such as a project's file that cannot be read: the launch itself says that.
                Err(failure) => tracing::debug!(%failure, "the tray shows no presets"),
            }
        }
        self.settings = Some((at, settings.clone()));
        settings
    }
}

async fn setting(api: &Arc<dyn Api>, project: Option<&str>, key: &str) -> Option<String> {
    let request = v1::ConfigRequest {
        project: project.map(str::to_owned),
    };
    let config = api.config(request).await.ok()?;
    config
        .settings
        .into_iter()
        .find(|setting| setting.key == key)
        .map(|setting| setting.value)
}

fn latest(runners: &[v1::Runner]) -> Option<Last> {
    let launches = runners.iter().map(|runner| Last {
        at: runner.created_at.clone(),
        project: runner.project_id.clone(),
    });
    launches.max()
}

fn has_ended(runner: &v1::Runner) -> bool {
    runner
        .state
        .parse::<StateName>()
        .is_ok_and(StateName::is_final)
}
