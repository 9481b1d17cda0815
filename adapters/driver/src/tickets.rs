//! What the machine's tickets stand for, found by their numbers.
//!
//! Tickets are issued in rising order and mostly settled in about that order, so that a table in
//! which each lies where its number says is nearly all that is needed. A ticket that is settled
//! so late that its place is wanted again is kept aside.

use std::collections::HashMap;

/// A map from the numbers of tickets that are not settled.
#[derive(Debug)]
pub(crate) struct Tickets<T> {
    /// As many places as a power of two: at least twice as many as are in use, once it is not
    /// empty.
    places: Vec<Option<(u64, T)>>,
    /// How many places are in use.
    used: usize,
    late: HashMap<u64, T>,
}

impl<T> Tickets<T> {
    pub(crate) fn new() -> Self {
        Self {
            places: Vec::new(),
            used: 0,
            late: HashMap::new(),
        }
    }

    fn place(&mut self, ticket: u64) -> Option<&mut Option<(u64, T)>> {
        let mask = self.places.len().checked_sub(1)?;
        // What is cut off lies above any mask.
        self.places.get_mut(ticket as usize & mask)
    }

    /// Keeps what a ticket stands for; it is a new one.
    pub(crate) fn insert(&mut self, ticket: u64, value: T) {
        if self.used >= self.places.len() / 2 {
            self.grow();
        }
        self.used += 1;
        let former = self
            .place(ticket)
            .and_then(|place| place.replace((ticket, value)));
        if let Some((ticket, value)) = former {
            self.used -= 1;
            self.late.insert(ticket, value);
        }
    }

    /// Takes out what a ticket stands for.
    pub(crate) fn remove(&mut self, ticket: u64) -> Option<T> {
        let found = self
            .place(ticket)
            .and_then(|place| place.take_if(|(other, _)| *other == ticket));
        match found {
            Some((_, value)) => {
                self.used -= 1;
                Some(value)
            }
            None => self.late.remove(&ticket),
        }
    }

    /// Takes out everything.
    pub(crate) fn drain(&mut self) -> impl Iterator<Item = T> {
        self.used = 0;
        let places = std::mem::take(&mut self.places);
        let late = std::mem::take(&mut self.late);
        let placed = places.into_iter().flatten().map(|(_, value)| value);
        placed.chain(late.into_values())
    }

    #[cold]
    fn grow(&mut self) {
        let len = self.places.len().max(8) * 2;
        let mut places = Vec::with_capacity(len);
        places.resize_with(len, || None);
        // No two that had places of their own in the smaller table meet in the larger one.
        for (ticket, value) in std::mem::replace(&mut self.places, places)
            .into_iter()
            .flatten()
        {
            if let Some(place) = self.place(ticket) {
                *place = Some((ticket, value));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeMap;

    #[test]
    fn what_is_settled_in_any_order_is_found_once() {
        let mut tickets = Tickets::new();
        let mut model = BTreeMap::new();
        let (mut seed, mut next, mut met) = (1_u32, 1, 0);
        for step in 0..20_000 {
            seed = seed.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            let draw = (seed >> 16) as usize;
            // Mostly the oldest but one, so that the oldest waits long.
            if draw % 16 < 8 && model.len() > 1 {
                let at = if draw.is_multiple_of(5) {
                    draw % model.len()
                } else {
                    1
                };
                let ticket = *model.keys().nth(at).unwrap();
                assert_eq!(tickets.remove(ticket), model.remove(&ticket));
                assert_eq!(tickets.remove(ticket), None);
            } else {
                tickets.insert(next, step);
                model.insert(next, step);
                next += 1;
            }
            met += usize::from(!tickets.late.is_empty());
            assert_eq!(tickets.used + tickets.late.len(), model.len());
        }
        assert!(met > 1_000 && tickets.places.len() > 16, "{met}");
        let mut left: Vec<_> = tickets.drain().collect();
        left.sort_unstable();
        assert!(left.into_iter().eq(model.into_values()));
        assert_eq!(tickets.remove(next - 1), None);
    }

    #[test]
    fn a_ticket_that_waits_for_ever_makes_the_table_no_longer() {
        let mut tickets = Tickets::new();
        tickets.insert(1, 1);
        for ticket in 2..10_000 {
            tickets.insert(ticket, 0);
            assert_eq!(tickets.remove(ticket), Some(0));
        }
        assert_eq!((tickets.places.len(), tickets.remove(1)), (16, Some(1)));
    }
}
