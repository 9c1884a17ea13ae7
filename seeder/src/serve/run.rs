//! Runs: many chunks, of one file or of many, in one sealed message.
//!
//! What is small is read before the run begins, so that its outcome is certain. What is large is read while it is sent, one
//! block ahead; its file is compared with what was hashed before and after, and a difference is told behind the run.

use std::sync::Arc;

use sealift_peer::session::{LinkWriter, SessionError};
use sealift_platform::disk::File;
use sealift_proto::catalogue::Root;
use sealift_proto::codec::List;
use sealift_proto::link::ToLeecher;
use sealift_proto::manifest::{CHUNK, Layout};
use sealift_proto::message::{FromSeeder, Item, Missing, Outcome, RUN_MAX, RunHeader};

use super::content::{self, Opened};
use crate::engine::Handle;
use crate::hashes::file::{CHUNK_LEN, read_exact};
use crate::index::Name;
use crate::print::Print;

/// Items up to this many bytes are read before the run begins.
const SMALL: u64 = 256 * 1024;

/// A run that is ready to be sent.
pub(super) struct Prepared {
    header: RunHeader,
    parts: Vec<Part>,
    /// The file it is of, if it is of one.
    name: Option<Name>,
}

enum Part {
    /// Content of small items, one behind the other.
    Bytes(Vec<u8>),
    /// A stretch of a file.
    Stretch(Stretch),
}

struct Stretch {
    root: Root,
    name: Name,
    print: Print,
    file: Arc<dyn File>,
    offset: u64,
    len: u64,
}

/// Opens what `items` ask for and reads what is small. Blocks.
///
/// # Errors
/// The answer, when the request cannot be met as it stands.
pub(super) fn prepare(
    engine: &Handle,
    request: u32,
    items: &[Item],
) -> Result<Prepared, FromSeeder> {
    let refused = FromSeeder::Failed { request, why: Missing::Refused };
    let asked: Vec<_> = items.iter().map(|item| stretch(engine, item)).collect();
    let total = asked.iter().flatten().fold(0_u64, |sum, (_, len)| sum.saturating_add(*len));
    if items.is_empty() || total > RUN_MAX {
        return Err(refused);
    }
    let (mut parts, mut name) = (Vec::new(), None);
    let mut outcomes = Vec::with_capacity(items.len());
    for (item, asked) in items.iter().zip(asked) {
        let outcome = asked.and_then(|(offset, len)| {
            name = Some(take(engine, &mut parts, item.root, offset, len)?);
            u32::try_from(len).map_err(|_| Missing::Refused)
        });
        outcomes.push(match outcome {
            Ok(len) => Outcome::Data { len },
            Err(why) => Outcome::Missing(why),
        });
    }
    let outcomes = List::new(outcomes).map_err(|_| refused)?;
    let name = name.filter(|_| items.len() == 1);
    Ok(Prepared { header: RunHeader { request, outcomes }, parts, name })
}

/// Offset and length of what `item` asks for.
fn stretch(engine: &Handle, item: &Item) -> Result<(u64, u64), Missing> {
    let layout: Layout = content::layout(engine, &item.root)?;
    let end = item.first.checked_add(u64::from(item.count)).ok_or(Missing::Refused)?;
    if item.count == 0 || end > layout.chunks() {
        return Err(Missing::Refused);
    }
    let offset = item.first * CHUNK;
    Ok((offset, layout.size().min(end * CHUNK) - offset))
}

fn take(
    engine: &Handle,
    parts: &mut Vec<Part>,
    root: Root,
    offset: u64,
    len: u64,
) -> Result<Name, Missing> {
    let Opened { name, print, file } = content::open(engine, &root)?;
    if len > SMALL {
        let stretch = Stretch { root, name: name.clone(), print, file, offset, len };
        parts.push(Part::Stretch(stretch));
        return Ok(name);
    }
    let mut bytes = vec![0; usize::try_from(len).map_err(|_| Missing::Refused)?];
    let read = read_exact(&*file, &mut bytes, offset);
    if read.is_err() || !content::is_unchanged(&*file, &print) {
        engine.recheck(&name);
        return Err(Missing::Changed);
    }
    match parts.last_mut() {
        Some(Part::Bytes(before)) => before.extend_from_slice(&bytes),
        _ => parts.push(Part::Bytes(bytes)),
    }
    Ok(name)
}

impl Prepared {
    /// The file of the run, if it is of one, and the bytes of all of it; `None` if nothing is sent.
    pub(super) fn told(&self) -> Option<(Option<Name>, u64)> {
        let bytes = self.header.content_len().filter(|bytes| *bytes > 0)?;
        Some((self.name.clone(), bytes))
    }

    /// Sends the run. The roots of files that turned out to be others.
    pub(super) async fn send(
        self,
        engine: &Handle,
        writer: &mut LinkWriter<ToLeecher>,
    ) -> Result<Vec<Root>, SessionError> {
        let mut changed = Vec::new();
        let mut run = writer.run(&self.header)?;
        for part in self.parts {
            match part {
                Part::Bytes(bytes) => run.write(&bytes).await?,
                Part::Stretch(stretch) => {
                    let mut blocks = Blocks::new(&stretch);
                    while let Some(block) = blocks.next().await? {
                        run.write(&block).await?;
                        blocks.spare = block;
                    }
                    if blocks.changed {
                        engine.recheck(&stretch.name);
                        changed.push(stretch.root);
                    }
                }
            }
        }
        run.finish().await?;
        Ok(changed)
    }
}

type Reading = tokio::task::JoinHandle<(Vec<u8>, bool)>;

/// Reads a stretch block by block, one ahead of the one that is sent.
struct Blocks<'a> {
    stretch: &'a Stretch,
    done: u64,
    ahead: Option<Reading>,
    spare: Vec<u8>,
    changed: bool,
}

impl<'a> Blocks<'a> {
    fn new(stretch: &'a Stretch) -> Self {
        let mut blocks = Self { stretch, done: 0, ahead: None, spare: Vec::new(), changed: false };
        blocks.ahead = blocks.begin();
        blocks
    }

    fn begin(&mut self) -> Option<Reading> {
        let left = self.stretch.len - self.done;
        if left == 0 {
            return None;
        }
        let len = usize::try_from(left).unwrap_or(CHUNK_LEN).min(CHUNK_LEN);
        let offset = self.stretch.offset + self.done;
        self.done += len as u64;
        let last = self.done == self.stretch.len;
        let (file, print) = (self.stretch.file.clone(), self.stretch.print);
        let mut block = std::mem::take(&mut self.spare);
        Some(tokio::task::spawn_blocking(move || {
            block.clear();
            block.resize(len, 0);
            // What cannot be read any more stays zero: as many bytes as announced must follow.
            let read = read_exact(&*file, &mut block, offset).is_ok();
            let sound = read && (!last || content::is_unchanged(&*file, &print));
            (block, !sound)
        }))
    }

    async fn next(&mut self) -> Result<Option<Vec<u8>>, SessionError> {
        let Some(reading) = self.ahead.take() else { return Ok(None) };
        let (block, changed) = reading.await.map_err(|_| SessionError::Closed)?;
        self.changed |= changed;
        self.ahead = self.begin();
        Ok(Some(block))
    }
}
