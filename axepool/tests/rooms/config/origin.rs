//! What the environment says instead of the file, where secrets are, and what is risky.

use std::ffi::OsString;
use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use pool::config::{self, Config, Environment, Loaded, Origin, Problem};

use crate::config::{MAINNET, TESTNET, case, good, minimal};

fn variables(list: &[(&str, &str)]) -> Environment {
    let of_os = |text: &&str| OsString::from(text);
    let list = list.iter().map(|(name, value)| (of_os(name), of_os(value)));
    list.collect()
}

fn with(list: &[(&str, &str)]) -> Result<Loaded, Vec<Problem>> {
    let text = minimal("[pool]\nname = \"In the file\"\n");
    config::parse_with(&text, Path::new(""), variables(list))
}

#[track_caller]
fn takes(name: &str, value: &str, check: impl FnOnce(&Config) -> bool) {
    match with(&[(name, value)]) {
        Ok(loaded) => assert!(
            check(&loaded.config),
            "{name}={value}: {:#?}",
            loaded.config
        ),
        Err(problems) => panic!("{name}={value}: {problems:#?}"),
    }
}

/// Exactly one problem: of this name, and it says so.
#[track_caller]
fn refuses(name: &str, value: &str, said: &str) {
    let problems = with(&[(name, value)]).expect_err("a problem");
    assert_eq!(problems.len(), 1, "{problems:#?}");
    let whole = problems[0].to_string();
    assert_eq!(problems[0].key, name, "{whole}");
    assert!(whole.contains(said), "{whole:?} does not say {said:?}");
}

#[test]
fn a_variable_goes_before_the_file_and_has_its_keys_type() {
    takes("AXEPOOL__POOL__NAME", "Shed", |config| {
        config.name == "Shed"
    });
    // What looks like a number is a name where a name is asked for.
    takes("AXEPOOL__POOL__NAME", "2026", |config| {
        config.name == "2026"
    });
    takes("AXEPOOL__POOL__NAME", "\"Shed\"", |config| {
        config.name == "Shed"
    });
    takes("AXEPOOL__PAYOUT__FEE_BPS", "150", |config| {
        config.terms.fee_bps == 150
    });
    takes("AXEPOOL__MINT__ENABLED", "false", |config| {
        !config.mint.enabled
    });
    takes("AXEPOOL__STRATUM__LISTEN", "127.0.0.1:1", |config| {
        config.downstream.listen == ["127.0.0.1:1".parse().unwrap()]
    });
    takes(
        "AXEPOOL__STRATUM__LISTEN",
        "[\"127.0.0.1:1\", \"[::1]:2\"]",
        |config| config.downstream.listen.len() == 2,
    );
    takes("AXEPOOL__STRATUM__START_DIFFICULTY", "2048.5", |config| {
        config.downstream.start_difficulty.get() == 2048.5
    });
    takes(
        "AXEPOOL__MINT__MNEMONIC",
        "{ file = \"/run/words\" }",
        |config| config.mint.mnemonic_file == Path::new("/run/words"),
    );
    // What does not begin so is no key of ours.
    takes("AXEPOOL_LOG", "debug", |config| {
        config.name == "In the file"
    });
}

#[test]
fn what_must_be_given_may_be_given_by_a_variable() {
    let environment = variables(&[("AXEPOOL__UPSTREAM__ADDRESS", MAINNET)]);
    let loaded = config::parse_with("", Path::new(""), environment).expect("good");
    assert_eq!(loaded.config.income.address.to_string(), MAINNET);
    let printed = config::render(&loaded.effective);
    let line = format!("address = \"{MAINNET}\"  # from AXEPOOL__UPSTREAM__ADDRESS\n");
    assert!(printed.contains(&line), "{printed}");
    let origin = |key: &str| {
        let known = loaded.effective.iter().find(|known| known.key == key);
        known.expect("a key").origin
    };
    assert_eq!(origin("address"), Origin::Environment);
    assert_eq!(origin("worker"), Origin::Default);
}

#[test]
fn a_variable_that_does_not_do_is_named() {
    refuses(
        "AXEPOOL__PAYOUT__FEE_BPS",
        "lots",
        "string is no whole number",
    );
    refuses("AXEPOOL__PAYOUT__FEE_BPS", "10001", "above the most, 10000");
    refuses(
        "AXEPOOL__PAYOUT__FEE_BPS",
        "1\nsplit = 2",
        "string is no whole number",
    );
    refuses("AXEPOOL__STRATUM__LISTEN", "3333", "0.0.0.0:3333");
    refuses("AXEPOOL__STRATUM__LISTEN", "[]", "no address to listen on");
    // Of two keys together, too.
    refuses(
        "AXEPOOL__HTTP__PUBLIC_URL",
        "http://192.0.2.1",
        "neither https nor an onion",
    );
}

#[test]
fn an_unknown_variable_is_refused_with_the_nearest_key_and_without_its_value() {
    refuses(
        "AXEPOOL__STRATUM__LISTN",
        "x",
        "did you mean AXEPOOL__STRATUM__LISTEN?",
    );
    refuses(
        "AXEPOOL__STRATUM_LISTEN",
        "x",
        "did you mean AXEPOOL__STRATUM__LISTEN?",
    );
    refuses("AXEPOOL__QWERTZ", "x", "a variable is a section and a key");
    let problems = with(&[("AXEPOOL__CHAIN__URLS", "http://me:hunter2@h:1")]).unwrap_err();
    assert!(
        !problems[0].to_string().contains("hunter2"),
        "{problems:#?}"
    );
}

#[test]
fn a_secret_is_where_the_file_says() {
    let place = tempfile::tempdir().unwrap();
    let file = place.path().join("chain-url");
    fs::write(&file, "http://me:hunter2@127.0.0.1:8332\n").unwrap();
    fs::set_permissions(&file, fs::Permissions::from_mode(0o600)).unwrap();
    let text = minimal("[chain]\nurl = { file = \"chain-url\" }\n");
    let loaded = config::parse(&text, place.path()).expect("good");
    assert!(loaded.config.income.chain.is_some());
    let printed = config::render(&loaded.effective);
    assert!(
        printed.contains("url = { file = \"chain-url\" }\n"),
        "{printed}"
    );
    let warned = |loaded: &Loaded, key: &str| {
        let warnings = loaded.warnings.iter();
        warnings.filter(|warning| warning.key == key).count()
    };
    assert_eq!(warned(&loaded, "chain.url"), 0);

    fs::set_permissions(&file, fs::Permissions::from_mode(0o644)).unwrap();
    let loaded = config::parse(&text, place.path()).expect("good");
    assert_eq!(warned(&loaded, "chain.url"), 1, "{:#?}", loaded.warnings);

    // Any variable that is there does for the test.
    let path = std::env::var("HOME").expect("a HOME");
    let config = good(&minimal("password = { env = \"HOME\" }\n"));
    assert_eq!(config.upstream.password, path.trim());
    let problem =
        |text: &str| config::parse(&minimal(text), place.path()).unwrap_err()[0].to_string();
    let unset = problem("password = { env = \"AXEPOOL_NOWHERE\" }\n");
    assert!(
        unset.contains("AXEPOOL_NOWHERE") && unset.contains("not found"),
        "{unset}"
    );
    let missing = problem("password = { file = \"nowhere\" }\n");
    assert!(missing.contains("cannot be read"), "{missing}");
    fs::write(&file, " \n").unwrap();
    let empty = problem("password = { file = \"chain-url\" }\n");
    assert!(empty.contains("empty"), "{empty}");
}

#[test]
fn a_secret_in_the_file_is_never_printed() {
    let text = minimal("password = \"hunter2\"\n");
    let loaded = config::parse(&text, Path::new("")).expect("good");
    assert_eq!(loaded.config.upstream.password, "hunter2");
    let printed = config::render(&loaded.effective);
    assert!(
        !printed.contains("hunter2") && printed.contains("password = \"***\""),
        "{printed}"
    );
    let refused = minimal("password = [\"hunter2\"]\n");
    let problems = config::parse(&refused, Path::new("")).unwrap_err();
    assert!(
        !problems[0].to_string().contains("hunter2"),
        "{problems:#?}"
    );
}

#[test]
fn a_file_with_a_secret_in_it_is_its_owners_alone() {
    let place = tempfile::tempdir().unwrap();
    let file = place.path().join("axepool.toml");
    let warned = |text: &str, mode| {
        fs::write(&file, text).unwrap();
        fs::set_permissions(&file, fs::Permissions::from_mode(mode)).unwrap();
        let loaded = config::load(&file).expect("good");
        let about_mode = |warning: &Problem| warning.why.contains("mode 644");
        loaded.warnings.iter().any(about_mode)
    };
    let secret = minimal("password = \"hunter2\"\n");
    assert!(warned(&secret, 0o644));
    assert!(!warned(&secret, 0o600));
    assert!(!warned(&minimal(""), 0o644));
}

/// The keys that `text` warns of.
fn warned(text: &str) -> Vec<String> {
    let loaded = config::parse(text, Path::new("")).expect("good");
    loaded
        .warnings
        .into_iter()
        .map(|warning| warning.key)
        .collect()
}

#[test]
fn risky_choices_are_told() {
    let private = "[stratum]\nlisten = \"192.168.1.5:3333\"\n";
    let url = "[http]\npublic_url = \"https://pool.example\"\n";
    let quiet: [&str; 0] = [];
    assert_eq!(warned(&minimal(&format!("{private}{url}"))), quiet);
    assert_eq!(warned(&minimal(url)), ["payout.split"]);
    assert_eq!(
        warned(&minimal(&format!("{url}[payout]\nsplit = \"tides\"\n"))),
        quiet
    );
    assert_eq!(warned(&minimal(private)), ["http.public_url"]);
    let no_mint = format!("{private}[mint]\nenabled = false\n");
    assert_eq!(warned(&minimal(&no_mint)), quiet);
    let open = "[http]\npublic_url = \"http://pool.lan\"\nallow_http_public_url = true\n";
    assert_eq!(
        warned(&minimal(&format!("{private}{open}"))),
        ["http.public_url", "http.public_url"]
    );
    let shares = format!("{url}[mint]\nquote_per = \"share\"\n[payout]\nsplit = \"tides\"\n");
    assert_eq!(warned(&minimal(&shares)), ["mint.quote_per"]);
    let tls_private = format!("{private}{url}[mint]\nquote_per = \"share\"\n");
    assert_eq!(warned(&minimal(&tls_private)), quiet);
    let testnet = format!(
        "[pool]\nnetwork = \"signet\"\n[upstream]\nurls = \"stratum+tcp://x:1\"\n\
         address = \"{TESTNET}\"\n[http]\npublic_url = \"http://192.0.2.1\"\n{private}"
    );
    assert_eq!(warned(&testnet), ["http.public_url"]);
}

#[test]
fn words_that_others_can_read_are_told() {
    let place = tempfile::tempdir().unwrap();
    let words = place.path().join("words");
    let text = minimal("[mint]\nmnemonic = { file = \"words\" }\n");
    let warned = || {
        let loaded = config::parse(&text, place.path()).expect("good");
        let mut keys = loaded.warnings.into_iter().map(|warning| warning.key);
        keys.any(|key| key == "mint.mnemonic")
    };
    assert!(!warned(), "it is not there yet");
    fs::write(&words, "abandon").unwrap();
    fs::set_permissions(&words, fs::Permissions::from_mode(0o640)).unwrap();
    assert!(warned());
    fs::set_permissions(&words, fs::Permissions::from_mode(0o600)).unwrap();
    assert!(!warned());
}

#[test]
fn an_earlier_name_of_a_key_is_still_read() {
    let timeout = |config: &Config| config.http.limits.request_timeout.as_secs();
    let file = minimal("[http]\nheader_timeout_secs = 7\n");
    let loaded = config::parse(&file, Path::new("")).expect("it starts");
    assert_eq!(timeout(&loaded.config), 7);
    let told = |loaded: &Loaded, key: &str| {
        let mut warnings = loaded.warnings.iter();
        let warning = warnings.find(|warning| warning.key == key);
        warning
            .unwrap_or_else(|| panic!("{key}: {:#?}", loaded.warnings))
            .to_string()
    };
    let said = told(&loaded, "http.header_timeout_secs");
    assert!(said.contains("rename it to request_timeout_secs"), "{said}");

    let both =
        minimal("[http]\nheader_timeout_secs = 7\n[expert.http]\nrequest_timeout_secs = 8\n");
    let loaded = config::parse(&both, Path::new("")).expect("it starts");
    assert_eq!(timeout(&loaded.config), 8);
    let said = told(&loaded, "http.header_timeout_secs");
    assert!(said.contains("remove it"), "{said}");

    let variable = "AXEPOOL__HTTP__HEADER_TIMEOUT_SECS";
    let loaded = with(&[(variable, "9")]).expect("it starts");
    assert_eq!(timeout(&loaded.config), 9);
    let said = told(&loaded, variable);
    assert!(
        said.contains("rename it to AXEPOOL__HTTP__REQUEST_TIMEOUT_SECS"),
        "{said}"
    );
    // A value that cannot be used is a problem of the key as it is called now.
    let wrong = minimal("[http]\nheader_timeout_secs = 0\n");
    let problems = config::parse(&wrong, Path::new("")).expect_err("a problem");
    assert_eq!(problems[0].key, "expert.http.request_timeout_secs");
}

#[test]
fn an_expert_key_in_its_plain_section_is_read_with_a_warning() {
    let hold = |config: &Config| config.downstream.limits.handshake_hold.as_millis();
    let quiet = minimal("[expert.stratum]\nhandshake_hold_ms = 300\n");
    let loaded = config::parse(&quiet, Path::new("")).expect("it starts");
    assert_eq!(hold(&loaded.config), 300);
    let warned = |loaded: &Loaded| {
        let mut warnings = loaded.warnings.iter();
        let warning = warnings.find(|warning| warning.key == "stratum.handshake_hold_ms");
        warning.map(Problem::to_string)
    };
    assert_eq!(warned(&loaded), None);

    let older = minimal("[stratum]\nhandshake_hold_ms = 400\n");
    let loaded = config::parse(&older, Path::new("")).expect("it starts");
    assert_eq!(hold(&loaded.config), 400);
    let said = warned(&loaded).expect("a warning");
    assert!(said.contains("move it to [expert.stratum]"), "{said}");

    let both =
        minimal("[stratum]\nhandshake_hold_ms = 400\n[expert.stratum]\nhandshake_hold_ms = 300\n");
    let loaded = config::parse(&both, Path::new("")).expect("it starts");
    assert_eq!(hold(&loaded.config), 300);
    let said = warned(&loaded).expect("a warning");
    assert!(said.contains("remove it"), "{said}");

    // A variable is called as before, and is no reason for a warning.
    let loaded = with(&[("AXEPOOL__STRATUM__HANDSHAKE_HOLD_MS", "500")]).expect("it starts");
    assert_eq!(hold(&loaded.config), 500);
    assert_eq!(warned(&loaded), None);
    let printed = config::render(&loaded.effective);
    assert!(printed.contains("[expert.stratum]\n"), "{printed}");

    for (text, key, said) in [
        (
            "[expert.stratum]\nlisten = \"0.0.0.0:1\"\n",
            "expert.stratum.listen",
            "it belongs to [stratum]",
        ),
        (
            "[expert.stratum]\nhandshake_hold = 3\n",
            "expert.stratum.handshake_hold",
            "did you mean handshake_hold_ms?",
        ),
        (
            "[expert.stratum]\nhandshake_hold_ms = -1\n",
            "expert.stratum.handshake_hold_ms",
            "",
        ),
        (
            "[expert.garage]\nx = 1\n",
            "expert.garage",
            "[expert.SECTION]",
        ),
        (
            "[expert]\nstratum = 1\n",
            "expert.stratum",
            "[expert.SECTION]",
        ),
    ] {
        case(&minimal(text), key, said);
    }
}
