//! Who subscribes to a filter: sessions one by one, and groups that share (section 4.8.2).

use super::tree::Fruit;
use alloc::boxed::Box;
use alloc::collections::BTreeMap;
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
    members: Vec<(SessionKey, Granted)>,
    /// Whose turn it is.
    next: Cell<usize>,
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
            members: Vec::new(),
            next: Cell::new(0),
        });
        match group.members.iter_mut().find(|(key, _)| *key == session) {
            Some(member) => member.1 = granted,
            None => group.members.push((session, granted)),
        }
    }

    pub(crate) fn remove(&mut self, session: SessionKey) {
        self.direct.remove(&session);
    }

    pub(crate) fn leave(&mut self, name: &str, session: SessionKey) {
        let Some(group) = self.groups.get_mut(name) else {
            return;
        };
        if let Some(at) = group.members.iter().position(|(key, _)| *key == session) {
            group.members.remove(at);
            // Those behind it keep their turns.
            let next = group.next.get();
            if at < next {
                group.next.set(next.saturating_sub(1));
            }
        }
        if group.members.is_empty() {
            self.groups.remove(name);
        }
    }

    /// Adds those who get a message: every session, and one member of each group.
    pub(crate) fn collect(
        &self,
        is_connected: &impl Fn(SessionKey) -> bool,
        into: &mut Vec<Match>,
    ) {
        into.extend(self.direct.iter().map(|(session, granted)| Match {
            session: *session,
            granted: *granted,
            group: None,
        }));
        into.extend(
            self.groups
                .values()
                .filter_map(|group| group.choose(is_connected)),
        );
    }

    /// The member of one group whose turn it is.
    pub(crate) fn choose(
        &self,
        name: &str,
        is_connected: &impl Fn(SessionKey) -> bool,
    ) -> Option<Match> {
        self.groups.get(name)?.choose(is_connected)
    }
}

impl Group {
    /// The next member that is connected, in turn; if none is, the next.
    fn choose(&self, is_connected: &impl Fn(SessionKey) -> bool) -> Option<Match> {
        let len = self.members.len();
        let start = self.next.get();
        let turns = || {
            (0..len).map(|step| {
                let at = start.wrapping_add(step).checked_rem(len).unwrap_or(0);
                (at, self.members.get(at))
            })
        };
        let connected = |(_, member): &(usize, Option<&(SessionKey, Granted)>)| {
            member.is_some_and(|(session, _)| is_connected(*session))
        };
        let (at, member) = turns().find(connected).or_else(|| turns().next())?;
        let (session, granted) = member?;
        self.next
            .set(at.wrapping_add(1).checked_rem(len).unwrap_or(0));
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

    fn chosen(subscribers: &Subscribers, times: usize, connected: &[u32]) -> Vec<u32> {
        (0..times)
            .filter_map(|_| subscribers.choose("g", &|session| connected.contains(&session)))
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
        let group = group(&[3, 1, 2]);
        assert_eq!(chosen(&group, 6, &[1, 2, 3]), [3, 1, 2, 3, 1, 2]);
    }

    #[test]
    fn members_without_a_connection_are_passed_over_while_another_has_one() {
        let group = group(&[1, 2, 3]);
        assert_eq!(chosen(&group, 4, &[2, 3]), [2, 3, 2, 3]);
        assert_eq!(chosen(&group, 3, &[]), [1, 2, 3]);
    }

    #[test]
    fn a_member_that_leaves_takes_nobodys_turn() {
        let mut group = group(&[1, 2, 3]);
        assert_eq!(chosen(&group, 2, &[1, 2, 3]), [1, 2]);
        group.leave("g", 1);
        assert_eq!(chosen(&group, 3, &[1, 2, 3]), [3, 2, 3]);
        group.leave("g", 2);
        group.leave("g", 3);
        assert!(group.is_empty());
    }
}
