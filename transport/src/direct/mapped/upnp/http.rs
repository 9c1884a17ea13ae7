//! One exchange with a router over HTTP, as far as UPnP needs it. What it answers is bounded in size and in time.

use std::io;
use std::time::Duration;

use httparse::{EMPTY_HEADER, Response, Status};
use sealift_platform::net::Net;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::time::timeout;

use super::UpnpError;
use super::text::Url;

/// How long an exchange may take, connecting included.
const TIME: Duration = Duration::from_secs(3);
/// Longest head of an answer, in bytes.
const HEAD: usize = 8 << 10;
/// Most lines in it.
const LINES: usize = 64;
/// Longest answer: a description has some 20 KiB where it is long.
const LARGEST: usize = 96 << 10;

/// An answer.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Answer {
    pub(super) status: u16,
    pub(super) body: String,
}

/// Where a body ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Body {
    /// After so many bytes.
    Length(usize),
    /// After its last chunk (RFC 9112 section 7.1).
    Chunks,
    /// With the connection.
    Rest,
}

/// Sends `request` to where `url` leads; the answer.
///
/// # Errors
/// When the network fails, and [`UpnpError::Garbled`] for what is too large, cut short, or no HTTP.
pub(super) async fn exchange(net: &dyn Net, url: &Url, request: &str) -> Result<Answer, UpnpError> {
    let exchanging = async {
        let mut stream = net.connect(&url.at.ip().to_string(), url.at.port()).await?;
        stream.write_all(request.as_bytes()).await?;
        stream.flush().await?;
        let mut bytes = Vec::new();
        let mut part = [0; 4096];
        loop {
            let len = stream.read(&mut part).await?;
            bytes.extend_from_slice(part.get(..len).unwrap_or_default());
            if let Some(answer) = answer(&bytes, len == 0)? {
                return Ok(answer);
            }
            if len == 0 || bytes.len() > LARGEST {
                return Err(UpnpError::Garbled);
            }
        }
    };
    let late = || UpnpError::Io(io::ErrorKind::TimedOut.into());
    timeout(TIME, exchanging).await.map_err(|_| late())?
}

/// The answer that `bytes` are, if they are all of it; `ended` says that no more will come.
///
/// # Errors
/// [`UpnpError::Garbled`] if they cannot become one.
fn answer(bytes: &[u8], ended: bool) -> Result<Option<Answer>, UpnpError> {
    let mut headers = [EMPTY_HEADER; LINES];
    let mut response = Response::new(&mut headers);
    let parsed = response.parse(bytes.get(..HEAD).unwrap_or(bytes));
    let Status::Complete(at) = parsed.map_err(|_| UpnpError::Garbled)? else {
        return if bytes.len() < HEAD { Ok(None) } else { Err(UpnpError::Garbled) };
    };
    let status = response.code.ok_or(UpnpError::Garbled)?;
    let rest = bytes.get(at..).unwrap_or_default();
    let body = match ends(&response)? {
        Body::Length(len) if len > LARGEST => return Err(UpnpError::Garbled),
        Body::Length(len) => rest.get(..len).map(<[u8]>::to_vec),
        Body::Chunks => joined(rest)?,
        Body::Rest => ended.then(|| rest.to_vec()),
    };
    let text = |body: Vec<u8>| String::from_utf8_lossy(&body).into_owned();
    Ok(body.map(|body| Answer { status, body: text(body) }))
}

fn ends(response: &Response<'_, '_>) -> Result<Body, UpnpError> {
    let mut found = Body::Rest;
    for header in response.headers.iter() {
        let value = std::str::from_utf8(header.value).map_err(|_| UpnpError::Garbled)?.trim();
        if header.name.eq_ignore_ascii_case("transfer-encoding") {
            // What is chunked has no other length (RFC 9112 section 6.3).
            return match value.eq_ignore_ascii_case("chunked") {
                true => Ok(Body::Chunks),
                false => Err(UpnpError::Garbled),
            };
        }
        if header.name.eq_ignore_ascii_case("content-length") {
            found = Body::Length(value.parse().map_err(|_| UpnpError::Garbled)?);
        }
    }
    Ok(found)
}

/// What the chunks hold, if the last one has come.
fn joined(mut bytes: &[u8]) -> Result<Option<Vec<u8>>, UpnpError> {
    let mut body = Vec::new();
    loop {
        let size = httparse::parse_chunk_size(bytes).map_err(|_| UpnpError::Garbled)?;
        let Status::Complete((at, len)) = size else { return Ok(None) };
        let len = usize::try_from(len).ok().filter(|len| *len <= LARGEST);
        let len = len.ok_or(UpnpError::Garbled)?;
        if len == 0 {
            return Ok(Some(body));
        }
        let rest = bytes.get(at..).unwrap_or_default();
        let Some(chunk) = rest.get(..len) else { return Ok(None) };
        body.extend_from_slice(chunk);
        match rest.get(len..len + 2) {
            Some(b"\r\n") => bytes = &rest[len + 2..],
            Some(_) => return Err(UpnpError::Garbled),
            None => return Ok(None),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const FORMS: [&str; 3] = [
        "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello",
        "HTTP/1.1 500 No\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nhel\r\n2;x=y\r\nlo\r\n0\r\n\r\n",
        "HTTP/1.0 200 OK\r\nServer: x\r\n\r\nhello",
    ];

    #[test]
    fn an_answer_is_whole_when_its_end_has_come() {
        for (form, status) in FORMS.iter().zip([200, 500, 200]) {
            let bytes = form.as_bytes();
            let whole = Answer { status, body: "hello".to_owned() };
            assert_eq!(answer(bytes, true).unwrap(), Some(whole), "{form}");
            let by_itself = answer(bytes, false).unwrap().is_some();
            assert_eq!(by_itself, !form.starts_with("HTTP/1.0"), "{form}");
            // The end of the last chunk is no part of what it holds.
            for cut in 0..bytes.len() - 2 {
                assert_eq!(answer(&bytes[..cut], false).unwrap(), None, "{form} cut at {cut}");
            }
        }
    }

    #[test]
    fn altered_answers_are_answers_or_none() {
        for form in FORMS {
            for (at, bit) in (0..form.len()).flat_map(|at| (0..8).map(move |bit| (at, bit))) {
                let mut altered = form.as_bytes().to_vec();
                altered[at] ^= 1 << bit;
                let read = answer(&altered, true);
                assert!(
                    read.is_err()
                        || read.is_ok_and(|one| one.is_none_or(|one| one.body.len() < 100))
                );
            }
        }
    }

    #[test]
    fn what_is_too_large_is_refused_before_it_has_come() {
        let endless = format!("HTTP/1.1 200 OK\r\n{}", "X: y\r\n".repeat(HEAD));
        let long = format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n", LARGEST + 1);
        let chunk = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nffffffffffffffff\r\n";
        let coded = "HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked\r\n\r\n";
        let negative = "HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n";
        for text in [&endless, &long, chunk, coded, negative, "\0\0", "GET / HTTP/1.1\r\n\r\n"] {
            assert!(answer(text.as_bytes(), false).is_err(), "{text:.60}");
        }
    }
}
