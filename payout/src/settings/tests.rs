use super::*;

const NODE: &str = "029ef2ce43571727104099576c633b2233bfeb8dc18b476f93540a32207da9e9a4";

#[track_caller]
fn refused(text: &str, said: &str) {
    let error = Settings::parse(text).expect_err("it is refused");
    assert!(error.contains(said), "{error:?} says {said:?}");
}

#[test]
fn every_example_is_taken_as_it_is() {
    for (name, network) in [
        ("mainnet", Network::Bitcoin),
        ("signet", Network::Signet),
        ("regtest", Network::Regtest),
    ] {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../ldk-node-config/");
        let path = PathBuf::from(path).join(format!("{name}.toml"));
        let settings = Settings::read(&path).unwrap();
        assert_eq!(settings.network, network, "{name}");
    }
}

/// What is written out as a comment is a key that exists: each, put in, is taken.
#[test]
fn every_example_stays_right_with_its_comments_taken_off() {
    for name in ["mainnet", "signet", "regtest"] {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../ldk-node-config/");
        let text =
            std::fs::read_to_string(PathBuf::from(path).join(format!("{name}.toml"))).unwrap();
        for (number, line) in text.lines().enumerate() {
            let Some(key) = line.strip_prefix("#:") else {
                continue;
            };
            let mut lines: Vec<&str> = text.lines().collect();
            lines[number] = key.trim_start();
            let outcome = Settings::parse(&lines.join("\n"));
            let needs_another = matches!(&outcome, Err(error) if error.contains("needs"));
            assert!(
                outcome.is_ok() || needs_another,
                "{name}: {key}: {outcome:?}"
            );
        }
    }
}

#[test]
fn defaults_are_a_private_node() {
    let settings = Settings::parse("network = \"regtest\"").unwrap();
    assert!(!settings.is_public());
    assert_eq!(settings.offer_path, OfferPath::Auto);
    assert_eq!(settings.reach.gossip, Gossip::PeerToPeer);
    assert_eq!(settings.anchors.reserve_sat, 25_000);
    assert_eq!(settings.melt_fees, Fees::default());
    let settings = settings.under(Path::new("/data"));
    assert_eq!(settings.mnemonic_file, Path::new("/data/node-mnemonic"));
    assert_eq!(settings.storage_dir, Path::new("/data/node"));
}

#[test]
fn what_cannot_be_is_refused_by_name() {
    refused("", "network");
    refused("network = \"regtest\"\n[melts]\nfee_ppm = 100001", "100001");
    refused(
        "network = \"regtest\"\n[melts]\nfee_base_sat = 100001",
        "melts.fee_base_sat",
    );
    refused("network = \"main\"", "\"main\"");
    refused("network = \"regtest\"\nalias = \"x\"", "alias");
    refused("network = \"regtest\"\n[reach]\nalais = \"x\"", "alais");
    refused(
        "network = \"regtest\"\n[reach]\nalias = \"x\"",
        "reach.listen",
    );
    refused(
        "network = \"regtest\"\n[reach]\nlisten = [\"0.0.0.0:9735\"]\nannounce = [\"1.2.3.4:9735\"]",
        "reach.alias",
    );
    refused(
        "network = \"regtest\"\n[reach]\nlisten = [\"nowhere\"]",
        "nowhere",
    );
    refused(
        "network = \"regtest\"\n[reach]\ngossip = \"rapid\"",
        "rapid_gossip_url",
    );
    refused(
        "network = \"regtest\"\n[peers]\npersistent = [\"x@y:1\"]",
        "node id",
    );
    refused(
        "network = \"regtest\"\n[offer]\npath = \"peer\"",
        "\"peer\"",
    );
    refused(
        "network = \"regtest\"\nchain_source = \"ftp://x\"",
        "ftp://x",
    );
}

#[track_caller]
fn source(text: &str, expected: Result<ChainSource, ChainSourceError>) {
    assert_eq!(text.parse::<ChainSource>(), expected, "{text}");
}

#[test]
fn a_chain_source_is_known_by_its_url() {
    let rpc = |host: &str, password: &str| {
        Ok(ChainSource::Bitcoind {
            host: host.into(),
            port: 8332,
            user: "pool".into(),
            password: password.into(),
        })
    };
    source(
        "http://pool:secret@127.0.0.1:8332",
        rpc("127.0.0.1", "secret"),
    );
    source(
        "http://pool:s@cr:t@bitcoind:8332/",
        rpc("bitcoind", "s@cr:t"),
    );
    source(
        "https://mempool.space/api/",
        Ok(ChainSource::Esplora("https://mempool.space/api".into())),
    );
    source(
        "ssl://electrum.example:50002",
        Ok(ChainSource::Electrum("ssl://electrum.example:50002".into())),
    );
    source(
        "https://pool:secret@host:8332",
        Err(ChainSourceError::RpcOverTls),
    );
    source("http://pool@host:8332", Err(ChainSourceError::Rpc));
    source("http://pool:secret@host", Err(ChainSourceError::Rpc));
    source("http://", Err(ChainSourceError::Scheme));
    source("host:8332", Err(ChainSourceError::Scheme));
}

#[test]
fn a_password_stays_out_of_the_logs() {
    let source: ChainSource = "http://pool:secret@127.0.0.1:8332".parse().unwrap();
    assert!(!format!("{source} {source:?}").contains("secret"));
}

#[test]
fn a_peer_is_written_as_it_is_read() {
    let text = format!("{NODE}@127.0.0.1:9735");
    assert_eq!(text.parse::<Peer>().unwrap().to_string(), text);
    assert_eq!(NODE.parse::<Peer>(), Err(PeerError::Form));
    assert_eq!(format!("{NODE}@x").parse::<Peer>(), Err(PeerError::Address));
}
