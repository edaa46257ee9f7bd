//! Slots that are used again, with keys that notice it.

use std::marker::PhantomData;

/// Names a value in an [`Arena`]; finds nothing once the value is gone, even if its slot was used again.
pub(crate) struct Key<T> {
    slot: u32,
    generation: u32,
    of: PhantomData<fn() -> T>,
}

impl<T> Key<T> {
    /// A number that no other key of the arena has.
    pub(crate) fn number(self) -> u64 {
        u64::from(self.generation) << 32 | u64::from(self.slot)
    }
}

// Not derived: that would ask for T: Clone and so on.
impl<T> Clone for Key<T> {
    fn clone(&self) -> Self {
        *self
    }
}
impl<T> Copy for Key<T> {}
impl<T> PartialEq for Key<T> {
    fn eq(&self, other: &Self) -> bool {
        (self.slot, self.generation) == (other.slot, other.generation)
    }
}
impl<T> Eq for Key<T> {}
impl<T> std::hash::Hash for Key<T> {
    fn hash<H: std::hash::Hasher>(&self, state: &mut H) {
        self.number().hash(state);
    }
}
impl<T> std::fmt::Debug for Key<T> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}.{}", self.slot, self.generation)
    }
}

#[derive(Debug)]
struct Slot<T> {
    generation: u32,
    retired: bool,
    value: Option<T>,
}

/// Values by [`Key`]. One that is over is retired first: it can still be read until [`Arena::bury`].
#[derive(Debug)]
pub(super) struct Arena<T> {
    slots: Vec<Slot<T>>,
    free: Vec<u32>,
    retired: Vec<Key<T>>,
}

impl<T> Default for Arena<T> {
    fn default() -> Self {
        Self { slots: Vec::new(), free: Vec::new(), retired: Vec::new() }
    }
}

impl<T> Arena<T> {
    pub(super) fn insert(&mut self, value: T) -> Key<T> {
        if let Some(slot) = self.free.pop()
            && let Some(place) = self.slots.get_mut(slot as usize)
        {
            place.value = Some(value);
            place.retired = false;
            return Key { slot, generation: place.generation, of: PhantomData };
        }
        let slot = u32::try_from(self.slots.len()).unwrap_or(u32::MAX);
        self.slots.push(Slot { generation: 0, retired: false, value: Some(value) });
        Key { slot, generation: 0, of: PhantomData }
    }

    pub(super) fn get(&self, key: Key<T>) -> Option<&T> {
        let slot = self.slots.get(key.slot as usize)?;
        slot.value.as_ref().filter(|_| slot.generation == key.generation)
    }

    pub(super) fn get_mut(&mut self, key: Key<T>) -> Option<&mut T> {
        let slot = self.slots.get_mut(key.slot as usize)?;
        slot.value.as_mut().filter(|_| slot.generation == key.generation)
    }

    /// Takes a value out of [`Arena::iter`] and [`Arena::len`]; false if it was already.
    pub(super) fn retire(&mut self, key: Key<T>) -> bool {
        let slot = self.slots.get_mut(key.slot as usize).filter(|slot| slot.generation == key.generation);
        let Some(slot) = slot.filter(|slot| !slot.retired) else { return false };
        slot.retired = true;
        self.retired.push(key);
        true
    }

    /// Drops what was retired.
    pub(super) fn bury(&mut self) {
        for key in self.retired.drain(..) {
            if let Some(slot) = self.slots.get_mut(key.slot as usize) {
                slot.value = None;
                slot.generation = slot.generation.wrapping_add(1);
                self.free.push(key.slot);
            }
        }
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = (Key<T>, &T)> {
        self.slots.iter().zip(0..).filter(|(slot, _)| !slot.retired).filter_map(|(slot, number)| {
            let key = Key { slot: number, generation: slot.generation, of: PhantomData };
            slot.value.as_ref().map(|value| (key, value))
        })
    }

    pub(super) fn len(&self) -> usize {
        self.slots.len() - self.free.len() - self.retired.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_does_not_find_what_came_after() {
        let mut arena = Arena::default();
        let first = arena.insert("first");
        assert!(arena.retire(first));
        assert!(!arena.retire(first));
        assert_eq!((arena.get(first), arena.len(), arena.iter().count()), (Some(&"first"), 0, 0));
        arena.bury();
        assert_eq!(arena.get(first), None);
        let second = arena.insert("second");
        assert!(!arena.retire(first));
        assert_eq!((arena.get(first), arena.get(second)), (None, Some(&"second")));
        assert_eq!(arena.iter().collect::<Vec<_>>(), [(second, &"second")]);
        assert_eq!(arena.len(), 1);
    }
}
