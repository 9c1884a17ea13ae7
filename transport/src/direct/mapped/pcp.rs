//! Ports by PCP (RFC 6887), else NAT-PMP (RFC 6886).

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::num::NonZeroU16;
use std::time::Duration;

use crab_nat::{
    GatewayAddress, InternetProtocol, PortMapping, PortMappingOptions, PortMappingType,
    TimeoutConfig, natpmp,
};

use super::LIFE;

/// Port on which routers are asked, by either protocol.
pub(super) const PORT: u16 = 5351;
/// A router that grants ports answers at once; most do not, and then there is no answer at all.
const PATIENCE: TimeoutConfig = TimeoutConfig {
    initial_timeout: Duration::from_millis(250),
    max_retries: 2,
    max_retry_timeout: None,
};

/// Asks `gateway` to pass on to `client` what comes for a port; where others reach it, and for how long.
///
/// # Errors
/// In words.
pub(super) async fn ask(
    gateway: Ipv4Addr,
    client: Ipv4Addr,
    protocol: InternetProtocol,
    port: NonZeroU16,
) -> Result<(PortMapping, (SocketAddr, Duration)), String> {
    let options = PortMappingOptions {
        external_port: Some(port),
        lifetime_seconds: u32::try_from(LIFE.as_secs()).ok(),
        timeout_config: Some(PATIENCE),
    };
    let at = GatewayAddress::IpV4(gateway);
    let mapping = match PortMapping::new(at, IpAddr::V4(client), protocol, port, options).await {
        Ok(mapping) => mapping,
        // Some routers that know NAT-PMP alone answer PCP with something else than a hint.
        Err(why) => {
            natpmp::port_mapping(at, protocol, port, options).await.map_err(|_| why.to_string())?
        }
    };
    let granted = granted(gateway, &mapping).await?;
    Ok((mapping, granted))
}

/// Asks for it to go on; as [`ask`].
///
/// # Errors
/// In words.
pub(super) async fn renew(
    gateway: Ipv4Addr,
    mapping: &mut PortMapping,
) -> Result<(SocketAddr, Duration), String> {
    mapping.renew().await.map_err(|why| why.to_string())?;
    granted(gateway, mapping).await
}

async fn granted(
    gateway: Ipv4Addr,
    mapping: &PortMapping,
) -> Result<(SocketAddr, Duration), String> {
    let outside = match mapping.mapping_type() {
        PortMappingType::Pcp { external_ip, .. } => external_ip,
        PortMappingType::NatPmp => {
            natpmp::external_address(GatewayAddress::IpV4(gateway), Some(PATIENCE))
                .await
                .map(IpAddr::V4)
                .map_err(|why| why.to_string())?
        }
    };
    let life = Duration::from_secs(mapping.lifetime().into());
    Ok((SocketAddr::new(outside, mapping.external_port().get()), life))
}
