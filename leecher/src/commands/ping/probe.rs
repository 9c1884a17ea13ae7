//! A session that fetches nothing: it measures its link through the relay and looks for direct ones.

use std::time::Duration;

use sealift_peer::control::Control;
use sealift_peer::direct::{Direct, DirectLink, Outcome, Tried};
use sealift_peer::session::{
    Found, Incoming, LeecherSession, LinkReader, LinkWriter, Search, SessionError,
};
use sealift_proto::codec;
use sealift_proto::link::{ToLeecher, ToSeeder};
use sealift_proto::message::{FromLeecher, FromSeeder};
use tokio::time::{Instant, sleep_until, timeout};

/// Questions asked to measure a way: the quickest answer counts.
const QUESTIONS: u32 = 3;
/// How long an answer may take.
const ANSWER: Duration = Duration::from_secs(10);
/// Nothing more is waited for when nothing new has come for so long and every address has been tried.
const CALM: Duration = Duration::from_millis(500);
/// Where a direct link stands, addresses that do not answer are waited for so long after the last that did.
const ENOUGH: Duration = Duration::from_secs(3);

/// A session with a seeder, for its paths alone.
pub(super) struct Probe {
    writer: LinkWriter<ToSeeder>,
    reader: LinkReader<ToLeecher>,
    search: Search,
    /// Links that were found: as long as they are held, they are not looked for again.
    links: Vec<DirectLink>,
}

impl Probe {
    /// Opens the link of `session`, and measures it.
    ///
    /// # Errors
    /// When the session does not come about.
    pub(super) async fn begin(
        session: LeecherSession,
        direct: &Direct,
        control: &Control,
    ) -> Result<(Self, Duration), SessionError> {
        let LeecherSession { writer, reader, .. } = session;
        let (reader, ends) = reader.confirm().await?;
        let search = Search::begin(direct, ends.proofs(), control).await;
        let mut probe = Self { writer, reader, search, links: Vec::new() };
        let mut best = probe.ask(1).await?;
        for request in 2..=QUESTIONS {
            best = best.min(probe.ask(request).await?);
        }
        Ok((probe, best))
    }

    /// Asks for something that nobody has: how long the answer takes.
    async fn ask(&mut self, request: u32) -> Result<Duration, SessionError> {
        let since = Instant::now();
        let nothing = FromLeecher::Want { request, log_id: [0; 16], position: 0, index: 0 };
        self.writer.message(&nothing).await?;
        loop {
            let said = timeout(ANSWER, self.hear()).await.map_err(|_| SessionError::Timeout)??;
            match said {
                FromSeeder::Failed { request: of, .. } if of == request => {
                    return Ok(since.elapsed());
                }
                FromSeeder::Paths { candidates } => self.search.set_peer(&candidates),
                _ => {}
            }
        }
    }

    async fn hear(&mut self) -> Result<FromSeeder, SessionError> {
        match self.reader.next().await? {
            Incoming::Message(bytes) => codec::decode(&bytes).map_err(|_| SessionError::Malformed),
            Incoming::Run(_) => Err(SessionError::Malformed),
            Incoming::End => Err(SessionError::Closed),
        }
    }

    /// Looks for direct links for at most `wait`: every address that the other side names, and what became of it.
    ///
    /// # Errors
    /// When the session ends meanwhile.
    pub(super) async fn search(mut self, wait: Duration) -> Result<Vec<Tried>, SessionError> {
        let deadline = Instant::now() + wait;
        let (mut calm, mut enough) = (deadline, deadline);
        loop {
            tokio::select! {
                incoming = self.reader.next() => {
                    let Incoming::Message(bytes) = incoming? else { return Err(SessionError::Closed) };
                    if let Ok(FromSeeder::Paths { candidates }) = codec::decode(&bytes) {
                        self.search.set_peer(&candidates);
                        calm = (Instant::now() + CALM).min(deadline);
                    }
                }
                found = self.search.next() => match found {
                    Found::Own(candidates) => {
                        self.writer.message(&FromLeecher::Paths { candidates }).await?;
                    }
                    Found::Link(link) => {
                        self.links.push(link);
                        enough = (Instant::now() + ENOUGH).min(deadline);
                    }
                },
                () = sleep_until(calm) => {
                    let tried = self.search.report();
                    let open = tried.iter().any(|of| of.outcome == Outcome::Trying);
                    if !open || Instant::now() >= enough {
                        return Ok(tried);
                    }
                    calm = (Instant::now() + CALM).min(deadline);
                }
            }
        }
    }
}
