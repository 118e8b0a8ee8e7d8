//! Runs a session through a script of lines and events, and watches that what must never
//! happen does not: the fuzz target, and a property test with better scripts.

#![allow(clippy::unwrap_used, reason = "a panic is what both look for")]

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use serde_json::Value;

use super::world::{EVERY_HASH, NewJob, World, lines};
use crate::downstream::close::CloseReason;
use crate::job::Assigned;
use crate::wire::{JobId, Method, parse};

/// What the upstream asks of its jobs, in turn: every hash is a share, one in two, or
/// none that is ever found here.
const DIFFICULTIES: [f64; 3] = [EVERY_HASH, 4.7e-10, 1.0];

/// One notify as the device knows it.
struct Told {
    sequence: u64,
    ntime: u32,
    /// Its number among all notifies.
    at: usize,
    assigned: Assigned,
}

/// A session in its world, with what a device was told and what was credited.
struct Watched {
    world: World,
    next_job: u64,
    generation: u64,
    difficulty: f64,
    told: BTreeMap<String, Told>,
    credited: BTreeSet<[u8; 32]>,
    decided: u64,
}

/// Runs `script`: lines of the device, or events, which begin with an exclamation mark.
///
/// # Panics
/// When the session breaks a promise: a line that is no JSON, a difficulty above the
/// upstream's, a share credited twice, with another target than its job's, or under
/// another name than its header's.
#[allow(unreachable_pub, reason = "reachable where cfg(fuzzing) is set")]
pub fn run(script: &[u8]) {
    let mut watched = Watched {
        world: World::new(EVERY_HASH),
        next_job: 2,
        generation: 1,
        difficulty: EVERY_HASH,
        told: BTreeMap::new(),
        credited: BTreeSet::new(),
        decided: 0,
    };
    for line in script.split(|&byte| byte == b'\n') {
        let done = match line.split_first() {
            None => Ok(()),
            Some((b'!', event)) => watched.event(event),
            Some(_) => watched.line(line),
        };
        watched.listen();
        if done.is_err() {
            return;
        }
    }
}

impl Watched {
    fn line(&mut self, line: &[u8]) -> Result<(), CloseReason> {
        let before = self.world.records().len();
        let done = self.world.say_bytes(line);
        // A share can bring a new difficulty with it, which is told after it.
        if let [record] = self.world.records()[before..] {
            let Ok(Method::Submit(submit)) = parse(line).map(|request| request.method) else {
                panic!("a share out of what is no submission");
            };
            let job = submit.job.expect("a share has a job");
            let told = &self.told[&job.to_string()];
            assert_eq!(record.work, told.assigned.work, "not the target of {job}");
            assert!(submit.ntime >= told.ntime);
            let later = self.told.values().filter(|other| other.at > told.at);
            for other in later.filter(|other| other.sequence == told.sequence) {
                assert!(
                    submit.ntime < other.ntime,
                    "{job} has a header of a later notify"
                );
            }
            let is_new = self.credited.insert(*record.hash.as_ref());
            assert!(is_new, "a hash is credited twice");
        } else {
            assert_eq!(self.world.records().len(), before, "two shares of one line");
        }
        done
    }

    fn event(&mut self, event: &[u8]) -> Result<(), CloseReason> {
        let argument = event.get(1).copied().unwrap_or(0);
        match event.first() {
            Some(b'w') => self.world.wait(u64::from(argument) * 500),
            Some(b'j') => self.job(argument),
            Some(b'g') => {
                self.generation += 1;
                self.job(argument)
            }
            Some(b'd') => {
                let jobs = std::mem::take(&mut self.world.lane.view.jobs);
                jobs.iter().for_each(|job| job.kill());
                self.world.change(|view| view.up = false)
            }
            Some(b'm') => self
                .world
                .change(|view| view.version_mask = u32::from(argument) << 13),
            Some(b's') => self.decide(true),
            Some(b'r') => self.decide(false),
            _ => self.world.tick(),
        }
    }

    fn job(&mut self, argument: u8) -> Result<(), CloseReason> {
        let generation = self.generation.min(90);
        self.difficulty = DIFFICULTIES[usize::from(argument) % DIFFICULTIES.len()];
        let job = NewJob {
            generation,
            clean: argument >= 128,
            received_ms: self.world.now_ms,
            ..NewJob::numbered(self.next_job, self.difficulty)
        };
        self.next_job += 1;
        let job = job.make();
        self.world.change(|view| {
            view.up = true;
            view.generation = generation;
            view.extranonce1 = job.extranonce1.clone();
            if job.clean_jobs {
                view.jobs.iter().for_each(|old| old.kill());
                view.jobs = Arc::default();
            }
            view.jobs = view.jobs.iter().cloned().chain([job]).collect();
        })
    }

    /// The ledger decides all that waits for it.
    fn decide(&mut self, stored: bool) -> Result<(), CloseReason> {
        let waiting = self.world.records().len() as u64;
        if waiting == 0 {
            return Ok(());
        }
        self.decided += waiting;
        if !stored {
            for record in self.world.records() {
                self.credited.remove::<[u8; 32]>(record.hash.as_ref());
            }
        }
        self.world.outgoing.clear();
        self.world.decide_all(self.decided, stored);
        assert_eq!(self.world.session.pending(), 0);
        Ok(())
    }

    /// What the device is told.
    fn listen(&mut self) {
        let mut difficulty = self.world.session.control.told;
        let heard = lines(&std::mem::take(&mut self.world.out));
        // Told before its notify, so the last of all but for the notifies before it.
        let mut announced = heard
            .iter()
            .filter(|line| line["method"] == "mining.set_difficulty")
            .count();
        for line in &heard {
            match line["method"].as_str() {
                None => assert!(line.get("id").is_some() && line.get("error").is_some()),
                Some("mining.set_difficulty") => {
                    announced -= 1;
                    difficulty = Some(line["params"][0].to_string().parse().unwrap());
                }
                Some("mining.notify") => {
                    assert!(announced == 0 || difficulty.is_some());
                    self.told(line, difficulty.expect("told before its job"));
                }
                Some(_) => {}
            }
        }
    }

    fn told(&mut self, notify: &Value, difficulty: crate::Difficulty) {
        assert!(
            difficulty.get() <= self.difficulty,
            "{difficulty} is above the upstream's {}",
            self.difficulty
        );
        let name = notify["params"][0].as_str().unwrap();
        let id: JobId = name.parse().unwrap();
        let ntime = notify["params"][7].as_str().unwrap();
        let told = Told {
            sequence: id.sequence,
            ntime: u32::from_str_radix(ntime, 16).unwrap(),
            at: self.told.len(),
            assigned: Assigned::of(difficulty),
        };
        let is_new = self.told.insert(name.to_owned(), told).is_none();
        assert!(is_new, "{name} is told twice");
    }
}
