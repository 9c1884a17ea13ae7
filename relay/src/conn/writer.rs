//! The sending half of a control connection.

use std::io;

use tokio::io::{AsyncWrite, AsyncWriteExt};

use sealift_proto::codec::Bytes;
use sealift_proto::control::{FromRelay, Refusal};
use sealift_proto::space::SpaceId;
use sealift_server::pace::Pace;
use sealift_server::reason;

use crate::hub::Hub;
use crate::outbox::{Frame, Job, Next, Outbox, encode};
use crate::store::{Cursor, SegmentRange, StoreError};

/// Sends what the outbox holds until it says to close. `member` is the space of a member and what it may use.
pub(super) async fn run(
    hub: &Hub,
    outbox: &Outbox,
    member: Option<(SpaceId, &Pace)>,
    sink: impl AsyncWrite + Unpin,
) {
    let mut writer = Writer { hub, outbox, pace: member.map(|(_, pace)| pace), sink };
    // A device that is gone or does not read: the reader learns it from here.
    let _ = writer.send_all(member.map(|(space, _)| space)).await;
    outbox.close(None);
    let _ = tokio::time::timeout(hub.limits.get().farewell, writer.sink.shutdown()).await;
}

struct Writer<'a, W> {
    hub: &'a Hub,
    outbox: &'a Outbox,
    pace: Option<&'a Pace>,
    sink: W,
}

impl<W: AsyncWrite + Unpin> Writer<'_, W> {
    async fn send_all(&mut self, space: Option<SpaceId>) -> io::Result<()> {
        loop {
            let next = match self.outbox.try_next() {
                Some(next) => next,
                None => {
                    self.flush().await?;
                    self.outbox.next().await
                }
            };
            match next {
                Next::Frames(frames) => self.send(&frames).await?,
                Next::Job(Job::Heads) => {
                    if let Some(space) = space {
                        self.send_heads(space).await?;
                    }
                }
                Next::Job(Job::Fetch { request, range }) => {
                    self.send_segments(request, range).await?
                }
                Next::Close(why) => {
                    if let Some(why) = why {
                        self.send(&[encode(&FromRelay::Refused(why))]).await?;
                    }
                    return self.flush().await;
                }
            }
        }
    }

    async fn send(&mut self, frames: &[Frame]) -> io::Result<()> {
        for frame in frames {
            self.send_one(frame).await?;
        }
        Ok(())
    }

    async fn send_one(&mut self, frame: &[u8]) -> io::Result<()> {
        let writing = self.sink.write_all(frame);
        tokio::time::timeout(self.hub.limits.get().write_stall, writing).await?
    }

    async fn flush(&mut self) -> io::Result<()> {
        tokio::time::timeout(self.hub.limits.get().write_stall, self.sink.flush()).await?
    }

    /// Sends a frame of a job, behind whatever became ready meanwhile. The member owes for it: its next requests wait.
    async fn send_behind(&mut self, message: &FromRelay) -> io::Result<()> {
        let ready = self.outbox.take_frames();
        self.send(&ready).await?;
        let frame = encode(message);
        if let Some(pace) = self.pace {
            let _ = pace.take(0, frame.len(), self.hub.now());
        }
        self.send_one(&frame).await
    }

    /// Sends every statement of the space. New ones wait until a page is through, so that of one log never an older
    /// statement follows a newer.
    async fn send_heads(&mut self, space: SpaceId) -> io::Result<()> {
        let mut cursor = Some(Cursor::default());
        while let Some(at) = cursor {
            let page = match self.hub.store.heads(space, at).await {
                Ok((page, next)) => {
                    cursor = next;
                    page
                }
                Err(error) => return self.give_up(&error),
            };
            for head in page {
                self.send_behind(&FromRelay::Head(head)).await?;
            }
            let ready = self.outbox.take_ready();
            self.send(&ready).await?;
            if self.outbox.is_closing() {
                return Ok(());
            }
        }
        self.send_behind(&FromRelay::HeadsEnd).await
    }

    async fn send_segments(&mut self, request: u32, range: SegmentRange) -> io::Result<()> {
        let from = range.from;
        if self.hub.is_spent() {
            let why = Refusal::Traffic;
            self.hub.metrics.refused.add(reason::of(why));
            return self.send_behind(&FromRelay::Failed { request, why }).await;
        }
        let segments = match self.hub.store.segments(range).await {
            Ok(Some(segments)) => segments,
            Ok(None) => {
                let why = Refusal::NotFound;
                return self.send_behind(&FromRelay::Failed { request, why }).await;
            }
            Err(error) => return self.give_up(&error),
        };
        for (position, segment) in (from..).zip(segments) {
            if self.outbox.is_closing() {
                return Ok(());
            }
            let Ok(segment) = Bytes::new(segment) else {
                return self.give_up(&StoreError::Damaged);
            };
            self.send_behind(&FromRelay::Segment { request, position, segment }).await?;
        }
        self.send_behind(&FromRelay::Done { request }).await
    }

    fn give_up(&self, error: &StoreError) -> io::Result<()> {
        tracing::error!(%error, "the store cannot be read");
        self.outbox.close(Some(Refusal::Internal));
        Ok(())
    }
}
