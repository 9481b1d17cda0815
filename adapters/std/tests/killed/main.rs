//! A program is killed at random moments, hundreds of times, and goes on with its session.
//!
//! The broker lives here, in the parent; the child publishes numbered messages and gets others,
//! keeps its session in a file, and is killed with SIGKILL. In the end every message that its
//! publish accepted has come, at QoS 2 exactly once, and no message that it acknowledged has come
//! to it again.
//!
//! `KILLED_SEED` and `KILLED_LIVES` change where the moments come from and how many there are.

mod child;
mod journal;
mod parent;

use std::env;

fn main() {
    let arguments: Vec<String> = env::args().collect();
    if let [_, role, url, folder, fsync] = &arguments[..]
        && role == "child"
    {
        child::run(url, folder.as_ref(), fsync);
    }
    let number = |name, otherwise| match env::var(name) {
        Ok(text) => text.parse().expect("a number"),
        Err(_) => otherwise,
    };
    parent::run(number("KILLED_SEED", 1), number("KILLED_LIVES", 220));
}
