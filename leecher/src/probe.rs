//! A session that fetches nothing: it measures its link through the relay and looks for direct ones.

use std::collections::BTreeSet;
use std::time::Duration;

use sealift_proto::codec;
use sealift_proto::link::{ToLeecher, ToSeeder};
use sealift_proto::message::SessionMessage;
use sealift_transport::control::Control;
use sealift_transport::direct::{Direct, DirectLink, Outcome, Tried};
use sealift_transport::session::{
    DirectSearch, Found, Incoming, LeecherSession, LinkReader, LinkWriter, SessionError,
};
use tokio::time::{Instant, sleep, timeout};

/// Questions asked to measure a way: the quickest answer counts.
const QUESTIONS: u32 = 3;
/// How long an answer may take.
const ANSWER: Duration = Duration::from_secs(10);
/// Once every address has been tried, further ones are waited for so long after the last that came: as long as no direct way is
/// known, and where one is, at least so long.
const CALM: (Duration, Duration) = (Duration::from_millis(500), Duration::from_millis(50));
/// Where one is known, this many round trips through the relay: the other side asks it how its router looks, and tells.
const CALM_TRIPS: u32 = 5;
/// Where a direct link stands, addresses that do not answer are waited for so long after the last that did.
const ENOUGH: Duration = Duration::from_secs(3);
/// How often it is looked what became of the addresses.
const LOOK: Duration = Duration::from_millis(20);

/// A session with a seeder, for its paths alone.
pub struct Probe {
    writer: LinkWriter<ToSeeder>,
    reader: LinkReader<ToLeecher>,
    search: DirectSearch,
    /// Links that were found: as long as they are held, they are not looked for again.
    links: Vec<DirectLink>,
    through_relay: Duration,
}

impl Probe {
    /// Opens the link of `session`, and measures it.
    ///
    /// # Errors
    /// When the session does not come about.
    pub async fn begin(
        session: LeecherSession,
        direct: &Direct,
        control: &Control,
    ) -> Result<(Self, Duration), SessionError> {
        let LeecherSession { writer, reader, .. } = session;
        let (reader, ends) = reader.confirm().await?;
        let search = DirectSearch::begin(direct, ends.proofs(), control).await;
        let mut probe = Self { writer, reader, search, links: Vec::new(), through_relay: ANSWER };
        let mut best = probe.ask(1).await?;
        for request in 2..=QUESTIONS {
            best = best.min(probe.ask(request).await?);
        }
        probe.through_relay = best;
        Ok((probe, best))
    }

    /// Asks for something that nobody has: how long the answer takes.
    async fn ask(&mut self, request: u32) -> Result<Duration, SessionError> {
        let since = Instant::now();
        let nothing = SessionMessage::Want { request, log_id: [0; 16], position: 0, index: 0 };
        self.writer.message(&nothing).await?;
        loop {
            let said = timeout(ANSWER, self.hear()).await.map_err(|_| SessionError::Timeout)??;
            match said {
                SessionMessage::Failed { request: of, .. } if of == request => {
                    return Ok(since.elapsed());
                }
                SessionMessage::Paths { candidates } => self.search.set_peer(&candidates),
                _ => {}
            }
        }
    }

    async fn hear(&mut self) -> Result<SessionMessage, SessionError> {
        match self.reader.next().await? {
            Incoming::Message(bytes) => codec::decode(&bytes).map_err(|_| SessionError::Malformed),
            Incoming::Run(_) => Err(SessionError::Malformed),
            Incoming::End => Err(SessionError::Closed),
        }
    }

    /// Looks for direct links for at most `wait`, and until nothing is open: tells `up` of each address of the other side as soon
    /// as it answers. The others, and what became of them.
    ///
    /// # Errors
    /// When the session ends meanwhile.
    pub async fn search(
        mut self,
        wait: Duration,
        mut up: impl FnMut(&Tried),
    ) -> Result<Vec<Tried>, SessionError> {
        let deadline = Instant::now() + wait;
        let (mut news, mut enough) = (Instant::now(), deadline);
        let mut told = BTreeSet::new();
        loop {
            tokio::select! {
                incoming = self.reader.next() => {
                    let Incoming::Message(bytes) = incoming? else { return Err(SessionError::Closed) };
                    if let Ok(SessionMessage::Paths { candidates }) = codec::decode(&bytes) {
                        self.search.set_peer(&candidates);
                        news = Instant::now();
                    }
                }
                found = self.search.next() => match found {
                    Found::Own(candidates) => {
                        self.writer.message(&SessionMessage::Paths { candidates }).await?;
                    }
                    Found::Link(link) => {
                        self.links.push(link);
                        enough = (Instant::now() + ENOUGH).min(deadline);
                    }
                },
                () = sleep(LOOK) => {}
            }
            let mut others = without_ports(self.search.report());
            others.retain(|tried| {
                let known = told.contains(&(tried.transport, tried.address));
                if !known && matches!(tried.outcome, Outcome::Up(_)) {
                    told.insert((tried.transport, tried.address));
                    up(tried);
                    return false;
                }
                !known
            });
            let open = others.iter().any(|of| of.outcome == Outcome::Trying);
            let calm = news + self.calm(!told.is_empty());
            if Instant::now() >= if open { enough } else { calm.min(deadline) } {
                return Ok(others);
            }
        }
    }

    /// How long further addresses are waited for.
    fn calm(&self, found: bool) -> Duration {
        let (most, least) = CALM;
        if found { (self.through_relay * CALM_TRIPS).clamp(least, most) } else { most }
    }
}

/// Leaves out the ports from which the other side has connected itself, where one that it named has the same address: a link of
/// its own says no more than that.
fn without_ports(mut all: Vec<Tried>) -> Vec<Tried> {
    let place = |tried: &Tried| (tried.transport, tried.address.ip());
    let named: BTreeSet<_> = all.iter().filter(|tried| tried.origin.is_some()).map(place).collect();
    all.retain(|tried| tried.origin.is_some() || !named.contains(&place(tried)));
    all
}
