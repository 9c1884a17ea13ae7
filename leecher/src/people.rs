//! Members as they are named.

use std::collections::BTreeSet;

use sealift_proto::identity::DeviceId;
use sealift_proto::shown::escape;

use crate::freshen::Known;

/// Why a name means no member.
#[derive(Debug, thiserror::Error)]
pub enum PersonError {
    /// Several are called so.
    #[error("several members are called `{}`: {}", escape(person), names.join(", "))]
    Several {
        /// The name.
        person: String,
        /// What they are called, safe to show.
        names: Vec<String>,
        /// Their ids.
        ids: Vec<String>,
    },
    /// Nobody is.
    #[error("nobody in the space is called `{}`", escape(.0))]
    Nobody(String),
}

/// The devices of `person`, one in each space at most.
///
/// # Errors
/// When nobody is called so, or several are.
pub fn devices(spaces: &[Known], person: &str) -> Result<BTreeSet<DeviceId>, PersonError> {
    let mut devices = BTreeSet::new();
    for known in spaces {
        let found = known.members.find(person);
        if found.len() > 1 {
            let names = found.iter().map(|device| known.members.display_name(device)).collect();
            let ids = found.iter().map(|device| device.short()).collect();
            return Err(PersonError::Several { person: person.to_owned(), names, ids });
        }
        devices.extend(found);
    }
    if devices.is_empty() {
        return Err(PersonError::Nobody(person.to_owned()));
    }
    Ok(devices)
}
