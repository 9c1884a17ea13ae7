//! What the owner's seeder does for the others: devices that came by invite get a certificate that lasts.

use sealift_proto::codec::List;
use sealift_proto::identity::DeviceId;
use sealift_proto::limits::LASTING_MAX;
use sealift_proto::space::Role;
use sealift_transport::Error;
use sealift_transport::connect::Connected;
use sealift_transport::device::ThisDevice;

use crate::activity::{Activity, Teller};

/// Signs a lasting certificate for each provisional member and publishes them in the space record. Those that were taken
/// make room. Does nothing on a device that does not own the space.
///
/// # Errors
/// When the profile cannot be written or the relay refuses.
pub(crate) async fn admit(
    this: &ThisDevice,
    connected: &mut Connected,
    teller: &Teller,
) -> Result<(), Error> {
    if connected.space.owner().is_none() {
        return Ok(());
    }
    let kept = still_needed(connected);
    let new: Vec<(DeviceId, Role)> = connected
        .members()
        .iter()
        .filter(|member| member.membership.invite.is_some() && !kept.contains(&member.device))
        .map(|member| (member.device, member.membership.role))
        .take(LASTING_MAX.saturating_sub(kept.len()))
        .collect();
    if new.is_empty() {
        return Ok(());
    }
    let random = &*this.profile.platform().random;
    let signed =
        new.iter().map(|(device, role)| connected.space.sign_lasting(random, *device, *role));
    let signed = signed.collect::<Result<Vec<_>, _>>().map_err(sealift_space::Error::from)?;
    this.profile.change_record(&mut connected.space, this.now(), |secret| {
        let mut lasting = secret.lasting.clone().into_vec();
        lasting.retain(|certificate| kept.contains(&certificate.unverified().subject));
        lasting.extend(signed);
        secret.lasting = List::new(lasting)?;
        Ok(())
    })?;
    connected.publish_record().await?;
    for (device, _) in new {
        let who = connected.members().display_name(&device);
        teller.tell(Activity::Admitted { device, who });
    }
    Ok(())
}

/// Devices whose lasting certificate is in the record and was not taken yet.
fn still_needed(connected: &Connected) -> Vec<DeviceId> {
    let lasting = connected.space.secret().lasting.iter();
    lasting
        .map(|certificate| certificate.unverified().subject)
        .filter(|device| {
            connected.members().get(device).is_none_or(|member| member.membership.invite.is_some())
        })
        .collect()
}
