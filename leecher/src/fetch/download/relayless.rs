//! What a download does while there is no relay: it goes on over direct links, or looks for seeders on the local network.

use std::sync::Arc;
use std::time::Duration;

use sealift_command::exit::Failure;
use sealift_peer::connect::jittered;
use sealift_space::members::Members;
use tokio::time::{Instant, timeout, timeout_at};

use super::{Download, PAUSE, RELAY, words};
use crate::freshen::Connection;
use crate::online::Online;

/// How long the local network is listened to where there is nothing else.
const LISTEN: Duration = Duration::from_secs(4);

impl Download<'_> {
    /// There is no relay: whoever is on the local network has to do. `None` when nobody is there after a moment.
    pub(super) async fn on_lan(&mut self, failure: Failure) -> Option<Arc<Online>> {
        let members = Members::load(&self.speaker.profile, &self.space, self.speaker.now());
        let members = match members {
            Ok(members) => members,
            Err(error) => {
                self.end_all(&error.into());
                return None;
            }
        };
        if !std::mem::replace(&mut self.told, true) {
            words::tell_on_lan(self.speaker, &failure);
        }
        let (online, reading) = Online::alone(self.speaker, self.space.clone(), members);
        let mut presence = online.presence();
        if timeout(LISTEN, presence.wait_for(|now| !now.serving.is_empty())).await.is_err() {
            if !self.started && self.manner.wait.is_none() {
                self.end_all(&words::nobody_near(&failure));
            } else if self.running.is_empty() {
                self.pause_or_end(&failure, RELAY.to_owned()).await;
            }
            return None;
        }
        self.lost.clear();
        self.connection = Some(Connection { online: online.clone(), reading, short: None });
        Some(online)
    }

    /// The relay is lost, and direct links bring what they can.
    pub(super) async fn go_on_without_relay(&mut self, failure: &Failure) {
        if !std::mem::replace(&mut self.told, true) {
            words::tell_without_relay(self.speaker, failure);
        }
        let mut news = self.shared.news();
        let until = Instant::now() + jittered(PAUSE.1, self.speaker);
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
