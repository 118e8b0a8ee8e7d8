//! Which circuit of Tor a connection came by. All connections of an onion service come
//! from the tor process on this machine; with `HiddenServiceExportCircuitID haproxy` it
//! begins each with a line of the PROXY protocol whose address is
//! `fc00:dead:beef:4dad::/64` and the circuit's number (torrc(5)).

use std::io;
use std::net::IpAddr;
use std::time::Duration;

use tokio::net::TcpStream;
use tokio::time::{Instant, timeout_at};

use super::household::Household;

/// The upper half of the addresses that stand for circuits.
const CIRCUITS: u64 = 0xfc00_dead_beef_4dad;

/// How a line of version 1 of the PROXY protocol begins. No method of HTTP does.
const BEGIN: &[u8] = b"PROXY ";

/// How long is waited for the rest of that, when a part of it came.
const PAUSE: Duration = Duration::from_millis(10);

/// How long is waited for the line. The tor process writes it at once.
const LINE_TIMEOUT: Duration = Duration::from_secs(2);

/// The circuit of a connection of the tor process; the line that tells it is taken. 0
/// when no line comes before the request: the tor process was not told to write one.
///
/// # Errors
/// The connection ended, or its line is none of the tor process's.
pub(super) async fn read(stream: &mut TcpStream) -> io::Result<Household> {
    let deadline = Instant::now() + LINE_TIMEOUT;
    match timeout_at(deadline, begins(stream)).await {
        // Nothing came, or something else.
        Err(_) | Ok(Ok(false)) => return Ok(Household::Circuit(0)),
        Ok(Ok(true)) => {}
        Ok(Err(error)) => return Err(error),
    }
    let address = timeout_at(deadline, proxy::peer_behind(stream)).await?;
    let circuit = address.map_err(io::Error::other)?.and_then(circuit);
    circuit.ok_or_else(|| io::Error::other("no address of a circuit"))
}

/// Whether it begins as the line does. Nothing is taken.
async fn begins(stream: &TcpStream) -> io::Result<bool> {
    let mut begin = [0; BEGIN.len()];
    loop {
        let seen = stream.peek(&mut begin).await?;
        if seen == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        match (BEGIN.starts_with(&begin[..seen]), seen == BEGIN.len()) {
            (false, _) => return Ok(false),
            (true, true) => return Ok(true),
            (true, false) => tokio::time::sleep(PAUSE).await,
        }
    }
}

fn circuit(address: IpAddr) -> Option<Household> {
    let IpAddr::V6(v6) = address else {
        return None;
    };
    let lower = v6.to_bits() & u128::from(u64::MAX);
    let is_circuit = v6.to_bits() >> 64 == u128::from(CIRCUITS);
    let number = u64::try_from(lower).ok().filter(|_| is_circuit)?;
    Some(Household::Circuit(number))
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    use tokio::net::TcpListener;

    use super::*;

    /// What is read of `sent`, and what is left of it.
    async fn case(sent: &str, expected: Option<Household>, left: &str) {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a socket");
        let address = listener.local_addr().expect("an address");
        let mut tor = TcpStream::connect(address).await.expect("connects");
        let (mut stream, _) = listener.accept().await.expect("accepts");
        tor.write_all(sent.as_bytes()).await.expect("written");
        tor.shutdown().await.expect("ended");
        let found = read(&mut stream).await.ok();
        assert_eq!(found, expected, "{sent:?}");
        if found.is_some() {
            let mut rest = String::new();
            stream.read_to_string(&mut rest).await.expect("read");
            assert_eq!(rest, left, "{sent:?}");
        }
    }

    #[tokio::test]
    async fn the_tor_process_names_the_circuit() {
        let get = "GET / HTTP/1.1\r\n\r\n";
        let named = format!("PROXY TCP6 fc00:dead:beef:4dad::ab:12 ::1 65535 80\r\n{get}");
        case(&named, Some(Household::Circuit(0x00ab_0012)), get).await;
        case(get, Some(Household::Circuit(0)), get).await;
        case("POST /", Some(Household::Circuit(0)), "POST /").await;
        // Nobody else's address stands for a circuit.
        case("PROXY TCP6 2001:db8::1 ::1 1 80\r\n", None, "").await;
        case("PROXY TCP4 192.0.2.1 127.0.0.1 1 80\r\n", None, "").await;
        case("PROXY UNKNOWN\r\n", None, "").await;
        case("PROXY nonsense\r\n", None, "").await;
        case("", None, "").await;
    }
}
