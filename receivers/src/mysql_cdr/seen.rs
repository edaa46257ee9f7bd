//! Identities that were seen: hashes with the time they belong to, so that old ones can be forgotten.

use std::collections::HashMap;

use super::time::Naive;

/// A set of hashes, each with a time.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Seen {
    times: HashMap<Hash, u32>,
}

/// A hash in two halves: with its time it takes twelve bytes, where a whole one would take sixteen.
type Hash = [u32; 2];

fn halves(hash: u64) -> Hash {
    [(hash >> 32) as u32, hash as u32]
}

fn whole([high, low]: Hash) -> u64 {
    u64::from(high) << 32 | u64::from(low)
}

/// Times are kept as seconds since 1970 and end there in 2106.
fn stored(time: Naive) -> u32 {
    u32::try_from(time.max(0)).unwrap_or(u32::MAX)
}

impl Seen {
    /// Whether `hash` was seen.
    pub(super) fn contains(&self, hash: u64) -> bool {
        self.times.contains_key(&halves(hash))
    }

    /// The time of `hash`, if it was seen.
    pub(super) fn time(&self, hash: u64) -> Option<Naive> {
        self.times.get(&halves(hash)).copied().map(Naive::from)
    }

    /// Notes `hash`; false if it was seen before. Its time is the later one then.
    pub(super) fn insert(&mut self, hash: u64, time: Naive) -> bool {
        let time = stored(time);
        let mut new = false;
        let kept = self.times.entry(halves(hash)).or_insert_with(|| {
            new = true;
            time
        });
        *kept = time.max(*kept);
        new
    }

    /// Forgets what is older than `horizon`.
    pub(super) fn forget(&mut self, horizon: Naive) {
        let horizon = stored(horizon);
        self.times.retain(|_, time| *time >= horizon);
        // Removals leave marks, for which the map would double in the end.
        if self.times.capacity() - self.times.len() < self.times.len() / 16 {
            let kept: Vec<(Hash, u32)> = self.times.drain().collect();
            self.times.extend(kept);
        }
        // A night's calls are fewer than a day's.
        if self.times.capacity() > 4 * self.times.len() + 1024 {
            self.times.shrink_to_fit();
        }
    }

    /// Forgets the oldest quarter; the time of the newest that went.
    pub(super) fn forget_quarter(&mut self) -> Option<Naive> {
        let mut times: Vec<u32> = self.times.values().copied().collect();
        let at = times.len() / 4;
        if times.is_empty() {
            return None;
        }
        let (_, limit, _) = times.select_nth_unstable(at);
        let limit = *limit;
        self.times.retain(|_, time| *time > limit);
        Some(Naive::from(limit))
    }

    /// How many there are.
    pub(super) fn len(&self) -> usize {
        self.times.len()
    }

    /// Each with its time.
    pub(super) fn iter(&self) -> impl Iterator<Item = (u64, Naive)> + '_ {
        self.times.iter().map(|(hash, time)| (whole(*hash), Naive::from(*time)))
    }

    /// Appends all, twelve bytes each.
    pub(super) fn write(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(&(self.times.len() as u64).to_le_bytes());
        for (hash, time) in &self.times {
            out.extend_from_slice(&whole(*hash).to_le_bytes());
            out.extend_from_slice(&time.to_le_bytes());
        }
    }

    /// Reads what [`write`](Self::write) wrote, and what follows it.
    pub(super) fn read(bytes: &[u8]) -> Option<(Self, &[u8])> {
        let (count, bytes) = bytes.split_first_chunk::<8>()?;
        let count = usize::try_from(u64::from_le_bytes(*count)).ok()?;
        let (entries, rest) = bytes.split_at_checked(count.checked_mul(12)?)?;
        let mut times = HashMap::with_capacity(count);
        for entry in entries.chunks_exact(12) {
            let (hash, time) = entry.split_first_chunk::<8>()?;
            times.insert(halves(u64::from_le_bytes(*hash)), u32::from_le_bytes(time.try_into().ok()?));
        }
        Some((Self { times }, rest))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// As many come as go: the map stays as large as it is.
    #[test]
    fn room_does_not_grow_with_time() {
        let mut seen = Seen::default();
        let mut random = 1_u64;
        let mut capacity = 0;
        for time in 0..400_000 {
            random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            seen.insert(random, time);
            if time % 100 == 0 {
                seen.forget(time - 11_000);
                capacity = capacity.max(seen.times.capacity());
            }
        }
        assert_eq!(seen.len(), 11_100);
        assert!(capacity < 2 * 11_100, "{capacity}");
    }

    #[test]
    fn the_old_are_forgotten() {
        let mut seen = Seen::default();
        assert!(seen.insert(1, 100));
        assert!(!seen.insert(1, 50));
        assert!(seen.insert(2, 200));
        assert!(seen.insert(3, -5));
        seen.forget(100);
        assert!(seen.contains(1) && seen.contains(2) && !seen.contains(3));
        let mut bytes = Vec::new();
        seen.write(&mut bytes);
        bytes.push(9);
        assert_eq!(Seen::read(&bytes), Some((seen.clone(), &[9_u8][..])));
        assert_eq!(Seen::read(&bytes[..20]), None);
        assert_eq!(seen.forget_quarter(), Some(100));
        assert_eq!(seen.len(), 1);
    }
}
