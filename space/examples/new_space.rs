//! A new space in a new profile, and the same read again: by its chain the device that made it is a member, and nobody else is.
//!
//! ```text
//! cargo run -p sealift-space --example new_space
//! ```

use std::error::Error;

use sealift_platform::Platform;
use sealift_proto::space::Label;
use sealift_space::home::Home;
use sealift_space::profile::Profile;
use sealift_space::profile::space::SpaceState;

fn main() -> Result<(), Box<dyn Error>> {
    let place = tempfile::tempdir()?;
    let (platform, home) = (Platform::system(), Home::beneath(place.path()));
    let now = platform.clock.unix_seconds();

    let profile = Profile::open(&platform, &home)?;
    let device = profile.device_or_new()?.key.id();
    let name = Label::new("photos").ok_or("no name of a space")?;
    let made = SpaceState::create(&*platform.random, now, &device, name, Vec::new())?;
    profile.save_space(&made)?;

    let again = Profile::open(&platform, &home)?.one_space(Some("photos"))?;
    let member = again.verify_member(again.chain(), now)?;
    assert_eq!((again.id(), member.device), (made.id(), device));

    // Another space's chain proves nothing here.
    let name = Label::new("others").ok_or("no name of a space")?;
    let other = SpaceState::create(&*platform.random, now, &device, name, Vec::new())?;
    assert!(again.verify_member(other.chain(), now).is_err());
    println!("{} {}: {} is a member", again.display_name(), again.id().short(), device.short());
    Ok(())
}
