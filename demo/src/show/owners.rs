//! The owners' side: wallets of their own, which know nothing but the pool's address and
//! their key.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use serde::Deserialize;
use wallet::{Destination, Home, MintUrl, OwnerKey, Paid, Purse};

use super::world::Device;

/// The wallets that were opened, and what they have.
pub(super) struct Owners {
    mint: MintUrl,
    url: String,
    dir: PathBuf,
    wallets: Vec<Wallet>,
}

struct Wallet {
    // The purse first: the home holds the directory's lock.
    purse: Purse,
    _home: Home,
    fetched_sat: u64,
    spent_sat: u64,
}

/// The part of a claim's answer that a scanned code has.
#[derive(Deserialize)]
struct Claimed {
    token: Option<String>,
    status: String,
}

impl Owners {
    /// Owners who know the pool at `http`.
    pub(super) fn new(http: SocketAddr, scratch: &Path) -> Result<Owners> {
        let url = format!("http://{http}");
        Ok(Owners {
            mint: url.parse().context("the mint's address")?,
            url,
            dir: scratch.to_owned(),
            wallets: Vec::new(),
        })
    }

    async fn open(&mut self, device: &Device) -> Result<(&mut Wallet, OwnerKey)> {
        let home = Home::open(&self.dir.join(format!("wallet of {}", device.worker))).await?;
        let purse = home.purse(&self.mint)?;
        let secret: String = device
            .key
            .secret
            .iter()
            .map(|byte| format!("{byte:02x}"))
            .collect();
        let key = secret.parse().context("a simulated key")?;
        self.wallets.push(Wallet {
            purse,
            _home: home,
            fetched_sat: 0,
            spent_sat: 0,
        });
        let wallet = self.wallets.last_mut().context("just pushed")?;
        Ok((wallet, key))
    }

    /// `axepool sweep`: all paid quotes of the device's key, minted in batches.
    pub(super) async fn sweep(&mut self, device: &Device) -> Result<u64> {
        let (wallet, key) = self.open(device).await?;
        let swept = wallet.purse.sweep(&key, &mut |_| {}).await?;
        if let Some(left) = swept.left.first() {
            bail!("{} was not swept: {}", left.what, left.why);
        }
        wallet.fetched_sat = swept.received_sat;
        Ok(swept.received_sat)
    }

    /// What the code on the miner's page gives, taken into a wallet; `None` where nothing
    /// was earned.
    pub(super) async fn receive(&mut self, device: &Device) -> Result<Option<u64>> {
        let asked = format!("{}/api/miners/{}/token", self.url, device.npub);
        let answer = reqwest::Client::new().post(asked).send().await?;
        let claimed: Claimed = answer.json().await?;
        let token = match (claimed.token, claimed.status.as_str()) {
            (Some(token), _) => token,
            (None, "nothing") => return Ok(None),
            (None, status) => bail!("there is no token: {status}"),
        };
        let (wallet, key) = self.open(device).await?;
        let sat = wallet.purse.receive(&token, &[key]).await?;
        wallet.fetched_sat = sat;
        Ok(Some(sat))
    }

    /// About half of what the first wallet has, as far as the pool's node can send it
    /// with something for the way.
    pub(super) fn some_of_it(&self, can_send: u64) -> u64 {
        let some = self
            .wallets
            .first()
            .map_or(0, |first| first.fetched_sat / 2);
        some.min(can_send / 10 * 9)
    }

    /// The first owner pays.
    pub(super) async fn pay(&mut self, invoice: &str) -> Result<Paid> {
        let wallet = self.wallets.first_mut().context("nobody has a wallet")?;
        let to: Destination = invoice.parse()?;
        let paid = wallet.purse.pay(&to, None).await?;
        wallet.spent_sat = paid.amount_sat + paid.fee_sat;
        Ok(paid)
    }

    /// What is in the wallets, by what they fetched and spent.
    pub(super) fn expected_sat(&self) -> u64 {
        let each = self.wallets.iter();
        each.map(|wallet| wallet.fetched_sat.saturating_sub(wallet.spent_sat))
            .sum()
    }

    /// What is in the wallets, by their own word.
    pub(super) async fn have_sat(&self) -> Result<u64> {
        let mut sum = 0;
        for wallet in &self.wallets {
            sum += wallet.purse.balance_sat().await?;
        }
        Ok(sum)
    }
}
