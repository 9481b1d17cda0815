//! A client that a server has just accepted, for the tests beside the code.

use crate::{Action, Client, Config, Connect, Instant, RxBuffer, Store};

/// The client, and its input.
pub(crate) fn connected<S: Store>(now: Instant, store: S) -> (Client<S>, RxBuffer<[u8; 64]>) {
    let mut client = Client::new(Config::new(), store);
    let mut input = RxBuffer::new([0; 64]);
    client.start(now);
    assert!(matches!(client.poll(now, &mut input), Action::Open));
    client.opened(now, &Connect::new("c")).unwrap();
    assert!(matches!(client.poll(now, &mut input), Action::Send(_)));
    client.sent(now, 100);
    input.spare()[..5].copy_from_slice(&[0x20, 3, 0, 0, 0]);
    input.filled(5);
    assert!(matches!(client.poll(now, &mut input), Action::Event(_)));
    (client, input)
}
