//! Which half of a link a message is for.

use blake3::hazmat::ChainingValue;
use sealift_proto::catalogue::Root;
use sealift_proto::control::Address;
use sealift_proto::direct::Candidates;
use sealift_proto::message::{ChunkRun, Finished, Item, Missing, SessionMessage};

use crate::entry::EntryPlace;

/// A message by whom it is for.
pub(super) enum Sorted {
    /// For the half that serves.
    Request(Request),
    /// For the half that asks.
    Answer(Answer),
    /// For the session.
    Addresses(Candidates),
    /// For the half that asks, which need not hear it.
    Told(Told),
}

/// What the other end asks of this one.
pub(crate) enum Request {
    /// The content of an entry.
    Want { request: u32, entry: EntryPlace },
    /// A page of the values of a content.
    Page { request: u32, root: Root, page: Option<u64> },
    /// Chunks.
    Run { request: u32, items: Vec<Item> },
    /// Nothing: it has files complete.
    Done(Vec<Finished>),
}

/// What the other end answers to this one, beside runs.
pub(crate) enum Answer {
    /// The content of an entry, and its length.
    Stated { request: u32, root: Root, size: u64 },
    /// The values of a page.
    Page { request: u32, values: Vec<ChainingValue> },
    /// It cannot be met.
    Failed { request: u32, why: Missing },
    /// A content is no longer what it was.
    Changed(Root),
    /// It takes a while: so much has been read of so much.
    Reading { request: u32, done: u64, size: u64 },
}

/// What the other end says that it can be asked for.
pub(crate) enum Told {
    /// All that its catalogue states.
    Catalogue,
    /// These chunks of a content, beside those that it named before.
    Have(Root, Vec<ChunkRun>),
    /// These fetch a content too.
    Others(Root, Vec<Address>),
}

impl Told {
    /// Whether it can be.
    pub(crate) fn is_sound(&self) -> bool {
        match self {
            Self::Catalogue | Self::Others(..) => true,
            Self::Have(_, chunks) => chunks.iter().all(ChunkRun::is_sound),
        }
    }
}

impl From<SessionMessage> for Sorted {
    fn from(message: SessionMessage) -> Self {
        use SessionMessage as M;
        match message {
            M::Want { request, log_id, position, index } => {
                let entry = EntryPlace { log_id, position, index };
                Self::Request(Request::Want { request, entry })
            }
            M::GetPage { request, root, page } => {
                Self::Request(Request::Page { request, root, page })
            }
            M::Get { request, items } => {
                Self::Request(Request::Run { request, items: items.into_vec() })
            }
            M::Done { files } => Self::Request(Request::Done(files.into_vec())),
            M::Root { request, root, size } => Self::Answer(Answer::Stated { request, root, size }),
            M::Page { request, values } => {
                let values = values.iter().map(|value| value.0).collect();
                Self::Answer(Answer::Page { request, values })
            }
            M::Failed { request, why } => Self::Answer(Answer::Failed { request, why }),
            M::Changed { root } => Self::Answer(Answer::Changed(root)),
            M::Reading { request, done, size } => {
                Self::Answer(Answer::Reading { request, done, size })
            }
            M::Paths { candidates } => Self::Addresses(candidates),
            M::Head { .. } => Self::Told(Told::Catalogue),
            M::Have { root, chunks } => Self::Told(Told::Have(root, chunks.into_vec())),
            M::Others { root, addresses } => Self::Told(Told::Others(root, addresses.into_vec())),
        }
    }
}
