//! Clients that nobody wants, each kind again and again at a rate that leaves the machine to others.

use std::future::Future;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use sealift_proto::control::ToRelay;
use sealift_proto::frame::{FRAME_MAX, LinkKind, Preamble};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::task::JoinSet;

use crate::client::{Client, Failed, Space, half, source, tcp};
use crate::rows::churn;

/// What one of them gives up with: nobody waits for it.
type Fate = Result<(), Failed>;

/// Starts all kinds; they go on until the tasks are shut down.
pub(crate) fn everybody(tasks: &mut JoinSet<()>, relay: SocketAddr, space: &Arc<Space>) {
    let again = |tasks: &mut JoinSet<()>, every: u64, kind: fn(Scene) -> Boxed| {
        let space = Arc::clone(space);
        tasks.spawn(async move {
            let mut next = tokio::time::interval(Duration::from_millis(every));
            let mut open = JoinSet::new();
            for number in (0..u64::MAX).map(|number| number % 50_000) {
                next.tick().await;
                while open.try_join_next().is_some() {}
                if open.len() < MOST {
                    open.spawn(kind(Scene { relay, number, space: Arc::clone(&space) }));
                }
            }
        });
    };
    again(tasks, 20, |scene| Box::pin(garbage(scene)));
    again(tasks, 50, |scene| Box::pin(slow(scene)));
    again(tasks, 50, |scene| Box::pin(silent(scene)));
    again(tasks, 30, |scene| Box::pin(aborted(scene)));
    again(tasks, 100, |scene| Box::pin(visitor(scene)));
    again(tasks, 200, |scene| Box::pin(oversize(scene)));
    again(tasks, 200, |scene| Box::pin(replayed(scene)));
    again(tasks, 300, |scene| Box::pin(half_open(scene)));
    again(tasks, 500, |scene| Box::pin(flood(scene)));
    again(tasks, 500, |scene| Box::pin(publisher(scene)));
}

/// Most of one kind at once.
const MOST: usize = 200;

type Boxed = std::pin::Pin<Box<dyn Future<Output = Fate> + Send>>;

/// Where one of them acts.
struct Scene {
    relay: SocketAddr,
    number: u64,
    space: Arc<Space>,
}

impl Scene {
    fn from(&self) -> Ipv4Addr {
        source(self.number * 7)
    }

    async fn member(&self, number: u64, serving: bool) -> Result<Client, Failed> {
        let device = self.space.device(number);
        Client::connect(self.relay, source(number * 7), &device, serving).await
    }
}

/// Bytes that no two calls have in common and no protocol has.
fn noise(number: u64, len: usize) -> Vec<u8> {
    let mut state = number.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    let mut next = || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        state.to_be_bytes()[0]
    };
    (0..len).map(|_| next()).collect()
}

/// What scanners and other protocols send, and what begins like TLS and is not.
async fn garbage(scene: Scene) -> Fate {
    let mut stream = tcp(scene.relay, scene.from()).await?;
    let mut bytes = noise(scene.number, 1 + usize::try_from(scene.number % 3000).unwrap_or(0));
    match scene.number % 4 {
        0 => bytes.splice(..0, *b"GET / HTTP/1.1\r\n").for_each(drop),
        1 => bytes.splice(..0, [0x16, 3, 1, 2, 0]).for_each(drop),
        2 => bytes.splice(..0, *b"SL\x01\x01").for_each(drop),
        _ => {}
    }
    stream.write_all(&bytes).await?;
    let mut rest = Vec::new();
    (&mut stream).take(1 << 16).read_to_end(&mut rest).await?;
    Ok(())
}

/// A handshake of one byte a second.
async fn slow(scene: Scene) -> Fate {
    let mut stream = tcp(scene.relay, scene.from()).await?;
    for byte in [0x16, 3, 1, 2, 0, 1, 0, 1, 0xfc, 3, 3, 0, 0, 0, 0, 0, 0, 0, 0, 0] {
        stream.write_all(&[byte]).await?;
        tokio::time::sleep(Duration::from_secs(1)).await;
    }
    Ok(())
}

/// Connects and says nothing.
async fn silent(scene: Scene) -> Fate {
    let mut stream = tcp(scene.relay, scene.from()).await?;
    let _ = stream.read(&mut [0]).await?;
    Ok(())
}

/// Breaks off within the handshake.
async fn aborted(scene: Scene) -> Fate {
    Ok(churn::abort(scene.relay, scene.number).await?)
}

/// A member that connects, asks for what there is, and goes without a word.
async fn visitor(scene: Scene) -> Fate {
    let mut client = scene.member(scene.number, false).await?;
    client.send(&ToRelay::Heads).await?;
    client.send(&ToRelay::Peers).await?;
    for _ in 0..3 {
        client.receive().await?;
    }
    Ok(())
}

/// A member whose frame says that it is larger than any may be, or is no message.
async fn oversize(scene: Scene) -> Fate {
    let mut client = scene.member(scene.number, false).await?;
    if scene.number.is_multiple_of(2) {
        client.send_raw(&u32::MAX.to_be_bytes()).await?;
        client.send_raw(&noise(scene.number, 5000)).await?;
    } else {
        let len = u32::try_from(FRAME_MAX).unwrap_or(0);
        client.send_raw(&len.to_be_bytes()).await?;
        client.send_raw(&noise(scene.number, FRAME_MAX)).await?;
    }
    while client.receive().await.is_ok() {}
    Ok(())
}

/// Opens a link and shows its ticket a second time, and one that never was.
async fn replayed(scene: Scene) -> Fate {
    let number = 100_000 + 2 * (scene.number % 40);
    let mut near = scene.member(number, false).await?;
    let mut far = scene.member(number + 1, true).await?;
    near.ask_link(far.address(), scene.number).await?;
    let ((mine, _), (theirs, _)) = (near.ticket().await?, far.ticket().await?);
    let mut one = half(scene.relay, scene.from(), mine).await?;
    let mut other = half(scene.relay, scene.from(), theirs).await?;
    one.write_all(&noise(scene.number, 300_000)).await?;
    let mut again = half(scene.relay, scene.from(), mine).await?;
    let unknown = Preamble { kind: LinkKind::Relay, value: [9; 32] };
    let mut guessed = tcp(scene.relay, scene.from()).await?;
    guessed.write_all(&unknown.to_bytes()).await?;
    for stream in [&mut again, &mut guessed] {
        let _ = tokio::time::timeout(Duration::from_secs(12), stream.read(&mut [0])).await;
    }
    // Of what was sent only a part is read before both go.
    other.read_exact(&mut vec![0; 100_000]).await?;
    Ok(())
}

/// A member that serves and asks for links, and whose halves never come, or only one.
async fn half_open(scene: Scene) -> Fate {
    let number = 200_000 + 2 * (scene.number % 60);
    let mut near = scene.member(number, false).await?;
    let mut far = scene.member(number + 1, true).await?;
    for tag in 0..4 {
        near.ask_link(far.address(), tag).await?;
    }
    let (ticket, _) = near.ticket().await?;
    let waiting = half(scene.relay, scene.from(), ticket).await?;
    let _ = far.ticket().await?;
    // Both stop reading and writing, without closing.
    let silent = (near.into_silence(), far.into_silence(), waiting);
    tokio::time::sleep(Duration::from_secs(20)).await;
    drop(silent);
    Ok(())
}

/// A member that sends as many small messages as it can.
async fn flood(scene: Scene) -> Fate {
    let mut client = scene.member(300_000 + scene.number % 20, false).await?;
    let ping =
        sealift_proto::frame::frame(&sealift_proto::codec::encode(&ToRelay::Ping { nonce: 1 }));
    let pings = ping.unwrap_or_default().repeat(500);
    for _ in 0..6 {
        let sending = tokio::time::timeout(Duration::from_secs(5), client.send_raw(&pings)).await;
        if !matches!(sending, Ok(Ok(()))) {
            break;
        }
    }
    Ok(())
}

/// A member that puts segments aside and never publishes what covers them.
async fn publisher(scene: Scene) -> Fate {
    let mut client = scene.member(400_000 + scene.number % 20, true).await?;
    for position in 0..8 {
        let segment = sealift_proto::codec::Bytes::new(noise(position, 20_000)).unwrap_or_default();
        client.send(&ToRelay::PutSegment { log: 2, log_id: [7; 16], position, segment }).await?;
    }
    client.send(&ToRelay::Ping { nonce: 1 }).await?;
    client.receive().await?;
    Ok(())
}
