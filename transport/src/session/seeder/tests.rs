use sealift_platform::Platform;
use sealift_proto::handshake::Offered;
use sealift_proto::identity::SecretKey;
use sealift_proto::space::{HostName, Label, RelayAddress};
use sealift_proto::wrap::ShareSecret;
use tokio::net::TcpListener;

use super::*;
use sealift_proto::place::RelayPlace;

struct Meeting {
    platform: Platform,
    space: SpaceState,
    key: SecretKey,
    leecher: Address,
}

/// A device that fetches from itself: both sides with one key.
fn meeting() -> Meeting {
    let platform = Platform::system();
    let key = SecretKey::from_seed([1; 32]);
    let host = HostName::new("other.example.org").unwrap();
    let relays = vec![RelayAddress { host, port: 7743, pin: [1; 16] }];
    let name = Label::new("ours").unwrap();
    let space = SpaceState::create(&*platform.random, 0, &key.id(), name, relays).unwrap();
    let leecher = Address { device: key.id(), connection: 3 };
    Meeting { platform, space, key, leecher }
}

impl Meeting {
    fn side(&self) -> Side<'_> {
        let address = Address { connection: 0, ..self.leecher };
        Side { platform: &self.platform, space: &self.space, key: &self.key, address }
    }

    fn offer(&self, tag: [u8; 16]) -> Message {
        let random = &*self.platform.random;
        let secrets = vec![ShareSecret::generate(Suite::X25519, &mut RandomRng(random)).unwrap()];
        let seeder = self.side().address;
        let side = Side { address: self.leecher, ..self.side() };
        side.with(|terms, party| {
            Offered::new(terms, party, seeder, tag, secrets, &mut RandomRng(random))
        })
        .unwrap()
        .message()
    }

    fn accept(&self, acceptor: &Acceptor, tag: [u8; 16]) {
        let Message::Offer(offer) = self.offer(tag) else { panic!("an offer was made") };
        acceptor.answer(&self.side(), self.leecher, &offer, |_| Ok(())).unwrap();
    }
}

async fn listener() -> (TcpListener, Place) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    (listener, (HostName::new("127.0.0.1").unwrap(), port))
}

#[tokio::test]
async fn only_a_link_that_an_offer_asked_for_is_connected_and_only_once() {
    let meeting = meeting();
    let (listener, place) = listener().await;
    let acceptor = Acceptor::default();
    let ticket = |tag, peer| Ticket { ticket: [5; 32], tag, peer, place: place.clone() };
    let refused = |result: Result<SeederSession, SessionError>| {
        matches!(result, Err(SessionError::Handshake(HandshakeError::Unexpected)))
    };
    let me = meeting.leecher;
    assert!(refused(acceptor.link(&meeting.side(), ticket([1; 16], me)).await));
    meeting.accept(&acceptor, [2; 16]);
    assert!(refused(acceptor.link(&meeting.side(), ticket([1; 16], me)).await));
    let other = Address { connection: 4, ..me };
    assert!(refused(acceptor.link(&meeting.side(), ticket([2; 16], other)).await));
    let side = meeting.side();
    let first = acceptor.link(&side, ticket([2; 16], me));
    tokio::pin!(first);
    let (_stream, _) = tokio::select! {
        _ = &mut first => panic!("nobody sent an opening"),
        accepted = listener.accept() => accepted.unwrap(),
    };
    assert!(refused(acceptor.link(&side, ticket([2; 16], me)).await), "a ticket told twice");
    timeout(Duration::from_millis(50), listener.accept()).await.unwrap_err();
}

#[tokio::test(start_paused = true)]
async fn what_is_not_acknowledged_is_forgotten_without_further_offers() {
    let meeting = meeting();
    let acceptor = Acceptor::default();
    meeting.accept(&acceptor, [2; 16]);
    assert_eq!(acceptor.pending.lock().unwrap().len(), 1);
    sleep(Duration::from_secs(31)).await;
    assert!(acceptor.pending.lock().unwrap().is_empty());
}

#[test]
fn a_link_leads_to_a_relay_of_the_space_only() {
    let space = meeting().space;
    let host = |text| HostName::new(text).unwrap();
    let relay = RelayPlace { host: host("relay.example.org"), port: 443, pin: None };
    let place = |text, port| link_place(&space, &relay, Some((host(text), port)));
    assert_eq!(link_place(&space, &relay, None), Some((host("relay.example.org"), 443)));
    assert!(place("relay.example.org", 444).is_some());
    assert!(place("other.example.org", 7743).is_some());
    for (text, port) in [("127.0.0.1", 6379), ("other.example.org", 22), ("192.168.0.1", 80)] {
        assert_eq!(place(text, port), None);
    }
}
