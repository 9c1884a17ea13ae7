//! What becomes of a download that has ended and goes on giving what came.

use std::time::Duration;

use sealift_transport::connect::jittered;
use tokio::time::{Instant, sleep_until, timeout_at};

use super::{Download, PAUSE};
use crate::fetch::space::{Reached, Space};

/// How often it is looked at whom there is a session with.
const TICK: Duration = Duration::from_secs(1);

impl<S: Space> Download<S> {
    /// Whether anything can be given that came.
    #[must_use]
    pub fn has_to_give(&self) -> bool {
        self.shared.swarm.is_some() && self.shared.schedule().names_any()
    }

    /// Goes on giving for `time` what has come, to those who fetch it: those who state it name this device to them, as long as there
    /// is a session with them. Then ends everything.
    pub async fn give(mut self, time: Duration) {
        let until = Instant::now() + time;
        while Instant::now() < until {
            self.stand(until).await;
        }
        self.end().await;
    }

    /// Keeps up the connection and the sessions for a moment.
    async fn stand(&mut self, until: Instant) {
        let standing = self.reached.clone().filter(|reached| reached.is_of_use());
        let Some(reached) = standing else { return self.stand_again(until).await };
        self.open_standing(&reached);
        let mut presence = reached.presence();
        presence.mark_unchanged();
        let tick = (Instant::now() + TICK).min(until);
        tokio::select! {
            Some(ended) = self.sources.join_next() => if let Ok((device, ended)) = ended {
                self.ended(device, ended);
            },
            _ = presence.changed() => {}
            () = sleep_until(tick) => {}
        }
    }

    /// Reaches the space again. Sessions that are direct go on meanwhile.
    async fn stand_again(&mut self, until: Instant) {
        self.reached = None;
        match timeout_at(until, self.space.reach()).await {
            Ok(Ok(reached)) => {
                self.show(&reached);
                self.lost.clear();
                self.shared.renew();
            }
            Ok(Err(_)) => {
                let pause = jittered(PAUSE.1, &*self.platform.random);
                sleep_until((Instant::now() + pause).min(until)).await;
            }
            Err(_) => {}
        }
        self.reap();
    }

    /// Opens a session with everybody who states what came, so that they name this device to those who fetch it.
    fn open_standing(&mut self, reached: &std::sync::Arc<S::Reached>) {
        let now = Instant::now();
        let serving = reached.presence().borrow().serving.clone();
        for device in serving {
            let waits = self.lost.get(&device).is_some_and(|lost| now < lost.until);
            let full = self.running.len() >= self.manner.sources;
            if waits || full || self.running.contains(&device) {
                continue;
            }
            if self.shared.schedule().states_any(device) {
                self.open_session(reached, device);
            }
        }
    }
}
