//! A mint over a copy of its store, after a restore: what is refused until the operator
//! has accepted, and what is honoured then.

use std::net::SocketAddr;
use std::path::Path;
use std::sync::{Arc, Mutex};

use accounting::{Incarnation, Lineage, Sat};
use axum::Router;
use cdk::amount::SplitTarget;
use cdk::wallet::{ReceiveOptions, SendOptions, Wallet, WalletBuilder};
use cdk_common::{Amount, CurrencyUnit};
use prometheus::Registry;
use serde_json::json;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Notify;

use super::support::{FakeLedger, Owner, Pool, config, row_sums, work};
use crate::quote::method;
use crate::{Mint, QuoteKey, Since, copy_store};

/// One address, whichever mint is behind it.
pub(crate) struct Door {
    pub(crate) url: String,
    to: Arc<Mutex<SocketAddr>>,
    cut: Arc<Notify>,
}

impl Door {
    pub(super) async fn open(to: SocketAddr) -> Door {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let url = format!("http://{}", listener.local_addr().expect("bound"));
        let to = Arc::new(Mutex::new(to));
        let inside = Arc::clone(&to);
        let cut = Arc::<Notify>::default();
        let end = Arc::clone(&cut);
        tokio::spawn(async move {
            while let Ok((mut outside, _)) = listener.accept().await {
                let to = *inside.lock().expect("no panics");
                let end = Arc::clone(&end);
                tokio::spawn(async move {
                    let end = end.notified();
                    if let Ok(mut inside) = TcpStream::connect(to).await {
                        tokio::select! {
                            _ = tokio::io::copy_bidirectional(&mut outside, &mut inside) => {}
                            // Both sides notice at once.
                            () = end => outside.set_zero_linger().expect("connected"),
                        }
                    }
                });
            }
        });
        Door { url, to, cut }
    }

    /// One that leads nowhere yet.
    pub(crate) async fn closed() -> Door {
        Door::open(SocketAddr::from(([127, 0, 0, 1], 1))).await
    }

    pub(super) async fn leads_to(&self, mint: &Mint) {
        self.leads_to_routes(mint.router().await.expect("routes"))
            .await;
    }

    pub(crate) async fn leads_to_routes(&self, router: Router) {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        *self.to.lock().expect("no panics") = listener.local_addr().expect("bound");
        tokio::spawn(async move { axum::serve(listener, router).await });
    }

    /// Ends the connections that there are.
    pub(super) fn cut(&self) {
        self.cut.notify_waiters();
    }

    /// A new wallet: none remembers an earlier keyset.
    pub(crate) async fn wallet(&self) -> Wallet {
        let store = cdk_sqlite::wallet::memory::empty().await.expect("a store");
        let seed = rand::random::<[[u8; 32]; 2]>().concat();
        WalletBuilder::new()
            .mint_url(self.url.parse().expect("a url"))
            .unit(CurrencyUnit::Sat)
            .localstore(Arc::new(store))
            .seed(seed.try_into().expect("64 bytes"))
            .without_rate_limiting()
            .build()
            .expect("a wallet")
    }

    pub(super) async fn receive(&self, token: &str) -> Result<u64, cdk::Error> {
        let wallet = self.wallet().await;
        let received = wallet.receive(token, ReceiveOptions::default()).await;
        received.map(u64::from)
    }
}

/// Mints what the quote has.
pub(super) async fn mint(wallet: &Wallet, owner: &Owner, id: &str) -> Result<(), cdk::Error> {
    let mut quote = wallet.fetch_mint_quote(id, Some(method())).await?;
    quote.secret_key = Some(owner.secret.clone());
    wallet.localstore.add_mint_quote(quote).await?;
    wallet.mint(id, SplitTarget::default(), None).await?;
    Ok(())
}

pub(super) async fn send(wallet: &Wallet, sat: u64) -> String {
    let sending = wallet
        .prepare_send(Amount::from(sat), SendOptions::default())
        .await
        .expect("sends");
    sending.confirm(None).await.expect("a token").to_string()
}

/// The lineage after a restore: epochs from 3 on have new names.
pub(super) fn lineage(byte: u8) -> Lineage {
    let line = |from: u64, byte: u8| {
        let incarnation = Incarnation::from_bytes([byte; 16]);
        json!({ "from": from, "incarnation": incarnation })
    };
    serde_json::from_value(json!([line(0, 5), line(3, byte)])).expect("a lineage")
}

/// The mint of a backup, restored into `dir`.
pub(super) async fn open(backup: &Path, dir: &Path, url: &str, byte: u8) -> Mint {
    for name in ["mint.sqlite", "mint.mnemonic"] {
        if !dir.join(name).exists() {
            std::fs::copy(backup.join(name), dir.join(name)).expect("copies");
        }
    }
    let mut config = config(dir, url.to_owned());
    config.lineage = lineage(byte);
    let mint = Mint::open(config, None, &Registry::new()).await;
    mint.expect("opens")
}

fn said(result: Result<u64, cdk::Error>) -> String {
    result.expect_err("refused").to_string()
}

async fn active_keyset(mint: &Mint) -> String {
    let keys = mint.cdk().get_active_keysets();
    keys[&CurrencyUnit::Sat].to_string()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_happened_after_a_backup_happens_no_second_time_beyond_the_bound() {
    let nobody = SocketAddr::from(([127, 0, 0, 1], 1));
    let door = Door::open(nobody).await;
    let url = door.url.clone();
    let pool = Pool::set(|config| config.public_url = url).await;
    door.leads_to(&pool.mint).await;
    let owner = Owner::new();
    pool.paid(&owner, &[(1, 100), (2, 50), (3, 0)]).await;
    let id = |epoch| {
        pool.mint
            .ids()
            .id(&QuoteKey::of_epoch(owner.miner, epoch))
            .to_string()
    };
    let [one, two, three] = [1, 2, 3].map(|epoch| id(accounting::EpochId::new(epoch)));
    let purse = door.wallet().await;
    mint(&purse, &owner, &one).await.expect("mints");

    // The backup: 100 sat out, 50 sat not issued.
    let backup = tempfile::tempdir().expect("a directory");
    assert!(copy_store(pool.dir.path(), &backup.path().join("mint.sqlite")).expect("copies"));
    let words = "mint.mnemonic";
    std::fs::copy(pool.dir.path().join(words), backup.path().join(words)).expect("copies");
    let books = Arc::new(pool.ledger.forgetful());

    // What the backup does not know.
    mint(&purse, &owner, &two).await.expect("issued after it");
    let spent = send(&purse, 60).await;
    let friend = door.wallet().await;
    let options = ReceiveOptions::default();
    friend
        .receive(&spent, options)
        .await
        .expect("spent after it");
    let earned = send(&friend, 60).await;
    let kept = send(&purse, 40).await;

    let dir = tempfile::tempdir().expect("a directory");
    let again = open(backup.path(), dir.path(), &door.url, 9).await;
    door.leads_to(&again).await;
    work(&again, Arc::clone(&books) as _).await;
    refuses_all(&door, &again, &owner, &[&spent, &earned], &two).await;
    let claims = again.old_claims().await.expect("reads").expect("restored");
    assert_eq!(
        (claims.bound_sat, claims.claimed_sat),
        (Sat::new(150), Sat::ZERO)
    );
    assert_eq!(row_sums(&again).await, (150, 100), "nothing is paid again");

    let claims = again
        .open_old_claims(Since::default())
        .await
        .expect("opens");
    assert!(claims.is_some_and(|claims| claims.opened_ms.is_some()));
    // Whoever comes first, up to the bound: 60 spent before, 50 issued before.
    assert_eq!(door.receive(&spent).await.expect("honoured"), 60);
    mint(&door.wallet().await, &owner, &two)
        .await
        .expect("issued");
    let beyond = said(door.receive(&earned).await);
    assert!(
        beyond.contains("150 sat are there in all: 110 sat"),
        "{beyond}"
    );
    assert_eq!(door.receive(&kept).await.expect("honoured"), 40);
    door.receive(&kept).await.expect_err("taken already");
    let owed = again.liabilities().await.expect("reads");
    assert_eq!(
        (owed.outstanding_sat, owed.paid_unissued_sat),
        (Sat::new(150), Sat::ZERO)
    );

    new_money_is_not_counted(&door, &again, &owner, &books, &three).await;
    another_restore_has_other_keys(&backup, &door, &again).await;
    again.close().await.expect("closes");
    let reopened = open(backup.path(), dir.path(), &door.url, 9).await;
    let claims = reopened
        .old_claims()
        .await
        .expect("reads")
        .expect("restored");
    assert_eq!(claims.claimed_sat, Sat::new(150));
    assert!(reopened.closed_by_restore().is_none(), "it stays open");
}

/// Nothing is issued, swapped or melted before the operator's word, over HTTP or not.
async fn refuses_all(door: &Door, mint_: &Mint, owner: &Owner, tokens: &[&str], quote: &str) {
    // A code that wallets know lets them keep what they sent; the words are in the body.
    for token in tokens {
        let refusal = said(door.receive(token).await);
        assert_eq!(refusal, "Minting is disabled");
    }
    let wallet = door.wallet().await;
    let refusal = mint(&wallet, owner, quote).await.expect_err("refused");
    assert_eq!(refusal.to_string(), "Minting is disabled");
    let claimed = mint_
        .claim(&owner.miner, None, None, basics::clock::now_ms())
        .await;
    claimed.expect_err("the store itself refuses");
    let info = mint_.cdk().mint_info().await.expect("reads");
    assert!(info.nuts.nut04.disabled && info.nuts.nut05.disabled);
    let told = info.motd.expect("a message");
    assert!(told.contains("restored from a backup"), "{told}");
}

/// A payment after the restore goes to a quote with a new name, and is minted whatever
/// was claimed for old ones.
async fn new_money_is_not_counted(
    door: &Door,
    mint_: &Mint,
    owner: &Owner,
    books: &Arc<FakeLedger>,
    old_name: &str,
) {
    books.pay(owner.quote(3), "after-the-restore", 30);
    work(mint_, Arc::clone(books) as _).await;
    let name = mint_.ids().id(&owner.quote(3)).to_string();
    assert_ne!(name, old_name);
    let found = mint_.quotes(&owner.miner).await.expect("reads");
    let found: Vec<String> = found
        .iter()
        .map(|view| view.quote.quote.to_string())
        .collect();
    assert!(
        found.contains(&name) && !found.contains(&old_name.to_owned()),
        "{found:?}"
    );
    let wallet = door.wallet().await;
    mint(&wallet, owner, &name).await.expect("mints");
    let token = send(&wallet, 30).await;
    assert_eq!(door.receive(&token).await.expect("new ecash"), 30);
    let claims = mint_.old_claims().await.expect("reads").expect("restored");
    assert_eq!(claims.claimed_sat, Sat::new(150));
}

/// cdk numbers its keysets: the second restore must not come to the keys of the first.
async fn another_restore_has_other_keys(backup: &tempfile::TempDir, door: &Door, first: &Mint) {
    let dir = tempfile::tempdir().expect("a directory");
    let second = open(backup.path(), dir.path(), &door.url, 10).await;
    assert_ne!(active_keyset(&second).await, active_keyset(first).await);
    second.close().await.expect("closes");
}
