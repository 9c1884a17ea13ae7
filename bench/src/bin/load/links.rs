//! Links between devices of the crowd: both halves are in this program.

use std::net::SocketAddr;

use anyhow::{Result, bail};
use tokio::net::TcpStream;
use tokio::task::JoinSet;

use crate::client::{Client, Failed, Space, half, source};

/// Links of one pair of devices: below what a relay gives one device.
const OF_A_PAIR: usize = 100;

/// An open link.
pub(crate) struct Link {
    /// The half of the device that asked for it.
    pub(crate) near: TcpStream,
    /// The half of the device that serves.
    pub(crate) far: TcpStream,
}

/// Links, and the control connections of those who opened them, which stay connected as long as this lives.
pub(crate) struct Links {
    /// All that were opened.
    pub(crate) open: Vec<Link>,
    /// Those that were refused, by reason.
    pub(crate) refused: Vec<Result<(), Failed>>,
    _devices: JoinSet<Failed>,
}

/// Opens `count` links between pairs of devices of `space`.
pub(crate) async fn open(relay: SocketAddr, space: &Space, count: usize) -> Result<Links> {
    let mut links = Links { open: Vec::new(), refused: Vec::new(), _devices: JoinSet::new() };
    let mut pairs = JoinSet::new();
    for pair in 0..count.div_ceil(OF_A_PAIR) {
        let number = 2 * pair as u64;
        let wanted = (count - pair * OF_A_PAIR).min(OF_A_PAIR);
        let devices = (space.device(number), space.device(number + 1));
        pairs.spawn(async move {
            let mut near = Client::connect(relay, source(number), &devices.0, false).await?;
            let mut far = Client::connect(relay, source(number + 1), &devices.1, true).await?;
            let mut made = Vec::new();
            for tag in 0..wanted {
                made.push(one(relay, (&mut near, &mut far), number, tag as u64).await);
            }
            Ok::<_, Failed>((near, far, made))
        });
    }
    for done in pairs.join_all().await {
        let (near, far, made) = done?;
        for link in made {
            match link {
                Ok(link) => links.open.push(link),
                Err(why @ Failed::Refused(_)) => links.refused.push(Err(why)),
                Err(other) => bail!("a link does not open: {other}"),
            }
        }
        links._devices.spawn(near.idle());
        links._devices.spawn(far.idle());
    }
    Ok(links)
}

async fn one(
    relay: SocketAddr,
    (near, far): (&mut Client, &mut Client),
    number: u64,
    tag: u64,
) -> Result<Link, Failed> {
    near.ask_link(far.address(), tag).await?;
    let (mine, _) = near.ticket().await?;
    let (theirs, _) = far.ticket().await?;
    let near = half(relay, source(number), mine).await?;
    let far = half(relay, source(number + 1), theirs).await?;
    Ok(Link { near, far })
}
