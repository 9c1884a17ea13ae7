//! What a download does while there is no relay: it goes on over direct links, or looks for seeders on the local network.

use std::sync::Arc;
use std::time::Duration;

use sealift_transport::connect::jittered;
use tokio::time::{Instant, timeout, timeout_at};

use super::{Download, PAUSE};
use crate::fetch::error::{FetchError, Trouble, Unreachable};
use crate::fetch::event::Event;
use crate::fetch::shared::Whom;
use crate::fetch::space::{Reached, Space};

/// How long the local network is listened to where there is nothing else.
const LISTEN: Duration = Duration::from_secs(4);

impl<S: Space> Download<S> {
    /// There is no relay: whoever is on the local network has to do. `None` when nobody is there after a moment.
    pub(super) async fn on_lan(
        &mut self,
        why: Unreachable,
        near: Result<Arc<S::Reached>, Unreachable>,
    ) -> Option<Arc<S::Reached>> {
        let near = match near {
            Ok(near) => near,
            Err(error) => {
                self.end_all(&FetchError::Space(error));
                return None;
            }
        };
        if !std::mem::replace(&mut self.told, true) {
            self.listener.hear(Event::LookingNear(why.clone()));
        }
        let mut presence = near.presence();
        if timeout(LISTEN, presence.wait_for(|now| !now.serving.is_empty())).await.is_err() {
            if !self.started && self.manner.wait.is_none() {
                self.end_all(&FetchError::NobodyNear(why));
            } else if self.running.is_empty() {
                self.pause_or_end(Trouble::Space(why), Whom::Relay).await;
            }
            return None;
        }
        self.lost.clear();
        self.show(&near);
        Some(near)
    }

    /// The relay is lost, and direct links bring what they can.
    pub(super) async fn go_on_without_relay(&mut self, why: Unreachable) {
        if !std::mem::replace(&mut self.told, true) {
            self.listener.hear(Event::WithoutRelay(why));
        }
        let mut news = self.shared.news();
        let until = Instant::now() + jittered(PAUSE.1, &*self.platform.random);
        // A link that ends may have been the last: that is noticed at the next try.
        while timeout_at(until, news.changed()).await.is_ok() {
            self.reap();
            if self.running.is_empty() {
                return;
            }
        }
    }

    /// Books those that have ended.
    pub(super) fn reap(&mut self) {
        while let Some(ended) = self.sources.try_join_next() {
            if let Ok((device, ended)) = ended {
                self.ended(device, ended);
            }
        }
    }
}
