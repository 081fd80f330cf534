//! Ends what an attempt left running after its agent died.
//!
//! Where the runner had a scope, the kernel ends all of it at once. Elsewhere what is found is every process that
//! descends from the recorded program, or whose environment carries the runner's id. A program can hide from that only
//! by leaving its ancestors and clearing its environment both.

use std::fs;
use std::path::Path;

use stratavore_core::ids::RunnerId;
use stratavore_core::launch::RUNNER_VARIABLE;
use stratavore_wire::RunnerRecord;
use tracing::{info, warn};

use crate::process;

/// Where control groups of version 2 are: by themselves, or beside those of version 1.
const CGROUPS: [&str; 2] = ["/sys/fs/cgroup", "/sys/fs/cgroup/unified"];

/// How often the family is looked for again: each round ends all it finds, so only what is born meanwhile is left.
const ROUNDS: u32 = 200;

/// Ends what is left of an attempt and returns how many processes that were. Blocks for as long as they take to die.
pub(crate) fn sweep(runner: RunnerId, record: Option<&RunnerRecord>) -> usize {
    if let Some(cgroup) = record.and_then(|record| record.cgroup.as_deref()) {
        end_scope(runner, cgroup);
    }
    let marker = format!("{RUNNER_VARIABLE}={runner}");
    let roots = living_roots(record);
    let mut ended = std::collections::HashSet::new();
    for round in 0..ROUNDS {
        let left = process::family(&process::look_at_all(), &marker, &roots);
        if left.is_empty() {
            break;
        }
        for seen in &left {
            process::kill(*seen);
            ended.insert((seen.pid, seen.start_time));
        }
        if round + 1 == ROUNDS {
            warn!(%runner, left = left.len(), "processes outlive being killed");
        }
        std::thread::yield_now();
    }
    if !ended.is_empty() {
        info!(%runner, processes = ended.len(), "ended what a lost agent left running");
    }
    ended.len()
}

/// Ends everything in a runner's scope at once, where it is still there.
fn end_scope(runner: RunnerId, cgroup: &str) {
    let kill = CGROUPS
        .iter()
        .map(|root| {
            Path::new(root)
                .join(cgroup.trim_start_matches('/'))
                .join("cgroup.kill")
        })
        .find(|kill| kill.exists());
    if let Some(kill) = kill
        && let Err(error) = fs::write(&kill, "1")
    {
        warn!(%runner, path = %kill.display(), %error, "cannot end the scope; ending its processes one by one");
    }
}

/// Returns the recorded program if it still is the same process in the same boot.
fn living_roots(record: Option<&RunnerRecord>) -> Vec<u32> {
    let Some(program) = record.and_then(|record| record.process.as_ref()) else {
        return Vec::new();
    };
    if program.boot_id != process::boot_id() {
        return Vec::new();
    }
    u32::try_from(program.pid)
        .ok()
        .and_then(process::look)
        .filter(|seen| seen.start_time == program.start_time)
        .map(|seen| seen.pid)
        .into_iter()
        .collect()
}
