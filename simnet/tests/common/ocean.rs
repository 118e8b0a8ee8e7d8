//! An OCEAN with three devices at it: two of Alice's and one of Bob's.
#![allow(dead_code, reason = "each test binary uses its part")]

use std::time::Duration;

use serde_json::Value;
use simnet::bitaxe::{PoolAddress, SimBitaxe, SimBitaxeOptions, Timing};
use simnet::ocean::{Ocean, OceanBlock, OceanOptions};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

use super::common::EASY;

pub(crate) const PATIENCE: Duration = Duration::from_secs(60);

/// The address of the key 1, and one of nobody's.
pub(crate) const ALICE: &str = "bcrt1qw508d6qejxtdg4y5r3zarvary0c5xw7kygt080";
pub(crate) const BOB: &str = "bcrt1qrp33g0q5c5txsp9arysrx4k6zdkfs4nce4xj0gdcccefvpysxf3qzf4jry";

pub(crate) struct World {
    pub(crate) ocean: Ocean,
    pub(crate) devices: Vec<SimBitaxe>,
}

impl World {
    /// The devices wait until they are told to mine.
    pub(crate) async fn new(change: impl FnOnce(&mut OceanOptions)) -> World {
        let mut options = OceanOptions::default().with_difficulty(EASY, 250_000.0);
        change(&mut options);
        let ocean = Ocean::start(options).await.unwrap();
        let names = [
            format!("{ALICE}.one"),
            format!("{ALICE}.two"),
            format!("{BOB}.one"),
        ];
        let device = |(seed, name): (u64, String)| {
            let at = PoolAddress::new(ocean.stratum().to_string(), name);
            let mut options = SimBitaxeOptions::new(at, 200_000.0);
            options.timing = Timing::fast();
            options.stop_after_shares = Some(0);
            options.seed = seed;
            SimBitaxe::start(options)
        };
        let devices = (0..).zip(names).map(device).collect();
        World { ocean, devices }
    }

    /// Each device mines so many shares.
    pub(crate) async fn mine_quotas(&self, quotas: &[u64]) {
        for (device, quota) in self.devices.iter().zip(quotas) {
            device.allow_shares(*quota);
        }
        for device in &self.devices {
            device.wait_until_done(PATIENCE).await.unwrap();
        }
    }

    /// One device finds a block, with exactly one share.
    pub(crate) async fn find_block(&self, device: usize) -> OceanBlock {
        let before = self.devices[device].stats().accepted;
        self.devices[device].allow_block();
        let block = self.ocean.find_block(PATIENCE).await.unwrap();
        let stats = self.devices[device]
            .wait_until_done(PATIENCE)
            .await
            .unwrap();
        assert_eq!(stats.accepted, before + 1);
        block
    }

    /// What a transaction of the chain pays to an address, in satoshis.
    pub(crate) fn paid_by(&self, txid: bitcoin::Txid, address: &str) -> u64 {
        let script = address
            .parse::<bitcoin::Address<bitcoin::address::NetworkUnchecked>>()
            .unwrap()
            .assume_checked()
            .script_pubkey();
        let chain = self.ocean.chain().lock();
        let blocks = (0..=chain.height()).filter_map(|height| chain.block(height));
        blocks
            .flat_map(|block| &block.txdata)
            .filter(|transaction| transaction.compute_txid() == txid)
            .flat_map(|transaction| &transaction.output)
            .filter(|output| output.script_pubkey == script)
            .map(|output| output.value.to_sat())
            .sum()
    }

    /// Asks the API, and reads the answer.
    pub(crate) async fn api(&self, path: &str) -> Value {
        let (_, body) = self.get(path).await;
        serde_json::from_str(&body).unwrap()
    }

    /// Status and body.
    pub(crate) async fn get(&self, path: &str) -> (u16, String) {
        let url = format!("{}{path}", self.ocean.api_url());
        let rest = url.strip_prefix("http://").unwrap();
        let (host, path) = rest.split_at(rest.find('/').unwrap());
        let mut stream = tokio::net::TcpStream::connect(host).await.unwrap();
        let request = format!("GET {path} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n");
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await.unwrap();
        let (head, body) = answer.split_once("\r\n\r\n").unwrap();
        let status = head.split(' ').nth(1).unwrap().parse().unwrap();
        (status, body.to_owned())
    }
}
