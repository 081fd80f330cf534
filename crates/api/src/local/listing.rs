//! Lists events, and follows them.

use stratavore_store::{Cursor, EventFilter};
use stratavore_supervisor::Supervisor;
use tokio_util::sync::CancellationToken;

use super::view;
use crate::failure::store_failure;
use crate::{Result, v1};

/// Events listed at once.
const PAGE: u32 = 500;

/// Reads events page by page, and waits for more at the end if they are followed.
pub(super) struct Listing {
    pub(super) supervisor: Supervisor,
    pub(super) commits: tokio::sync::watch::Receiver<Cursor>,
    pub(super) after: Cursor,
    pub(super) left: u32,
    pub(super) follow: bool,
    pub(super) ended: CancellationToken,
}

impl Listing {
    pub(super) async fn page(mut self) -> Option<(Vec<Result<v1::Event>>, Self)> {
        loop {
            if self.left == 0 {
                return None;
            }
            self.commits.borrow_and_update();
            let filter = EventFilter {
                after: self.after,
                limit: PAGE.min(self.left),
            };
            let page = match self.supervisor.store().events(filter).await {
                Ok(page) => page,
                Err(error) => {
                    self.left = 0;
                    return Some((vec![Err(store_failure(error))], self));
                }
            };
            if let Some(last) = page.last() {
                self.after = last.cursor;
                self.left = self
                    .left
                    .saturating_sub(u32::try_from(page.len()).unwrap_or(u32::MAX));
                return Some((
                    page.into_iter()
                        .map(|event| Ok(view::event(event)))
                        .collect(),
                    self,
                ));
            }
            if !self.follow {
                return None;
            }
            tokio::select! {
                changed = self.commits.changed() => changed.ok()?,
                () = self.ended.cancelled() => return None,
            }
        }
    }
}
