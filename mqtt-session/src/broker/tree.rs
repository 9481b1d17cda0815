//! A tree of topic levels, for filters that are matched by topic names and for topic names that
//! are matched by filters.
//!
//! Every node stands for one level. Looking something up walks only along what matches, so that
//! it costs what the topic is deep and what is found, however much else there is. Nothing
//! recurses: a topic may have tens of thousands of levels.

use alloc::boxed::Box;
use alloc::collections::BTreeMap;
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
    free: Vec<u32>,
}

#[derive(Clone, Debug, Default)]
struct Node<V> {
    parent: u32,
    level: Box<str>,
    children: BTreeMap<Box<str>, u32>,
    value: V,
}

const ROOT: u32 = 0;
const SINGLE: &str = "+";
const MULTI: &str = "#";

impl<V: Fruit> TopicTree<V> {
    pub(crate) fn new() -> Self {
        Self {
            nodes: alloc::vec![Node::default()],
            free: Vec::new(),
        }
    }

    fn node(&self, at: u32) -> Option<&Node<V>> {
        self.nodes.get(at as usize)
    }

    fn child(&self, at: u32, level: &str) -> Option<u32> {
        self.node(at)?.children.get(level).copied()
    }

    fn find(&self, path: &str) -> Option<u32> {
        path.split('/')
            .try_fold(ROOT, |at, level| self.child(at, level))
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
        self.nodes.get_mut(at as usize).map(|node| &mut node.value)
    }

    /// What lies at exactly this path, made where it is not there yet.
    pub(crate) fn at(&mut self, path: &str) -> Option<&mut V> {
        let mut at = ROOT;
        for level in path.split('/') {
            at = match self.child(at, level) {
                Some(child) => child,
                None => self.grow(at, level)?,
            };
        }
        self.nodes.get_mut(at as usize).map(|node| &mut node.value)
    }

    fn grow(&mut self, parent: u32, level: &str) -> Option<u32> {
        let node = Node {
            parent,
            level: level.into(),
            children: BTreeMap::new(),
            value: V::default(),
        };
        let at = match self.free.pop() {
            Some(at) => {
                *self.nodes.get_mut(at as usize)? = node;
                at
            }
            None => {
                let at = u32::try_from(self.nodes.len()).ok()?;
                self.nodes.push(node);
                at
            }
        };
        let parent = self.nodes.get_mut(parent as usize)?;
        parent.children.insert(level.into(), at);
        Some(at)
    }

    /// Takes out what has become empty, from this path upwards.
    pub(crate) fn prune(&mut self, path: &str) {
        let Some(mut at) = self.find(path) else {
            return;
        };
        while at != ROOT
            && let Some(node) = self.nodes.get_mut(at as usize)
            && node.children.is_empty()
            && node.value.is_empty()
        {
            let node = core::mem::take(node);
            self.free.push(at);
            at = node.parent;
            if let Some(parent) = self.nodes.get_mut(at as usize) {
                parent.children.remove(&node.level);
            }
        }
    }

    /// Visits what lies at every filter that matches a topic name (section 4.7).
    pub(crate) fn filters_matching(&self, topic: &str, mut visit: impl FnMut(&V)) {
        let hidden = is_hidden(topic);
        // Nodes still to be looked at, and the levels of the topic below each.
        let mut open: Vec<(u32, Option<&str>)> = alloc::vec![(ROOT, Some(topic))];
        while let Some((at, rest)) = open.pop() {
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
            let (level, below) = match rest.split_once('/') {
                Some((level, below)) => (level, Some(below)),
                None => (rest, None),
            };
            if wild && let Some(single) = self.child(at, SINGLE) {
                open.push((single, below));
            }
            if let Some(exact) = self.child(at, level) {
                open.push((exact, below));
            }
        }
    }

    /// Visits what lies at every topic name that a filter matches (section 4.7), in the order of
    /// the names' levels.
    pub(crate) fn topics_matching(&self, filter: &str, mut visit: impl FnMut(&V)) {
        let mut open: Vec<(u32, Option<&str>)> = alloc::vec![(ROOT, Some(filter))];
        while let Some((at, rest)) = open.pop() {
            let Some(node) = self.node(at) else {
                continue;
            };
            let Some(rest) = rest else {
                visit(&node.value);
                continue;
            };
            let (level, below) = match rest.split_once('/') {
                Some((level, below)) => (level, Some(below)),
                None => (rest, None),
            };
            let shown = |level: &str| at != ROOT || !is_hidden(level);
            match level {
                MULTI => {
                    // The level above the wildcard matches as well.
                    visit(&node.value);
                    let below = node.children.iter().rev();
                    let below = below.filter(|(level, _)| shown(level));
                    open.extend(below.map(|(_, child)| (*child, Some(MULTI))));
                }
                SINGLE => {
                    let children = node.children.iter().rev();
                    let children = children.filter(|(level, _)| shown(level));
                    open.extend(children.map(|(_, child)| (*child, below)));
                }
                _ => {
                    if let Some(child) = node.children.get(level) {
                        open.push((*child, below));
                    }
                }
            }
        }
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
    use std::collections::BTreeSet;
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
        assert_eq!(tree.len(), 3);
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
