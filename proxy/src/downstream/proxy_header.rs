//! The PROXY protocol, versions 1 and 2: a load balancer before us tells whose
//! connection it is (haproxy.org/download/1.8/doc/proxy-protocol.txt).
//!
//! The header is read to its last byte and not a byte further: what follows may be a
//! TLS handshake.

use std::net::IpAddr;

use ppp::{v1, v2};
use thiserror::Error;
use tokio::io::{AsyncRead, AsyncReadExt};
use tokio::net::TcpStream;

/// A header of version 1 is at most so long, its line end included.
const V1_MAX_BYTES: usize = 107;

/// The most that a header of version 2 may carry after its fixed part. Addresses take
/// 36 bytes; the rest is for the optional fields that clouds add.
const V2_MAX_PAYLOAD_BYTES: usize = 2048;

/// The fixed part of version 2: signature, command, family, length.
const V2_FIXED_BYTES: usize = 16;

/// Why no header of the PROXY protocol could be read.
#[derive(Debug, Error)]
pub enum HeaderError {
    /// The socket failed or ended.
    #[error("the PROXY protocol header was cut short: {0}")]
    Io(#[from] std::io::Error),
    /// The peer began with something else.
    #[error("no PROXY protocol header")]
    Missing,
    /// Version 1, but not readable.
    #[error("PROXY protocol v1: {0}")]
    V1(#[from] v1::BinaryParseError),
    /// Version 2, but not readable.
    #[error("PROXY protocol v2: {0}")]
    V2(#[from] v2::ParseError),
    /// A line or a payload beyond the bounds.
    #[error("a PROXY protocol header of {0} bytes or more")]
    TooLong(usize),
}

/// A stream whose next bytes can be looked at without taking them.
pub(crate) trait Peek: AsyncRead + Unpin {
    /// Waits for bytes and copies them; 0 at the end.
    fn peek(&mut self, buffer: &mut [u8]) -> impl Future<Output = std::io::Result<usize>> + Send;
}

impl Peek for TcpStream {
    async fn peek(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        TcpStream::peek(self, buffer).await
    }
}

/// Reads the header; gives the address of the real peer, or `None` when the load
/// balancer speaks for itself (a health check) or does not know.
pub(crate) async fn read(stream: &mut impl Peek) -> Result<Option<IpAddr>, HeaderError> {
    let mut start = [0u8; v2::PROTOCOL_PREFIX.len()];
    stream.read_exact(&mut start).await?;
    if start == v2::PROTOCOL_PREFIX {
        let header = read_v2(stream, &start).await?;
        Ok(source_v2(&v2::Header::try_from(header.as_slice())?))
    } else if start.starts_with(b"PROXY ") {
        let header = read_v1(stream, &start).await?;
        Ok(source_v1(&v1::Header::try_from(header.as_slice())?))
    } else {
        Err(HeaderError::Missing)
    }
}

/// Reads the header of the PROXY protocol that `stream` begins with; `None` when the load
/// balancer speaks for itself or does not know the peer.
///
/// # Errors
/// There is none, or it is none.
pub async fn peer_behind(stream: &mut TcpStream) -> Result<Option<IpAddr>, HeaderError> {
    read(stream).await
}

async fn read_v2(stream: &mut impl Peek, start: &[u8]) -> Result<Vec<u8>, HeaderError> {
    let mut header = start.to_vec();
    header.resize(V2_FIXED_BYTES, 0);
    stream.read_exact(&mut header[start.len()..]).await?;
    let payload = usize::from(u16::from_be_bytes([header[14], header[15]]));
    if payload > V2_MAX_PAYLOAD_BYTES {
        return Err(HeaderError::TooLong(payload));
    }
    header.resize(V2_FIXED_BYTES + payload, 0);
    stream.read_exact(&mut header[V2_FIXED_BYTES..]).await?;
    Ok(header)
}

async fn read_v1(stream: &mut impl Peek, start: &[u8]) -> Result<Vec<u8>, HeaderError> {
    let mut header = start.to_vec();
    let mut ahead = [0u8; V1_MAX_BYTES];
    loop {
        let room = V1_MAX_BYTES - header.len();
        let seen = stream.peek(&mut ahead[..room]).await?;
        if seen == 0 {
            return Err(HeaderError::Io(std::io::ErrorKind::UnexpectedEof.into()));
        }
        let line_end = ahead[..seen].iter().position(|&byte| byte == b'\n');
        let take = line_end.map_or(seen, |at| at + 1);
        stream.read_exact(&mut ahead[..take]).await?;
        header.extend_from_slice(&ahead[..take]);
        if line_end.is_some() {
            return Ok(header);
        }
        if header.len() >= V1_MAX_BYTES {
            return Err(HeaderError::TooLong(V1_MAX_BYTES));
        }
    }
}

fn source_v1(header: &v1::Header<'_>) -> Option<IpAddr> {
    match header.addresses {
        v1::Addresses::Tcp4(addresses) => Some(addresses.source_address.into()),
        v1::Addresses::Tcp6(addresses) => Some(addresses.source_address.into()),
        v1::Addresses::Unknown => None,
    }
}

fn source_v2(header: &v2::Header<'_>) -> Option<IpAddr> {
    match (header.command, header.addresses) {
        (v2::Command::Proxy, v2::Addresses::IPv4(addresses)) => {
            Some(addresses.source_address.into())
        }
        (v2::Command::Proxy, v2::Addresses::IPv6(addresses)) => {
            Some(addresses.source_address.into())
        }
        _ => None,
    }
}

/// Reads a header that comes in pieces of `piece` bytes; gives the real peer and what was
/// left behind the header, or `None` where there is no header.
#[cfg(any(test, fuzzing))]
#[allow(unreachable_pub, reason = "reachable where cfg(fuzzing) is set")]
pub fn fuzz(bytes: &[u8], piece: usize) -> Option<(Option<IpAddr>, &[u8])> {
    let mut pieces = pieces::Pieces::new(bytes, piece);
    let source = futures::FutureExt::now_or_never(read(&mut pieces));
    let source = source.expect("bytes in memory are there").ok()?;
    Some((source, pieces.rest()))
}

#[cfg(any(test, fuzzing))]
mod pieces {
    use std::io::Result;
    use std::pin::Pin;
    use std::task::{Context, Poll};

    use tokio::io::{AsyncRead, ReadBuf};

    use super::Peek;

    /// Bytes that come a few at a time.
    pub(super) struct Pieces<'a> {
        rest: &'a [u8],
        piece: usize,
    }

    impl<'a> Pieces<'a> {
        pub(super) fn new(rest: &'a [u8], piece: usize) -> Self {
            let piece = piece.max(1);
            Pieces { rest, piece }
        }

        pub(super) fn rest(self) -> &'a [u8] {
            self.rest
        }
    }

    impl AsyncRead for Pieces<'_> {
        fn poll_read(
            mut self: Pin<&mut Self>,
            _: &mut Context<'_>,
            buffer: &mut ReadBuf<'_>,
        ) -> Poll<Result<()>> {
            let size = self.rest.len().min(self.piece).min(buffer.remaining());
            let (now, later) = self.rest.split_at(size);
            buffer.put_slice(now);
            self.rest = later;
            Poll::Ready(Ok(()))
        }
    }

    impl Peek for Pieces<'_> {
        async fn peek(&mut self, buffer: &mut [u8]) -> Result<usize> {
            let size = self.rest.len().min(self.piece).min(buffer.len());
            buffer[..size].copy_from_slice(&self.rest[..size]);
            Ok(size)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::io::AsyncWriteExt;
    use tokio::net::TcpListener;

    /// Sends `pieces` one by one, reads the header, and gives what was left behind it.
    async fn exchange(pieces: Vec<Vec<u8>>) -> (Result<Option<IpAddr>, HeaderError>, Vec<u8>) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let writer = tokio::spawn(async move {
            let mut stream = TcpStream::connect(address).await.unwrap();
            stream.set_nodelay(true).unwrap();
            for piece in pieces {
                // The reader may have given up already.
                let _ = stream.write_all(&piece).await;
                tokio::task::yield_now().await;
            }
            let _ = stream.shutdown().await;
        });
        let (mut stream, _) = listener.accept().await.unwrap();
        let source = read(&mut stream).await;
        let mut rest = Vec::new();
        if source.is_ok() {
            stream.read_to_end(&mut rest).await.unwrap();
        }
        drop(stream);
        writer.await.unwrap();
        (source, rest)
    }

    fn v2(command: u8, family: u8, payload: &[u8]) -> Vec<u8> {
        let mut header = v2::PROTOCOL_PREFIX.to_vec();
        header.extend([0x20 | command, family]);
        header.extend(u16::try_from(payload.len()).unwrap().to_be_bytes());
        header.extend(payload);
        header
    }

    const V4: [u8; 12] = [203, 0, 113, 9, 192, 0, 2, 1, 0x12, 0x34, 0x0d, 0x05];

    async fn source(header: &[u8], expected: Option<&str>) {
        let expected: Option<IpAddr> = expected.map(|text| text.parse().unwrap());
        let mut whole = header.to_vec();
        whole.extend(b"{\"id\":1}\n");
        for pieces in [
            vec![whole.clone()],
            whole.iter().map(|&byte| vec![byte]).collect(),
        ] {
            let (found, rest) = exchange(pieces).await;
            assert_eq!(found.unwrap(), expected);
            assert_eq!(rest, b"{\"id\":1}\n");
        }
    }

    #[tokio::test]
    async fn the_real_peer_is_found_and_nothing_after_the_header_is_eaten() {
        source(
            b"PROXY TCP4 203.0.113.9 192.0.2.1 4660 3333\r\n",
            Some("203.0.113.9"),
        )
        .await;
        source(
            b"PROXY TCP6 2001:db8::9 2001:db8::1 4660 3333\r\n",
            Some("2001:db8::9"),
        )
        .await;
        source(b"PROXY UNKNOWN\r\n", None).await;
        source(&v2(1, 0x11, &V4), Some("203.0.113.9")).await;
        source(&v2(0, 0x00, &[]), None).await;
        source(&v2(0, 0x11, &V4), None).await;
        let mut six = [0u8; 36];
        six[..2].copy_from_slice(&[0x20, 0x01]);
        six[15] = 7;
        source(&v2(1, 0x21, &six), Some("2001::7")).await;
        let mut with_fields = V4.to_vec();
        with_fields.extend([0x04, 0, 1, 42]);
        source(&v2(1, 0x11, &with_fields), Some("203.0.113.9")).await;
    }

    #[tokio::test]
    async fn anything_else_is_refused() {
        for bad in [
            b"{\"id\":1,\"method\":\"mining.subscribe\"}\n".to_vec(),
            b"PROXY TCP4 203.0.113.9\r\n".to_vec(),
            b"PROXY TCP4 nobody 192.0.2.1 1 2\r\n".to_vec(),
            [b"PROXY ".as_slice(), &[b'x'; 200]].concat(),
            v2(1, 0x11, &[0; 4]),
            v2(7, 0x11, &V4),
            [&v2(1, 0x11, &[])[..14], &[0xff, 0xff], &[0u8; 64]].concat(),
            b"PROXY".to_vec(),
            vec![],
        ] {
            let (found, _) = exchange(vec![bad.clone()]).await;
            assert!(found.is_err(), "{bad:?}");
        }
    }

    proptest::proptest! {
        #[test]
        fn any_bytes_in_any_pieces_give_the_same(
            head in proptest::sample::select(vec![&b"PROXY TCP4 "[..], b"PROXY ", v2::PROTOCOL_PREFIX, b""]),
            tail in proptest::collection::vec(proptest::num::u8::ANY, 0..200),
            piece in 1_usize..120,
        ) {
            let bytes = [head, &tail].concat();
            proptest::prop_assert_eq!(fuzz(&bytes, piece), fuzz(&bytes, usize::MAX));
        }
    }
}
