//! Places that households share: bounded in all and by household. When all are taken, the
//! household with the most gives its oldest one up to a household with fewer, so that
//! taking all takes as many households as there are places.

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio_util::sync::CancellationToken;

use super::household::Household;

/// Why there is no place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Full {
    /// The household has all that one may have.
    Household,
    /// All are taken, and none by a household that has two more than this one.
    All,
}

/// The places; clones share them.
#[derive(Clone, Debug)]
pub struct Places {
    most: usize,
    per_household: usize,
    taken: Arc<Mutex<Taken>>,
}

#[derive(Debug, Default)]
struct Taken {
    /// The oldest first.
    by_household: HashMap<Household, VecDeque<Held>>,
    /// All, those of trusted peers among them.
    count: usize,
    next: u64,
}

#[derive(Debug)]
struct Held {
    number: u64,
    /// Ends whoever has the place.
    ending: CancellationToken,
}

impl Places {
    /// With none taken.
    pub fn new(most: usize, per_household: usize) -> Self {
        Places {
            most,
            per_household,
            taken: Arc::default(),
        }
    }

    /// A place of `household`, and whether another one was ended for it. `ending` is
    /// cancelled when the place is given to somebody else.
    ///
    /// # Errors
    /// There is none for it.
    pub fn enter(
        &self,
        household: Household,
        ending: CancellationToken,
    ) -> Result<(Place, bool), Full> {
        let mut taken = self.lock();
        let own = taken.by_household.get(&household).map_or(0, VecDeque::len);
        if own >= self.per_household {
            return Err(Full::Household);
        }
        let made_room = taken.count >= self.most;
        if made_room && !taken.make_room(own) {
            return Err(Full::All);
        }
        Ok((self.hold(&mut taken, household, ending), made_room))
    }

    /// A place in all only, that is never given to somebody else: for peers that are
    /// trusted to bring many households.
    ///
    /// # Errors
    /// All are taken, and none by a household with two or more.
    pub fn enter_trusted(&self) -> Result<(Place, bool), Full> {
        let mut taken = self.lock();
        let made_room = taken.count >= self.most;
        if made_room && !taken.make_room(0) {
            return Err(Full::All);
        }
        taken.count = taken.count.saturating_add(1);
        let place = Place {
            places: self.clone(),
            of: None,
        };
        Ok((place, made_room))
    }

    /// How many are taken.
    pub fn count(&self) -> usize {
        self.lock().count
    }

    fn hold(&self, taken: &mut Taken, household: Household, ending: CancellationToken) -> Place {
        let number = taken.next;
        taken.next = taken.next.wrapping_add(1);
        taken.count = taken.count.saturating_add(1);
        let held = taken.by_household.entry(household).or_default();
        held.push_back(Held { number, ending });
        Place {
            places: self.clone(),
            of: Some((household, number)),
        }
    }

    fn lock(&self) -> MutexGuard<'_, Taken> {
        self.taken.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Taken {
    /// Ends the oldest place of the household with the most, if that has two more than
    /// `own`: then the newcomer has no more than it afterwards.
    fn make_room(&mut self, own: usize) -> bool {
        let largest = self
            .by_household
            .iter_mut()
            .max_by_key(|(_, held)| held.len());
        let Some((_, held)) = largest.filter(|(_, held)| held.len() > own.saturating_add(1)) else {
            return false;
        };
        let Some(oldest) = held.pop_front() else {
            return false;
        };
        oldest.ending.cancel();
        self.count = self.count.saturating_sub(1);
        true
    }

    /// False when the place was given to somebody else meanwhile.
    fn give_back(&mut self, household: Household, number: u64) -> bool {
        let Some(held) = self.by_household.get_mut(&household) else {
            return false;
        };
        let at = held.iter().position(|held| held.number == number);
        let was_held = at.and_then(|at| held.remove(at)).is_some();
        if held.is_empty() {
            self.by_household.remove(&household);
        }
        was_held
    }
}

/// A taken place; dropping it gives it back.
#[derive(Debug)]
pub struct Place {
    places: Places,
    /// Whose, and its number; `None`: a trusted peer's.
    of: Option<(Household, u64)>,
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut taken = self.places.lock();
        let was_held = match self.of {
            None => true,
            Some((household, number)) => taken.give_back(household, number),
        };
        if was_held {
            taken.count = taken.count.saturating_sub(1);
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn home(last: u8) -> Household {
        Household::of(std::net::IpAddr::from([192, 0, 2, last]))
    }

    fn enter(places: &Places, last: u8) -> Result<(Place, CancellationToken), Full> {
        let ending = CancellationToken::new();
        let (place, _) = places.enter(home(last), ending.clone())?;
        Ok((place, ending))
    }

    #[test]
    fn a_household_has_so_many_and_gets_them_back() {
        let places = Places::new(10, 2);
        let first = enter(&places, 1).expect("a place");
        let _second = enter(&places, 1).expect("a place");
        assert_eq!(enter(&places, 1).expect_err("full"), Full::Household);
        drop(first);
        let _third = enter(&places, 1).expect("given back");
        assert_eq!(places.count(), 2);
    }

    #[test]
    fn who_has_most_makes_room_for_who_has_fewer() {
        let places = Places::new(4, 3);
        let greedy: Vec<_> = (0..3)
            .map(|_| enter(&places, 1).expect("a place"))
            .collect();
        let other = enter(&places, 2).expect("a place");
        let newcomer = enter(&places, 3).expect("room is made");
        let ended: Vec<bool> = greedy
            .iter()
            .map(|(_, ending)| ending.is_cancelled())
            .collect();
        assert_eq!(ended, [true, false, false], "the oldest");
        // 2, 1, 1: the next one of household 2 would only turn the tables.
        assert_eq!(enter(&places, 2).expect_err("full"), Full::All);
        assert!(!other.1.is_cancelled() && !newcomer.1.is_cancelled());
        let _fourth = enter(&places, 4).expect("from 2 to 1");
        assert_eq!(enter(&places, 5).expect_err("full"), Full::All);
        drop(greedy);
        assert_eq!(
            places.count(),
            3,
            "a place that was ended is not given back twice"
        );
    }

    #[test]
    fn a_trusted_peer_is_bounded_in_all() {
        let places = Places::new(4, 2);
        let greedy: Vec<_> = (0..2)
            .map(|_| enter(&places, 1).expect("a place"))
            .collect();
        let held: Vec<_> = (0..3)
            .map(|_| places.enter_trusted().expect("a place"))
            .collect();
        assert!(greedy[0].1.is_cancelled(), "who has two makes room");
        assert_eq!(places.enter_trusted().expect_err("full"), Full::All);
        assert_eq!(
            enter(&places, 2).expect_err("full"),
            Full::All,
            "none of its own"
        );
        drop((held, greedy));
        assert_eq!(places.count(), 0);
    }

    proptest! {
        #[test]
        fn counts_stay_true(steps in prop::collection::vec((0_u8..6, any::<bool>()), 0..200)) {
            let places = Places::new(8, 3);
            let mut held: Vec<(u8, Place, CancellationToken)> = Vec::new();
            for (last, enters) in steps {
                if enters {
                    if let Ok((place, ending)) = enter(&places, last) {
                        held.push((last, place, ending));
                    }
                } else if let Some(at) = held.iter().position(|(whose, ..)| *whose == last) {
                    held.remove(at);
                }
                let alive = held.iter().filter(|(.., ending)| !ending.is_cancelled());
                prop_assert_eq!(places.count(), alive.count());
                prop_assert!(places.count() <= 8);
            }
            held.clear();
            prop_assert_eq!(places.count(), 0);
            prop_assert!(places.lock().by_household.is_empty());
        }
    }
}
