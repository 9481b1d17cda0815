//! The client on this machine without std, libc or an allocator, and without a panic.
#![cfg(all(
    target_os = "linux",
    any(target_arch = "x86_64", target_arch = "aarch64")
))]

use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::process::Command;
use std::time::Duration;

use mqtt_bare_metal::freestanding::build;
use mqtt_bare_metal::image::{Image, PANICS};
use mqtt_bare_metal::peer;
use mqtt_tests::process::Process;

/// How long the server waits for the client.
const LIMIT: Duration = Duration::from_secs(20);

#[test]
fn it_talks_to_a_server_and_nothing_that_panics_or_allocates_is_linked() {
    let program = build("").unwrap();
    let image = Image::read(&program).unwrap();
    let is_there = |name: &str| !image.named(&[name]).is_empty();
    assert!(
        is_there("freestanding::main"),
        "the names are not in the image"
    );
    assert!(is_there("mqtt_session"), "the client is not in the image");
    assert_eq!(image.named(PANICS), [""; 0]);
    assert_eq!(image.named(&["alloc"]), [""; 0]);
    assert!(!image.is_dynamic, "it wants a library");

    let (server, client) = UnixStream::pair().unwrap();
    server.set_read_timeout(Some(LIMIT)).unwrap();
    let input = OwnedFd::from(client.try_clone().unwrap());
    let mut command = Command::new(&program);
    let command = command.stdin(input).stdout(OwnedFd::from(client));
    let mut client = Process::spawn_as_it_is(command).unwrap();
    peer::converse(&server).unwrap();
    let status = client.finish(LIMIT).unwrap();
    assert!(status.is_some_and(|status| status.success()), "{status:?}");
}

#[test]
fn a_panic_that_can_be_reached_fails_the_link() {
    let error = build("panic").unwrap_err();
    assert!(error.contains("a_panic_can_be_reached"), "{error}");
}
