//! Which files have which content.

use std::collections::{BTreeSet, HashMap};

use sealift_proto::catalogue::Root;

use super::Name;

/// Files by content. Nearly every content is in one file only, and one (that of nothing) may be in very many.
#[derive(Default)]
pub(super) struct Holders(HashMap<Root, Names>);

enum Names {
    One(Name),
    Many(BTreeSet<Name>),
}

impl Holders {
    /// The file `name` has the content `root`.
    pub(super) fn add(&mut self, root: Root, name: &Name) {
        match self.0.get_mut(&root) {
            None => drop(self.0.insert(root, Names::One(name.clone()))),
            Some(Names::Many(names)) => drop(names.insert(name.clone())),
            Some(one) => {
                let Names::One(before) = one else { return };
                *one = Names::Many(BTreeSet::from([before.clone(), name.clone()]));
            }
        }
    }

    /// The file `name` has the content `root` no more.
    pub(super) fn remove(&mut self, root: &Root, name: &Name) {
        let is_empty = match self.0.get_mut(root) {
            None => false,
            Some(Names::One(one)) => one == name,
            Some(Names::Many(names)) => {
                names.remove(name);
                names.is_empty()
            }
        };
        if is_empty {
            self.0.remove(root);
        }
    }

    /// At most `max` files with the content `root`, by path.
    pub(super) fn of(&self, root: &Root, max: usize) -> Vec<&Name> {
        match self.0.get(root) {
            None => Vec::new(),
            Some(Names::One(name)) => vec![name],
            Some(Names::Many(names)) => names.iter().take(max).collect(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_content_knows_its_files() {
        let name = |number: u32| -> Name { format!("s/{number}").into() };
        let (one, two) = (Root([1; 32]), Root([2; 32]));
        let mut holders = Holders::default();
        holders.add(one, &name(9));
        holders.add(one, &name(9));
        assert_eq!(holders.of(&one, 5), [&name(9)]);
        for number in [3, 1, 2] {
            holders.add(one, &name(number));
        }
        holders.add(two, &name(4));
        assert_eq!(holders.of(&one, 3), [&name(1), &name(2), &name(3)]);
        holders.remove(&two, &name(5));
        assert_eq!(holders.of(&two, 3), [&name(4)], "not another's");
        for number in [1, 2, 3, 9, 4] {
            holders.remove(&one, &name(number));
        }
        holders.remove(&two, &name(4));
        assert!(holders.of(&one, 5).is_empty() && holders.0.is_empty());
    }
}
