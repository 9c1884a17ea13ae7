//! How far this device's clock is from the relay's.

use sealift_proto::space::CLOCK_SKEW;

use crate::control::Control;
use crate::device::ThisDevice;
use crate::notice::ClockApart;

/// How far this device's clock is from the relay's, if it is more than certificates forgive.
#[must_use]
pub fn clock_apart(this: &ThisDevice, control: &Control) -> Option<ClockApart> {
    let (own, relays) = (this.now(), control.welcome().time / 1000);
    let seconds = own.abs_diff(relays);
    let apart = || ClockApart { relay: control.place(), seconds, ahead: own > relays };
    (seconds > CLOCK_SKEW).then(apart)
}
