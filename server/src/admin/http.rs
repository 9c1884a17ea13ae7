//! `/metrics` and `/healthz` by HTTP/1.1: one short request on each connection, one answer, and the end. Of too many connections
//! the oldest goes, each has little time and little room, and nothing that is asked changes anything.

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::task::{AbortHandle, JoinSet};

use sealift_platform::net::{BoxStream, Listener};

use super::exposition::expose;
use super::{Observed, PATIENCE as ANSWER};
use crate::accept::Backoff;

/// Connections at once.
const MOST: usize = 32;
/// Time for a connection, from its first byte to its last.
const PATIENCE: Duration = Duration::from_secs(5);
/// Longest request head, bytes.
const HEAD: usize = 8 << 10;
/// What an answer for people is.
const PLAIN: &str = "text/plain; charset=utf-8";

/// Reads the address of the metrics: one that others cannot reach.
///
/// # Errors
/// Words for whoever wrote it.
pub fn parse_address(text: &str) -> Result<SocketAddr, String> {
    let address: Option<SocketAddr> = text.parse().ok();
    address.filter(|address| address.ip().is_loopback()).ok_or_else(|| {
        "an address of this machine alone, as 127.0.0.1:9743 or [::1]:9743; to collect from elsewhere, let a proxy in front \
         ask who it is"
            .to_owned()
    })
}

/// Answers on `listener` until dropped.
pub async fn serve<O: Observed>(listener: Box<dyn Listener>, program: O) {
    let mut open = JoinSet::new();
    let mut backoff = Backoff::new();
    let mut oldest: VecDeque<AbortHandle> = VecDeque::new();
    loop {
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            Some(_) = open.join_next() => continue,
        };
        let Ok((stream, _)) = accepted else {
            // Out of descriptors, as the program itself: it says so.
            backoff.wait().await;
            continue;
        };
        backoff.reset();
        oldest.retain(|task| !task.is_finished());
        if oldest.len() >= MOST
            && let Some(task) = oldest.pop_front()
        {
            task.abort();
        }
        let program = program.clone();
        oldest.push_back(open.spawn(async move {
            // Who asks badly or slowly gets no answer.
            let _ = tokio::time::timeout(PATIENCE, answer(stream, program)).await;
        }));
    }
}

async fn answer<O: Observed>(mut stream: BoxStream, program: O) -> std::io::Result<()> {
    let Some(head) = read_head(&mut stream).await? else {
        stream.write_all(&Answer::TOO_LONG.bytes(true)).await?;
        return stream.shutdown().await;
    };
    let name = O::PROGRAM.name;
    let (answer, with_body) = match route(&head) {
        Ok((Page::Metrics, with_body)) => match program.report().await {
            Some(report) => (Answer::metrics(expose(O::METRICS, &report)), with_body),
            None => (Answer::ended(name), with_body),
        },
        Ok((Page::Health, with_body)) => (health(&program).await, with_body),
        Err(answer) => (answer, true),
    };
    stream.write_all(&answer.bytes(with_body)).await?;
    stream.shutdown().await
}

async fn health<O: Observed>(program: &O) -> Answer {
    let name = O::PROGRAM.name;
    if program.is_draining() {
        Answer::draining(name)
    } else if program.answers_within(ANSWER).await {
        Answer::WELL
    } else {
        Answer::ended(name)
    }
}

/// The head of a request, without its empty line; `None` if it is too long.
async fn read_head(stream: &mut BoxStream) -> std::io::Result<Option<Vec<u8>>> {
    let mut head = Vec::with_capacity(1024);
    loop {
        let searched = head.len().saturating_sub(3);
        if stream.read_buf(&mut head).await? == 0 {
            return Err(std::io::ErrorKind::UnexpectedEof.into());
        }
        if let Some(end) = head[searched..].windows(4).position(|four| four == b"\r\n\r\n") {
            head.truncate(searched + end);
            return Ok(Some(head));
        }
        if head.len() > HEAD {
            return Ok(None);
        }
    }
}

#[derive(Debug, PartialEq, Eq)]
enum Page {
    Metrics,
    Health,
}

/// Which page is asked for, and whether its body is wanted too.
fn route(head: &[u8]) -> Result<(Page, bool), Answer> {
    let line = head.split(|byte| *byte == b'\r').next().unwrap_or_default();
    let mut words = line.split(|byte| *byte == b' ');
    let (method, target, version) = (words.next(), words.next(), words.next());
    if words.next().is_some() || !matches!(version, Some(b"HTTP/1.1" | b"HTTP/1.0")) {
        return Err(Answer::BAD);
    }
    let with_body = match method {
        Some(b"GET") => true,
        Some(b"HEAD") => false,
        _ => return Err(Answer::METHOD),
    };
    let path = target.unwrap_or_default().split(|byte| *byte == b'?').next();
    match path {
        Some(b"/metrics") => Ok((Page::Metrics, with_body)),
        Some(b"/healthz") => Ok((Page::Health, with_body)),
        _ => Err(Answer::NOT_FOUND),
    }
}

#[derive(Debug, PartialEq, Eq)]
struct Answer {
    status: &'static str,
    kind: &'static str,
    body: std::borrow::Cow<'static, str>,
}

impl Answer {
    const WELL: Self = Self::plain("200 OK", "ok\n");
    const BAD: Self = Self::plain("400 Bad Request", "this is no request\n");
    const NOT_FOUND: Self = Self::plain("404 Not Found", "there are /metrics and /healthz\n");
    const METHOD: Self = Self::plain("405 Method Not Allowed", "only GET and HEAD\n");
    const TOO_LONG: Self =
        Self::plain("431 Request Header Fields Too Large", "the request is too long\n");

    const fn plain(status: &'static str, body: &'static str) -> Self {
        let body = std::borrow::Cow::Borrowed(body);
        Self { status, kind: PLAIN, body }
    }

    fn draining(name: &str) -> Self {
        Self::unavailable(format!("the {name} is about to end\n"))
    }

    fn ended(name: &str) -> Self {
        Self::unavailable(format!("the {name} does not answer\n"))
    }

    fn unavailable(body: String) -> Self {
        Self { status: "503 Service Unavailable", kind: PLAIN, body: body.into() }
    }

    fn metrics(text: String) -> Self {
        let kind = "text/plain; version=0.0.4; charset=utf-8";
        Self { status: "200 OK", kind, body: text.into() }
    }

    fn bytes(&self, with_body: bool) -> Vec<u8> {
        let Self { status, kind, body } = self;
        let length = body.len();
        let body = if with_body { body } else { "" };
        let head = format!(
            "HTTP/1.1 {status}\r\nContent-Type: {kind}\r\nContent-Length: {length}\r\nCache-Control: no-store\r\n\
             X-Content-Type-Options: nosniff\r\nConnection: close\r\n\r\n"
        );
        [head.as_bytes(), body.as_bytes()].concat()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_pages_and_nothing_else() {
        let page = |head: &str| route(head.as_bytes());
        assert_eq!(page("GET /metrics HTTP/1.1\r\nHost: x"), Ok((Page::Metrics, true)));
        assert_eq!(page("HEAD /healthz?x=1 HTTP/1.0"), Ok((Page::Health, false)));
        assert_eq!(page("POST /metrics HTTP/1.1"), Err(Answer::METHOD));
        for path in ["/", "/metrics/", "/metrics/../etc", "http://h/metrics", "*", "/%6detrics"] {
            assert_eq!(page(&format!("GET {path} HTTP/1.1")), Err(Answer::NOT_FOUND), "{path}");
        }
        for bad in
            ["", "GET", "GET /metrics", "GET /metrics HTTP/2.0", "GET  /metrics HTTP/1.1", "\0"]
        {
            assert_eq!(page(bad), Err(Answer::BAD), "{bad:?}");
        }
    }

    #[test]
    fn the_head_of_an_answer_tells_its_length() {
        let text = String::from_utf8(Answer::WELL.bytes(true)).unwrap();
        assert!(text.starts_with("HTTP/1.1 200 OK\r\n") && text.ends_with("\r\n\r\nok\n"));
        assert!(text.contains("\r\nContent-Length: 3\r\n"));
        let head = String::from_utf8(Answer::WELL.bytes(false)).unwrap();
        assert!(head.contains("\r\nContent-Length: 3\r\n") && head.ends_with("\r\n\r\n"));
    }
}
