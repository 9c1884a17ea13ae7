use std::sync::Arc;

use sealift_platform::random::SystemRandom;
use sealift_proto::codec::{self, List};
use sealift_proto::handshake::SessionId;
use sealift_proto::link::{Direction, LinkReceiver, LinkSender};
use sealift_proto::message::{Missing, Outcome, RunHeader};
use sealift_proto::seal::{PIECE_LEN, SealKey};

use super::testing::Pipe;
use super::*;
use crate::session::SessionError;

/// A direction for tests: real keys come from handshakes only.
enum Across {}

#[derive(Clone)]
struct Key(SealKey);

impl AsRef<SealKey> for Key {
    fn as_ref(&self) -> &SealKey {
        &self.0
    }
}

impl Direction for Across {
    const NUMBER: u8 = 9;
    type Key = Key;
}

fn key() -> Key {
    Key(SealKey::new([7; 32]))
}

fn link(pipe: usize) -> (LinkWriter<Across>, LinkReader<Across>) {
    let (here, there) = tokio::io::duplex(pipe);
    let (_, writer) = tokio::io::split(Box::new(Pipe(here)) as BoxStream);
    let (reader, _) = tokio::io::split(Box::new(Pipe(there)) as BoxStream);
    let session = SessionId([3; 16]);
    (
        LinkWriter::new(writer, LinkSender::new(key(), session, 0), Arc::new(SystemRandom)),
        LinkReader::new(reader, LinkReceiver::new(key(), session, 0)),
    )
}

fn header(lengths: &[usize]) -> RunHeader {
    let data = |len: &usize| Outcome::Data { len: u32::try_from(*len).unwrap() };
    RunHeader { request: 9, outcomes: List::new(lengths.iter().map(data).collect()).unwrap() }
}

async fn send(
    writer: LinkWriter<Across>,
    header: &RunHeader,
    content: &[u8],
    step: usize,
) -> LinkWriter<Across> {
    let mut run = writer.run(header).unwrap();
    for part in content.chunks(step) {
        run.write(part).await.unwrap();
    }
    run.finish().await.unwrap()
}

#[tokio::test]
async fn runs_of_every_length_pass_through_any_pipe() {
    let lengths =
        [0, 1, PIECE_LEN - 40, PIECE_LEN - 1, PIECE_LEN, PIECE_LEN + 1, 20 * PIECE_LEN, 700_001];
    for (pipe, step) in [(7, 1000), (64 * 1024, PIECE_LEN), (1 << 20, 1 << 20)] {
        let (mut writer, mut reader) = link(pipe);
        let sending = tokio::spawn(async move {
            for len in lengths {
                let content: Vec<u8> = (0..len).map(|i| (i % 251) as u8).collect();
                writer = send(writer, &header(&[len]), &content, step).await;
                writer.message(&"between").await.unwrap();
            }
        });
        for len in lengths {
            let Incoming::Run(mut run) = reader.next().await.unwrap() else {
                panic!("a run was sent")
            };
            assert_eq!(*run.header(), header(&[len]));
            let mut content = Vec::new();
            let mut part = [0; 5000];
            loop {
                match run.read(&mut part).await.unwrap() {
                    0 => break,
                    count => content.extend_from_slice(&part[..count]),
                }
            }
            assert_eq!(content, (0..len).map(|i| (i % 251) as u8).collect::<Vec<_>>());
            let Incoming::Message(message) = reader.next().await.unwrap() else {
                panic!("a message was sent")
            };
            assert_eq!(codec::decode::<String>(&message).unwrap(), "between");
        }
        sending.await.unwrap();
        assert!(matches!(reader.next().await, Ok(Incoming::End)));
    }
}

#[tokio::test]
async fn a_header_of_many_pieces_is_read() {
    let (writer, mut reader) = link(1 << 16);
    let outcomes = vec![Outcome::Missing(Missing::Changed); 4095];
    let mut outcomes = [outcomes, vec![Outcome::Data { len: 3 }]].concat();
    outcomes.rotate_left(1000);
    let header = RunHeader { request: 1, outcomes: List::new(outcomes).unwrap() };
    let sent = header.clone();
    tokio::spawn(async move { send(writer, &sent, b"abc", 3).await });
    let Incoming::Run(mut run) = reader.next().await.unwrap() else { panic!("a run was sent") };
    assert_eq!(*run.header(), header);
    let mut content = [0; 3];
    run.read_exact(&mut content).await.unwrap();
    assert_eq!(&content, b"abc");
    run.finish().await.unwrap();
}

#[tokio::test]
async fn a_run_is_exactly_as_long_as_announced() {
    let (writer, _reader) = link(1 << 20);
    let mut run = writer.run(&header(&[10])).unwrap();
    assert!(run.write(&[0; 11]).await.is_err());
    let (writer, _reader) = link(1 << 20);
    let mut run = writer.run(&header(&[10])).unwrap();
    run.write(&[0; 9]).await.unwrap();
    assert!(run.finish().await.is_err());
    let (writer, _reader) = link(1 << 20);
    assert!(writer.run(&header(&[16 << 20, 1])).is_err(), "over 16 MiB");
}

#[tokio::test]
async fn a_cut_run_gives_what_came_and_then_an_error() {
    let (writer, mut reader) = link(1 << 20);
    let mut run = writer.run(&header(&[40 * PIECE_LEN])).unwrap();
    run.write(&vec![5; 20 * PIECE_LEN]).await.unwrap();
    run.send().await.unwrap();
    drop(run);
    let Incoming::Run(mut run) = reader.next().await.unwrap() else { panic!("a run was sent") };
    let (mut got, mut part) = (0, vec![0; 10_000]);
    let error = loop {
        match run.read(&mut part).await {
            Ok(0) => panic!("the run was cut"),
            Ok(count) => got += count,
            Err(error) => break error,
        }
    };
    assert!(got >= 19 * PIECE_LEN, "{got}");
    assert!(matches!(error, SessionError::Io(_)), "{error}");
}

#[tokio::test]
async fn what_is_left_in_the_middle_ends_the_link_and_is_no_tampering() {
    let (mut writer, _reader) = link(64);
    let long = "x".repeat(1000);
    timeout(Duration::from_millis(20), writer.message(&long)).await.unwrap_err();
    let error = writer.message(&"next").await.unwrap_err();
    assert!(matches!(error, SessionError::Midway) && !error.is_tampering());
    assert!(matches!(writer.run(&header(&[1])), Err(SessionError::Midway)));

    let (writer, mut reader) = link(1 << 20);
    send(writer, &header(&[100_000]), &[7; 100_000], 100_000).await;
    let Incoming::Run(run) = reader.next().await.unwrap() else { panic!("a run was sent") };
    drop(run);
    assert!(matches!(reader.next().await, Err(SessionError::Midway)));
}

#[tokio::test]
async fn a_run_is_filled_and_sent_without_waiting_as_far_as_that_goes() {
    let (writer, mut reader) = link(100_000);
    let content: Vec<u8> = (0..40 * PIECE_LEN).map(|i| (i % 239) as u8).collect();
    let mut run = writer.run(&header(&[content.len()])).unwrap();
    let mut done = 0;
    let mut fill = |run: &mut RunWriter<Across>| {
        let count = run.fill(content.len() - done, |part| {
            part.copy_from_slice(&content[done..done + part.len()]);
            done += part.len();
        });
        (count.unwrap(), done)
    };
    let (first, _) = fill(&mut run);
    assert!((15 * PIECE_LEN..=16 * PIECE_LEN).contains(&first), "{first}");
    assert_eq!(fill(&mut run).0, 0, "there is no room before something is sent");
    assert!(!run.try_send().unwrap(), "the pipe is shorter");
    let expected = content.clone();
    let reading = tokio::spawn(async move {
        let Incoming::Run(mut run) = reader.next().await.unwrap() else { panic!("a run was sent") };
        let mut got = vec![0; expected.len()];
        run.read_exact(&mut got).await.unwrap();
        run.finish().await.unwrap();
        got == expected
    });
    while fill(&mut run).1 < content.len() {
        if !run.try_send().unwrap() {
            run.send().await.unwrap();
        }
    }
    run.finish().await.unwrap();
    assert!(reading.await.unwrap());
}

#[tokio::test]
async fn waiting_may_be_given_up_at_any_byte_without_losing_one() {
    let (mut writer, mut reader) = link(64);
    let long = "x".repeat(1000);
    let sent = long.clone();
    let content: Vec<u8> = (0..3 * PIECE_LEN).map(|i| (i % 251) as u8).collect();
    let expected = content.clone();
    let sending = tokio::spawn(async move {
        writer.message(&sent).await.unwrap();
        let mut writer = send(writer, &header(&[content.len()]), &content, 5000).await;
        writer.message(&"after").await.unwrap();
    });
    let mut given_up = 0;
    let message = loop {
        match once(reader.next()).await {
            Some(Ok(Incoming::Message(message))) => break message,
            Some(_) => panic!("a message was sent"),
            None => given_up += 1,
        }
    };
    assert_eq!(codec::decode::<String>(&message).unwrap(), long);
    let Incoming::Run(mut run) = reader.next().await.unwrap() else { panic!("a run was sent") };
    let mut got = vec![0; expected.len()];
    let mut done = 0;
    while done < got.len() {
        match once(run.read(&mut got[done..])).await {
            Some(count) => done += count.unwrap(),
            None => given_up += 1,
        }
    }
    assert!(got == expected && given_up > 10, "given up {given_up} times");
    run.finish().await.unwrap();
    assert!(matches!(reader.next().await, Ok(Incoming::Message(_))));
    sending.await.unwrap();
}

/// Polls `future` once and gives it up, then lets others go on.
async fn once<T>(future: impl Future<Output = T>) -> Option<T> {
    let result = tokio::select! {
        biased;
        result = future => Some(result),
        () = std::future::ready(()) => None,
    };
    tokio::task::yield_now().await;
    result
}

#[tokio::test]
async fn a_run_is_read_into_buffers_of_any_size() {
    let len = 5 * PIECE_LEN + 77;
    let content: Vec<u8> = (0..len).map(|i| (i % 241) as u8).collect();
    for size in [1, 100, PIECE_LEN - 1, PIECE_LEN, PIECE_LEN + 1, 3 * PIECE_LEN, len] {
        let (writer, mut reader) = link(1 << 20);
        let mut writer = send(writer, &header(&[len]), &content, len).await;
        writer.message(&"after").await.unwrap();
        let Incoming::Run(mut run) = reader.next().await.unwrap() else { panic!("a run was sent") };
        let mut got = vec![0; len];
        for part in got.chunks_mut(size) {
            run.read_exact(part).await.unwrap();
        }
        assert!(got == content, "by {size}");
        assert!(matches!(run.read_exact(&mut [0]).await, Err(SessionError::Malformed)));
        run.finish().await.unwrap();
        assert!(matches!(reader.next().await, Ok(Incoming::Message(_))));
    }
}

#[tokio::test]
async fn what_is_left_of_a_run_is_noticed_at_its_finish() {
    let (writer, mut reader) = link(1 << 20);
    send(writer, &header(&[100]), &[7; 100], 100).await;
    let Incoming::Run(mut run) = reader.next().await.unwrap() else { panic!("a run was sent") };
    run.read_exact(&mut [0; 99]).await.unwrap();
    assert!(matches!(run.finish().await, Err(SessionError::Malformed)));
}
