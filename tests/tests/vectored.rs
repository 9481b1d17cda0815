//! What is queued for the transport, offered in several slices at once.

use bytes::Bytes;
use mqtt_proto::{ConnAck, Packet, PacketId, Properties, Publish as Inbound, Sender};
use mqtt_session::{
    Action, Client, Config, Connect, Heap, Instant, Publish, QoS, ReasonCode, RxBuffer, TopicName,
};

const NOW: Instant = Instant::from_secs(1);

/// A client and what its transport has taken.
#[derive(Clone)]
struct Run {
    client: Client<Heap>,
    input: RxBuffer<[u8; 1024]>,
    taken: Vec<u8>,
}

impl Run {
    /// A connection on which messages wait: small, held beside the arena, and larger than half of
    /// the transmit buffer, with acknowledgements behind.
    fn new() -> Self {
        let limits = mqtt_session::HeapLimits {
            transmit: 256,
            ..Default::default()
        };
        let mut run = Self {
            client: Client::new(Config::default(), Heap::new(limits)),
            input: RxBuffer::new([0; 1024]),
            taken: Vec::new(),
        };
        run.client.start(NOW);
        assert!(matches!(run.client.poll(NOW, &mut run.input), Action::Open));
        run.client.opened(NOW, &Connect::new("a")).unwrap();
        run.drain(|_| usize::MAX);
        run.receive(&Packet::ConnAck(ConnAck {
            session_present: false,
            reason: ReasonCode::SUCCESS,
            properties: Properties::new(&[]),
        }));
        run.drain(|_| usize::MAX);
        run.taken.clear();
        for (index, len) in [3, 40, 150, 40].into_iter().enumerate() {
            let payload = vec![b'a' + index as u8; len];
            let publish = Publish::new(TopicName::new("t").unwrap(), &payload);
            let publish = publish.qos(QoS::AtLeastOnce);
            if len == 40 {
                let held = Bytes::copy_from_slice(&payload);
                run.client.publish_bytes(NOW, &publish, held).unwrap();
            } else {
                run.client.publish(NOW, &publish).unwrap();
            }
        }
        run.receive(&Packet::Publish(Inbound {
            dup: false,
            qos: QoS::AtLeastOnce,
            retain: false,
            topic: Some(TopicName::new("t").unwrap()),
            packet_id: PacketId::new(9),
            properties: Properties::new(&[]),
            payload: b"in",
        }));
        run
    }

    fn receive(&mut self, packet: &Packet<'_>) {
        let bytes = packet.to_vec(Sender::Server).unwrap();
        self.input.spare()[..bytes.len()].copy_from_slice(&bytes);
        self.input.filled(bytes.len());
    }

    /// Until there is nothing to be sent; `take` says how much of all that is offered is taken.
    /// How many slices that were not empty were offered at most.
    fn drain(&mut self, mut take: impl FnMut(usize) -> usize) -> usize {
        let mut most = 0;
        loop {
            match self.client.poll(NOW, &mut self.input) {
                Action::Send(first) => {
                    let first = first.to_vec();
                    let slices = self.client.offer_all();
                    most = most.max(slices.iter().filter(|slice| !slice.is_empty()).count());
                    let all = slices.concat();
                    assert!(all.starts_with(&first) && !first.is_empty());
                    let count = take(all.len()).min(all.len());
                    self.taken.extend_from_slice(&all[..count]);
                    self.client.sent(NOW, count);
                }
                Action::Timeout(_) => {
                    assert_eq!(self.client.offer_all(), [&[][..]; 3]);
                    return most;
                }
                Action::Open | Action::Close | Action::Done => panic!("the connection is up"),
                Action::Deliver(_) | Action::Event(_) => {}
            }
        }
    }
}

#[test]
fn the_stream_is_the_same_wherever_a_transport_stops_taking() {
    let start = Run::new();
    let mut by_slice = start.clone();
    loop {
        match by_slice.client.poll(NOW, &mut by_slice.input) {
            Action::Send(bytes) => {
                by_slice.taken.extend_from_slice(bytes);
                let count = bytes.len();
                by_slice.client.sent(NOW, count);
            }
            Action::Timeout(_) => break,
            _ => {}
        }
    }
    let packets = &by_slice.taken;
    for payload in [&[b'b'; 40][..], &[b'c'; 150], &[b'd'; 40], b"@\x02\0\x09"] {
        assert!(packets.windows(payload.len()).any(|part| part == payload));
    }
    let mut at_once = start.clone();
    assert_eq!(at_once.drain(|_| usize::MAX), 3);
    assert_eq!(at_once.taken, *packets);
    for step in 1..packets.len() {
        let mut run = start.clone();
        run.drain(|_| step);
        assert_eq!(run.taken, *packets, "{step} bytes at a time");
        // Once only so many, then all.
        let (mut run, mut first) = (start.clone(), Some(step));
        run.drain(|_| first.take().unwrap_or(usize::MAX));
        assert_eq!(run.taken, *packets, "{step} bytes at first");
    }
}
