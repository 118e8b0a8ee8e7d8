//! What a new operator does.

use std::collections::BTreeSet;
use std::os::unix::net::UnixDatagram;
use std::time::Duration;

use crate::common::{ADDRESS, PATIENCE, stdout};
use crate::grafana::dashboards;
use crate::grafana::server::{CLOCK, Server};
use crate::ocean::{Ocean, offer};
use crate::package::installed::{Installed, done};
use crate::payout::prepare::{PAYOUT_MSAT, Purse, closed_by, paid_sat};
use crate::world::{self, bitaxe, earns, get, key};

/// The next word to the service manager.
#[track_caller]
fn hears(ear: &UnixDatagram) -> String {
    let mut buffer = [0; 256];
    let length = ear.recv(&mut buffer).expect("a word in time");
    String::from_utf8_lossy(&buffer[..length]).into_owned()
}

/// A command of the pool's that the guide has no line for.
fn at_config(command: &str) -> String {
    format!("axepool {command} --config /etc/axepool/axepool.toml")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_new_operator_gets_from_the_package_to_a_pool_that_earns_and_dashboards_that_show_it() {
    let ocean = Ocean::start().await;
    let upstream = world::ocean(|ocean| ocean.job_interval = Some(Duration::from_secs(1))).await;
    let mut installed = Installed::new();

    let url = format!("stratum+tcp://{}", upstream.address());
    let chain = ocean.chain_url();
    let mut init = installed.guide("axepool init");
    init.args(["--yes", "--network", "regtest", "--lightning", "true"]);
    init.args(["--upstream", &url, "--address", ADDRESS, "--chain", &chain]);
    done(&mut init);
    // What the guide has the operator write: who OCEAN's node is, where ours listens.
    let node = installed.path().join("ldk-node-config/regtest.toml");
    assert!(node.exists(), "init makes the node's file");
    std::fs::write(&node, ocean.node_settings()).expect("the node's file");
    for (name, value) in [
        ("AXEPOOL__OCEAN__ASK_EVERY_SECS", "1"),
        ("AXEPOOL__OCEAN__BLOCKS", "[\"chain\"]"),
        ("AXEPOOL__MINT__QUOTE_MIN_WORK", "0"),
    ] {
        installed.set(name, value);
    }
    let checked = done(&mut installed.guide("axepool check-config"));
    assert!(stdout(&checked).contains(ADDRESS), "{}", stdout(&checked));

    let ear_path = installed.path().join("notify");
    let ear = UnixDatagram::bind(&ear_path).expect("a socket");
    ear.set_read_timeout(Some(PATIENCE)).expect("a timeout");
    let service = installed.service().env("NOTIFY_SOCKET", &ear_path).spawn();
    let mut pool = installed.runs(service.expect("the service starts"));
    assert_eq!(hears(&ear), "READY=1");
    done(&mut installed.guide("axepool backup"));
    let status = done(&mut installed.guide("axepool status"));
    let stratum = stdout(&status)
        .lines()
        .find_map(|line| line.strip_prefix("stratum")?.trim().parse().ok())
        .expect("where devices connect");

    // Watched from the beginning, with what the package ships for it.
    let shipped = installed.root("usr/share/axepool");
    let metrics = pool.metrics().await;
    let server = Server::start(&shipped, &[metrics], Duration::from_secs(20)).await;
    server.has_series("up == 1", 1).await;
    let owners = [key(1), key(2)];
    let devices = owners
        .each_ref()
        .map(|owner| bitaxe(stratum, owner, |_| {}));
    for device in &devices {
        earns(device, 3).await;
    }

    // A channel, the offer, a block of OCEAN's, and its payout.
    ocean.open_channel(&pool).await;
    let offer_told = stdout(&done(&mut installed.guide("axepool offer")));
    let offer = offer(&pool).await;
    assert!(offer_told.contains(&offer), "{offer_told}");
    let (_, height) = ocean.find_block();
    ocean.mine(2);
    closed_by(&pool, height).await;
    ocean.pay(&offer, PAYOUT_MSAT, height).await;
    paid_sat(&pool).await;
    let told = stdout(&done(&mut installed.command(&at_config("payouts"))));
    assert!(told.contains(&height.to_string()), "{told}");

    // An owner fetches theirs, and pays with it.
    let purses = tempfile::tempdir().expect("a directory");
    let purse = Purse::swept(&pool, &owners[0], purses.path()).await;
    let invoice = ocean.node.invoice(10_000_000).await.expect("an invoice");
    purse.pays(&[&invoice]);

    let http = pool.status().await.http[0];
    let visitor = async || {
        for path in ["/", "/api/epochs", "/v1/info", "/v1/keys", "/nowhere"] {
            get(http, path).await;
        }
    };
    let queries = dashboards::queries(&shipped);
    assert!(queries.len() > 100);
    server.answers_all(queries, visitor).await;
    let firing = server.firing_when(|firing| firing.contains(CLOCK)).await;
    assert_eq!(firing.without(&[CLOCK]), BTreeSet::new());

    done(&mut installed.command(&at_config("health --ready")));
    let miners = done(&mut installed.command(&at_config("miners")));
    let miners = stdout(&miners);
    for owner in &owners {
        assert!(miners.contains(&owner.npub[..12]), "{miners}");
    }
    for device in devices {
        device.stop().await;
    }
    let ended = pool.stop().await;
    assert!(ended.success(), "{ended}; {}", pool.log());
    assert_eq!(hears(&ear), "STOPPING=1");
    ocean.end().await;
}
