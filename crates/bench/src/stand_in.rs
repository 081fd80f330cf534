//! A host whose Claude Code is a stand-in, and the orders that one is given.

use std::fs;
use std::io::Write;
use std::path::PathBuf;

use anyhow::Context;
use rustix::fs::{CWD, FileType, Mode, mknodat};
use stratavore_rpc::v1;
use stratavore_testkit::binary::stand_in;

use crate::host::Host;

/// Starts a host that takes the stand-in for Claude Code.
pub(crate) async fn host() -> anyhow::Result<Host> {
    Host::start_with(&format!("[programs]\nclaude = {:?}\n", stand_in())).await
}

/// Does what it is ordered to, until its host is dropped.
pub(crate) struct StandIn {
    /// What was launched.
    pub(crate) runner: v1::Runner,
    orders: fs::File,
}

impl StandIn {
    /// Launches one under a name of its own.
    pub(crate) async fn launch(host: &Host, name: &str) -> anyhow::Result<Self> {
        let path = host.home().path().join(name);
        let failed = || format!("cannot make the pipe {}", path.display());
        mknodat(CWD, &path, FileType::Fifo, Mode::RUSR | Mode::WUSR, 0).with_context(failed)?;
        // For reading too, so that opening it waits for nobody; it is read by the stand-in alone.
        let orders = fs::File::options().read(true).write(true).open(&path)?;
        let pipe = path.to_string_lossy();
        let runner = host
            .launch_claude(&[("STRATAVORE_STAND_IN", &pipe)])
            .await?;
        Ok(Self { runner, orders })
    }

    /// Gives an order.
    pub(crate) fn order(&mut self, order: &str) -> anyhow::Result<()> {
        self.orders
            .write_all(format!("{order}\n").as_bytes())
            .with_context(|| format!("cannot order {order:?}"))
    }

    /// Has a hook run so many times, and gives the file that tells how long each took once all are done.
    pub(crate) fn time_hooks(
        &mut self,
        host: &Host,
        name: &str,
        count: usize,
    ) -> anyhow::Result<PathBuf> {
        let file = host.home().path().join(name);
        self.order(&format!("time-hooks PreToolUse {count} {}", file.display()))?;
        Ok(file)
    }
}
