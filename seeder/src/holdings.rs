//! What this seeder serves: the files of its folders, by their contents.

mod known;

use std::ops::Range;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use blake3::hazmat::ChainingValue;
use sealift_content::entry::EntryPlace;
use sealift_content::hashes::file::{HashError, Reading, read_exact};
use sealift_content::hashes::print::Print;
use sealift_content::serve::holdings::{Answer, Content, Holdings};
use sealift_content::serve::passing::Passing;
use sealift_platform::disk::{Buffer, File};
use sealift_platform::private;
use sealift_platform::sync::lock;
use sealift_proto::catalogue::Root;
use sealift_proto::identity::DeviceId;
use sealift_proto::manifest::{Layout, Manifest};
use sealift_proto::message::Missing;
use tokio::time::timeout;

use crate::catalogue::log::Log;
use crate::engine::Handle;
use crate::index::Name;
use crate::scan::is_absence;

/// How often somebody who waits for a file to be read is told how far it is.
const TELL: Duration = Duration::from_secs(1);

/// The files of the watched folders.
pub struct Offered {
    /// What is offered.
    pub engine: Handle,
    /// How it was published.
    pub log: Arc<Mutex<Log>>,
}

impl Holdings for Offered {
    /// Every member of the space reads everything that is offered.
    fn may(&self, _: &DeviceId, _: &Root) -> bool {
        true
    }

    fn known<'a>(&'a self, roots: &'a [Root]) -> Answer<'a, ()> {
        Box::pin(known::known(&self.engine, roots))
    }

    fn layout(&self, root: &Root) -> Result<Layout, Missing> {
        layout(&self.engine, root)
    }

    fn has(&self, root: &Root, _: Range<u64>) -> bool {
        layout(&self.engine, root).is_ok()
    }

    fn open(&self, root: &Root) -> Result<Box<dyn Content>, Missing> {
        Ok(Box::new(open(&self.engine, root)?))
    }

    fn values(&self, root: &Root, page: Option<u64>) -> Result<Vec<ChainingValue>, Missing> {
        values(&self.engine, root, page)
    }

    fn want<'a>(
        &'a self,
        entry: EntryPlace,
        reading: &'a (dyn Fn(u64, u64) + Send + Sync),
    ) -> Answer<'a, Result<(Root, u64), Missing>> {
        Box::pin(async move {
            let log = self.log.clone();
            let EntryPlace { log_id, position, index } = entry;
            let look = move || lock(&log).lookup(&log_id, position, index);
            let found = tokio::task::spawn_blocking(look).await;
            let name = found.ok().flatten().ok_or(Missing::Gone)?;
            self.read_now(&name, reading).await
        })
    }
}

impl Offered {
    /// The content of `name`; `reading` hears now and then how far its reading is.
    async fn read_now(
        &self,
        name: &Name,
        reading: &(dyn Fn(u64, u64) + Send + Sync),
    ) -> Result<(Root, u64), Missing> {
        let answer = self.engine.want(name.clone());
        tokio::pin!(answer);
        loop {
            if let Ok(answer) = timeout(TELL, &mut answer).await {
                return answer;
            }
            if let Some((done, size)) = self.engine.progress(name) {
                reading(done, size);
            }
        }
    }
}

/// An open file that is in the state it was hashed in.
struct Opened {
    name: Name,
    print: Print,
    file: Arc<dyn File>,
    engine: Handle,
}

impl Content for Opened {
    fn name(&self) -> Option<Name> {
        Some(self.name.clone())
    }

    fn read(&self, buffer: &mut [u8], offset: u64) -> std::io::Result<()> {
        read_exact(&*self.file, buffer, offset).map_err(|error| match error {
            HashError::Unreadable(error) => error,
            other => std::io::Error::other(other),
        })
    }

    fn passing(&self, range: Range<u64>) -> Option<Passing> {
        Passing::of(&self.file, range)
    }

    fn is_sound(&self) -> bool {
        is_unchanged(&*self.file, &self.print)
    }

    fn doubt(&self) {
        self.engine.recheck(&self.name);
    }
}

/// Opens a file with the content `root`: one that is offered, is a regular file, lies beneath its folder without a link
/// on the way, and is in the state it was hashed in. Blocks.
fn open(engine: &Handle, root: &Root) -> Result<Opened, Missing> {
    let mut why = Missing::Gone;
    let candidates = engine.shared.index().with_root(root);
    for (name, print) in candidates {
        match open_one(engine, &name, print) {
            Ok(file) => return Ok(Opened { name, print, file, engine: engine.clone() }),
            Err(reason) => {
                engine.recheck(&name);
                why = reason;
            }
        }
    }
    Err(why)
}

fn open_one(engine: &Handle, name: &Name, print: Print) -> Result<Arc<dyn File>, Missing> {
    let (_, folder, local) = engine.shared.folders.find(name).ok_or(Missing::Gone)?;
    let root = folder.root().ok_or(Missing::Gone)?;
    let file = root.open(&local).map_err(|error| match is_absence(&error) {
        true => Missing::Gone,
        false => Missing::Unreadable,
    })?;
    if !is_unchanged(&*file, &print) {
        return Err(Missing::Changed);
    }
    if is_kept(&*file).map_err(|_| Missing::Unreadable)? {
        engine.keep_out(name, print);
        return Err(Missing::Gone);
    }
    Ok(Arc::from(file))
}

/// Whether a program of Sealift keeps the file. It was not when it was hashed: this does not rely on it.
fn is_kept(file: &dyn File) -> std::io::Result<bool> {
    let mut first = [0; private::FIRST_LEN];
    let read = file.read_at(&mut first, 0)?;
    Ok(private::is_kept(&first[..read]))
}

/// Whether the open file is in the state `print`.
fn is_unchanged(file: &dyn File, print: &Print) -> bool {
    file.stat().is_ok_and(|stat| Print::of(&stat) == *print)
}

/// Size of the content `root`, if it is offered.
fn layout(engine: &Handle, root: &Root) -> Result<Layout, Missing> {
    let candidates = engine.shared.index().with_root(root);
    let (_, print) = candidates.first().ok_or(Missing::Gone)?;
    Layout::new(print.size).map_err(|_| Missing::Refused)
}

/// The values of page `page` of `root`, or of the pages themselves. Blocks.
fn values(engine: &Handle, root: &Root, page: Option<u64>) -> Result<Vec<ChainingValue>, Missing> {
    let layout = layout(engine, root)?;
    let values = match engine.shared.cache.values(root, layout) {
        Some(values) => values,
        None => read_again(engine, root)?,
    };
    let manifest = Manifest::new(layout, values).map_err(|_| Missing::Changed)?;
    let found = match page {
        Some(page) => manifest.page(page).to_vec(),
        None => manifest.page_values(),
    };
    if found.is_empty() { Err(Missing::Refused) } else { Ok(found) }
}

/// Values that were lost are made again from the file.
fn read_again(engine: &Handle, root: &Root) -> Result<Vec<ChainingValue>, Missing> {
    let opened = open(engine, root)?;
    let (_, folder, local) = engine.shared.folders.find(&opened.name).ok_or(Missing::Gone)?;
    let beneath = folder.root().ok_or(Missing::Gone)?;
    let mut reading =
        Reading::open(&*beneath, &local, opened.print).map_err(|_| Missing::Changed)?;
    match reading.advance(&mut Buffer::default(), || false, |_| {}) {
        Ok(Some(hashed)) if hashed.root == *root => {
            let values = hashed.values.clone();
            engine.shared.cache.put(&opened.print, &opened.name, hashed);
            Ok(values)
        }
        _ => {
            engine.recheck(&opened.name);
            Err(Missing::Changed)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::activity::Teller;
    use crate::engine::Engine;
    use crate::folder::{Folder, Folders};
    use crate::watch::Watching;
    use sealift_content::hashes::cache::Cache;
    use sealift_platform::Platform;
    use sealift_platform::testing::Share;
    use sealift_proto::path::RelativePath;
    use std::path::Path;
    use std::time::Duration;
    use tokio::sync::watch;

    /// Whatever the index says, as if no walk and no reading had kept it out.
    #[tokio::test(flavor = "multi_thread")]
    async fn a_key_is_not_served_even_if_it_came_to_be_offered() {
        let (share, home) = (Share::new(), Share::new());
        let content = b"sealift-private device-key 1 00\n{}\n";
        share.write("key", content);
        let name = RelativePath::new("s").unwrap();
        let folder = Folder::new(name, share.dir.path().into(), Vec::new());
        let cache = Arc::new(Cache::open(&home.root()).0);
        let watching = Watching::Poll(Duration::from_secs(60));
        let folders = Folders::new(vec![folder]);
        let (engine, inbox, handle) =
            Engine::new(Platform::system(), folders, cache, watching, Teller::new().0);
        let (stop, stopped) = watch::channel(false);
        let engine = tokio::spawn(engine.run(inbox, stopped));
        let key: Name = "s/key".into();
        let root = Root(*blake3::hash(content).as_bytes());
        let print = Print::of(&share.root().stat(Path::new("key")).unwrap());
        let is_out = || handle.shared.index().get("s/key").is_some_and(|i| !i.state.is_offered());
        until(is_out).await;
        handle.shared.index().hashed(&key, &print, root);
        assert!(matches!(open(&handle, &root), Err(Missing::Gone)));
        until(is_out).await;
        stop.send(true).unwrap();
        engine.await.unwrap();
    }

    async fn until(done: impl Fn() -> bool) {
        let wait = async {
            while !done() {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        };
        timeout(Duration::from_secs(20), wait).await.expect("it comes");
    }
}
