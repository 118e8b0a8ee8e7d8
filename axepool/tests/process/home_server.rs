//! The paths that the packages of home servers name, asked of a running pool.

use serde_json::Value;

use crate::money::fetch::{fetch, http};
use crate::world::{key, ocean, pool};
use crate::yaml::read;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn umbrels_proxy_lets_owners_to_pages_that_are_there() {
    let compose = read("deploy/umbrel/docker-compose.yml");
    let proxy = &compose["services"]["app_proxy"]["environment"];
    let rules = proxy["PROXY_AUTH_WHITELIST"].as_str().expect("rules");
    let rules: Vec<&str> = rules.split(',').collect();
    let ocean = ocean(|_| {}).await;
    let pool = pool(&ocean, |_| {}).await;
    let address = http(&pool).await;
    let first = fetch(address, "/", "").await;
    let first = String::from_utf8(first.body).expect("text");
    let (_, asset) = first.split_once("href=\"/assets/").expect("an asset");
    let asset = asset.split('"').next().expect("its end");
    for rule in &rules {
        let path = match *rule {
            "/assets/*" => format!("/assets/{asset}"),
            "/epochs/*" => "/epochs/1".to_owned(),
            "/miners/*" => format!("/miners/{}", key(1).hex),
            "/api/*" => "/api/pool".to_owned(),
            "/v1/*" => "/v1/info".to_owned(),
            plain => plain.to_owned(),
        };
        assert!(!path.contains('*'), "{rule} is tried by no path");
        // The mint opens a little later than the pages.
        let answers = pool.poll(rule, async |_| {
            let answer = fetch(address, &path, "").await;
            (answer.code != 503).then_some(answer)
        });
        let answer = answers.await;
        assert_eq!(answer.code, 200, "{rule}: {answer:?}");
    }
    // The first run is the operator's alone.
    let manifest = read("deploy/umbrel/umbrel-app.yml");
    let home = manifest["path"].as_str().expect("a path");
    let covers = |rule: &&str| match rule.strip_suffix("/*") {
        Some(below) => home.starts_with(&format!("{below}/")),
        None => *rule == home,
    };
    assert!(!rules.iter().any(covers), "{home} needs no login");
    assert_eq!(fetch(address, home, "").await.code, 200);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn umbrels_widget_is_served_as_its_example_says() {
    let manifest = read("deploy/umbrel/umbrel-app.yml");
    let widget = &manifest["widgets"][0];
    let endpoint = widget["endpoint"].as_str().expect("an endpoint");
    let path = &endpoint[endpoint.find('/').expect("a path")..];
    let ocean = ocean(|_| {}).await;
    let pool = pool(&ocean, |_| {}).await;
    let answer = fetch(http(&pool).await, path, "").await;
    assert_eq!(answer.code, 200, "{answer:?}");
    let (served, example) = (answer.json(), &widget["example"]);
    assert_eq!(served["type"], widget["type"]);
    assert_eq!(served["refresh"], widget["refresh"]);
    let titles = |of: &Value| -> Vec<Value> {
        let items = of["items"].as_array().expect("items");
        items.iter().map(|item| item["title"].clone()).collect()
    };
    assert_eq!(titles(&served), titles(example));
    for item in served["items"].as_array().expect("items") {
        for part in ["title", "text", "subtext"] {
            assert!(item[part].is_string(), "{item}");
        }
    }
}
