//! Says on the local network that a device serves here.

use std::sync::Arc;
use std::time::Duration;

use data_encoding::HEXLOWER;
use mdns_sd::{ServiceDaemon, ServiceInfo};
use sealift_platform::random::Random;
use sealift_proto::identity::DeviceId;
use sealift_proto::keys::LanKey;
use tokio::task::JoinSet;
use tokio::time::sleep;

use super::{LanError, Name, SERVICE};

/// How long a device has one name.
const ROTATION: Duration = Duration::from_secs(50 * 60);

/// An announcement; it ends when dropped.
pub struct Announcement {
    daemon: ServiceDaemon,
    _task: JoinSet<()>,
}

impl Announcement {
    /// Announces that `device` takes offers at TCP port `port` of this machine, under names that change.
    ///
    /// # Errors
    /// When the machine has no multicast.
    pub fn new(
        key: LanKey,
        device: DeviceId,
        port: u16,
        random: Arc<dyn Random>,
    ) -> Result<Self, LanError> {
        let daemon = ServiceDaemon::new()?;
        let mut current = announce(&daemon, &key, &device, port, &*random)?;
        let mut task = JoinSet::new();
        let speaker = daemon.clone();
        task.spawn(async move {
            loop {
                sleep(ROTATION).await;
                // The new name first, so that there is always one.
                let Ok(next) = announce(&speaker, &key, &device, port, &*random) else { return };
                let _ = speaker.unregister(&current);
                current = next;
            }
        });
        Ok(Self { daemon, _task: task })
    }
}

impl Drop for Announcement {
    fn drop(&mut self) {
        // It says farewell from a thread of its own; nobody waits for that.
        let _ = self.daemon.shutdown();
    }
}

/// Announces a new name; the full name of the service.
fn announce(
    daemon: &ServiceDaemon,
    key: &LanKey,
    device: &DeviceId,
    port: u16,
    random: &dyn Random,
) -> Result<String, LanError> {
    // Instance and host say nothing: the host name of a machine often is its owner's.
    let [instance, host]: [[u8; 8]; 2] = [random.bytes(), random.bytes()];
    let host = format!("{}.local.", HEXLOWER.encode(&host));
    let fields = Name::new(key, device, random).fields();
    let service =
        ServiceInfo::new(SERVICE, &HEXLOWER.encode(&instance), &host, "", port, &fields[..])?
            .enable_addr_auto();
    let name = service.get_fullname().to_owned();
    daemon.register(service)?;
    Ok(name)
}
