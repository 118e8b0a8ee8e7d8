//! `sweep --watch`: it goes on whatever the mint says, and two sweeps of one store know of
//! each other.

use std::fs::File;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};
use simnet::keys::SimKey;

use super::{Desk, Door};
use crate::common::{PoolProcess, stderr};
use crate::earned::{Earned, earned};
use crate::world::key;

/// A `sweep --watch` whose words go to files.
struct Watch<'a> {
    child: Child,
    desk: &'a Desk,
    name: &'static str,
}

impl<'a> Watch<'a> {
    fn start(desk: &'a Desk, name: &'static str, key: &str, more: &[&str]) -> Watch<'a> {
        let file = |end: &str| {
            let path = desk.dir.path().join(format!("{name}.{end}"));
            Stdio::from(File::create(path).expect("creates"))
        };
        let watch = ["sweep", "--key", key, "--watch", "--every", "10"];
        let what = [&watch, more].concat();
        let child = Command::new(env!("CARGO_BIN_EXE_axepool"))
            .args(desk.arguments("ours", &what))
            .current_dir(desk.dir.path())
            .stdin(Stdio::null())
            .stdout(file("out"))
            .stderr(file("err"))
            .spawn()
            .expect("axepool starts");
        Watch { child, desk, name }
    }

    /// Waits until it has said `text` so many times.
    async fn says(&mut self, pool: &PoolProcess, text: &str, times: usize) {
        let path = self.desk.dir.path().join(format!("{}.err", self.name));
        for _ in 0..600 {
            let said = std::fs::read_to_string(&path).expect("reads");
            if said.matches(text).count() >= times {
                return;
            }
            let ended = self.child.try_wait().expect("waits");
            assert!(ended.is_none(), "{ended:?}: {said}{}", pool.log());
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        panic!("{text:?} is missing");
    }

    fn stop(mut self) {
        let pid = Pid::from_child(&self.child);
        kill_process(pid, Signal::TERM).expect("lives");
        assert!(self.child.wait().expect("waits").success());
    }
}

/// The pool has no lightning node: each payout is refused. What is earned later is fetched
/// all the same.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_watch_goes_on_when_no_payout_is_made() {
    let keys: Vec<SimKey> = (21..=22).map(key).collect();
    let Earned {
        mut pool,
        ocean: _ocean,
        paid_sat,
    } = earned(&keys, &[], 2, |_| {}).await;
    let door = Door::open(&pool).await;
    let desk = Desk::new(&door.url);
    let files: Vec<String> = keys.iter().map(|key| desk.keep(key)).collect();
    let to = ["--to", "you@wallet.example", "--above", "1"];
    let mut watch = Watch::start(&desk, "watch", &files[0], &to);
    watch.says(&pool, "does not pay over lightning", 2).await;

    // One store at a time: a single sweep says whose turn it is, another watch waits for it.
    let single = desk.run("ours", &["sweep", "--key", &files[1]]);
    assert_eq!(single.status.code(), Some(1));
    let said = stderr(&single);
    assert!(said.contains("in use by another process"), "{said}");
    assert!(!said.contains("pay"), "{said}");
    let mut second = Watch::start(&desk, "second", &files[1], &[]);
    second.says(&pool, "in use by another process", 1).await;

    // The mint is away, and comes back.
    pool.kill();
    watch.says(&pool, "Nothing is lost", 1).await;
    pool.spawn().await;
    pool.wait_ready().await;
    door.leads_to(&pool).await;
    watch.says(&pool, "does not pay over lightning", 3).await;
    watch.stop();
    let fetched = |name: &str| {
        let path = desk.dir.path().join(format!("{name}.out"));
        let said = std::fs::read_to_string(path).expect("reads");
        said.contains("sat fetched")
    };
    for _ in 0..300 {
        if fetched("second") {
            break;
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    second.stop();
    assert!(fetched("watch") && fetched("second"));
    assert_eq!(desk.balance("ours"), (paid_sat, 0, 0));
    super::all_is_issued(&pool, paid_sat).await;
}
