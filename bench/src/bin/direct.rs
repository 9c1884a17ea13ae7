//! How fast bytes cross a direct link on loopback, beside a plain copy between two sockets and beside quinn itself:
//! `cargo run --release -p sealift-bench --bin direct [MIB [RUNS]]`. Prints the median of each, and the two ratios.
//!
//! All four move the same bytes through the same buffers with the same runtime, by turns, so that what else the machine does
//! hits all of them.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use quinn::crypto::rustls::{QuicClientConfig, QuicServerConfig};
use quinn::{ClientConfig, Endpoint, ServerConfig, TransportConfig, VarInt};
use rustls::pki_types::PrivateKeyDer;
use sealift_platform::Platform;
use sealift_proto::handshake::SessionId;
use sealift_proto::keys::ExporterKey;
use sealift_transport::direct::{Candidates, Direct, End, Ends, Transport};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

/// Bytes of one write, as links make them.
const BUFFER: usize = 256 << 10;
/// As direct links have it.
const WINDOW: u32 = 16 << 20;

fn main() -> Result<()> {
    let mut numbers = std::env::args().skip(1).map(|text| text.parse::<usize>());
    let mebibytes = numbers.next().transpose().context("MIB is a number")?.unwrap_or(1024);
    let runs = numbers.next().transpose().context("RUNS is a number")?.unwrap_or(5);
    ensure!(runs > 0, "RUNS is at least 1");
    tokio::runtime::Runtime::new()?.block_on(measure(mebibytes << 20, runs))
}

async fn measure(bytes: usize, runs: usize) -> Result<()> {
    let names = ["plain TCP", "direct TCP", "plain quinn", "direct QUIC"];
    let mut rates: [Vec<f64>; 4] = Default::default();
    for _ in 0..runs {
        rates[0].push(rate(bytes, plain_tcp(bytes).await?));
        rates[1].push(rate(bytes, direct(Transport::Tcp, bytes).await?));
        rates[2].push(rate(bytes, plain_quinn(bytes).await?));
        rates[3].push(rate(bytes, direct(Transport::Udp, bytes).await?));
    }
    let medians = rates.map(|mut rates| {
        rates.sort_by(f64::total_cmp);
        rates[rates.len() / 2]
    });
    for (name, median) in names.iter().zip(medians) {
        println!("{name:<12} {median:8.0} MB/s");
    }
    println!("direct TCP is {:.2} of plain TCP", medians[1] / medians[0]);
    println!("direct QUIC is {:.2} of plain quinn", medians[3] / medians[2]);
    Ok(())
}

#[expect(clippy::cast_precision_loss, reason = "a rate to be read")]
fn rate(bytes: usize, took: Duration) -> f64 {
    bytes as f64 / 1e6 / took.as_secs_f64()
}

/// Sends `bytes` from one to the other, and waits until all have come.
async fn carry<W, R>(mut from: W, mut to: R, bytes: usize) -> Result<Duration>
where
    W: AsyncWrite + Unpin + Send + 'static,
    R: AsyncRead + Unpin,
{
    let start = Instant::now();
    let sending = tokio::spawn(async move {
        let buffer = vec![0x5a; BUFFER];
        for _ in 0..bytes / BUFFER {
            from.write_all(&buffer).await?;
        }
        from.flush().await?;
        Ok::<_, std::io::Error>(from)
    });
    let mut buffer = vec![0; BUFFER];
    let mut left = bytes / BUFFER * BUFFER;
    while left > 0 {
        let count = to.read(&mut buffer).await?;
        ensure!(count > 0, "it ended early");
        left = left.saturating_sub(count);
    }
    let took = start.elapsed();
    // Kept until here: dropping it must not count.
    drop(sending.await??);
    Ok(took)
}

async fn plain_tcp(bytes: usize) -> Result<Duration> {
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let address = listener.local_addr()?;
    let (from, to) = tokio::join!(TcpStream::connect(address), listener.accept());
    carry(from?, to?.0, bytes).await
}

async fn direct(transport: Transport, bytes: usize) -> Result<Duration> {
    let ends = |end| Ends { session: SessionId([1; 16]), end, exporter: ExporterKey::new([2; 32]) };
    let (one, other) = (Direct::new(Platform::system()), Direct::new(Platform::system()));
    let leecher = one.enter(ends(End::Leecher), true).await;
    let seeder = other.enter(ends(End::Seeder), true).await;
    let own = seeder.candidates().borrow().clone();
    let local = own.iter().find(|own| {
        own.transport == transport && own.place(true).is_ok_and(|at| at.ip().is_loopback())
    });
    let named = Candidates::new(local.copied().into_iter().collect())?;
    leecher.set_peer(&named);
    let both = async { tokio::join!(leecher.next_link(), seeder.next_link()) };
    let (to, from) = tokio::time::timeout(Duration::from_secs(20), both).await?;
    ensure!(to.transport == transport && to.number == from.number, "another link");
    carry(from.stream, to.stream, bytes).await
}

async fn plain_quinn(bytes: usize) -> Result<Duration> {
    let (client, server) = configs()?;
    let local: SocketAddr = "127.0.0.1:0".parse()?;
    let server = Endpoint::server(server, local)?;
    let mut endpoint = Endpoint::client(local)?;
    endpoint.set_default_client_config(client);
    let address = server.local_addr()?;
    let accepting = async { anyhow::Ok(server.accept().await.context("closed")?.await?) };
    let connecting = async { anyhow::Ok(endpoint.connect(address, "localhost")?.await?) };
    let (accepted, connected) = tokio::try_join!(accepting, connecting)?;
    // The one that connects says a word first, as a stream is known only then.
    let (mut word, to) = connected.open_bi().await?;
    word.write_all(b"!").await?;
    let (from, mut heard) = accepted.accept_bi().await?;
    heard.read_exact(&mut [0]).await?;
    carry(from, to, bytes).await
}

fn configs() -> Result<(ClientConfig, ServerConfig)> {
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let made = rcgen::generate_simple_self_signed(vec!["localhost".to_owned()])?;
    let certificate = made.cert.der().clone();
    let key =
        PrivateKeyDer::try_from(made.signing_key.serialize_der()).map_err(anyhow::Error::msg)?;
    let server = rustls::ServerConfig::builder_with_provider(Arc::clone(&provider))
        .with_protocol_versions(&[&rustls::version::TLS13])?
        .with_no_client_auth()
        .with_single_cert(vec![certificate.clone()], key)?;
    let mut roots = rustls::RootCertStore::empty();
    roots.add(certificate)?;
    let client = rustls::ClientConfig::builder_with_provider(provider)
        .with_protocol_versions(&[&rustls::version::TLS13])?
        .with_root_certificates(roots)
        .with_no_client_auth();
    let mut transport = TransportConfig::default();
    transport
        .stream_receive_window(VarInt::from_u32(WINDOW))
        .receive_window(VarInt::from_u32(WINDOW))
        .send_window(u64::from(WINDOW));
    let transport = Arc::new(transport);
    let mut server = ServerConfig::with_crypto(Arc::new(QuicServerConfig::try_from(server)?));
    server.transport_config(Arc::clone(&transport));
    let mut client = ClientConfig::new(Arc::new(QuicClientConfig::try_from(client)?));
    client.transport_config(transport);
    Ok((client, server))
}
