//! The links of one session, whoever opened it: the first one, mostly through the relay, and direct ones that come and go beside it.

use std::net::SocketAddr;

use sealift_proto::direct::Candidates;
use sealift_proto::link::Direction;
use sealift_transport::control::Control;
use sealift_transport::direct::{Direct, DirectLink};
use sealift_transport::path::Way;
use sealift_transport::session::{DirectSearch, Ends, Found, LinkReader, LinkWriter, SessionError};
use tokio::sync::mpsc;
use tokio::task::JoinSet;

use crate::link::Addresses;

/// Messages aside from content that may wait.
const ASIDE: usize = 8;

/// Both ends of a channel: what is awaited may come from several links.
type Channel<T> = (mpsc::Sender<T>, mpsc::Receiver<T>);

/// A link that has ended, and how.
pub(crate) struct Ended {
    pub(crate) way: Way,
    /// Where it led; `None` for the first link of the session.
    pub(crate) place: Option<SocketAddr>,
    pub(crate) result: Result<(), SessionError>,
}

/// What an end does on the links of a session: it sends by `S` and receives by `R`.
pub(crate) trait Side<S: Direction, R: Direction>: Sized {
    /// Carries on over a further link until it ends.
    fn carry(
        &self,
        way: Way,
        link: (LinkWriter<S>, LinkReader<R>),
        aside: mpsc::Sender<Addresses>,
    ) -> impl Future<Output = Result<(), SessionError>> + Send + 'static;

    /// The other end has shown that it has the session's keys.
    fn confirmed(&mut self) {}

    /// A direct link is there.
    fn up(&mut self, way: Way, place: SocketAddr);

    /// A link has ended. What it leads to for the session is in `links.end`, once all have.
    ///
    /// # Errors
    /// Why the whole session ends with it.
    fn ended(&mut self, links: &mut Links<S, R>, ended: Ended) -> Result<(), SessionError>;

    /// This end may be reached there: the other one is told.
    fn send_own(&mut self, candidates: Candidates);

    /// The other end has said where it may be reached.
    fn heard(
        &mut self,
        links: &mut Links<S, R>,
        addresses: Addresses,
    ) -> impl Future<Output = ()> + Send;

    /// Waits until it is time to look at how the links do.
    fn tick(&mut self) -> impl Future<Output = ()> + Send;

    /// Looks at how the links do.
    ///
    /// # Errors
    /// Why the session ends.
    fn look(
        &mut self,
        links: &mut Links<S, R>,
    ) -> impl Future<Output = Result<(), SessionError>> + Send;
}

/// The links of one session; dropping this ends them all.
pub(crate) struct Links<S: Direction, R: Direction> {
    /// `None` where this device is to be reached by nobody.
    pub(crate) direct: Option<Direct>,
    /// The connection to the relay; `None` where the session came about without it.
    pub(crate) control: Option<Control>,
    /// What further links stand on, once the other end has shown that it has the session's keys.
    pub(crate) ends: Option<Box<Ends<S, R>>>,
    pub(crate) search: Option<DirectSearch>,
    /// How the session ends unless something graver happens.
    pub(crate) end: Result<(), SessionError>,
    running: JoinSet<Ended>,
    confirmed: Channel<Box<Ends<S, R>>>,
    heard: Channel<Addresses>,
    /// This end's addresses have been named once.
    named: bool,
}

impl<S: Direction, R: Direction> Links<S, R> {
    /// No links yet.
    pub(crate) fn new(direct: Option<Direct>, control: Option<Control>) -> Self {
        Self {
            direct,
            control,
            ends: None,
            search: None,
            end: Err(SessionError::Closed),
            running: JoinSet::new(),
            confirmed: mpsc::channel(1),
            heard: mpsc::channel(ASIDE),
            named: false,
        }
    }

    /// Where what further links stand on goes, if it is not known from the start.
    pub(crate) fn confirming(&self) -> mpsc::Sender<Box<Ends<S, R>>> {
        self.confirmed.0.clone()
    }

    /// Where what the other end says of its addresses goes.
    pub(crate) fn aside(&self) -> mpsc::Sender<Addresses> {
        self.heard.0.clone()
    }

    /// Starts the first link, which takes this way.
    pub(crate) fn first(
        &mut self,
        way: Way,
        link: impl Future<Output = Result<(), SessionError>> + Send + 'static,
    ) {
        self.running.spawn(async move { Ended { way, place: None, result: link.await } });
    }

    /// Begins to look for direct links, if that can be.
    pub(crate) async fn begin_search(&mut self) {
        if let (Some(direct), Some(control), Some(ends)) = (&self.direct, &self.control, &self.ends)
        {
            self.search = Some(DirectSearch::begin(direct, ends.proofs(), control).await);
        }
    }

    /// Nothing more is looked for.
    pub(crate) fn end_search(&mut self) {
        (self.search, self.direct) = (None, None);
    }

    /// Carries on until the last link has ended.
    ///
    /// # Errors
    /// Why it ended, if that was not in order.
    pub(crate) async fn run(mut self, side: &mut impl Side<S, R>) -> Result<(), SessionError> {
        loop {
            tokio::select! {
                Some(ended) = self.running.join_next() => {
                    if let Ok(ended) = ended {
                        side.ended(&mut self, ended)?;
                    }
                    if self.running.is_empty() {
                        return self.end;
                    }
                }
                Some(ends) = self.confirmed.1.recv() => {
                    self.ends = Some(ends);
                    side.confirmed();
                }
                Some(addresses) = self.heard.1.recv() => side.heard(&mut self, addresses).await,
                found = DirectSearch::found(&mut self.search) => match found {
                    Found::Own(candidates) => self.own(side, candidates),
                    Found::Link(link) => self.further(side, link),
                },
                () = side.tick() => side.look(&mut self).await?,
            }
        }
    }

    fn own(&mut self, side: &mut impl Side<S, R>, candidates: Candidates) {
        side.send_own(candidates);
        // This device may be elsewhere now: does the relay still reach it?
        let known = std::mem::replace(&mut self.named, true);
        if let Some(control) = self.control.as_ref().filter(|_| known) {
            control.check();
        }
    }

    fn further(&mut self, side: &mut impl Side<S, R>, link: DirectLink) {
        let Some(ends) = &self.ends else { return };
        let (way, place) = (Way::from(link.transport), link.remote);
        let halves = ends.link(link.stream, link.number);
        side.up(way, place);
        let carried = side.carry(way, halves, self.aside());
        self.running.spawn(async move { Ended { way, place: Some(place), result: carried.await } });
    }
}
