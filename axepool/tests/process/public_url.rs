//! `http.public_url` and what it leads to, through a reverse proxy that strips a path.

use std::net::SocketAddr;

use pool::admin::MintState;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, copy_bidirectional};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;

use crate::common::stdout;
use crate::money::operator;
use crate::world::{agrees, bitaxe, earns, key, metric, ocean, pool};

/// The server behind the URL.
#[derive(Clone, Copy)]
enum Behind {
    /// A host that takes connections and says nothing.
    Silence,
    /// The mint of another pool.
    AnotherMint,
    Pool(SocketAddr),
}

/// A reverse proxy that takes `/mint` away.
async fn proxy(listener: TcpListener, behind: watch::Receiver<Behind>) {
    loop {
        let (stream, _) = listener.accept().await.expect("a client");
        tokio::spawn(serve(stream, behind.clone()));
    }
}

async fn serve(mut stream: TcpStream, mut behind: watch::Receiver<Behind>) {
    let mut head = vec![0; 4096];
    let read = stream.read(&mut head).await.expect("reads");
    let head = String::from_utf8_lossy(&head[..read]).into_owned();
    let now = *behind.borrow_and_update();
    match now {
        Behind::Silence => {
            // The connection ends with the silence.
            let _ = behind.changed().await;
        }
        Behind::AnotherMint => {
            let body = r#"{"name":"Another","pubkey":"02bb"}"#;
            let answer = format!(
                "HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: {}\r\n\r\n{body}",
                body.len()
            );
            stream.write_all(answer.as_bytes()).await.expect("answers");
        }
        Behind::Pool(pool) => {
            let mut to = TcpStream::connect(pool).await.expect("the pool");
            let head = head.replacen("GET /mint/v1/", "GET /v1/", 1);
            to.write_all(head.as_bytes()).await.expect("asks");
            // Whoever has enough hangs up.
            let _ = copy_bidirectional(&mut stream, &mut to).await;
        }
    }
}

#[tokio::test]
async fn a_url_that_does_not_lead_here_is_told_until_it_does() {
    const STATE: &str = "axepool_public_url_state";
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("binds");
    let url = format!("http://{}/mint", listener.local_addr().expect("bound"));
    let (set, behind) = watch::channel(Behind::Silence);
    tokio::spawn(proxy(listener, behind));

    let ocean = ocean(|_| {}).await;
    let pool = pool(&ocean, |setup| {
        setup.http_lines += &format!("public_url = \"{url}\"\n");
    })
    .await;
    // While the first check hangs, the pool mines and its mint is open.
    let key = key(1);
    let honest = bitaxe(pool.stratum().await, &key, |_| {});
    earns(&honest, 3).await;
    let status = pool
        .poll("the mint", async |pool| {
            let status = pool.status().await;
            (status.mint.state == MintState::Open).then_some(status)
        })
        .await;
    assert_eq!(status.beside, Vec::<String>::new());
    assert_eq!(metric(&pool, STATE, "\"unchecked\"").await, 1.0);

    set.send(Behind::AnotherMint).expect("the proxy runs");
    let wrong = "does not lead to this pool, and every token names it: another mint answers \
                 there, with the key 02bb.";
    let status = pool
        .poll("the warning", async |pool| {
            let status = pool.status().await;
            let told = status.beside.join("\n");
            told.contains(wrong).then_some(status)
        })
        .await;
    assert_eq!(status.not_ready, Vec::<String>::new());
    assert_eq!(metric(&pool, STATE, "\"elsewhere\"").await, 1.0);
    assert!(stdout(&pool.command(&["status"])).contains(wrong));
    let page = operator::page(&pool).await;
    assert!(page.contains(wrong), "{page}");
    assert!(pool.log().contains(wrong));

    set.send(Behind::Pool(status.http[0]))
        .expect("the proxy runs");
    pool.poll("the end of the warning", async |pool| {
        pool.status().await.beside.is_empty().then_some(())
    })
    .await;
    assert_eq!(metric(&pool, STATE, "\"here\"").await, 1.0);
    assert_eq!(metric(&pool, STATE, "").await, 1.0);
    agrees(&pool, &honest, &key).await;
}
