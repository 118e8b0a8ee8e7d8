//! Bytes at the onion service's listener, where a line of the PROXY protocol names the
//! circuit and an HTTP request follows. Whatever comes, the process goes on, and the
//! visitor is a circuit or nobody: no header of the request names one.
#![no_main]

use std::io::{Read as _, Write as _};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use axum::body::Body;
use axum::http::Request;
use axum::response::{IntoResponse as _, Response};
use libfuzzer_sys::fuzz_target;
use listener::{Bounds, Counts, Door, Naming, Service, Shared, Visitor};
use tokio_util::sync::CancellationToken;

/// Answers with the visitor.
struct Echo;

impl Service for Echo {
    type Asked = ();

    fn asked(&self, _: &axum::http::request::Parts) {}

    async fn answer(&self, _: Request<Body>, visitor: &Visitor) -> Response {
        format!("visitor {:?}", visitor.household()).into_response()
    }
}

/// The listener, once for all inputs.
fn address() -> SocketAddr {
    static ADDRESS: OnceLock<SocketAddr> = OnceLock::new();
    *ADDRESS.get_or_init(|| {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .enable_all()
            .build()
            .expect("a runtime");
        let listener = runtime
            .block_on(tokio::net::TcpListener::bind("127.0.0.1:0"))
            .expect("binds");
        let address = listener.local_addr().expect("bound");
        let counts = Counts::register(&prometheus::Registry::new()).expect("metrics");
        let bounds = Bounds {
            connections: 64,
            per_household: 64,
            request_time: Duration::from_secs(1),
        };
        let door = Door::new("onion", &Shared::new(counts, 64, 0), bounds, Naming::Onion, None);
        runtime.spawn(door.serve(listener, Arc::new(Echo), CancellationToken::new()));
        std::mem::forget(runtime);
        address
    })
}

fuzz_target!(|input: &[u8]| {
    let mut stream = TcpStream::connect(address()).expect("the listener is there");
    // So many connections a second would use up the ports otherwise.
    let linger = socket2::SockRef::from(&stream).set_linger(Some(Duration::ZERO));
    linger.expect("set");
    // It may be closed before everything is written.
    let _ = stream.write_all(input);
    let _ = stream.shutdown(Shutdown::Write);
    let mut answer = Vec::new();
    let _ = stream.read_to_end(&mut answer);
    let answer = String::from_utf8_lossy(&answer);
    for named in answer.split("visitor ").skip(1) {
        assert!(named.starts_with("Circuit("), "{named}");
    }
});
