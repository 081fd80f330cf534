//! Hosts of one team: each with directories of its own, all on one database.

use stratavore_rpc::v1;
use stratavore_testkit::TempHome;

use super::Host;

/// Hosts of one team, a project `p` on the first.
pub struct Team {
    pub hosts: Vec<Host>,
}

impl Team {
    /// Starts hosts of one person.
    pub async fn of(names: &[&str], url: &str) -> Self {
        let mut team = Self { hosts: Vec::new() };
        for name in names {
            team.join(name, &settings("ada", name, url), vec![]).await;
        }
        team
    }

    /// Starts one more host, with these settings and variables.
    pub async fn join(&mut self, name: &str, settings: &str, environment: Vec<(String, String)>) {
        let home = TempHome::new();
        std::fs::write(home.config_file(), settings)
            .unwrap_or_else(|error| panic!("the settings of {name}: {error}"));
        self.hosts.push(match self.hosts.is_empty() {
            true => Host::with_environment(home, environment).await,
            false => Host::without_project(home, environment).await,
        });
    }

    /// What one of them knows of all.
    pub async fn nodes(&self, on: usize) -> Vec<v1::Node> {
        let mut client = self.hosts[on].client();
        let nodes = client.list_nodes(v1::ListNodesRequest {}).await.unwrap();
        nodes.into_inner().nodes
    }
}

/// The settings of a host.
pub fn settings(person: &str, node: &str, url: &str) -> String {
    format!(
        "person = '{person}'\n[store]\nurl = '{url}'\n[node]\nname = '{node}'\n[heartbeat]\ninterval_seconds = 1\n"
    )
}

/// The same, asked of a node.
pub fn on(node: &str, request: v1::LaunchRequest) -> v1::LaunchRequest {
    v1::LaunchRequest {
        node: Some(node.into()),
        ..request
    }
}
