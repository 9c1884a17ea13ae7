//! One connection, from the moment in which it has come to its end (PROTOCOL.md sections 5.1 and 5.2).

mod control;
mod hello;
#[cfg(test)]
mod tests;
mod writer;

use std::sync::Arc;

use tokio::io::AsyncReadExt;
use tokio_rustls::TlsAcceptor;

use sealift_platform::net::BoxStream;
use sealift_proto::frame::{LinkKind, PREAMBLE, Preamble};
use sealift_server::entrance::{Entrance, Guest, Probation, Service};
use sealift_server::rejected::Rejected;

use crate::hub::Hub;
use crate::program::PROGRAM;

/// First byte of a preamble.
const PREAMBLE_START: u8 = b'S';

/// A link with a ticket that is unknown, used or too old.
const TICKET: Rejected = Rejected::Other { reason: "ticket", why: "a link without a valid ticket" };

/// What every connection needs.
pub(crate) struct RelayService {
    pub(crate) hub: Arc<Hub>,
    pub(crate) tls: TlsAcceptor,
}

impl Service for RelayService {
    const NAME: &'static str = PROGRAM.name;

    fn entrance(&self) -> &Entrance {
        &self.hub.entrance
    }

    fn tls(&self) -> &TlsAcceptor {
        &self.tls
    }

    async fn other(
        &self,
        first: u8,
        mut stream: BoxStream,
        mut probation: Probation,
    ) -> Result<(), Rejected> {
        if first != PREAMBLE_START {
            return Err(Rejected::Foreign(Self::NAME));
        }
        let mut bytes = [PREAMBLE_START; PREAMBLE];
        let reading = async { Ok(stream.read_exact(&mut bytes[1..]).await.map(drop)?) };
        probation.run(reading).await?;
        drop(probation);
        let preamble = Preamble::from_bytes(&bytes).map_err(|_| Rejected::Foreign(Self::NAME))?;
        if preamble.kind != LinkKind::Relay {
            return Err(Rejected::Foreign(Self::NAME));
        }
        let good = self.hub.link(&preamble.value, stream).await;
        if good { Ok(()) } else { Err(TICKET) }
    }

    async fn guest(&self, guest: Guest) -> Result<(), Rejected> {
        let Guest { reader, writer, exporter, from, mut probation } = guest;
        let mut greeting = hello::Greeting { reader, writer };
        let verified = probation.run(greeting.hello(&self.hub, &exporter, from.ip())).await;
        drop(probation);
        match verified {
            Ok(hello::Guest::Member { membership, serving }) => {
                self.hub.metrics.welcomed.add(1);
                control::serve_member(&self.hub, greeting, membership, serving, from).await
            }
            Ok(hello::Guest::Joining { device, place }) => {
                self.hub.metrics.welcomed.add(1);
                control::serve_joining(&self.hub, greeting, device, place, from).await
            }
            Err(Rejected::Refused(why)) => {
                greeting.refuse(why, self.hub.limits.get().farewell).await;
                Err(Rejected::Refused(why))
            }
            Err(other) => Err(other),
        }
    }
}
