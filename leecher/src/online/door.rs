//! Sessions that others open with this device while it fetches what they fetch.

use std::sync::{Arc, Mutex};

use sealift_platform::sync::lock;
use sealift_proto::control::Address;
use sealift_proto::handshake::RefuseCode;
use sealift_transport::control::Event;
use sealift_transport::pace::Pace;
use sealift_transport::session::{Acceptor, SeederSession, Ticket};
use tokio::sync::mpsc;
use tokio::task::JoinSet;

use super::Online;

/// Links that are being connected, at most.
const LINKS: usize = 16;

/// Where sessions that others open go; nobody comes in while that is nowhere.
pub(super) struct Door {
    acceptor: Acceptor,
    to: Mutex<Option<mpsc::Sender<SeederSession>>>,
}

impl Door {
    pub(super) fn new(pace: Option<Pace>) -> Self {
        Self { acceptor: Acceptor::paced_both_ways(pace), to: Mutex::default() }
    }

    pub(super) fn open(&self, to: mpsc::Sender<SeederSession>) {
        *lock(&self.to) = Some(to);
    }

    fn to(&self) -> Option<mpsc::Sender<SeederSession>> {
        lock(&self.to).clone()
    }
}

/// Takes what belongs to a session that another one opens; its link is connected among `links`.
pub(super) async fn handle(online: &Arc<Online>, event: &Event, links: &mut JoinSet<()>) {
    match event {
        Event::Deliver { from, body } => offer(online, *from, body).await,
        Event::LinkTicket { .. } => link(online, event, links),
        _ => {}
    }
}

async fn offer(online: &Online, from: Address, body: &[u8]) {
    let (Some(to), Some(control)) = (online.door.to(), &online.control) else { return };
    let admit = |member: &_| match online.members().meet(member) {
        Err(_) => Err(RefuseCode::NotMember),
        Ok(()) if to.capacity() == 0 => Err(RefuseCode::Busy),
        Ok(()) => Ok(()),
    };
    let space = online.space();
    let taken = online.door.acceptor.offer(&online.side(&space), control, from, body, admit).await;
    if let Err(error) = taken {
        tracing::debug!(device = %from.device, %error, "no offer, or one that was not taken");
    }
}

fn link(online: &Arc<Online>, event: &Event, links: &mut JoinSet<()>) {
    while links.try_join_next().is_some() {}
    let (Some(to), Some(control)) = (online.door.to(), &online.control) else { return };
    let Some(ticket) = Ticket::new(&online.space(), control, event) else { return };
    if links.len() >= LINKS {
        return;
    }
    let online = online.clone();
    links.spawn(async move {
        let space = online.space();
        match online.door.acceptor.link(&online.side(&space), ticket).await {
            Ok(session) => {
                let _ = to.send(session).await;
            }
            Err(error) => tracing::debug!(%error, "a link that another one opened"),
        }
    });
}
