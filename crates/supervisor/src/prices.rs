//! Prices what was used before, when the table of prices is another than it was priced by.

use std::sync::Arc;

use tracing::{info, warn};

use crate::supervisor::{Change, Inner};

/// Prices everything anew by the present table, once the store can be reached.
pub(crate) async fn apply(inner: Arc<Inner>) {
    let mut availability = inner.store.availability();
    loop {
        match inner.store.reprice(inner.prices.clone()).await {
            Ok(0) => return,
            Ok(messages) => {
                info!(messages, "priced what was used by the present table");
                inner.changed(Change::Usage);
                inner.budgets.used();
                return;
            }
            Err(error) => {
                warn!(
                    error = &error as &dyn std::error::Error,
                    "cannot price what was used now"
                );
            }
        }
        tokio::select! {
            () = inner.cancel.cancelled() => return,
            changed = availability.changed() => if changed.is_err() { return },
        }
    }
}
