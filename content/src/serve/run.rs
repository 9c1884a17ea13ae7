//! Runs: many chunks, of one file or of many, in one sealed message.
//!
//! What is small is read before the run begins, so that its outcome is certain. What is large is read while it is sent; its
//! file is compared with what was hashed before and after, and a difference is told behind the run.

use std::collections::VecDeque;

use sealift_proto::catalogue::Root;
use sealift_proto::codec::List;
use sealift_proto::link::Direction;
use sealift_proto::manifest::{CHUNK, Layout};
use sealift_proto::message::{Item, Missing, Outcome, RUN_MAX, RunHeader, SessionMessage};
use sealift_transport::path::Way;
use sealift_transport::session::{LinkWriter, RunWriter, SessionError};

use super::Service;
use super::event::Event;
use super::holdings::Content;
use super::passing::Passing;
use crate::hashes::Name;

/// Items up to this many bytes are read before the run begins.
const SMALL: u64 = 256 * 1024;

/// A run that is ready to be sent.
pub(crate) struct Prepared {
    service: Service,
    way: Way,
    header: RunHeader,
    parts: Vec<Part>,
    /// The file it is of, if it is of one.
    name: Option<Name>,
}

enum Part {
    /// Content of small items, one behind the other, and how much of it has been put into the run.
    Bytes { bytes: Vec<u8>, done: usize },
    /// A stretch of a file.
    Stretch(Stretch),
}

struct Stretch {
    root: Root,
    content: Box<dyn Content>,
    /// What has not been put into the run yet.
    offset: u64,
    len: u64,
    unreadable: bool,
    /// Held until all of it has been read.
    _passing: Option<Passing>,
}

/// Opens what `items` ask for and reads what is small. Blocks.
///
/// # Errors
/// The answer, when the request cannot be met as it stands.
pub(super) fn prepare(
    service: &Service,
    way: Way,
    request: u32,
    items: &[Item],
) -> Result<Prepared, SessionMessage> {
    let refused = SessionMessage::Failed { request, why: Missing::Refused };
    let asked: Vec<_> = items.iter().map(|item| stretch(service, item)).collect();
    let total = asked.iter().flatten().fold(0_u64, |sum, (_, len)| sum.saturating_add(*len));
    if items.is_empty() || total > RUN_MAX {
        return Err(refused);
    }
    // What is small and still to be read: memory that grew as it is needed would be taken several times.
    let small = asked.iter().flatten().map(|(_, len)| *len).filter(|len| *len <= SMALL);
    let mut small: u64 = small.sum();
    let (mut parts, mut name) = (Vec::new(), None);
    let mut outcomes = Vec::with_capacity(items.len());
    for (item, asked) in items.iter().zip(asked) {
        let outcome = asked.and_then(|(offset, len)| {
            name = take(service, &mut parts, &mut small, item.root, (offset, len))?;
            u32::try_from(len).map_err(|_| Missing::Refused)
        });
        outcomes.push(match outcome {
            Ok(len) => Outcome::Data { len },
            Err(why) => Outcome::Missing(why),
        });
    }
    let outcomes = List::new(outcomes).map_err(|_| refused)?;
    let name = name.filter(|_| items.len() == 1);
    let service = service.clone();
    Ok(Prepared { service, way, header: RunHeader { request, outcomes }, parts, name })
}

/// Offset and length of what `item` asks for.
fn stretch(service: &Service, item: &Item) -> Result<(u64, u64), Missing> {
    let Service { holdings, to, .. } = service;
    if !holdings.may(to, &item.root) {
        return Err(Missing::Gone);
    }
    let layout: Layout = holdings.layout(&item.root)?;
    let end = item.first.checked_add(u64::from(item.count)).ok_or(Missing::Refused)?;
    if item.count == 0 || end > layout.chunks() {
        return Err(Missing::Refused);
    }
    if !holdings.has(&item.root, item.first..end) {
        return Err(Missing::Gone);
    }
    let skip = u64::from(item.skip);
    if skip > 0 && skip >= layout.chunk_len(item.first) {
        return Err(Missing::Refused);
    }
    let offset = item.first * CHUNK + skip;
    Ok((offset, layout.size().min(end * CHUNK) - offset))
}

fn take(
    service: &Service,
    parts: &mut Vec<Part>,
    small: &mut u64,
    root: Root,
    (offset, len): (u64, u64),
) -> Result<Option<Name>, Missing> {
    let content = service.holdings.open(&root)?;
    let name = content.name();
    if len > SMALL {
        let passing = content.passing(offset..offset + len);
        let stretch = Stretch { root, content, offset, len, unreadable: false, _passing: passing };
        parts.push(Part::Stretch(stretch));
        return Ok(name);
    }
    if !matches!(parts.last(), Some(Part::Bytes { .. })) {
        let bytes = Vec::with_capacity(usize::try_from(*small).unwrap_or(0));
        parts.push(Part::Bytes { bytes, done: 0 });
    }
    *small = small.saturating_sub(len);
    let len = usize::try_from(len).map_err(|_| Missing::Refused)?;
    let Some(Part::Bytes { bytes, .. }) = parts.last_mut() else { return Err(Missing::Refused) };
    let start = bytes.len();
    bytes.resize(start + len, 0);
    if content.read(&mut bytes[start..], offset).is_err() || !content.is_sound() {
        bytes.truncate(start);
        content.doubt();
        return Err(Missing::Changed);
    }
    Ok(name)
}

impl Prepared {
    /// Sends the run, and tells the other end which files turned out to be others. Gives the writer back.
    pub(crate) async fn send<S: Direction>(
        self,
        writer: LinkWriter<S>,
    ) -> Result<LinkWriter<S>, SessionError> {
        let Self { service, way, header, parts, name } = self;
        let bytes = header.content_len().unwrap_or(0);
        let (mut writer, changed) = send(writer, &header, parts).await?;
        if bytes > 0 {
            service.listener.hear(Event::Sent { way, name, bytes });
        }
        for root in changed {
            writer.message(&SessionMessage::Changed { root }).await?;
        }
        Ok(writer)
    }
}

/// Sends a run of `parts`. Gives the writer back, and the roots of files that turned out to be others.
async fn send<S: Direction>(
    writer: LinkWriter<S>,
    header: &RunHeader,
    parts: Vec<Part>,
) -> Result<(LinkWriter<S>, Vec<Root>), SessionError> {
    let run = writer.run(header)?;
    let mut sending = Sending { run, parts: parts.into(), changed: Vec::new() };
    loop {
        let advanced = tokio::task::spawn_blocking(move || sending.advance()).await;
        sending = advanced.map_err(|_| SessionError::Closed)??;
        if sending.parts.is_empty() {
            return Ok((sending.run.finish().await?, sending.changed));
        }
        sending.run.send().await?;
    }
}

/// A run that is being sent. One thread reads, seals and sends a batch, which stays in its processor's cache meanwhile,
/// and goes on with the next for as long as the link takes them without waiting. What the system buffers for the link
/// leaves during the time of reading.
struct Sending<S: Direction> {
    run: RunWriter<S>,
    parts: VecDeque<Part>,
    changed: Vec<Root>,
}

impl<S: Direction> Sending<S> {
    /// Sends as much as leaves without waiting. Blocks for reading only.
    fn advance(mut self) -> Result<Self, SessionError> {
        while let Some(part) = self.parts.front_mut() {
            if part.put(&mut self.run)? {
                let ended = self.parts.pop_front();
                self.changed.extend(ended.and_then(|part| part.check()));
            } else if !self.run.try_send()? {
                break;
            }
        }
        Ok(self)
    }
}

impl Part {
    /// Puts content into `run` as far as it has room; whether it is all of it.
    fn put(&mut self, run: &mut RunWriter<impl Direction>) -> Result<bool, SessionError> {
        match self {
            Self::Bytes { bytes, done } => {
                *done += run.put(&bytes[*done..])?;
                Ok(*done == bytes.len())
            }
            Self::Stretch(stretch) => {
                stretch.put(run)?;
                Ok(stretch.len == 0)
            }
        }
    }

    /// The root of a file that is not what was hashed. Called when all of the part has been read.
    fn check(&self) -> Option<Root> {
        match self {
            Self::Stretch(stretch) if !stretch.is_sound() => {
                stretch.content.doubt();
                Some(stretch.root)
            }
            _ => None,
        }
    }
}

impl Stretch {
    fn put(&mut self, run: &mut RunWriter<impl Direction>) -> Result<(), SessionError> {
        let most = usize::try_from(self.len).unwrap_or(usize::MAX);
        let count = run.fill(most, |part| {
            // What cannot be read any more is zeros: as many bytes as announced must follow.
            if self.unreadable || self.content.read(part, self.offset).is_err() {
                self.unreadable = true;
                part.fill(0);
            }
            self.offset += part.len() as u64;
        })?;
        self.len -= count as u64;
        Ok(())
    }

    fn is_sound(&self) -> bool {
        !self.unreadable && self.content.is_sound()
    }
}
