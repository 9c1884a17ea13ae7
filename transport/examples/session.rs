//! Two devices of a space in a session, on loopback and without a relay: handshake, one sealed message, its answer.
//!
//! ```text
//! cargo run -p sealift-transport --example session
//! ```

use std::error::Error;

use sealift_platform::Platform;
use sealift_proto::control::Address;
use sealift_proto::frame::{PREAMBLE, Preamble};
use sealift_proto::identity::SecretKey;
use sealift_proto::space::Label;
use sealift_space::profile::space::SpaceState;
use sealift_transport::session::{Acceptor, Incoming, Sessions, Side, WrapChoice};
use tokio::io::AsyncReadExt;

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let platform = Platform::system();
    let now = platform.clock.unix_seconds();
    let key = SecretKey::from_seed(platform.random.bytes());
    let name = Label::new("ours").ok_or("no name of a space")?;
    let space = SpaceState::create(&*platform.random, now, &key.id(), name, Vec::new())?;
    // Both ends are the one member that a new space has.
    let address = Address { device: key.id(), connection: 0 };
    let side = Side { platform: &platform, space: &space, key: &key, address };

    let listener = platform.net.listen("127.0.0.1:0".parse()?).await?;
    let port = listener.local_addr()?.port();
    let seeder = async {
        let (mut stream, _) = listener.accept().await?;
        let mut preamble = [0; PREAMBLE];
        stream.read_exact(&mut preamble).await?;
        let device = Preamble::from_bytes(&preamble)?.value;
        let acceptor = Acceptor::default();
        let mut session = acceptor.lan(&side, stream, device, |_| Ok(())).await?;
        if let Incoming::Message(message) = session.reader.next().await? {
            session.writer.message(&message.len()).await?;
        }
        Ok::<_, Box<dyn Error>>(())
    };
    let leecher = async {
        let stream = platform.net.connect("127.0.0.1", port).await?;
        let sessions = Sessions::default();
        let mut session = sessions.open_lan(&side, stream, key.id(), WrapChoice::Auto).await?;
        session.writer.message(&"how long is this?").await?;
        // The other end has proved itself when READY has come.
        let (mut reader, _) = session.reader.confirm().await?;
        let Incoming::Message(answer) = reader.next().await? else { return Err("it ended".into()) };
        println!("{:?}, by suite {:?}: {answer:?}", session.peer.address.device, session.suite);
        Ok(())
    };
    tokio::try_join!(seeder, leecher)?;
    Ok(())
}
