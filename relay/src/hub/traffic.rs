//! What the relay sends, against the budget of a month.

use sealift_platform::sync::OrderedGuard;
use sealift_server::budget::{Budget, News, Traffic};

use super::Hub;

impl Hub {
    /// What was sent this month, until now.
    pub(crate) fn this_month(&self) -> Budget {
        self.count_traffic(self.platform.clock.unix_seconds());
        self.traffic().budget
    }

    /// Whether this month's bytes are used up.
    pub(crate) fn is_spent(&self) -> bool {
        self.traffic().spent
    }

    fn traffic(&self) -> OrderedGuard<'_, Traffic> {
        self.traffic.lock()
    }

    /// Counts what was sent since the last time; true if no more may be this month.
    pub(super) fn count_traffic(&self, date: u64) -> bool {
        let mut traffic = self.traffic();
        let beside = self.entrance.counts.sent.get().saturating_add(self.metrics.probe_bytes.get());
        let total = self.links.moved().saturating_add(beside);
        let news = traffic.count(total, self.limits.get().bytes_per_month, date);
        let renewed = traffic.budget.renewed_on();
        match news {
            Some(News::Spent) => {
                tracing::error!(%renewed, "this month's bytes are used up: links and catalogues are carried again on the day that is named");
            }
            Some(News::Little) => {
                tracing::warn!(%renewed, "nine tenths of this month's bytes are used up");
            }
            None => {}
        }
        traffic.spent
    }

    /// Keeps on disk how much of the month's bytes is used up.
    pub(crate) async fn remember_traffic(&self) {
        let Some(budget) = self.traffic().unsaved() else { return };
        if let Err(why) = self.store.keep_budget(budget).await {
            tracing::error!(%why, "it is not remembered how much of the month's bytes is used up");
        }
    }
}
