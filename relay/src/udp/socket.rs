//! A UDP socket that answers from the address it was asked at: on a machine with several, the system would choose one by the
//! way back, and the router before whoever asks would drop what comes from there.

use std::io;
use std::net::SocketAddr;

use quinn_udp::{RecvMeta, Transmit, UdpSocketState};
use tokio::io::Interest;
use tokio::net::UdpSocket;

/// The system may join as many datagrams of one sender as fit into this.
pub(super) const JOINED: usize = 1 << 16;

/// The socket.
pub(crate) struct Socket {
    inner: UdpSocket,
    state: UdpSocketState,
}

impl Socket {
    pub(super) fn new(bound: std::net::UdpSocket) -> io::Result<Self> {
        let inner = UdpSocket::from_std(bound)?;
        let state = UdpSocketState::new((&inner).into())?;
        Ok(Self { inner, state })
    }

    pub(super) fn local_addr(&self) -> io::Result<SocketAddr> {
        self.inner.local_addr()
    }

    /// Waits for datagrams of one sender: each `stride` long but the last, `len` in all.
    pub(super) async fn receive(&self, bytes: &mut [u8; JOINED]) -> io::Result<RecvMeta> {
        let mut meta = [RecvMeta::default()];
        let receiving = || {
            let mut buffers = [io::IoSliceMut::new(bytes)];
            self.state.recv((&self.inner).into(), &mut buffers, &mut meta)
        };
        self.inner.async_io(Interest::READABLE, receiving).await?;
        Ok(meta[0])
    }

    /// Answers what has come as `meta` says. How many bytes were sent; none if the system does not take them now.
    pub(super) fn answer(&self, meta: &RecvMeta, contents: &[u8]) -> usize {
        let (destination, src_ip) = (meta.addr, meta.dst_ip);
        let transmit = Transmit { destination, ecn: None, contents, segment_size: None, src_ip };
        let sending = || self.state.try_send((&self.inner).into(), &transmit);
        self.inner.try_io(Interest::WRITABLE, sending).map_or(0, |()| contents.len())
    }
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;
    use std::time::Duration;

    use sealift_platform::net::{Net, SystemNet};

    use super::*;

    #[tokio::test]
    async fn an_answer_comes_from_where_the_question_went() {
        let socket =
            Socket::new(SystemNet.udp("0.0.0.0:0".parse().unwrap(), false).unwrap()).unwrap();
        let port = socket.local_addr().unwrap().port();
        let mut bytes = Box::new([0; JOINED]);
        for last in [1, 3] {
            let at = Ipv4Addr::new(127, 0, 0, last);
            let asking = UdpSocket::bind("127.0.0.1:0").await.unwrap();
            // Hears nothing from anywhere else.
            if asking.connect((at, port)).await.is_err() {
                return eprintln!("skipped: {at} is not on this machine");
            }
            asking.send(b"question").await.unwrap();
            let meta = socket.receive(&mut bytes).await.unwrap();
            assert_eq!(&bytes[..meta.len], b"question");
            assert_eq!(socket.answer(&meta, b"answer"), 6);
            let mut heard = [0; 64];
            let answered = tokio::time::timeout(Duration::from_secs(20), asking.recv(&mut heard));
            assert_eq!(answered.await.expect("an answer").unwrap(), 6, "{at}");
        }
    }
}
