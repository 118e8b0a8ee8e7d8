//! A lightning node that plays OCEAN's.

mod hold;

use std::collections::{HashMap, HashSet};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, Result, anyhow, bail};
use bitcoin::secp256k1::PublicKey;
use bitcoin::{Address, Amount, Network};
use ldk_node::config::Config;
use ldk_node::lightning::ln::channelmanager::PaymentId;
use ldk_node::lightning::ln::msgs::SocketAddress;
use ldk_node::lightning::offers::offer::Offer;
use ldk_node::lightning_invoice::{Bolt11InvoiceDescription, Description};
use ldk_node::payment::{PaymentDetails, PaymentDirection, PaymentKind, PaymentStatus};
use ldk_node::{Builder, Event, Node, NodeError};
use tokio::sync::watch;
use tokio::task::JoinHandle;

/// How long it waits for anything of the network before it gives up.
const PATIENCE: Duration = Duration::from_secs(60);

/// How often a peer is connected to before a channel is given up.
const CONNECTION_TRIES: u32 = 20;

/// Between two of these tries.
const BEFORE_NEXT_TRY: Duration = Duration::from_millis(200);

/// How such a node is made.
#[derive(Clone, Debug)]
pub struct OceanNodeOptions {
    /// Where it keeps its data.
    pub dir: PathBuf,
    /// The chain's RPC ([`chain::serve`](crate::chain::serve)).
    pub chain: SocketAddr,
    /// Its name; a node without one is private.
    pub alias: Option<String>,
    /// Where it listens, `127.0.0.1:port`.
    pub listen: SocketAddr,
}

/// A payment that arrived.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sent {
    /// Its hash.
    pub hash: [u8; 32],
    /// What it cost beside.
    pub fee_msat: u64,
}

/// A payment that one of its offers received.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Received {
    /// Its hash.
    pub hash: [u8; 32],
    /// How much.
    pub msat: u64,
    /// What the payer wrote.
    pub note: Option<String>,
}

/// A payment under way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sending(PaymentId);

/// A lightning node that plays OCEAN's.
#[derive(Debug)]
pub struct OceanNode {
    node: Running,
    announced: bool,
    outcomes: watch::Receiver<Outcomes>,
    held: watch::Receiver<Held>,
    events: JoinHandle<()>,
}

#[derive(Clone)]
struct Running(Arc<Node>);

impl std::fmt::Debug for Running {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Node({})", self.0.node_id())
    }
}

type Outcomes = HashMap<PaymentId, Result<Sent, String>>;

/// The hashes of payments that arrived for somebody to decide.
type Held = HashSet<[u8; 32]>;

impl OceanNode {
    /// Starts it. The chain must be served already.
    ///
    /// # Errors
    /// If it cannot be built or started.
    pub async fn start(options: OceanNodeOptions) -> Result<OceanNode> {
        let announced = options.alias.is_some();
        let node = tokio::task::spawn_blocking(move || start(&options)).await??;
        let node = Running(Arc::new(node));
        let (outcomes_tell, outcomes) = watch::channel(Outcomes::new());
        let (held_tell, held) = watch::channel(Held::new());
        let events = tokio::spawn(take_events(node.clone(), outcomes_tell, held_tell));
        Ok(OceanNode {
            node,
            announced,
            outcomes,
            held,
            events,
        })
    }

    /// Its public key.
    pub fn id(&self) -> PublicKey {
        self.node.0.node_id()
    }

    /// Whether it has a name, so that it and its public channels are announced.
    pub fn is_announced(&self) -> bool {
        self.announced
    }

    /// A fresh address of its wallet.
    ///
    /// # Errors
    /// If its store fails.
    pub async fn address(&self) -> Result<Address> {
        self.with(|node| node.onchain_payment().new_address())
            .await?
            .map_err(Into::into)
    }

    /// Its confirmed coins that it can spend.
    ///
    /// # Errors
    /// If a call broke off.
    pub async fn spendable(&self) -> Result<Amount> {
        self.with(|node| Amount::from_sat(node.list_balances().spendable_onchain_balance_sats))
            .await
    }

    /// Looks at the chain now instead of within two seconds.
    ///
    /// # Errors
    /// If the chain does not answer.
    pub async fn sync(&self) -> Result<()> {
        self.with(Node::sync_wallets).await?.map_err(Into::into)
    }

    /// Opens a channel of `size` to a node. The funding transaction waits in the mempool
    /// some time after.
    ///
    /// # Errors
    /// If the node is not reached, or the coins are missing.
    pub async fn open_channel(
        &self,
        to: PublicKey,
        at: SocketAddr,
        size: Amount,
        public: bool,
    ) -> Result<()> {
        let (at, size) = (SocketAddress::from(at), size.to_sat());
        for _ in 0..CONNECTION_TRIES {
            let at = at.clone();
            let opened = self.with(move |node| {
                if public {
                    node.open_announced_channel(to, at, size, None, None)
                } else {
                    node.open_channel(to, at, size, None, None)
                }
            });
            match opened.await? {
                // Of two connections that both sides made at once one goes: there is no
                // channel yet.
                Err(NodeError::ConnectionFailed) => tokio::time::sleep(BEFORE_NEXT_TRY).await,
                done => return done.map(|_id| ()).map_err(Into::into),
            }
        }
        bail!("{to} is not reached")
    }

    /// Connects to a node, and again whenever it is gone.
    ///
    /// # Errors
    /// If it is not reached now.
    pub async fn connect(&self, to: PublicKey, at: SocketAddr) -> Result<()> {
        let at = SocketAddress::from(at);
        self.with(move |node| node.connect(to, at, true))
            .await?
            .map_err(Into::into)
    }

    /// How many of its channels with `peer` can be used.
    ///
    /// # Errors
    /// If a call broke off.
    pub async fn usable_channels(&self, peer: PublicKey) -> Result<usize> {
        self.with(move |node| {
            let all = node.list_channels().into_iter();
            all.filter(|channel| channel.counterparty_node_id == peer && channel.is_usable)
                .count()
        })
        .await
    }

    /// Closes all its channels with `peer`, both sides agreeing.
    ///
    /// # Errors
    /// If one cannot be closed.
    pub async fn close_channels(&self, peer: PublicKey) -> Result<()> {
        self.with(move |node| {
            let all = node.list_channels().into_iter();
            for channel in all.filter(|channel| channel.counterparty_node_id == peer) {
                node.close_channel(&channel.user_channel_id, peer)?;
            }
            Ok(())
        })
        .await?
    }

    /// Closes all its channels with `peer` by force, and tells the peer `why`.
    ///
    /// # Errors
    /// If one cannot be closed.
    pub async fn force_close_channels(&self, peer: PublicKey, why: &str) -> Result<()> {
        let why = why.to_owned();
        self.with(move |node| {
            let all = node.list_channels().into_iter();
            for channel in all.filter(|channel| channel.counterparty_node_id == peer) {
                node.force_close_channel(&channel.user_channel_id, peer, Some(why.clone()))?;
            }
            Ok(())
        })
        .await?
    }

    /// Pays an offer, once, and waits for what becomes of it.
    ///
    /// # Errors
    /// If it is no offer, the payment fails, or nobody answers within a minute.
    pub async fn pay_offer(
        &self,
        offer: &str,
        amount_msat: u64,
        note: Option<String>,
    ) -> Result<Sent> {
        let sending = self.begin_offer(offer, amount_msat, note).await?;
        self.outcome(sending.0).await
    }

    /// Begins to pay an offer; [`OceanNode::became_of`] tells how it went.
    ///
    /// # Errors
    /// If it is no offer, or nothing can be sent.
    pub async fn begin_offer(
        &self,
        offer: &str,
        amount_msat: u64,
        note: Option<String>,
    ) -> Result<Sending> {
        let offer: Offer = offer
            .parse()
            .map_err(|error| anyhow!("{offer} is no offer: {error:?}"))?;
        let sending = self.with(move |node| {
            let bolt12 = node.bolt12_payment();
            bolt12.send_using_amount(&offer, amount_msat, None, note, None)
        });
        Ok(Sending(sending.await??))
    }

    /// What became of a payment; `None` while it is under way. A failure is final: the
    /// money has not left.
    pub fn became_of(&self, sending: Sending) -> Option<Result<Sent, String>> {
        self.outcomes.borrow().get(&sending.0).cloned()
    }

    /// Sends money without an invoice (a keysend).
    ///
    /// # Errors
    /// If the payment fails, or nobody answers within a minute.
    pub async fn keysend(&self, to: PublicKey, amount_msat: u64) -> Result<Sent> {
        let sending = self.with(move |node| node.spontaneous_payment().send(amount_msat, to, None));
        self.outcome(sending.await??).await
    }

    /// An invoice of its own.
    ///
    /// # Errors
    /// If its store fails.
    pub async fn invoice(&self, amount_msat: u64) -> Result<String> {
        let text = Description::new("simulated OCEAN".to_owned())?;
        let made = self.with(move |node| {
            let text = Bolt11InvoiceDescription::Direct(text);
            node.bolt11_payment().receive(amount_msat, &text, 3600)
        });
        Ok(made.await??.to_string())
    }

    /// An offer of its own, for any amount.
    ///
    /// # Errors
    /// If it has no way to be found.
    pub async fn offer(&self) -> Result<String> {
        self.offer_saying("simulated OCEAN").await
    }

    /// An offer of its own with this description, for any amount.
    ///
    /// # Errors
    /// If it has no way to be found.
    pub async fn offer_saying(&self, description: &str) -> Result<String> {
        let description = description.to_owned();
        let made = self.with(move |node| {
            let bolt12 = node.bolt12_payment();
            bolt12.receive_variable_amount(&description, None)
        });
        Ok(made.await??.to_string())
    }

    /// What its offers were paid.
    ///
    /// # Errors
    /// If a call broke off.
    pub async fn received(&self) -> Result<Vec<Received>> {
        self.with(|node| {
            let all = node.list_payments_with_filter(|payment| {
                payment.direction == PaymentDirection::Inbound
                    && payment.status == PaymentStatus::Succeeded
            });
            all.into_iter().filter_map(received).collect()
        })
        .await
    }

    /// Stops it cleanly.
    ///
    /// # Errors
    /// If it does not stop.
    pub async fn stop(self) -> Result<()> {
        self.events.abort();
        self.with(Node::stop).await?.map_err(Into::into)
    }

    async fn outcome(&self, id: PaymentId) -> Result<Sent> {
        let mut outcomes = self.outcomes.clone();
        let known = outcomes.wait_for(|outcomes| outcomes.contains_key(&id));
        let known = tokio::time::timeout(PATIENCE, known)
            .await
            .with_context(|| format!("nothing became of the payment within {PATIENCE:?}"))??;
        match known.get(&id) {
            Some(Ok(sent)) => Ok(sent.clone()),
            Some(Err(why)) => bail!("the payment failed: {why}"),
            None => bail!("the payment is unknown"),
        }
    }

    async fn with<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Node) -> T + Send + 'static,
    ) -> Result<T> {
        let node = self.node.clone();
        Ok(tokio::task::spawn_blocking(move || work(&node.0)).await?)
    }
}

fn received(payment: PaymentDetails) -> Option<Received> {
    let PaymentKind::Bolt12Offer {
        hash: Some(hash),
        payer_note,
        ..
    } = payment.kind
    else {
        return None;
    };
    Some(Received {
        hash: hash.0,
        msat: payment.amount_msat?,
        note: payer_note.map(|note| note.0),
    })
}

fn start(options: &OceanNodeOptions) -> Result<Node> {
    std::fs::create_dir_all(&options.dir)?;
    let dir = options.dir.to_string_lossy().into_owned();
    let config = Config {
        network: Network::Regtest,
        storage_dir_path: dir.clone(),
        ..Config::default()
    };
    let mut builder = Builder::from_config(config);
    let chain = options.chain;
    builder.set_chain_source_bitcoind_rpc(
        chain.ip().to_string(),
        chain.port(),
        "ocean".into(),
        "ocean".into(),
    );
    builder.set_listening_addresses(vec![options.listen.into()])?;
    if let Some(alias) = &options.alias {
        builder.set_node_alias(alias.clone())?;
    }
    builder.set_filesystem_logger(Some(format!("{dir}/ldk.log")), None);
    let node = builder.build()?;
    node.start()?;
    Ok(node)
}

/// Takes every event, and remembers what became of payments.
async fn take_events(node: Running, outcomes: watch::Sender<Outcomes>, held: watch::Sender<Held>) {
    loop {
        match node.0.next_event_async().await {
            Event::PaymentSuccessful {
                payment_id: Some(id),
                payment_hash,
                fee_paid_msat,
                ..
            } => {
                let sent = Sent {
                    hash: payment_hash.0,
                    fee_msat: fee_paid_msat.unwrap_or(0),
                };
                outcomes.send_modify(|all| {
                    all.insert(id, Ok(sent));
                });
            }
            Event::PaymentFailed {
                payment_id: Some(id),
                reason,
                ..
            } => outcomes.send_modify(|all| {
                all.insert(id, Err(format!("{reason:?}")));
            }),
            Event::PaymentClaimable { payment_hash, .. } => {
                held.send_modify(|all| {
                    all.insert(payment_hash.0);
                });
            }
            other => tracing::debug!(event = ?other, "an event of the simulated OCEAN's node"),
        }
        let node = node.clone();
        let handled = tokio::task::spawn_blocking(move || node.0.event_handled()).await;
        if !matches!(handled, Ok(Ok(()))) {
            tracing::error!("the simulated OCEAN's node cannot acknowledge an event");
            return;
        }
    }
}
