//! A server that plays its part in one conversation, so that the same always happens to a client
//! whose stack is measured and whose writes are counted.

use std::io::{self, Read, Write};

use mqtt_proto::{Frame, Packet, PacketId, PacketType, Sender, frame};

use PacketType::{
    Connect, Disconnect, PingReq, PubAck, PubComp, PubRec, PubRel, Publish, Subscribe,
};

/// More than any packet of the client has.
const MAXIMUM_PACKET_SIZE: u32 = 1024;

/// CONNACK, without and with a session.
const CONNACK: [[u8; 5]; 2] = [[0x20, 3, 0, 0, 0], [0x20, 3, 1, 0, 0]];
const PINGRESP: [u8; 2] = [0xd0, 0];
/// Messages of the server: "now" for "order/7" at QoS 1 and 2, as numbers 9 and 10, and at QoS 0.
const QOS_1: &[u8] = b"\x32\x0f\0\x07order/7\0\x09\0now";
const QOS_2: &[u8] = b"\x34\x0f\0\x07order/7\0\x0a\0now";
const QOS_0: &[u8] = b"\x30\x0d\0\x07order/7\0now";

/// Plays the server's part over `line`; how many batches the client had to write.
///
/// The client subscribes and publishes at QoS 1 and 2, which is not acknowledged, and takes a
/// message at QoS 1 and 2. It gives the connection up, connects again and sends both once more;
/// pings; takes a last message, and disconnects.
///
/// # Errors
/// What the client did instead, and those of the line.
pub fn converse(line: impl Read + Write) -> io::Result<u32> {
    let mut peer = Peer {
        line,
        unread: Vec::new(),
        batches: 0,
    };
    peer.expect(&[Connect])?;
    peer.say(&[&CONNACK[0]])?;
    let ids = peer.expect(&[Subscribe, Publish, Publish])?;
    peer.say(&[&about(0x90, 4, ids[0], &[0, 2]), QOS_1, QOS_2])?;
    peer.expect(&[PubAck, PubRec])?;
    peer.say(&[&[0x62, 2, 0, 10]])?;
    peer.expect(&[PubComp])?;
    // What the client published is not acknowledged: it comes back for it.
    peer.expect(&[Connect])?;
    peer.say(&[&CONNACK[1]])?;
    let ids = peer.expect(&[Publish, Publish])?;
    peer.say(&[&about(0x40, 2, ids[0], &[]), &about(0x50, 2, ids[1], &[])])?;
    peer.expect(&[PubRel])?;
    peer.say(&[&about(0x70, 2, ids[1], &[])])?;
    peer.expect(&[PingReq])?;
    peer.say(&[&PINGRESP, QOS_0])?;
    peer.expect(&[Disconnect])?;
    Ok(peer.batches)
}

/// A packet that is about another one.
fn about(header: u8, len: u8, id: Option<PacketId>, rest: &[u8]) -> Vec<u8> {
    let [high, low] = id.map_or(0, PacketId::value).to_be_bytes();
    [&[header, len, high, low], rest].concat()
}

struct Peer<L> {
    line: L,
    unread: Vec<u8>,
    batches: u32,
}

impl<L: Read + Write> Peer<L> {
    /// Waits for these packets, which are one batch; the packet identifiers in them.
    fn expect(&mut self, expected: &[PacketType]) -> io::Result<Vec<Option<PacketId>>> {
        let mut ids = Vec::new();
        for kind in expected {
            let (came, id) = self.packet().map_err(|error| {
                io::Error::new(error.kind(), format!("waiting for {kind:?}: {error}"))
            })?;
            if came != *kind {
                let told = format!("the client sent {came:?} where {kind:?} was its part");
                return Err(io::Error::other(told));
            }
            ids.push(id);
        }
        self.batches += 1;
        Ok(ids)
    }

    fn packet(&mut self) -> io::Result<(PacketType, Option<PacketId>)> {
        loop {
            if let Frame::Whole(raw) =
                frame(&self.unread, MAXIMUM_PACKET_SIZE).map_err(io::Error::other)?
            {
                let id = match raw.decode(Sender::Client).map_err(io::Error::other)? {
                    Packet::Subscribe(subscribe) => Some(subscribe.packet_id),
                    Packet::Publish(publish) => publish.packet_id,
                    _ => None,
                };
                let (kind, len) = (raw.packet_type(), raw.len());
                self.unread.drain(..len);
                return Ok((kind, id));
            }
            let mut bytes = [0; 256];
            let count = self.line.read(&mut bytes)?;
            if count == 0 {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
            self.unread.extend(&bytes[..count]);
        }
    }

    /// Sends packets at once.
    fn say(&mut self, packets: &[&[u8]]) -> io::Result<()> {
        self.line.write_all(&packets.concat())
    }
}
