//! Ids that ended lately.

use std::collections::{HashSet, VecDeque};
use std::hash::{BuildHasher, RandomState};

/// As many as a busy server ends in the seconds by which an event, or a list's row, can lag.
const KEPT: usize = 1 << 14;

/// The last ids that ended, as hashes.
#[derive(Debug, Default)]
pub(super) struct Recent {
    hasher: RandomState,
    known: HashSet<u64>,
    order: VecDeque<u64>,
}

impl Recent {
    /// Adds an id. A Uniqueid can be a Linkedid too: `what` tells them apart.
    pub(super) fn add(&mut self, what: What, id: &str) {
        let hash = self.hasher.hash_one((what, id));
        if !self.known.insert(hash) {
            return;
        }
        self.order.push_back(hash);
        if self.order.len() > KEPT
            && let Some(oldest) = self.order.pop_front()
        {
            self.known.remove(&oldest);
        }
    }

    pub(super) fn remove(&mut self, what: What, id: &str) {
        self.known.remove(&self.hasher.hash_one((what, id)));
    }

    pub(super) fn has(&self, what: What, id: &str) -> bool {
        self.known.contains(&self.hasher.hash_one((what, id)))
    }
}

/// What an id is of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum What {
    Channel,
    Call,
    Bridge,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_oldest_is_forgotten() {
        let mut recent = Recent::default();
        recent.add(What::Channel, "first");
        for number in 0..KEPT {
            assert!(recent.has(What::Channel, "first"));
            recent.add(What::Channel, &number.to_string());
        }
        assert!(!recent.has(What::Channel, "first"));
        assert!(recent.has(What::Channel, "0"));
        assert!(!recent.has(What::Call, "0"));
        assert_eq!((recent.known.len(), recent.order.len()), (KEPT, KEPT));
    }
}
