//! Connections that stop being HTTP: attach and exec.
//!
//! Bollard takes such a connection over too, but guesses from the first byte of each piece whether it is a frame, so that a
//! program on a terminal which writes a NUL stops the session. Here the caller says which it is.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::{Buf, Bytes, BytesMut};
use rcompose_engine_adapter::{EngineError, ErrorKind, Result};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, ReadBuf};

use crate::connect::Endpoint;
use crate::error::{answered, io_error};

/// Both halves of a connection.
trait Wire: AsyncRead + AsyncWrite + Send + Unpin {}
impl<T: AsyncRead + AsyncWrite + Send + Unpin> Wire for T {}

/// What the engine sends after its answer.
pub(crate) type Incoming = Pin<Box<dyn AsyncRead + Send>>;
/// What goes to the process.
pub(crate) type Outgoing = Pin<Box<dyn AsyncWrite + Send>>;

/// More of an answer's head than any engine sends.
const HEAD_LIMIT: usize = 64 * 1024;
/// Time for an engine to say no in full.
const REFUSAL: Duration = Duration::from_secs(10);

/// Sends a request and takes the connection over.
pub(crate) async fn hijack(endpoint: &Endpoint, path: &str, body: &[u8]) -> Result<(Incoming, Outgoing)> {
    let lost = |error: io::Error| io_error(&endpoint.to_text(), error);
    let mut wire = dial(endpoint).await?;
    let head = format!(
        "POST {path} HTTP/1.1\r\nHost: docker\r\nConnection: Upgrade\r\nUpgrade: tcp\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n",
        body.len()
    );
    wire.write_all(head.as_bytes()).await.map_err(lost)?;
    wire.write_all(body).await.map_err(lost)?;
    wire.flush().await.map_err(lost)?;
    let mut received = BytesMut::new();
    let end = loop {
        if let Some(end) = find(&received, b"\r\n\r\n") {
            break end;
        }
        let count = wire.read_buf(&mut received).await.map_err(lost)?;
        if count == 0 || received.len() > HEAD_LIMIT {
            let message = format!("the engine at {} broke off its answer", endpoint.to_text());
            return Err(EngineError::new(ErrorKind::Unreachable, message));
        }
    };
    let head = String::from_utf8_lossy(&received[..end]).into_owned();
    received.advance(end + 4);
    match status(&head) {
        Some(101 | 200) => {
            let (from, to) = tokio::io::split(wire);
            Ok((Box::pin(Resumed { begun: received.freeze(), rest: from }), Box::pin(to)))
        }
        Some(status) => Err(refusal(status, &head, received, wire).await),
        None => Err(EngineError::new(ErrorKind::Other, format!("the engine at {} did not answer in HTTP", endpoint.to_text()))),
    }
}

async fn dial(endpoint: &Endpoint) -> Result<Box<dyn Wire>> {
    let dialled: io::Result<Box<dyn Wire>> = match endpoint {
        #[cfg(unix)]
        Endpoint::Unix(path) => tokio::net::UnixStream::connect(path).await.map(|wire| Box::new(wire) as Box<dyn Wire>),
        #[cfg(windows)]
        Endpoint::Npipe(path) => tokio::net::windows::named_pipe::ClientOptions::new()
            .open(path.replace('/', "\\"))
            .map(|wire| Box::new(wire) as Box<dyn Wire>),
        Endpoint::Tcp { address, tls: None } => {
            tokio::net::TcpStream::connect(address.as_str()).await.map(|wire| Box::new(wire) as Box<dyn Wire>)
        }
        // `connect` has refused these by name.
        other => {
            let message = format!("the engine address {} cannot be used on this system", other.to_text());
            return Err(EngineError::new(ErrorKind::Unsupported, message));
        }
    };
    dialled.map_err(|error| io_error(&endpoint.to_text(), error))
}

/// Reads `HTTP/1.1 404 Not Found`.
fn status(head: &str) -> Option<u16> {
    let line = head.lines().next()?;
    line.strip_prefix("HTTP/")?.split_whitespace().nth(1)?.parse().ok()
}

/// Reads the body of a refusal as far as it comes, and what it says.
async fn refusal(status: u16, head: &str, mut body: BytesMut, mut wire: Box<dyn Wire>) -> EngineError {
    let length = head.lines().find_map(|line| {
        let (key, value) = line.split_once(':')?;
        key.eq_ignore_ascii_case("content-length").then(|| value.trim().parse::<usize>().ok())?
    });
    let whole = |body: &[u8]| length.map_or_else(|| find(body, b"0\r\n\r\n").is_some(), |length| body.len() >= length);
    let read = async {
        while !whole(&body) && body.len() < HEAD_LIMIT {
            if wire.read_buf(&mut body).await.unwrap_or(0) == 0 {
                break;
            }
        }
    };
    // Whatever came by then is what there is to tell.
    let _late = tokio::time::timeout(REFUSAL, read).await;
    let text = String::from_utf8_lossy(&body);
    let json = text.find('{').and_then(|from| text.rfind('}').map(|to| text.get(from..=to).unwrap_or_default()));
    let message = json.and_then(|json| serde_json::from_str::<serde_json::Value>(json).ok());
    let message = message.as_ref().and_then(|json| json.get("message")).and_then(|message| message.as_str());
    answered(status, message.unwrap_or(text.trim()))
}

fn find(bytes: &[u8], wanted: &[u8]) -> Option<usize> {
    bytes.windows(wanted.len()).position(|window| window == wanted)
}

/// A connection of which some was read already.
struct Resumed<R> {
    begun: Bytes,
    rest: R,
}

impl<R: AsyncRead + Unpin> AsyncRead for Resumed<R> {
    fn poll_read(mut self: Pin<&mut Self>, context: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        if self.begun.is_empty() {
            return Pin::new(&mut self.rest).poll_read(context, buffer);
        }
        let count = self.begun.len().min(buffer.remaining());
        buffer.put_slice(&self.begun.split_to(count));
        Poll::Ready(Ok(()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn what_was_read_with_the_head_is_not_lost() {
        let mut resumed = Resumed { begun: Bytes::from_static(b"be"), rest: &b"gun"[..] };
        let mut text = String::new();
        resumed.read_to_string(&mut text).await.expect("readable");
        assert_eq!(text, "begun");
    }

    #[test]
    fn heads_are_read() {
        assert_eq!(status("HTTP/1.1 101 UPGRADED\r\nContent-Type: x"), Some(101));
        assert_eq!(status("SSH-2.0-x"), None);
    }
}
