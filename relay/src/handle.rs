//! What the process around a relay may ask of it and change in it while it runs.

use std::sync::{Arc, Weak};
use std::time::Duration;

use sealift_proto::codec::List;
use sealift_proto::space::HostName;

use crate::admission::Allowed;
use crate::hub::Hub;
use crate::limits::Limits;
use crate::report::{Report, report};

/// How long a relay that is well may take to answer.
pub(crate) const PATIENCE: Duration = Duration::from_secs(5);

/// A running relay, seen from outside. It does not keep the relay alive.
#[derive(Clone)]
pub struct Handle(pub(crate) Weak<Hub>);

impl Handle {
    /// What the relay says of itself; `None` when it has ended.
    pub async fn report(&self) -> Option<Report> {
        Some(report(&*self.0.upgrade()?).await)
    }

    /// The limits in force; `None` when it has ended.
    #[must_use]
    pub fn limits(&self) -> Option<Arc<Limits>> {
        self.0.upgrade().map(|hub| hub.limits.get())
    }

    /// Whether it is about to end, or has ended.
    #[must_use]
    pub fn is_draining(&self) -> bool {
        self.0.upgrade().is_none_or(|hub| hub.is_draining())
    }

    /// Whether the relay answers: its switchboard can be asked, and its store's writer is not stuck.
    pub async fn answers(&self) -> bool {
        self.answers_within(PATIENCE).await
    }

    /// As [`Self::answers`], within some other time.
    pub(crate) async fn answers_within(&self, patience: Duration) -> bool {
        let Some(hub) = self.0.upgrade() else { return false };
        // On a thread of its own: a switchboard that hangs must not take the one who asks with it.
        let asked = tokio::spawn(async move {
            let _ = hub.count();
            hub.store.answers().await;
        });
        matches!(tokio::time::timeout(patience, asked).await, Ok(Ok(())))
    }

    /// Where a relay with the same key takes over when this one ends; devices are told so then. At most four are taken.
    pub fn set_moved_to(&self, mut places: Vec<(HostName, u16)>) {
        places.truncate(4);
        if let (Some(hub), Ok(places)) = (self.0.upgrade(), List::new(places)) {
            hub.set_moved_to(places);
        }
    }

    /// Puts other limits in force, and carries only what is `allowed` from now on. What is connected and stored already stays,
    /// but members of a space that is no longer carried are told so. False when the relay has ended.
    pub fn change(&self, limits: Limits, allowed: Allowed) -> bool {
        let Some(hub) = self.0.upgrade() else { return false };
        hub.limits.set(limits);
        hub.set_allowed(allowed);
        true
    }
}
