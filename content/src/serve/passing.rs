//! What is read to be sent leaves the system's cache as it was.

use std::ops::Range;
use std::sync::Arc;

use sealift_platform::disk::File;

/// What is read of a file and was hardly in the system's cache. It is not to stay there, in the place of what users work with.
pub struct Passing {
    file: Arc<dyn File>,
    range: Range<u64>,
}

impl Passing {
    /// For what is about to be read of `file`; `None` where it is in the cache already.
    #[must_use]
    pub fn of(file: &Arc<dyn File>, range: Range<u64>) -> Option<Self> {
        (!file.is_cached(range.clone())).then(|| Self { file: file.clone(), range })
    }
}

impl Drop for Passing {
    fn drop(&mut self) {
        self.file.forget_cached(self.range.clone());
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::hashes::file::read_exact;
    use sealift_platform::testing::Share;
    use std::path::Path;

    #[test]
    fn what_is_read_to_be_sent_does_not_stay_in_the_cache_unless_it_was_there() {
        const LEN: usize = 4 << 20;
        let share = Share::new();
        share.write("f", vec![7; LEN]);
        let file: Arc<dyn File> = Arc::from(share.root().open(Path::new("f")).unwrap());
        let (all, first) = (0..LEN as u64, 0..LEN as u64 / 2);
        std::fs::File::open(share.path("f")).unwrap().sync_all().unwrap();
        assert!(Passing::of(&file, all.clone()).is_none() && file.is_cached(all.clone()));
        file.forget_cached(all.clone());
        if file.is_cached(all.clone()) {
            return println!("skipped: everything stays in memory here");
        }
        let passing = Passing::of(&file, first.clone());
        let mut read = vec![0; LEN];
        read_exact(&*file, &mut read, 0).unwrap();
        assert!(file.is_cached(first.clone()));
        drop(passing);
        assert!(!file.is_cached(first));
        assert!(file.is_cached(LEN as u64 / 2..LEN as u64), "others read that");
    }
}
