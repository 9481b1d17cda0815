//! A tree of topic levels, for filters that are matched by topic names and for topic names that
//! are matched by filters.
//!
//! A node stands for the levels that everything at and below it shares: there are at most twice
//! as many nodes as there is fruit, however deep. Looking something up walks only along what
//! matches, so that it costs what the topic is deep and what is found, however much else there
//! is. Nothing recurses: a topic may have tens of thousands of levels.

use alloc::boxed::Box;
use alloc::collections::{BTreeMap, BTreeSet};
use alloc::vec::Vec;

/// What lies at a node.
pub(crate) trait Fruit: Default {
    /// Whether there is nothing: nodes without anything at or below them are taken out.
    fn is_empty(&self) -> bool;
}

/// The root is always there, at index 0, and stands for no level.
#[derive(Clone, Debug)]
pub(crate) struct TopicTree<V> {
    nodes: Vec<Node<V>>,
    /// Places in between that are free; the first is taken first, so that the last come free.
    free: BTreeSet<u32>,
}

#[derive(Clone, Debug, Default)]
struct Node<V> {
    parent: u32,
    /// One level or more, with their separators.
    label: Box<str>,
    /// By the first level of their labels.
    children: BTreeMap<Box<str>, u32>,
    value: V,
}

const ROOT: u32 = 0;
const SINGLE: &str = "+";
const MULTI: &str = "#";

/// The first level, and those below it, if any.
fn split(path: &str) -> (&str, Option<&str>) {
    match path.split_once('/') {
        Some((level, below)) => (level, Some(below)),
        None => (path, None),
    }
}

/// How a label and a wildcard path beside it go together.
enum Fit<'a> {
    Not,
    /// A wildcard for all levels was reached.
    All,
    /// The label is used up, and this is left of the other.
    Rest(Option<&'a str>),
}

/// Walks a filter's label along a topic name, from the first level of both.
fn fit_filter<'t>(label: &str, topic: &'t str) -> Fit<'t> {
    let mut rest = Some(topic);
    for level in label.split('/') {
        if level == MULTI {
            return Fit::All;
        }
        let Some((name, below)) = rest.map(split) else {
            return Fit::Not;
        };
        if level != SINGLE && level != name {
            return Fit::Not;
        }
        rest = below;
    }
    Fit::Rest(rest)
}

/// Walks a topic name's label along a filter, from the first level of both.
fn fit_topic<'f>(label: &str, filter: &'f str) -> Fit<'f> {
    let mut rest = Some(filter);
    for name in label.split('/') {
        let Some((level, below)) = rest.map(split) else {
            return Fit::Not;
        };
        if level == MULTI {
            return Fit::All;
        }
        if level != SINGLE && level != name {
            return Fit::Not;
        }
        rest = below;
    }
    Fit::Rest(rest)
}

/// What is left of a path behind a label that it begins with.
fn strip<'p>(path: &'p str, label: &str) -> Option<Option<&'p str>> {
    let rest = path.strip_prefix(label)?;
    if rest.is_empty() {
        return Some(None);
    }
    rest.strip_prefix('/').map(Some)
}

/// The levels that a path and a label share, which are not all of the label.
fn shared<'l>(path: &str, label: &'l str) -> Option<(&'l str, &'l str)> {
    let mut end = 0usize;
    for (level, name) in label.split('/').zip(path.split('/')) {
        if level != name {
            break;
        }
        end = end.saturating_add(level.len()).saturating_add(1);
    }
    // Up to the separator behind the last of them, and behind it.
    Some((label.get(..end.checked_sub(1)?)?, label.get(end..)?))
}

impl<V: Fruit> TopicTree<V> {
    pub(crate) fn new() -> Self {
        Self {
            nodes: alloc::vec![Node::default()],
            free: BTreeSet::new(),
        }
    }

    fn node(&self, at: u32) -> Option<&Node<V>> {
        self.nodes.get(at as usize)
    }

    fn node_mut(&mut self, at: u32) -> Option<&mut Node<V>> {
        self.nodes.get_mut(at as usize)
    }

    fn child(&self, at: u32, level: &str) -> Option<u32> {
        self.node(at)?.children.get(level).copied()
    }

    fn find(&self, path: &str) -> Option<u32> {
        let (mut at, mut rest) = (ROOT, Some(path));
        while let Some(path) = rest {
            at = self.child(at, split(path).0)?;
            rest = strip(path, &self.node(at)?.label)?;
        }
        Some(at)
    }

    /// What lies at exactly this path.
    pub(crate) fn get(&self, path: &str) -> Option<&V> {
        self.find(path)
            .and_then(|at| self.node(at))
            .map(|node| &node.value)
    }

    /// What lies at exactly this path, to be changed. Whoever may have emptied it calls
    /// [`TopicTree::prune`].
    pub(crate) fn get_mut(&mut self, path: &str) -> Option<&mut V> {
        let at = self.find(path)?;
        self.node_mut(at).map(|node| &mut node.value)
    }

    /// What lies at exactly this path, made where it is not there yet.
    pub(crate) fn at(&mut self, path: &str) -> Option<&mut V> {
        let (mut at, mut rest) = (ROOT, Some(path));
        while let Some(path) = rest {
            let Some(child) = self.child(at, split(path).0) else {
                at = self.grow(at, path)?;
                break;
            };
            match strip(path, &self.node(child)?.label) {
                Some(below) => {
                    at = child;
                    rest = below;
                }
                None => {
                    at = self.fork(at, child, path)?;
                    rest = strip(path, &self.node(at)?.label)?;
                }
            }
        }
        self.node_mut(at).map(|node| &mut node.value)
    }

    /// Adds a node without anything below it.
    fn grow(&mut self, parent: u32, label: &str) -> Option<u32> {
        let node = Node {
            parent,
            label: label.into(),
            children: BTreeMap::new(),
            value: V::default(),
        };
        let at = match self.free.pop_first() {
            Some(at) => {
                *self.node_mut(at)? = node;
                at
            }
            None => {
                let at = u32::try_from(self.nodes.len()).ok()?;
                self.nodes.push(node);
                at
            }
        };
        let level = split(label).0;
        self.node_mut(parent)?.children.insert(level.into(), at);
        Some(at)
    }

    /// Puts a node between two, for the levels that the lower one shares with `path`.
    fn fork(&mut self, parent: u32, child: u32, path: &str) -> Option<u32> {
        let label = self.node(child)?.label.clone();
        let (above, below) = shared(path, &label)?;
        let at = self.grow(parent, above)?;
        let lower = self.node_mut(child)?;
        lower.parent = at;
        lower.label = below.into();
        let level = split(below).0;
        self.node_mut(at)?.children.insert(level.into(), child);
        Some(at)
    }

    /// Takes out what has become empty, from this path upwards.
    pub(crate) fn prune(&mut self, path: &str) {
        let Some(mut at) = self.find(path) else {
            return;
        };
        while at != ROOT
            && let Some(node) = self.nodes.get_mut(at as usize)
            && node.value.is_empty()
            && node.children.len() <= 1
        {
            let node = core::mem::take(node);
            self.free.insert(at);
            at = node.parent;
            let level = split(&node.label).0;
            let Some(&child) = node.children.values().next() else {
                if let Some(parent) = self.node_mut(at) {
                    parent.children.remove(level);
                }
                continue;
            };
            // Only one is left below it, and takes its place.
            if let Some(parent) = self.node_mut(at) {
                parent.children.insert(level.into(), child);
            }
            if let Some(lower) = self.node_mut(child) {
                lower.parent = at;
                lower.label = [&*node.label, &*lower.label].join("/").into();
            }
            break;
        }
        self.shorten();
    }

    /// Gives back what a flood has left behind.
    fn shorten(&mut self) {
        while let Some(&last) = self.free.last()
            && (last as usize).saturating_add(1) == self.nodes.len()
        {
            self.nodes.pop();
            self.free.pop_last();
        }
        let len = self.nodes.len();
        if self.nodes.capacity() / 4 > len {
            self.nodes.shrink_to(len.saturating_mul(2));
        }
    }

    /// Visits what lies at every filter that matches a topic name (section 4.7); how many nodes
    /// were looked at for that.
    pub(crate) fn filters_matching(&self, topic: &str, mut visit: impl FnMut(&V)) -> usize {
        let mut visits = 0usize;
        let hidden = is_hidden(topic);
        // Nodes still to be looked at, and the levels of the topic below each.
        let mut open: Vec<(u32, Option<&str>)> = alloc::vec![(ROOT, Some(topic))];
        while let Some((at, rest)) = open.pop() {
            visits = visits.saturating_add(1);
            let wild = !(hidden && at == ROOT);
            if wild
                && let Some(multi) = self.child(at, MULTI)
                && let Some(node) = self.node(multi)
            {
                visit(&node.value);
            }
            let Some(rest) = rest else {
                if let Some(node) = self.node(at) {
                    visit(&node.value);
                }
                continue;
            };
            let single = if wild { self.child(at, SINGLE) } else { None };
            let exact = self.child(at, split(rest).0);
            for child in single.into_iter().chain(exact) {
                let Some(node) = self.node(child) else {
                    continue;
                };
                match fit_filter(&node.label, rest) {
                    Fit::Not => {}
                    Fit::All => visit(&node.value),
                    Fit::Rest(below) => open.push((child, below)),
                }
            }
        }
        visits
    }

    /// Visits what lies at every topic name that a filter matches (section 4.7), in the order of
    /// the names' levels; how many nodes were looked at for that.
    pub(crate) fn topics_matching(&self, filter: &str, mut visit: impl FnMut(&V)) -> usize {
        let mut visits = 0usize;
        let mut open: Vec<(u32, Option<&str>)> = alloc::vec![(ROOT, Some(filter))];
        while let Some((at, rest)) = open.pop() {
            visits = visits.saturating_add(1);
            let Some(node) = self.node(at) else {
                continue;
            };
            let Some(rest) = rest else {
                visit(&node.value);
                continue;
            };
            let fit = |child: &u32| {
                let lower = self.node(*child)?;
                match fit_topic(&lower.label, rest) {
                    Fit::Not => None,
                    Fit::All => Some((*child, Some(MULTI))),
                    Fit::Rest(below) => Some((*child, below)),
                }
            };
            let level = split(rest).0;
            if level == MULTI {
                // The level above the wildcard matches as well.
                visit(&node.value);
            }
            if level == MULTI || level == SINGLE {
                visits = visits.saturating_add(node.children.len());
                let below = node.children.iter().rev();
                let below = below.filter(|(level, _)| at != ROOT || !is_hidden(level));
                open.extend(below.filter_map(|(_, child)| fit(child)));
            } else {
                open.extend(node.children.get(level).and_then(fit));
            }
        }
        visits
    }

    /// Visits everything, in no order.
    pub(crate) fn for_each(&self, visit: impl FnMut(&V)) {
        self.nodes.iter().map(|node| &node.value).for_each(visit);
    }

    /// Nodes in use, the root not counted.
    #[cfg(any(test, feature = "fuzzing"))]
    #[allow(clippy::arithmetic_side_effects, reason = "for tests")]
    pub(crate) fn len(&self) -> usize {
        self.nodes.len() - self.free.len() - 1
    }
}

/// Whether wildcards in the first level pass it over (MQTT-4.7.2-1).
fn is_hidden(level: &str) -> bool {
    level.starts_with('$')
}

#[cfg(test)]
mod tests {
    extern crate std;
    use super::*;
    use mqtt_proto::{TopicFilter, TopicName};
    use proptest::prelude::*;
    use std::string::String;

    #[derive(Clone, Debug, Default)]
    struct Names(BTreeSet<String>);

    impl Fruit for Names {
        fn is_empty(&self) -> bool {
            self.0.is_empty()
        }
    }

    fn put(tree: &mut TopicTree<Names>, path: &str) {
        tree.at(path).unwrap().0.insert(path.into());
    }

    fn filters(tree: &TopicTree<Names>, topic: &str) -> Vec<String> {
        let mut found = Vec::new();
        tree.filters_matching(topic, |names| found.extend(names.0.iter().cloned()));
        found.sort();
        found
    }

    fn topics(tree: &TopicTree<Names>, filter: &str) -> Vec<String> {
        let mut found = Vec::new();
        tree.topics_matching(filter, |names| found.extend(names.0.iter().cloned()));
        found.sort();
        found
    }

    #[test]
    fn a_pruned_tree_is_as_it_was() {
        let mut tree = TopicTree::new();
        for path in ["a/b/c", "a/b", "a/+/c", "#"] {
            put(&mut tree, path);
        }
        for path in ["a/b/c", "#", "a/+/c", "a/b"] {
            tree.get_mut(path).unwrap().0.clear();
            tree.prune(path);
        }
        assert_eq!(tree.len(), 0);
        assert!(tree.get("a").is_none());
    }

    #[test]
    fn thirty_thousand_levels_are_walked_without_recursion() {
        let topic = "/".repeat(30_000);
        let mut tree = TopicTree::new();
        put(&mut tree, "+/+/#");
        assert_eq!(filters(&tree, &topic), ["+/+/#"]);
        put(&mut tree, &topic);
        assert_eq!(filters(&tree, &topic).len(), 2);
        assert_eq!(topics(&tree, "#").len(), 2);
        tree.get_mut(&topic).unwrap().0.clear();
        tree.prune(&topic);
        // All levels of the filter that is left are one node.
        assert_eq!(tree.len(), 1);
    }

    #[test]
    fn there_are_at_most_twice_as_many_nodes_as_paths() {
        let mut tree = TopicTree::new();
        let paths: Vec<String> = (0..100)
            .map(|n| std::format!("a/b/{}/c/{}/d/e", n % 7, n))
            .collect();
        for path in &paths {
            put(&mut tree, path);
        }
        assert!(tree.len() < 200);
        for (left, path) in (0..100).rev().zip(&paths) {
            tree.get_mut(path).unwrap().0.clear();
            tree.prune(path);
            assert!(tree.len() <= 2 * left);
        }
        assert_eq!((tree.nodes.len(), tree.free.len()), (1, 0));
        assert!(tree.nodes.capacity() < 10);
    }

    fn level() -> impl Strategy<Value = &'static str> {
        prop_oneof![Just("a"), Just("b"), Just(""), Just("$x")]
    }

    fn name() -> impl Strategy<Value = String> {
        prop::collection::vec(level(), 1..5)
            .prop_map(|levels| levels.join("/"))
            .prop_filter("a name has a character", |name| !name.is_empty())
    }

    fn filter() -> impl Strategy<Value = String> {
        let level = prop_oneof![level(), Just("+")];
        (prop::collection::vec(level, 0..4), any::<bool>())
            .prop_map(|(mut levels, multi)| {
                if multi {
                    levels.push("#");
                }
                levels.join("/")
            })
            .prop_filter("a filter has a character", |filter| !filter.is_empty())
    }

    proptest! {
        #[test]
        fn is_the_same_whatever_was_there_before(
            kept in prop::collection::btree_set(filter(), 0..10),
            gone in prop::collection::btree_set(filter(), 0..10),
            topic in name(),
        ) {
            let mut tree = TopicTree::new();
            let mut plain = TopicTree::new();
            for filter in &gone {
                put(&mut tree, filter);
            }
            for filter in &kept {
                put(&mut tree, filter);
                put(&mut plain, filter);
            }
            for filter in gone.iter().filter(|filter| !kept.contains(*filter)) {
                tree.get_mut(filter).unwrap().0.clear();
                tree.prune(filter);
                prop_assert!(tree.get(filter).is_none_or(|names| names.0.is_empty()));
            }
            for filter in &kept {
                prop_assert!(tree.get(filter).unwrap().0.contains(filter));
            }
            prop_assert_eq!(tree.len(), plain.len());
            prop_assert_eq!(filters(&tree, &topic), filters(&plain, &topic));
        }

        #[test]
        fn finds_just_the_filters_that_match(
            held in prop::collection::btree_set(filter(), 0..20),
            topic in name(),
        ) {
            let mut tree = TopicTree::new();
            for filter in &held {
                put(&mut tree, filter);
            }
            let topic_name = TopicName::new(&topic).unwrap();
            let expected: Vec<String> = held
                .iter()
                .filter(|filter| TopicFilter::new(filter).unwrap().matches(topic_name))
                .cloned()
                .collect();
            prop_assert_eq!(filters(&tree, &topic), expected);
        }

        #[test]
        fn finds_just_the_topics_that_match(
            held in prop::collection::btree_set(name(), 0..20),
            filter in filter(),
        ) {
            let mut tree = TopicTree::new();
            for topic in &held {
                put(&mut tree, topic);
            }
            let wanted = TopicFilter::new(&filter).unwrap();
            let expected: Vec<String> = held
                .iter()
                .filter(|topic| wanted.matches(TopicName::new(topic).unwrap()))
                .cloned()
                .collect();
            prop_assert_eq!(topics(&tree, &filter), expected);
        }
    }
}
