//! `stratavore node`: the machines that share a store.

use stratavore_rpc::v1;

use super::status;
use crate::age;
use crate::args::NodeCommand;
use crate::failure::Result;
use crate::invocation::Invocation;
use crate::output::names;
use crate::table::{Side, Table};

pub(super) async fn run(call: &Invocation, command: NodeCommand) -> Result {
    let mut host = call.host().await?;
    match command {
        NodeCommand::List => {
            let nodes = host
                .ask(async |client| client.list_nodes(v1::ListNodesRequest {}).await)
                .await?
                .nodes;
            status::age(call, &mut host).await;
            call.output.data(&nodes, |nodes| list(call, nodes))
        }
        NodeCommand::Forget { node } => {
            let name = node.clone();
            let ended = host
                .ask(async |client| client.forget_node(v1::NodeRef { node }).await)
                .await?
                .runners;
            call.output.data(&ended, |ended| {
                let lost = match ended.is_empty() {
                    true => "it had no runners".to_owned(),
                    false => {
                        let names = names(ended.iter().map(|runner| runner.name.as_str()));
                        format!("ended as lost: {names}")
                    }
                };
                call.output.note(format!("forgot the node {name}; {lost}"));
                String::new()
            })
        }
    }
}

fn list(call: &Invocation, nodes: &[v1::Node]) -> String {
    if nodes.is_empty() {
        call.output.note(
            "this host shares its store with no other; `store.url` names one that several share",
        );
        return String::new();
    }
    let mut table = Table::new(&[
        ("NAME", Side::Left),
        ("ID", Side::Left),
        ("RUNNERS", Side::Right),
        ("VERSION", Side::Left),
        ("HEARD OF", Side::Left),
    ]);
    for node in nodes {
        let runners = match node.max_runners {
            Some(max) => format!("{}/{max}", node.active_runners),
            None => node.active_runners.to_string(),
        };
        let heard = match (node.silent, age::since(&node.heard_at, call.now())) {
            (true, age) => format!("silent for {age}"),
            (false, _) if node.here => "this one".to_owned(),
            (false, age) if age.is_empty() => "now".to_owned(),
            (false, age) => format!("{age} ago"),
        };
        table.row([
            node.name.clone(),
            node.id.clone(),
            runners,
            node.version.clone(),
            heard,
        ]);
    }
    table.render(call.output.stdout)
}
