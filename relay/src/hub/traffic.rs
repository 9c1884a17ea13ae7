//! What the relay sends, against the budget of a month.

use std::sync::atomic::Ordering;
use std::sync::{MutexGuard, PoisonError};

use sealift_server::budget::{Budget, News, Traffic};

use super::{Hub, State};

impl Hub {
    /// What was sent this month, until now.
    pub(crate) fn this_month(&self) -> Budget {
        self.count_traffic(&self.state(), self.platform.clock.unix_seconds());
        self.traffic().budget
    }

    /// Whether this month's bytes are used up.
    pub(crate) fn is_spent(&self) -> bool {
        self.traffic().spent
    }

    fn traffic(&self) -> MutexGuard<'_, Traffic> {
        self.traffic.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Counts what was sent since the last time; true if no more may be this month.
    pub(super) fn count_traffic(&self, state: &State, date: u64) -> bool {
        let metrics = &self.metrics;
        let beside = self.entrance.counts.sent.get().saturating_add(metrics.probe_bytes.get());
        let total = self.moved(state).saturating_add(beside);
        let mut traffic = self.traffic();
        let renewed = |traffic: &Traffic| traffic.budget.renewed_on();
        match traffic.count(total, self.limits.get().bytes_per_month, date) {
            Some(News::Spent) => {
                tracing::error!(renewed = %renewed(&traffic), "this month's bytes are used up: links and catalogues are carried again on the day that is named")
            }
            Some(News::Little) => {
                tracing::warn!(renewed = %renewed(&traffic), "nine tenths of this month's bytes are used up")
            }
            None => {}
        }
        traffic.spent
    }

    /// Bytes carried on links since the start.
    pub(super) fn moved(&self, state: &State) -> u64 {
        let under_way: u64 = state.links.values().map(|link| link.meter.total()).sum();
        self.moved.load(Ordering::Relaxed).saturating_add(under_way)
    }

    /// Keeps on disk how much of the month's bytes is used up.
    pub(crate) async fn remember_traffic(&self) {
        let Some(budget) = self.traffic().unsaved() else { return };
        if let Err(why) = self.store.keep_budget(budget).await {
            tracing::error!(%why, "it is not remembered how much of the month's bytes is used up");
        }
    }
}
