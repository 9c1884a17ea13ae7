//! Which relay a space is reached at, and what is remembered of it.

use sealift_proto::place::RelayPlace;
use sealift_proto::space::RelayAddress;
use sealift_space::Error;
use sealift_space::profile::Profile;
use sealift_space::profile::space::SpaceState;

use crate::control::Control;
use crate::device::ThisDevice;
use crate::notice::Notice;

/// The relay to use for `space`: the one asked for now, or since it was last reached; the one it was last reached at, the remembered one, `localhost`.
///
/// # Errors
/// When settings cannot be read.
pub fn relay_of(
    profile: &Profile,
    space: &SpaceState,
    asked: Option<&RelayPlace>,
) -> Result<RelayPlace, Error> {
    if asked.is_some() {
        return Ok(profile.relay(asked)?);
    }
    let (settings, name) = (profile.settings()?, space.id().short());
    let newer = settings.asked.get(&name).and_then(|text| text.parse().ok());
    match (newer, settings.space_relays.get(&name)) {
        (None, Some(known)) => Ok(known.into()),
        (newer, _) => Ok(profile.relay(newer.as_ref())?),
    }
}

/// Remembers the relay and its key; a key met for the first time is told.
pub(super) fn remember(
    this: &ThisDevice,
    space: &SpaceState,
    relay: &RelayPlace,
    control: &Control,
) -> Result<(), Error> {
    let pin = control.pin();
    if relay.pin.is_none() {
        this.reporter.tell(&Notice::Pinned { relay: control.place(), pin });
    }
    let known = RelayAddress { host: relay.host.clone(), port: relay.port, pin };
    let settings = this.profile.settings()?;
    let name = space.id().short();
    let is_known = settings.space_relays.get(&name) == Some(&known);
    if is_known && settings.relay.as_ref() == Some(&known) && !settings.asked.contains_key(&name) {
        return Ok(());
    }
    this.profile.change_settings(|settings| {
        settings.remember(known.clone());
        settings.asked.remove(&name);
        settings.space_relays.insert(name, known);
    })?;
    Ok(())
}
