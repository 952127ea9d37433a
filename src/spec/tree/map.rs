//! A mapping in the order it was written.
//!
//! Nearly all mappings of a compose file have a handful of keys, and a project has tens of thousands of them: such a one is a
//! plain row, searched from its start. Only a large one keeps an index.

use std::collections::HashMap;
use std::hash::{BuildHasher, RandomState};

use super::Entry;

/// Most entries that are searched one by one.
const SMALL: usize = 16;

/// A mapping in the order it was written; each key stands in it once.
#[derive(Debug, Clone)]
pub(crate) enum Map {
    Small(Vec<Slot>),
    Large(Box<Indexed>),
}

/// A key and what belongs to it.
type Slot = (Box<str>, Entry);

/// A row of entries, and where each of them is.
#[derive(Debug, Clone, Default)]
pub(crate) struct Indexed {
    slots: Vec<Slot>,
    /// Positions by the hash of the key; of two keys with one hash, the first.
    places: HashMap<u64, usize>,
    state: RandomState,
}

impl Indexed {
    fn find(&self, key: &str) -> Option<usize> {
        let at = *self.places.get(&self.state.hash_one(key))?;
        if *self.slots[at].0 == *key {
            return Some(at);
        }
        position(&self.slots, key)
    }

    fn push(&mut self, slot: Slot) {
        let hash = self.state.hash_one(&*slot.0);
        self.places.entry(hash).or_insert(self.slots.len());
        self.slots.push(slot);
    }

    fn remove(&mut self, at: usize) -> Slot {
        let slot = self.slots.remove(at);
        let hash = self.state.hash_one(&*slot.0);
        if self.places.get(&hash) == Some(&at) {
            self.places.remove(&hash);
        }
        self.places.values_mut().filter(|place| **place > at).for_each(|place| *place -= 1);
        slot
    }
}

impl FromIterator<Slot> for Indexed {
    fn from_iter<T: IntoIterator<Item = Slot>>(slots: T) -> Self {
        let mut indexed = Self::default();
        slots.into_iter().for_each(|slot| indexed.push(slot));
        indexed
    }
}

fn position(slots: &[Slot], key: &str) -> Option<usize> {
    slots.iter().position(|(known, _)| **known == *key)
}

impl Default for Map {
    fn default() -> Self {
        Self::Small(Vec::new())
    }
}

impl Map {
    pub(crate) fn new() -> Self {
        Self::default()
    }

    fn slots(&self) -> &[Slot] {
        match self {
            Self::Small(slots) => slots,
            Self::Large(indexed) => &indexed.slots,
        }
    }

    fn slots_mut(&mut self) -> &mut [Slot] {
        match self {
            Self::Small(slots) => slots,
            Self::Large(indexed) => &mut indexed.slots,
        }
    }

    fn find(&self, key: &str) -> Option<usize> {
        match self {
            Self::Small(slots) => position(slots, key),
            Self::Large(indexed) => indexed.find(key),
        }
    }

    pub(crate) fn len(&self) -> usize {
        self.slots().len()
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.slots().is_empty()
    }

    pub(crate) fn get(&self, key: &str) -> Option<&Entry> {
        let at = self.find(key)?;
        Some(&self.slots()[at].1)
    }

    pub(crate) fn get_mut(&mut self, key: &str) -> Option<&mut Entry> {
        let at = self.find(key)?;
        Some(&mut self.slots_mut()[at].1)
    }

    pub(crate) fn contains_key(&self, key: &str) -> bool {
        self.find(key).is_some()
    }

    /// The entry at a position, counted from 0.
    pub(crate) fn get_index(&self, at: usize) -> Option<(&str, &Entry)> {
        self.slots().get(at).map(|(key, entry)| (&**key, entry))
    }

    /// The last entry.
    pub(crate) fn last(&self) -> Option<&Entry> {
        self.slots().last().map(|(_, entry)| entry)
    }

    /// Sets a key where it stands, or behind all others.
    pub(crate) fn insert(&mut self, key: impl AsRef<str> + Into<Box<str>>, entry: Entry) {
        match self.get_mut(key.as_ref()) {
            Some(known) => *known = entry,
            None => self.push(key.into(), entry),
        }
    }

    /// Adds a key that is not there yet.
    pub(crate) fn push(&mut self, key: Box<str>, entry: Entry) {
        debug_assert!(!self.contains_key(&key), "{key} is there");
        match self {
            Self::Small(slots) if slots.len() < SMALL => {
                if slots.len() == slots.capacity() {
                    // A vector begins with room for four, and many of these have one or two.
                    slots.reserve_exact(slots.len().max(2));
                }
                slots.push((key, entry));
            }
            Self::Small(slots) => {
                let mut indexed: Indexed = std::mem::take(slots).into_iter().collect();
                indexed.push((key, entry));
                *self = Self::Large(Box::new(indexed));
            }
            Self::Large(indexed) => indexed.push((key, entry)),
        }
    }

    /// Removes a key; those behind it move up.
    pub(crate) fn shift_remove(&mut self, key: &str) -> Option<Entry> {
        let at = self.find(key)?;
        let slot = match self {
            Self::Small(slots) => slots.remove(at),
            Self::Large(indexed) => indexed.remove(at),
        };
        Some(slot.1)
    }

    /// Keeps the entries for which `keep` is true.
    pub(crate) fn retain(&mut self, mut keep: impl FnMut(&str, &mut Entry) -> bool) {
        match self {
            Self::Small(slots) => slots.retain_mut(|(key, entry)| keep(key, entry)),
            Self::Large(indexed) => {
                let before = indexed.slots.len();
                indexed.slots.retain_mut(|(key, entry)| keep(key, entry));
                if indexed.slots.len() < before {
                    **indexed = std::mem::take(&mut indexed.slots).into_iter().collect();
                }
            }
        }
    }

    /// Gives back the room that is not used.
    pub(crate) fn shrink_to_fit(&mut self) {
        match self {
            Self::Small(slots) => slots.shrink_to_fit(),
            Self::Large(indexed) => indexed.slots.shrink_to_fit(),
        }
    }

    pub(crate) fn keys(&self) -> impl Iterator<Item = &str> {
        self.slots().iter().map(|(key, _)| &**key)
    }

    pub(crate) fn values(&self) -> impl Iterator<Item = &Entry> {
        self.slots().iter().map(|(_, entry)| entry)
    }

    pub(crate) fn values_mut(&mut self) -> impl Iterator<Item = &mut Entry> {
        self.slots_mut().iter_mut().map(|(_, entry)| entry)
    }

    pub(crate) fn iter(&self) -> Iter<'_> {
        self.into_iter()
    }
}

/// The entries of a mapping.
pub(crate) type Iter<'a> = std::iter::Map<std::slice::Iter<'a, Slot>, fn(&Slot) -> (&str, &Entry)>;
/// The entries of a mapping, to be changed.
pub(crate) type IterMut<'a> = std::iter::Map<std::slice::IterMut<'a, Slot>, fn(&mut Slot) -> (&str, &mut Entry)>;

impl IntoIterator for Map {
    type Item = Slot;
    type IntoIter = std::vec::IntoIter<Slot>;

    fn into_iter(self) -> Self::IntoIter {
        match self {
            Self::Small(slots) => slots.into_iter(),
            Self::Large(indexed) => indexed.slots.into_iter(),
        }
    }
}

impl<'a> IntoIterator for &'a Map {
    type Item = (&'a str, &'a Entry);
    type IntoIter = Iter<'a>;

    fn into_iter(self) -> Self::IntoIter {
        self.slots().iter().map(|(key, entry)| (key, entry))
    }
}

impl<'a> IntoIterator for &'a mut Map {
    type Item = (&'a str, &'a mut Entry);
    type IntoIter = IterMut<'a>;

    fn into_iter(self) -> Self::IntoIter {
        self.slots_mut().iter_mut().map(|(key, entry)| (key, entry))
    }
}

impl FromIterator<Slot> for Map {
    fn from_iter<T: IntoIterator<Item = Slot>>(slots: T) -> Self {
        let mut map = Self::new();
        slots.into_iter().for_each(|(key, entry)| map.insert(key, entry));
        map
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::{Entry, Map, SMALL};
    use crate::span::{Source, Span};
    use crate::tree::{Node, Value};

    fn entry(number: usize) -> Entry {
        let span = Span::new(&Arc::new(Source::new("/f".into(), "")), 0..0);
        Entry { node: Node::new(&span, Value::Int(i64::try_from(number).unwrap_or(0))), key: span }
    }

    fn number(map: &Map, key: usize) -> Option<i64> {
        match map.get(&key.to_string())?.node.value {
            Value::Int(number) => Some(number),
            _ => None,
        }
    }

    #[test]
    fn small_and_large_mappings_are_the_same_to_whoever_asks() {
        for size in [1, SMALL - 1, SMALL, SMALL + 1, 10 * SMALL] {
            let mut map = Map::new();
            let mut wanted: Vec<(usize, usize)> = (0..size).map(|key| (key, key)).collect();
            wanted.iter().for_each(|(key, value)| map.insert(key.to_string(), entry(*value)));
            map.insert("0", entry(7));
            wanted[0].1 = 7;
            map.shift_remove(&(size / 2).to_string());
            wanted.retain(|(key, _)| *key != size / 2);
            let keeps = |key: usize| key % 3 != 1;
            map.retain(|key, _| key.parse().is_ok_and(keeps));
            wanted.retain(|(key, _)| keeps(*key));
            map.insert("1", entry(1));
            wanted.push((1, 1));

            let keys: Vec<String> = wanted.iter().map(|(key, _)| key.to_string()).collect();
            assert_eq!(map.keys().collect::<Vec<_>>(), keys, "{size}");
            assert_eq!(map.len(), wanted.len());
            for key in 0..size {
                let value = wanted.iter().find(|(known, _)| *known == key).and_then(|(_, value)| i64::try_from(*value).ok());
                assert_eq!(number(&map, key), value, "{key} of {size}");
            }
        }
    }
}
