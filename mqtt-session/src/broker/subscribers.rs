//! Who subscribes to a filter: sessions one by one, and groups that share (section 4.8.2).

use super::tree::Fruit;
use alloc::boxed::Box;
use alloc::collections::{BTreeMap, BTreeSet};
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::cell::Cell;
use mqtt_proto::QoS;

/// The number of a session, as long as it lives.
pub(crate) type SessionKey = u32;

/// A subscription as it was granted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Granted {
    pub(crate) qos: QoS,
    pub(crate) no_local: bool,
    pub(crate) retain_as_published: bool,
    /// The Subscription Identifier.
    pub(crate) id: Option<u32>,
}

/// All subscriptions to one filter.
#[derive(Clone, Debug, Default)]
pub(crate) struct Subscribers {
    direct: BTreeMap<SessionKey, Granted>,
    groups: BTreeMap<Box<str>, Group>,
}

/// A shared subscription: each message goes to one of its members.
#[derive(Clone, Debug)]
pub(crate) struct Group {
    /// The whole filter, `$share/` and its name included.
    filter: Arc<str>,
    /// By their seats, which are given out in the order of joining.
    members: BTreeMap<u64, (SessionKey, Granted)>,
    seats: BTreeMap<SessionKey, u64>,
    /// The seats of those that have a connection: however many have none, they cost nothing.
    connected: BTreeSet<u64>,
    next_seat: u64,
    /// Whose turn it is: of the first seat from here on.
    turn: Cell<u64>,
}

/// A subscription that a message matches.
#[derive(Clone, Debug)]
pub(crate) struct Match {
    pub(crate) session: SessionKey,
    pub(crate) granted: Granted,
    /// The whole filter of the shared subscription it was chosen for, if any.
    pub(crate) group: Option<Arc<str>>,
}

impl Fruit for Subscribers {
    fn is_empty(&self) -> bool {
        self.direct.is_empty() && self.groups.is_empty()
    }
}

impl Subscribers {
    /// Adds or replaces a session's subscription (MQTT-3.8.4-3).
    pub(crate) fn insert(&mut self, session: SessionKey, granted: Granted) {
        self.direct.insert(session, granted);
    }

    /// Adds or replaces a session's membership of the group `name`, whose whole filter is
    /// `filter`.
    pub(crate) fn join(&mut self, name: &str, filter: &str, session: SessionKey, granted: Granted) {
        let group = self.groups.entry(name.into()).or_insert_with(|| Group {
            filter: filter.into(),
            members: BTreeMap::new(),
            seats: BTreeMap::new(),
            connected: BTreeSet::new(),
            next_seat: 0,
            turn: Cell::new(0),
        });
        let next = &mut group.next_seat;
        let seat = *group.seats.entry(session).or_insert_with(|| {
            let seat = *next;
            *next = next.wrapping_add(1);
            seat
        });
        group.members.insert(seat, (session, granted));
        // SUBSCRIBE came over a connection.
        group.connected.insert(seat);
    }

    /// A member of the group `name` has got a connection, or has lost it.
    pub(crate) fn set_connected(&mut self, name: &str, session: SessionKey, connected: bool) {
        let Some(group) = self.groups.get_mut(name) else {
            return;
        };
        let Some(seat) = group.seats.get(&session) else {
            return;
        };
        if connected {
            group.connected.insert(*seat);
        } else {
            group.connected.remove(seat);
        }
    }

    /// Whether a session is a member of the group `name`, and has a connection.
    #[cfg(any(test, feature = "fuzzing"))]
    pub(crate) fn has_connected(&self, name: &str, session: SessionKey) -> bool {
        let group = self.groups.get(name);
        let seat = group.and_then(|group| Some((group, group.seats.get(&session)?)));
        seat.is_some_and(|(group, seat)| group.connected.contains(seat))
    }

    pub(crate) fn remove(&mut self, session: SessionKey) {
        self.direct.remove(&session);
    }

    pub(crate) fn leave(&mut self, name: &str, session: SessionKey) {
        let Some(group) = self.groups.get_mut(name) else {
            return;
        };
        if let Some(seat) = group.seats.remove(&session) {
            group.members.remove(&seat);
            group.connected.remove(&seat);
        }
        if group.members.is_empty() {
            self.groups.remove(name);
        }
    }

    /// Adds those who get a message: every session, and one member of each group.
    pub(crate) fn collect(&self, into: &mut Vec<Match>) {
        into.extend(self.direct.iter().map(|(session, granted)| Match {
            session: *session,
            granted: *granted,
            group: None,
        }));
        into.extend(self.groups.values().filter_map(Group::choose));
    }

    /// The member of one group whose turn it is.
    pub(crate) fn choose(&self, name: &str) -> Option<Match> {
        self.groups.get(name)?.choose()
    }
}

impl Group {
    /// The next member that is connected, in turn; if none is, the next.
    fn choose(&self) -> Option<Match> {
        let turn = self.turn.get();
        let of_connected = self.connected.range(turn..).next();
        let seat = match of_connected.or_else(|| self.connected.first()) {
            Some(seat) => *seat,
            None => {
                let first = self.members.range(turn..).next();
                *first.or_else(|| self.members.first_key_value())?.0
            }
        };
        let (session, granted) = self.members.get(&seat)?;
        self.turn.set(seat.wrapping_add(1));
        Some(Match {
            session: *session,
            granted: *granted,
            group: Some(Arc::clone(&self.filter)),
        })
    }
}

#[cfg(test)]
mod tests {
    extern crate std;
    use super::*;
    use std::vec::Vec;

    const GRANTED: Granted = Granted {
        qos: QoS::AtLeastOnce,
        no_local: false,
        retain_as_published: false,
        id: None,
    };

    fn chosen(subscribers: &mut Subscribers, times: usize, connected: &[u32]) -> Vec<u32> {
        for session in 1..4 {
            subscribers.set_connected("g", session, connected.contains(&session));
        }
        (0..times)
            .filter_map(|_| subscribers.choose("g"))
            .map(|chosen| chosen.session)
            .collect()
    }

    fn group(members: &[u32]) -> Subscribers {
        let mut subscribers = Subscribers::default();
        for session in members {
            subscribers.join("g", "$share/g/a", *session, GRANTED);
        }
        subscribers
    }

    #[test]
    fn every_member_of_a_group_has_its_turn() {
        let mut group = group(&[3, 1, 2]);
        assert_eq!(chosen(&mut group, 6, &[1, 2, 3]), [3, 1, 2, 3, 1, 2]);
    }

    #[test]
    fn members_without_a_connection_are_passed_over_while_another_has_one() {
        let mut group = group(&[1, 2, 3]);
        assert_eq!(chosen(&mut group, 4, &[2, 3]), [2, 3, 2, 3]);
        assert_eq!(chosen(&mut group, 3, &[]), [1, 2, 3]);
    }

    #[test]
    fn a_member_that_leaves_takes_nobodys_turn() {
        let mut group = group(&[1, 2, 3]);
        assert_eq!(chosen(&mut group, 2, &[1, 2, 3]), [1, 2]);
        group.leave("g", 1);
        assert_eq!(chosen(&mut group, 3, &[1, 2, 3]), [3, 2, 3]);
        group.leave("g", 2);
        group.leave("g", 3);
        assert!(group.is_empty());
    }
}
