//! Which files have which content.

use sealift_content::numbers::Numbers;
use sealift_proto::catalogue::Root;

use super::files::Id;

/// Files by content: a chain of those whose contents begin alike, nearly always of one. A content (that of nothing) may be in very
/// many, and each of them must be quick to take out.
#[derive(Default)]
pub(super) struct Holders {
    first: Numbers<u32, Id>,
    /// By number of the file.
    links: Vec<Link>,
}

#[derive(Default, Clone, Copy)]
struct Link {
    before: Option<Id>,
    after: Option<Id>,
}

fn start(root: &Root) -> u32 {
    u32::from_le_bytes(root.0.first_chunk().copied().unwrap_or_default())
}

impl Holders {
    /// The file `id`, which had none, has the content `root`.
    pub(super) fn add(&mut self, root: &Root, id: Id) {
        if self.links.len() <= id.slot() {
            self.links.resize(id.slot() + 1, Link::default());
        }
        let after = self.first.insert(start(root), id);
        self.set(id, Link { before: None, after });
        if let Some(after) = after {
            self.set(after, Link { before: Some(id), ..self.link(after) });
        }
    }

    /// The file `id` has the content `root` no more.
    pub(super) fn remove(&mut self, root: &Root, id: Id) {
        let Link { before, after } = self.link(id);
        self.set(id, Link::default());
        if let Some(after) = after {
            self.set(after, Link { before, ..self.link(after) });
        }
        match (before, after) {
            (Some(before), _) => self.set(before, Link { after, ..self.link(before) }),
            (None, Some(after)) => drop(self.first.insert(start(root), after)),
            (None, None) => drop(self.first.remove(start(root))),
        }
    }

    /// Files whose content may be `root`, those that came last first.
    pub(super) fn of(&self, root: &Root) -> impl Iterator<Item = Id> {
        let first = self.first.get(start(root));
        std::iter::successors(first, |id| self.link(*id).after)
    }

    fn link(&self, id: Id) -> Link {
        self.links.get(id.slot()).copied().unwrap_or_default()
    }

    fn set(&mut self, id: Id, link: Link) {
        if let Some(place) = self.links.get_mut(id.slot()) {
            *place = link;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::files::Files;
    use super::*;

    #[test]
    fn each_content_knows_its_files() {
        let mut files = Files::default();
        let ids: Vec<_> = (0..9).map(|at| files.add(&format!("s/{at}"), ()).unwrap()).collect();
        // They begin alike, so whoever asks compares.
        let (one, alike) =
            (Root([1; 32]), Root(std::array::from_fn(|at| if at < 4 { 1 } else { 9 })));
        let other = Root([2; 32]);
        let of = |holders: &Holders, root| holders.of(root).collect::<Vec<_>>();
        let mut holders = Holders::default();
        holders.add(&one, ids[8]);
        holders.add(&alike, ids[0]);
        holders.add(&other, ids[3]);
        holders.add(&one, ids[5]);
        assert_eq!(of(&holders, &one), [ids[5], ids[0], ids[8]]);
        assert_eq!(of(&holders, &other), [ids[3]]);
        holders.remove(&alike, ids[0]);
        assert_eq!(of(&holders, &one), [ids[5], ids[8]]);
        holders.remove(&one, ids[5]);
        assert_eq!(of(&holders, &one), [ids[8]]);
        holders.add(&one, ids[5]);
        holders.remove(&one, ids[8]);
        assert_eq!(of(&holders, &one), [ids[5]]);
        holders.remove(&one, ids[5]);
        holders.remove(&other, ids[3]);
        assert!(holders.first.is_empty() && of(&holders, &one).is_empty());
    }
}
