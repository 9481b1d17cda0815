//! Packet identifiers and what they stand for: a small open-addressed map over a slice.
//!
//! Zero is never a packet identifier, so it marks a free entry. Identifiers rise one by one and
//! are spread by their remainder, so that a run of them collides with nothing.

/// One entry: an identifier and a value beside it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub(crate) struct IdEntry {
    id: u16,
    value: u16,
}

impl IdEntry {
    /// A free entry, for filling tables.
    pub(crate) const FREE: Self = Self { id: 0, value: 0 };
}

fn home(entries: &[IdEntry], id: u16) -> usize {
    usize::from(id).checked_rem(entries.len()).unwrap_or(0)
}

fn following(entries: &[IdEntry], at: usize) -> usize {
    let next = at.wrapping_add(1);
    if next < entries.len() { next } else { 0 }
}

fn position(entries: &[IdEntry], id: u16) -> Option<usize> {
    let mut at = home(entries, id);
    for away in 0..entries.len() {
        match entries.get(at) {
            Some(entry) if entry.id == id => return Some(at),
            // Behind an entry that is nearer to its home, this one cannot lie.
            Some(&entry) if entry.id != 0 && distance(entries, at, entry.id) >= away => {
                at = following(entries, at);
            }
            _ => return None,
        }
    }
    None
}

/// Where `id` lies, and the value stored with it.
#[inline]
pub(crate) fn locate(entries: &[IdEntry], id: u16) -> Option<(usize, u16)> {
    let at = home(entries, id);
    let entry = entries.get(at)?;
    // Nearly always it is at home.
    if entry.id == id && id != 0 {
        return Some((at, entry.value));
    }
    if entry.id == 0 || id == 0 {
        return None;
    }
    let at = position(entries, id)?;
    entries.get(at).map(|entry| (at, entry.value))
}

/// The value stored with `id`.
#[inline]
pub(crate) fn find(entries: &[IdEntry], id: u16) -> Option<u16> {
    locate(entries, id).map(|(_, value)| value)
}

/// Stores `id` if its home is free, which is nearly always so where identifiers rise.
#[cfg(feature = "fast")]
#[inline]
pub(crate) fn insert_at_home(entries: &mut [IdEntry], id: u16, value: u16) -> bool {
    let at = home(entries, id);
    match entries.get_mut(at) {
        Some(entry) if entry.id == 0 => {
            *entry = IdEntry { id, value };
            true
        }
        _ => false,
    }
}

/// Changes the value of the entry at a place; false when there is none.
#[cfg(feature = "alloc")]
pub(crate) fn set_at(entries: &mut [IdEntry], at: usize, value: u16) -> bool {
    match entries.get_mut(at) {
        Some(entry) => {
            entry.value = value;
            true
        }
        None => false,
    }
}

/// How far the place `at` lies behind the home of the identifier there.
fn distance(entries: &[IdEntry], at: usize, id: u16) -> usize {
    let home = home(entries, id);
    if at >= home {
        at.wrapping_sub(home)
    } else {
        at.wrapping_add(entries.len()).wrapping_sub(home)
    }
}

/// Stores `id`, replacing what it stood for; false when the table is full.
///
/// Entries lie in the order of their homes, so that a removal need not look beyond the first one
/// that is at home.
pub(crate) fn insert(entries: &mut [IdEntry], id: u16, value: u16) -> bool {
    let mut at = home(entries, id);
    for away in 0..entries.len() {
        match entries.get_mut(at) {
            Some(entry) if entry.id == id => {
                entry.value = value;
                return true;
            }
            Some(entry) if entry.id == 0 => {
                settle(entries, at, away, IdEntry { id, value });
                return true;
            }
            _ => at = following(entries, at),
        }
    }
    false
}

/// Puts an entry into the free place `at`, which is `away` from its home, or in front of those
/// before it that have a later home.
fn settle(entries: &mut [IdEntry], mut at: usize, away: usize, new: IdEntry) {
    for away in (0..away).rev() {
        let before = at.checked_sub(1).unwrap_or(entries.len().wrapping_sub(1));
        let Some(&entry) = entries.get(before) else {
            break;
        };
        if distance(entries, before, entry.id) >= away {
            break;
        }
        if let Some(free) = entries.get_mut(at) {
            *free = entry;
        }
        at = before;
    }
    if let Some(free) = entries.get_mut(at) {
        *free = new;
    }
}

/// Removes `id`; false when it is not there.
pub(crate) fn remove(entries: &mut [IdEntry], id: u16) -> bool {
    let found = locate(entries, id);
    if let Some((at, _)) = found {
        remove_at(entries, at);
    }
    found.is_some()
}

/// Removes the entry at a place and closes the gap, so that no search ever passes over dead
/// entries.
#[inline]
pub(crate) fn remove_at(entries: &mut [IdEntry], at: usize) {
    let mut hole = at;
    for _ in 1..entries.len() {
        let next = following(entries, hole);
        match entries.get(next) {
            Some(&entry) if entry.id != 0 && home(entries, entry.id) != next => {
                if let Some(free) = entries.get_mut(hole) {
                    *free = entry;
                }
                hole = next;
            }
            _ => break,
        }
    }
    if let Some(free) = entries.get_mut(hole) {
        *free = IdEntry::FREE;
    }
}

/// Changes the value of every identifier.
#[cfg(feature = "alloc")]
pub(crate) fn for_each(entries: &mut [IdEntry], mut change: impl FnMut(&mut u16)) {
    for entry in entries.iter_mut().filter(|entry| entry.id != 0) {
        change(&mut entry.value);
    }
}

/// Every identifier, in no order that means anything, and what is stored with it.
#[cfg(feature = "alloc")]
pub(crate) fn iter(entries: &[IdEntry]) -> impl Iterator<Item = (u16, u16)> + '_ {
    let used = entries.iter().filter(|entry| entry.id != 0);
    used.map(|entry| (entry.id, entry.value))
}

/// Whether there is no identifier.
#[cfg(feature = "broker")]
pub(crate) fn is_empty(entries: &[IdEntry]) -> bool {
    entries.iter().all(|entry| entry.id == 0)
}

/// Forgets every identifier.
pub(crate) fn clear(entries: &mut [IdEntry]) {
    entries.fill(IdEntry::FREE);
}

/// Moves every identifier of `old` into the larger, empty `new`.
#[cfg(feature = "alloc")]
pub(crate) fn rehash(old: &[IdEntry], new: &mut [IdEntry]) {
    for entry in old.iter().filter(|entry| entry.id != 0) {
        insert(new, entry.id, entry.value);
    }
}

#[cfg(test)]
mod tests {
    extern crate std;
    use super::*;
    use proptest::prelude::*;
    use std::collections::BTreeMap;

    #[test]
    fn a_full_table_still_finds_and_removes() {
        let mut table = [IdEntry::FREE; 4];
        for id in [4, 8, 12, 3] {
            assert!(insert(&mut table, id, id + 100));
        }
        assert!(!insert(&mut table, 5, 0));
        assert!(remove(&mut table, 4));
        assert_eq!(find(&table, 4), None);
        for id in [8, 12, 3] {
            assert_eq!(find(&table, id), Some(id + 100));
        }
    }

    proptest! {
        #[test]
        fn agrees_with_a_map(steps in prop::collection::vec((1u16..40, any::<bool>()), 0..200)) {
            let mut table = [IdEntry::FREE; 16];
            let mut model = BTreeMap::new();
            for (step, (id, add)) in steps.into_iter().enumerate() {
                let value = u16::try_from(step).unwrap_or(0);
                if add {
                    let fits = model.contains_key(&id) || model.len() < table.len();
                    prop_assert_eq!(insert(&mut table, id, value), fits);
                    if fits {
                        model.insert(id, value);
                    }
                } else {
                    prop_assert_eq!(remove(&mut table, id), model.remove(&id).is_some());
                }
                for id in 1..40 {
                    prop_assert_eq!(find(&table, id), model.get(&id).copied());
                }
            }
        }
    }
}
