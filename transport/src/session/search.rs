//! The search for direct links beside the first link of a session.

use sealift_proto::direct::{Candidates, Ends};
use sealift_proto::message::PATHS_MAX;
use tokio::sync::watch;

use crate::control::Control;
use crate::direct::{Direct, DirectLink, Outcome, Paths, Tried};
use crate::path::Way;

/// Looks for direct links of one session until it is dropped.
pub struct DirectSearch {
    paths: Paths,
    own: watch::Receiver<Candidates>,
    /// How often the other side has named addresses.
    heard: u32,
}

/// What a search has found.
pub enum Found {
    /// Where this side may be reached, as far as it is known now: to be sent to the other side.
    Own(Candidates),
    /// A link.
    Link(DirectLink),
}

impl DirectSearch {
    /// Begins it for the session of `ends`, which came over `control`.
    pub async fn begin(direct: &Direct, ends: Ends, control: &Control) -> Self {
        let paths = direct.join(ends, control).await;
        let mut own = paths.candidates();
        // Those that are known at once are the first thing found.
        own.mark_changed();
        Self { paths, own, heard: 0 }
    }

    /// Waits for what is found next. Nothing is lost when the future is dropped.
    pub async fn next(&mut self) -> Found {
        tokio::select! {
            link = self.paths.next_link() => Found::Link(link),
            // The sender lives as long as `paths`.
            _ = self.own.changed() => Found::Own(self.own.borrow_and_update().clone()),
        }
    }

    /// Waits for what `search` finds next; for ever where nothing is looked for.
    pub async fn found(search: &mut Option<Self>) -> Found {
        match search {
            Some(search) => search.next().await,
            None => std::future::pending().await,
        }
    }

    /// Where this side may be reached, as far as it is known now.
    #[must_use]
    pub fn own(&self) -> Candidates {
        self.own.borrow().clone()
    }

    /// The other side may be reached there: tries begin. One that says so again and again is not heard for ever.
    pub fn set_peer(&mut self, candidates: &Candidates) {
        self.heard += 1;
        if self.heard <= PATHS_MAX {
            self.paths.set_peer(candidates);
        }
    }

    /// Whether the other side has said where it may be reached, and that is nowhere.
    #[must_use]
    pub fn is_unanswerable(&self) -> bool {
        self.heard > 0 && self.report().is_empty()
    }

    /// Every address of the other side, and what became of it.
    #[must_use]
    pub fn report(&self) -> Vec<Tried> {
        self.paths.report()
    }

    /// In words what was tried and failed.
    #[must_use]
    pub fn words(&self) -> String {
        let tried: Vec<_> = self.report().iter().map(words_of).collect();
        if tried.is_empty() {
            "the other side names no address, as with --path relay".to_owned()
        } else {
            tried.join("; ")
        }
    }
}

/// What became of one address, in words.
fn words_of(tried: &Tried) -> String {
    let what = match &tried.outcome {
        Outcome::Trying => "no answer yet".to_owned(),
        Outcome::Up(_) => "answered".to_owned(),
        Outcome::Failed(why) => why.clone(),
    };
    format!("{} {}: {what}", Way::from(tried.transport).name(), tried.address)
}
