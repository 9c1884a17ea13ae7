//! Of each kind of log line, only so many in a second. What strangers cause must not fill a disk, nor hide other lines.

use std::collections::HashMap;
use std::fmt::{Debug, Write};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Instant;

use tracing::callsite::Identifier;
use tracing::field::{Field, Visit};
use tracing::{Event, Subscriber};
use tracing_subscriber::Layer;
use tracing_subscriber::layer::Context;

use sealift_platform::rate::Rate;
use sealift_platform::sync::lock;

/// Lines of a kind in a second, until told otherwise.
const PER_SECOND: u64 = 10;
/// Kinds told apart at most; further ones share a place.
const MOST: usize = 512;
/// Longest name of a kind that is kept, bytes.
const NAME: usize = 80;

/// A layer that lets a line through or counts it. The kind of a line is its place in the program and its field `reason`.
#[derive(Clone)]
pub(super) struct Kinds(Arc<Mutex<State>>);

struct State {
    started: Instant,
    per_second: u64,
    kinds: HashMap<(Option<Identifier>, String), Kind>,
}

struct Kind {
    name: String,
    rate: Rate,
    unsaid: u64,
}

impl Default for Kinds {
    fn default() -> Self {
        let (started, kinds) = (Instant::now(), HashMap::new());
        Self(Arc::new(Mutex::new(State { started, per_second: PER_SECOND, kinds })))
    }
}

impl Kinds {
    fn state(&self) -> MutexGuard<'_, State> {
        lock(&self.0)
    }

    pub(super) fn set_rate(&self, log_lines_per_second: u64) {
        let per_second = log_lines_per_second;
        let mut state = self.state();
        state.per_second = per_second;
        let now = state.started.elapsed();
        for kind in state.kinds.values_mut() {
            kind.rate = Rate::new(per_second, per_second * 2, now);
        }
    }

    /// How many lines were left out since the last time, by kind.
    pub(super) fn take_unsaid(&self) -> Vec<(String, u64)> {
        let mut state = self.state();
        let unsaid = state.kinds.values_mut().filter(|kind| kind.unsaid > 0);
        unsaid.map(|kind| (kind.name.clone(), std::mem::take(&mut kind.unsaid))).collect()
    }

    fn allow(&self, place: Identifier, words: Words) -> bool {
        let mut state = self.state();
        let now = state.started.elapsed();
        let per_second = state.per_second;
        let mut key = (Some(place), words.reason);
        if state.kinds.len() >= MOST && !state.kinds.contains_key(&key) {
            key = (None, String::new());
        }
        let kind = state.kinds.entry(key).or_insert_with_key(|(_, reason)| {
            let name = match reason.as_str() {
                "" => words.message,
                reason => format!("{}: {reason}", words.message),
            };
            Kind { name, rate: Rate::new(per_second, per_second * 2, now), unsaid: 0 }
        });
        let allowed = kind.rate.try_take(now);
        kind.unsaid += u64::from(!allowed);
        allowed
    }
}

impl<S: Subscriber> Layer<S> for Kinds {
    fn event_enabled(&self, event: &Event<'_>, _: Context<'_, S>) -> bool {
        let mut words = Words::default();
        event.record(&mut words);
        self.allow(event.metadata().callsite(), words)
    }
}

/// What a line's kind is told by.
#[derive(Default)]
struct Words {
    message: String,
    reason: String,
}

impl Visit for Words {
    fn record_str(&mut self, field: &Field, value: &str) {
        if field.name() == "reason" {
            self.reason.push_str(&value[..value.floor_char_boundary(NAME)]);
        }
    }

    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        if field.name() == "message" {
            // Writing into a string does not fail.
            let _ = write!(self.message, "{value:?}");
            self.message.truncate(self.message.floor_char_boundary(NAME));
        }
    }
}

#[cfg(test)]
mod tests {
    use tracing_subscriber::layer::SubscriberExt;

    use super::*;

    /// Counts the lines that get through.
    #[derive(Clone, Default)]
    struct Count(Arc<Mutex<usize>>);

    impl<S: Subscriber> Layer<S> for Count {
        fn on_event(&self, _: &Event<'_>, _: Context<'_, S>) {
            *self.0.lock().unwrap() += 1;
        }
    }

    #[test]
    fn each_kind_has_a_rate_of_its_own_and_the_rest_is_counted() {
        let (kinds, count) = (Kinds::default(), Count::default());
        let log_lines_per_second = 1;
        kinds.set_rate(log_lines_per_second);
        let subscriber = tracing_subscriber::registry().with(kinds.clone()).with(count.clone());
        tracing::subscriber::with_default(subscriber, || {
            for _ in 0..50 {
                for reason in ["slow", "foreign"] {
                    tracing::info!(reason, "rejected");
                }
            }
            tracing::info!("something else");
        });
        let through = *count.0.lock().unwrap();
        // Two of each at once, more only if a second went by.
        assert!((5..20).contains(&through), "{through}");
        let unsaid = kinds.take_unsaid();
        assert_eq!(unsaid.len(), 2, "{unsaid:?}");
        assert!(unsaid.iter().any(|(kind, _)| kind == "rejected: slow"), "{unsaid:?}");
        assert_eq!(unsaid.iter().map(|(_, lines)| lines).sum::<u64>(), 101 - through as u64);
        assert!(kinds.take_unsaid().is_empty());
    }

    #[test]
    fn hostile_reasons_do_not_fill_the_memory() {
        let kinds = Kinds::default();
        let subscriber = tracing_subscriber::registry().with(kinds.clone());
        tracing::subscriber::with_default(subscriber, || {
            for number in 0..3000 {
                let reason = format!("{number}{}", "x".repeat(1000));
                tracing::info!(reason = reason.as_str(), "rejected");
            }
        });
        let state = kinds.state();
        assert!(state.kinds.len() <= MOST + 1);
        assert!(state.kinds.keys().all(|(_, reason)| reason.len() <= NAME));
    }
}
