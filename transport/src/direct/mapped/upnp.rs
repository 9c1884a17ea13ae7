//! Ports by UPnP (Internet Gateway Device, versions 1 and 2), for routers that know nothing better.
//!
//! In UPnP a search is answered by an address that is then fetched, by whoever answers first. So the search goes to the gateway
//! alone, only its answers are looked at, and only what lies at its own address is fetched: nobody else can have this machine
//! connect anywhere. Whatever it sends is bounded in size and in time ([`http`]), and read by parsers of others ([`text`]).

mod http;
mod text;

use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::num::NonZeroU16;
use std::time::Duration;

use sealift_platform::net::Net;
use sealift_proto::direct::Transport;
use tokio::net::UdpSocket;
use tokio::time::{Instant, timeout_at};

use super::super::own::is_public;
use super::LIFE;
use text::{Service, Url};

/// Port on which searches are heard.
const SEARCH: u16 = 1900;
/// Pauses between searches; a datagram or its answer may be lost.
const SEARCHES: [Duration; 3] =
    [Duration::from_millis(400), Duration::from_millis(800), Duration::from_millis(1600)];
/// Datagrams that are looked at after each search.
const HEARD: usize = 16;
/// Ports that are tried one after the other where somebody else has the one that is asked for.
const PORTS: u16 = 3;
/// What a router answers when somebody else has a port (WANIPConnection:2 section 2.5.17).
const TAKEN: u32 = 718;

/// Why there is no port.
#[derive(Debug, thiserror::Error)]
pub(super) enum UpnpError {
    /// The network fails.
    #[error("{0}")]
    Io(#[from] io::Error),
    /// Nothing that could be used has answered the search.
    #[error("it answers no search")]
    Silent,
    /// Its description or an answer is not what it should be.
    #[error("it says what nobody understands")]
    Garbled,
    /// It has nothing that maps ports.
    #[error("it maps no ports")]
    Unable,
    /// Its own address is not public: another router translates beyond it.
    #[error("its own address is not public")]
    NotPublic,
    /// It refuses, with this number.
    #[error("it refuses with error {0}")]
    Refused(u32),
}

/// A router that maps ports.
#[derive(Debug, Clone)]
pub(super) struct Router {
    service: Service,
    client: Ipv4Addr,
    outside: Ipv4Addr,
}

/// A port that a router passes on.
pub(super) struct Mapping {
    router: Router,
    transport: Transport,
    inner: NonZeroU16,
    outer: NonZeroU16,
}

/// Asks `gateway` for its description, and that for its public address.
///
/// # Errors
/// [`UpnpError`].
pub(super) async fn find(
    net: &dyn Net,
    gateway: Ipv4Addr,
    client: Ipv4Addr,
) -> Result<Router, UpnpError> {
    let url = search(net, gateway, client).await?;
    let answer = http::exchange(net, &url, &text::get(&url)).await?;
    if answer.status != 200 {
        return Err(UpnpError::Garbled);
    }
    let services = text::services(&answer.body, &url).ok_or(UpnpError::Garbled)?;
    let mut last = UpnpError::Unable;
    // Routers list ways into the internet that they do not use.
    for service in services {
        let mut router = Router { service, client, outside: Ipv4Addr::UNSPECIFIED };
        match router.look(net).await {
            Ok(()) => return Ok(router),
            Err(why) => last = why,
        }
    }
    Err(last)
}

/// Where the gateway says that its description is.
async fn search(net: &dyn Net, gateway: Ipv4Addr, client: Ipv4Addr) -> Result<Url, UpnpError> {
    let socket = UdpSocket::from_std(net.udp(SocketAddr::from((client, 0)), false)?)?;
    for pause in SEARCHES {
        for ask in text::searches() {
            socket.send_to(ask.as_bytes(), (gateway, SEARCH)).await?;
        }
        if let Some(url) = hear(&socket, gateway, Instant::now() + pause).await {
            return Ok(url);
        }
    }
    Err(UpnpError::Silent)
}

async fn hear(socket: &UdpSocket, gateway: Ipv4Addr, until: Instant) -> Option<Url> {
    let mut bytes = [0; 2048];
    for _ in 0..HEARD {
        match timeout_at(until, socket.recv_from(&mut bytes)).await {
            Err(_) => return None,
            Ok(Ok((len, from))) if from.ip() == gateway => {
                let url = text::location(bytes.get(..len)?, gateway);
                if url.is_some() {
                    return url;
                }
            }
            // Somebody else, or word that nothing listens there; there may be an answer to the next search.
            Ok(_) => {}
        }
    }
    tokio::time::sleep_until(until).await;
    None
}

impl Router {
    /// Asks for its public address.
    async fn look(&mut self, net: &dyn Net) -> Result<(), UpnpError> {
        let body = self.call(net, "GetExternalIPAddress", &[]).await?;
        self.outside = text::external(&body).ok_or(UpnpError::Garbled)?;
        if is_public(self.outside) { Ok(()) } else { Err(UpnpError::NotPublic) }
    }

    /// Asks it to pass on what comes for a port: for the one of the same number, or one nearby. Where others reach it, and for
    /// how long.
    ///
    /// A router that passes on for ever or not at all gets no request for ever: nobody would take it back after a crash.
    ///
    /// # Errors
    /// [`UpnpError`].
    pub(super) async fn map(
        &mut self,
        net: &dyn Net,
        transport: Transport,
        port: NonZeroU16,
    ) -> Result<(Mapping, (SocketAddr, Duration)), UpnpError> {
        let mut refused = UpnpError::Refused(TAKEN);
        for outer in (0..PORTS).filter_map(|further| port.checked_add(further)) {
            let mapping = Mapping { router: self.clone(), transport, inner: port, outer };
            match mapping.add(net).await {
                Ok(granted) => return Ok((mapping, granted)),
                Err(why @ UpnpError::Refused(TAKEN)) => refused = why,
                Err(why) => return Err(why),
            }
        }
        Err(refused)
    }

    /// One call, and the body of its answer.
    async fn call(
        &self,
        net: &dyn Net,
        action: &str,
        arguments: &[(&str, &str)],
    ) -> Result<String, UpnpError> {
        let request = text::call(&self.service, action, arguments);
        let answer = http::exchange(net, &self.service.url, &request).await?;
        match answer.status {
            200 => Ok(answer.body),
            _ => Err(text::refusal(&answer.body).map_or(UpnpError::Garbled, UpnpError::Refused)),
        }
    }
}

impl Mapping {
    async fn add(&self, net: &dyn Net) -> Result<(SocketAddr, Duration), UpnpError> {
        let (inner, outer) = (self.inner.to_string(), self.outer.to_string());
        let (client, life) = (self.router.client.to_string(), LIFE.as_secs().to_string());
        let arguments = [
            ("NewRemoteHost", ""),
            ("NewExternalPort", &*outer),
            ("NewProtocol", name(self.transport)),
            ("NewInternalPort", &*inner),
            ("NewInternalClient", &*client),
            ("NewEnabled", "1"),
            ("NewPortMappingDescription", "Sealift"),
            ("NewLeaseDuration", &*life),
        ];
        self.router.call(net, "AddPortMapping", &arguments).await?;
        Ok((SocketAddr::from((self.router.outside, self.outer.get())), LIFE))
    }

    /// Asks for it to go on. Where others reach it now, and for how long.
    ///
    /// # Errors
    /// [`UpnpError`].
    pub(super) async fn renew(
        &mut self,
        net: &dyn Net,
    ) -> Result<(SocketAddr, Duration), UpnpError> {
        self.router.look(net).await?;
        self.add(net).await
    }

    /// Gives it back. A router that does not answer forgets it by itself.
    pub(super) async fn remove(self, net: &dyn Net) {
        let outer = self.outer.to_string();
        let arguments = [
            ("NewRemoteHost", ""),
            ("NewExternalPort", &*outer),
            ("NewProtocol", name(self.transport)),
        ];
        if let Err(why) = self.router.call(net, "DeletePortMapping", &arguments).await {
            tracing::debug!(%why, "the router keeps a port until it ends by itself");
        }
    }
}

const fn name(transport: Transport) -> &'static str {
    match transport {
        Transport::Tcp => "TCP",
        Transport::Udp => "UDP",
    }
}
