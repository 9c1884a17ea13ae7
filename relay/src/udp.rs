//! The UDP service: tells a device the address that its datagrams come from (PROTOCOL.md section 5.7).
//!
//! What is not sealed with the key of a live control connection causes nothing, and nothing that is answered is longer than what
//! asked for it: nobody can have the relay send anything to somebody else worth sending.

mod socket;

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;

use sealift_platform::net::Net;

use crate::hub::Hub;
use socket::{JOINED, Socket};

/// How long to wait after the system could not give a datagram.
const RETRY: Duration = Duration::from_millis(50);

/// Opens a socket beside each listener, on its port if that can be had. Without any, the relay has no such service.
pub(crate) fn open(hub: &Hub, net: &dyn Net, listeners: &[SocketAddr]) -> Vec<Socket> {
    let mut sockets = Vec::new();
    for beside in listeners {
        let bound = net
            .udp(*beside, false)
            .or_else(|_| net.udp(SocketAddr::new(beside.ip(), 0), false))
            .and_then(Socket::new);
        match bound {
            Ok(socket) => sockets.push(socket),
            Err(error) => {
                tracing::warn!(%beside, %error, "no UDP there: devices do not learn how the outside sees them");
            }
        }
    }
    let ports: Vec<_> = sockets.iter().filter_map(|socket| socket.local_addr().ok()).collect();
    let missed = |address: &&SocketAddr| !listeners.contains(address);
    if let Some(other) = ports.iter().find(missed) {
        tracing::warn!(udp = %other, "the UDP service has another port, since something else uses the relay's");
    }
    hub.probes.set_port(ports.first().map(SocketAddr::port));
    sockets
}

/// Answers on one socket until `closing` turns true.
pub(crate) async fn serve(socket: Socket, hub: Arc<Hub>, mut closing: watch::Receiver<bool>) {
    let mut bytes = Box::new([0; JOINED]);
    loop {
        let received = tokio::select! {
            received = socket.receive(&mut bytes) => received,
            _ = closing.wait_for(|closing| *closing) => return,
        };
        let Ok(meta) = received else {
            tokio::time::sleep(RETRY).await;
            continue;
        };
        let all = bytes.get(..meta.len).unwrap_or_default();
        for datagram in all.chunks(meta.stride.max(1)) {
            match hub.probes.answer(datagram, meta.addr, hub.now()) {
                Ok(answer) => {
                    // Whoever hears nothing asks again.
                    let sent = socket.answer(&meta, &answer);
                    hub.metrics.probes.add(1);
                    hub.metrics.probe_bytes.add(sent as u64);
                }
                Err(why) => hub.metrics.probes_dropped.add(why.reason()),
            }
        }
    }
}
