use sealift_platform::Platform;
use sealift_proto::identity::SecretKey;
use sealift_proto::space::Label;

use super::*;
use crate::session::{Incoming, LeecherSession, Sessions, WrapChoice};
use sealift_space::profile::space::SpaceState;

struct Home {
    platform: Platform,
    space: SpaceState,
    key: SecretKey,
}

/// A device that fetches from itself.
fn home(seed: u8) -> Home {
    let platform = Platform::system();
    let key = SecretKey::from_seed([seed; 32]);
    let name = Label::new("ours").unwrap();
    let space = SpaceState::create(&*platform.random, 0, &key.id(), name, Vec::new()).unwrap();
    Home { platform, space, key }
}

impl Home {
    fn side(&self) -> Side<'_> {
        let address = Address { device: self.key.id(), connection: 0 };
        Side { platform: &self.platform, space: &self.space, key: &self.key, address }
    }
}

/// What both sides make of each other, the leecher asking for `wanted`; `admits` is the seeder's last word.
async fn meet(
    leecher: &Home,
    seeder: &Home,
    wanted: DeviceId,
    admits: bool,
) -> (Result<LeecherSession, SessionError>, Result<SeederSession, SessionError>) {
    let net = &seeder.platform.net;
    let listener = net.listen("127.0.0.1:0".parse().unwrap()).await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let accept = async {
        let (mut stream, _) = listener.accept().await.unwrap();
        let mut preamble = [0; sealift_proto::frame::PREAMBLE];
        stream.read_exact(&mut preamble).await.unwrap();
        let preamble = Preamble::from_bytes(&preamble).unwrap();
        assert_eq!(preamble.kind, LinkKind::Lan);
        let acceptor = Acceptor::default();
        acceptor
            .lan(&seeder.side(), stream, preamble.value, |_| {
                admits.then_some(()).ok_or(RefuseCode::NotMember)
            })
            .await
    };
    let open = async {
        let stream = leecher.platform.net.connect("127.0.0.1", port).await.unwrap();
        let choice = WrapChoice::Auto;
        Sessions::default().open_lan(&leecher.side(), stream, wanted, choice).await
    };
    tokio::join!(open, accept)
}

#[tokio::test]
async fn two_members_meet_without_a_relay() {
    let home = home(1);
    let (leecher, seeder) = meet(&home, &home, home.key.id(), true).await;
    let (mut leecher, mut seeder) = (leecher.unwrap(), seeder.unwrap());
    assert_eq!(seeder.peer.address, address(home.key.id()));
    assert_eq!(leecher.peer.address, seeder.peer.address);
    leecher.writer.message(&7_u8).await.unwrap();
    let Incoming::Message(bytes) = seeder.reader.next().await.unwrap() else { panic!("a message") };
    assert_eq!(bytes, [7]);
    seeder.writer.message(&8_u8).await.unwrap();
    let (mut reader, _) = leecher.reader.confirm().await.unwrap();
    let Incoming::Message(bytes) = reader.next().await.unwrap() else { panic!("a message") };
    assert_eq!(bytes, [8]);
}

#[tokio::test]
async fn strangers_and_the_unwanted_do_not() {
    let (home, other) = (home(1), home(2));
    // Another space: the seeder says nothing that would tell that it is one.
    let (leecher, seeder) = meet(&other, &home, home.key.id(), true).await;
    assert!(matches!(seeder, Err(SessionError::Handshake(HandshakeError::Space))));
    assert!(matches!(leecher, Err(SessionError::Io(_))));
    // Not the seeder that was wanted.
    let (leecher, seeder) = meet(&home, &home, other.key.id(), true).await;
    assert!(leecher.is_err() && seeder.is_err());
    let (leecher, seeder) = meet(&home, &home, home.key.id(), false).await;
    assert!(matches!(leecher, Err(SessionError::Handshake(HandshakeError::Refused(_)))));
    assert!(matches!(
        seeder,
        Err(SessionError::Handshake(HandshakeError::Refused(RefuseCode::NotMember)))
    ));
}

#[tokio::test]
async fn a_length_is_refused_before_anything_is_kept_for_it() {
    for length in [u32::MAX, 0x8000_0000, 49_153] {
        let mut bytes = &length.to_be_bytes()[..];
        let refused = receive(&mut bytes).await;
        assert!(matches!(refused, Err(SessionError::Handshake(HandshakeError::Malformed))));
    }
    assert!(matches!(receive(&mut &[0, 0, 0, 2, 1][..]).await, Err(SessionError::Io(_))));
    assert_eq!(receive(&mut &[0, 0, 0, 1, 9][..]).await.unwrap(), [9]);
}
