//! What tests of several parts stand on: contents in memory, and two devices in a session.

use std::collections::BTreeMap;
use std::io;
use std::ops::Range;
use std::sync::Arc;

use blake3::hazmat::ChainingValue;
use sealift_platform::Platform;
use sealift_proto::catalogue::Root;
use sealift_proto::control::Address;
use sealift_proto::frame::{PREAMBLE, Preamble};
use sealift_proto::identity::{DeviceId, SecretKey};
use sealift_proto::manifest::{CHUNK, Layout, Manifest, chunk_value};
use sealift_proto::message::Missing;
use sealift_proto::space::Label;
use sealift_space::profile::space::SpaceState;
use sealift_transport::session::{
    Acceptor, LeecherSession, SeederSession, SessionError, Sessions, Side, WrapChoice,
};
use tokio::io::AsyncReadExt;

use crate::entry::EntryPlace;
use crate::hashes::Name;
use crate::serve::event::{Event, Listener};
use crate::serve::holdings::{Answer, Content, Holdings};

/// Contents in memory, which everybody may have.
#[derive(Default)]
pub(crate) struct Memory(BTreeMap<Root, Arc<[u8]>>);

impl Memory {
    /// Holds `content`; its root.
    pub(crate) fn put(&mut self, content: &[u8]) -> Root {
        let root = Root(blake3::hash(content).into());
        self.0.insert(root, content.into());
        root
    }

    fn get(&self, root: &Root) -> Result<Arc<[u8]>, Missing> {
        self.0.get(root).cloned().ok_or(Missing::Gone)
    }
}

impl Holdings for Memory {
    fn may(&self, _: &DeviceId, _: &Root) -> bool {
        true
    }

    fn known<'a>(&'a self, _: &'a [Root]) -> Answer<'a, ()> {
        Box::pin(std::future::ready(()))
    }

    fn layout(&self, root: &Root) -> Result<Layout, Missing> {
        Layout::new(self.get(root)?.len() as u64).map_err(|_| Missing::Refused)
    }

    fn has(&self, root: &Root, _: Range<u64>) -> bool {
        self.0.contains_key(root)
    }

    fn open(&self, root: &Root) -> Result<Box<dyn Content>, Missing> {
        Ok(Box::new(Bytes(self.get(root)?)))
    }

    fn values(&self, root: &Root, page: Option<u64>) -> Result<Vec<ChainingValue>, Missing> {
        let (layout, content) = (self.layout(root)?, self.get(root)?);
        let chunks = content.chunks(CHUNK as usize);
        let values = (0..).zip(chunks).map(|(index, chunk)| chunk_value(index, chunk)).collect();
        let manifest = Manifest::new(layout, values).map_err(|_| Missing::Refused)?;
        Ok(page.map_or_else(|| manifest.page_values(), |page| manifest.page(page).to_vec()))
    }

    fn want<'a>(
        &'a self,
        _: EntryPlace,
        _: &'a (dyn Fn(u64, u64) + Send + Sync),
    ) -> Answer<'a, Result<(Root, u64), Missing>> {
        Box::pin(std::future::ready(Err(Missing::Gone)))
    }
}

struct Bytes(Arc<[u8]>);

impl Content for Bytes {
    fn name(&self) -> Option<Name> {
        None
    }

    fn read(&self, buffer: &mut [u8], offset: u64) -> io::Result<()> {
        let from = offset as usize;
        let there = self.0.get(from..from + buffer.len()).ok_or(io::ErrorKind::UnexpectedEof)?;
        buffer.copy_from_slice(there);
        Ok(())
    }

    fn is_sound(&self) -> bool {
        true
    }

    fn doubt(&self) {}
}

/// Nobody listens.
pub(crate) struct Nobody;

impl Listener for Nobody {
    fn hear(&self, _: Event) {}
}

/// The two ends of a session between two devices of a member, as on a local network.
pub(crate) async fn session() -> (LeecherSession, SeederSession) {
    let platform = Platform::system();
    let key = SecretKey::from_seed([1; 32]);
    let name = Label::new("ours").unwrap();
    let space = SpaceState::create(&*platform.random, 0, &key.id(), name, Vec::new()).unwrap();
    let address = Address { device: key.id(), connection: 0 };
    let side = Side { platform: &platform, space: &space, key: &key, address };
    let listener = platform.net.listen("127.0.0.1:0".parse().unwrap()).await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let accept = async {
        let (mut stream, _) = listener.accept().await.unwrap();
        let mut preamble = [0; PREAMBLE];
        stream.read_exact(&mut preamble).await.unwrap();
        let device = Preamble::from_bytes(&preamble).unwrap().value;
        Acceptor::default().lan(&side, stream, device, |_| Ok(())).await
    };
    let open = async {
        let stream = platform.net.connect("127.0.0.1", port).await?;
        Sessions::default().open_lan(&side, stream, key.id(), WrapChoice::Auto).await
    };
    let (opened, accepted): (Result<_, SessionError>, _) = tokio::join!(open, accept);
    (opened.unwrap(), accepted.unwrap())
}
