use std::path::Path;

use tempfile::TempDir;
use tokio::runtime::Handle;

use super::super::build::builder;
use super::*;
use crate::marks::NoKeeper;

fn nobody() -> Arc<dyn MarkKeeper> {
    Arc::new(NoKeeper)
}

/// A node's directory and words. The node is built, and never started: nothing is asked of
/// any chain.
struct Machine(TempDir);

/// What a start gives out.
struct Start {
    /// Its next addresses, by their index.
    next: Vec<u32>,
    /// The counter beside the store afterwards.
    kept: u32,
}

impl Machine {
    fn new() -> Machine {
        Machine(tempfile::tempdir().unwrap())
    }

    fn settings(&self) -> Settings {
        let settings = Settings::parse("network = \"regtest\"").unwrap();
        settings.under(self.0.path())
    }

    /// Starts the wallet and asks it for `count` addresses.
    async fn start(&self, count: u32) -> Start {
        let (settings, runtime) = (self.settings(), Handle::current());
        let started = tokio::task::spawn_blocking(move || {
            let seed = Seed::open(&settings.mnemonic_file, &settings.storage_dir).unwrap();
            let chain: ChainSource = "http://127.0.0.1:1/api".parse().unwrap();
            let wallet = WalletStart::open(&settings, &chain, &seed, &nobody()).unwrap();
            let shared: Arc<ldk_node::DynStore> = Arc::clone(&wallet.store) as _;
            let builder =
                builder(&settings, (&chain, &Default::default()), &seed, runtime).unwrap();
            let node = builder.build_with_store(shared).unwrap();
            let store = wallet.lead_on(&node, 700_000).unwrap();
            let keys = WalletKeys::new(&seed, settings.network).unwrap();
            // It asks for its addresses.
            assert_eq!(store.given().known().first_block, Some(0));
            let mut next = Vec::new();
            for _ in 0..count {
                let address = node.onchain_payment().new_address().unwrap();
                assert!(!store.is_payout_address(&address));
                let index = (0..1_000)
                    .find(|index| keys.key(Keychain::External, *index).unwrap().address == address);
                next.push(index.unwrap());
                // Kept before it was given.
                assert_eq!(store.given().known().external, index.unwrap());
                assert_eq!(store.last_address().unwrap(), index);
            }
            let kept = store.given().known().external;
            Start { next, kept }
        });
        started.await.unwrap()
    }

    fn dir(&self) -> std::path::PathBuf {
        self.settings().storage_dir
    }

    fn lose(&self, path: &Path) {
        std::fs::remove_dir_all(path).unwrap();
    }

    fn beside_words(&self) -> std::path::PathBuf {
        let mut name = self.settings().mnemonic_file.into_os_string();
        name.push(".wallet.json");
        name.into()
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_new_wallet_gives_its_second_address_first() {
    let machine = Machine::new();
    assert_eq!(machine.start(2).await.next, [1, 2]);
    let again = machine.start(1).await;
    assert_eq!((again.next, again.kept), (vec![3], 3));
}

/// The disk with the store is gone, in turn with each of what else tells of the addresses.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_restored_wallet_never_gives_what_was_given_before() {
    let machine = Machine::new();
    machine.start(3).await;
    // The words, and the counter beside them.
    machine.lose(&machine.dir());
    assert_eq!(machine.start(1).await.next, [3 + PASSED_OVER + 1]);
    // The words, and the counter of a backup; and the mark that backups of earlier
    // versions brought back, which had the payout address given out as the first.
    let counter = std::fs::read(machine.dir().join("wallet.json")).unwrap();
    machine.lose(&machine.dir());
    std::fs::remove_file(machine.beside_words()).unwrap();
    std::fs::create_dir(machine.dir()).unwrap();
    std::fs::write(machine.dir().join("wallet.json"), counter).unwrap();
    std::fs::write(machine.dir().join("payout-address"), "bcrt1q").unwrap();
    let third = 3 + 2 * PASSED_OVER + 2;
    assert_eq!(machine.start(1).await.next, [third]);
    // The words alone.
    machine.lose(&machine.dir());
    std::fs::remove_file(machine.beside_words()).unwrap();
    assert_eq!(machine.start(1).await.next, [PASSED_OVER + 1]);
}

/// A copy of the store that is older than the counter.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_older_store_is_led_on() {
    let machine = Machine::new();
    machine.start(1).await;
    let store = machine.dir().join("ldk_node_data.sqlite");
    let older = std::fs::read(&store).unwrap();
    machine.start(3).await;
    std::fs::write(&store, older).unwrap();
    assert_eq!(machine.start(1).await.next, [5]);
}
