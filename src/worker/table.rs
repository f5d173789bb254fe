//! A worker's peers by key. A key is never given twice, so that what was meant for one peer never reaches another.

use crate::id::PeerKey;

/// Slots that are used again, each under another generation.
pub struct Table<T> {
    slots: Vec<Slot<T>>,
    free: Vec<u32>,
}

struct Slot<T> {
    generation: u32,
    value: Option<T>,
}

impl<T> Default for Table<T> {
    fn default() -> Self {
        Self { slots: Vec::new(), free: Vec::new() }
    }
}

impl<T> Table<T> {
    /// Puts a value into a free slot. The caller bounds how many there are.
    ///
    /// # Panics
    /// With 2^32 values.
    pub fn insert(&mut self, value: T) -> PeerKey {
        let slot = self.free.pop().unwrap_or_else(|| {
            self.slots.push(Slot { generation: 0, value: None });
            u32::try_from(self.slots.len() - 1).expect("sessions are bounded far below 2^32")
        });
        let place = &mut self.slots[slot as usize];
        place.value = Some(value);
        PeerKey { slot, generation: place.generation }
    }

    /// The value of a key, unless it was removed.
    #[must_use]
    pub fn get(&self, key: PeerKey) -> Option<&T> {
        self.slots.get(key.slot as usize).filter(|slot| slot.generation == key.generation)?.value.as_ref()
    }

    /// See [`Table::get`].
    pub fn get_mut(&mut self, key: PeerKey) -> Option<&mut T> {
        self.slots.get_mut(key.slot as usize).filter(|slot| slot.generation == key.generation)?.value.as_mut()
    }

    /// Takes the value of a key out; the key is void from then on.
    pub fn remove(&mut self, key: PeerKey) -> Option<T> {
        let slot = self.slots.get_mut(key.slot as usize).filter(|slot| slot.generation == key.generation)?;
        let value = slot.value.take()?;
        slot.generation = slot.generation.wrapping_add(1);
        self.free.push(key.slot);
        Some(value)
    }

    /// How many values there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.slots.len() - self.free.len()
    }

    /// The values from a slot on, in the order of their slots.
    pub fn iter_from(&self, slot: u32) -> impl Iterator<Item = (PeerKey, &T)> {
        let slots = (slot..).zip(self.slots.get(slot as usize..).unwrap_or_default());
        slots.filter_map(|(slot, place)| {
            let key = PeerKey { slot, generation: place.generation };
            place.value.as_ref().map(|value| (key, value))
        })
    }

    /// All keys.
    pub fn keys(&self) -> impl Iterator<Item = PeerKey> + '_ {
        let filled = self.slots.iter().enumerate().filter(|(_, slot)| slot.value.is_some());
        filled
            .filter_map(|(index, slot)| Some(PeerKey { slot: u32::try_from(index).ok()?, generation: slot.generation }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slot_used_again_has_another_key() {
        let mut table = Table::default();
        let (a, b) = (table.insert('a'), table.insert('b'));
        assert_eq!((table.get(a), table.get(b), table.len()), (Some(&'a'), Some(&'b'), 2));
        assert_eq!(table.remove(a), Some('a'));
        assert_eq!((table.remove(a), table.get(a), table.len()), (None, None, 1));
        let c = table.insert('c');
        assert_eq!(c.slot, a.slot);
        assert_ne!(c, a);
        assert_eq!(table.get_mut(a), None);
        assert_eq!(table.get_mut(c), Some(&mut 'c'));
        assert_eq!(table.keys().collect::<Vec<_>>(), [c, b]);
        assert_eq!(table.iter_from(1).collect::<Vec<_>>(), [(b, &'b')]);
        assert_eq!(table.iter_from(9).count(), 0);
        assert_eq!(table.get(PeerKey { slot: 9, generation: 0 }), None);
    }
}
