//! A strict reading of what the client writes: every packet is valid, may come now, and keeps
//! what was agreed on.

use super::Found;
use super::script::Allows;
use super::server::{Owes, Server};
use super::session::{Content, FromClient, Stage, begun_uid, uid};
use crate::holds;
use mqtt_proto::{
    Ack, Auth, Connect, Disconnect, Frame, Packet, PacketId, PacketType, Publish, QoS, ReasonCode,
    Sender, Subscribe, frame,
};
use std::collections::{BTreeMap, BTreeSet, VecDeque};

/// One connection, as the server knows it.
#[derive(Clone, Debug, Default)]
pub(crate) struct Conn {
    /// Bytes that are no whole packet yet.
    pub(crate) stream: Vec<u8>,
    pub(crate) allows: Allows,
    pub(crate) connect: Option<Facts>,
    /// CONNACK was sent, and accepts.
    pub(crate) accepts: bool,
    /// Nothing may come any more.
    pub(crate) over: bool,
    /// What DISCONNECT said.
    pub(crate) farewell: Option<ReasonCode>,
    /// The server broke the rules: only what holds against any server is checked.
    pub(crate) hostile: bool,
    pub(crate) owes: Vec<Owes>,
    /// What the client has sent is on its way, and may be lost with the transport.
    under_way: Vec<Arrives>,
    aliases: BTreeMap<u16, String>,
    /// PUBLISH with QoS 1 and 2 of this connection without their last acknowledgement.
    pub(crate) in_flight: BTreeSet<u16>,
    /// Identifiers that were sent on this connection.
    sent: BTreeSet<u16>,
    /// SUBSCRIBE and UNSUBSCRIBE without an answer.
    pub(crate) requests: BTreeSet<u16>,
    /// PUBACK and PUBREC that the client owes, in order.
    pub(crate) acks: VecDeque<(PacketType, u16)>,
    /// PUBCOMP that the client owes, in order.
    pub(crate) completions: VecDeque<u16>,
    /// PUBREL that follows a PUBREC of this connection, in order.
    pub(crate) releases: VecDeque<u16>,
    /// PUBREL that may follow from an earlier connection.
    pub(crate) earlier: BTreeSet<u16>,
    /// Challenges without an answer.
    pub(crate) challenges: usize,
    /// A message of QoS 1 or 2 came that was never sent before.
    fresh: bool,
    /// When the last message that came again had first come.
    again: u64,
    /// When PUBREC had been sent for the last PUBREL that came again.
    released: u64,
    /// Messages to the client that were sent on this connection: PUBREL of earlier ones takes
    /// no place in Receive Maximum (section 4.9).
    pub(crate) inbound: BTreeSet<u16>,
    /// Topics that the server has set aliases for.
    pub(crate) own_aliases: BTreeMap<u16, String>,
}

/// What a packet of the client does when it arrives.
#[derive(Clone, Copy, Debug)]
enum Arrives {
    Owed(Owes),
    PubRel(u16),
    Taken(PacketType, u16),
    Refused(u16),
}

/// What CONNECT said.
#[derive(Clone, Debug)]
pub(crate) struct Facts {
    pub(crate) client_id: String,
    pub(crate) clean_start: bool,
    pub(crate) keep_alive: u16,
    pub(crate) expiry: u32,
    pub(crate) receive_maximum: u16,
    pub(crate) alias_maximum: u16,
    pub(crate) problem_information: bool,
    pub(crate) method: Option<String>,
}

impl Conn {
    pub(crate) fn new(allows: Allows, hostile: bool) -> Self {
        Self {
            allows,
            hostile,
            ..Self::default()
        }
    }
}

impl Server {
    /// The transport took bytes of the client.
    pub(crate) fn reads(&mut self, bytes: &[u8]) -> Found {
        let Some(conn) = &mut self.conn else {
            return Err("bytes without a transport".into());
        };
        holds!(!conn.over, "bytes behind DISCONNECT: {bytes:02x?}");
        conn.stream.extend_from_slice(bytes);
        let stream = std::mem::take(&mut conn.stream);
        let mut rest = &stream[..];
        loop {
            let maximum = match &self.conn {
                Some(conn) if conn.accepts && !conn.hostile => {
                    conn.allows.maximum_packet_size.unwrap_or(u32::MAX)
                }
                _ => u32::MAX,
            };
            let raw = match frame(rest, maximum).map_err(|error| format!("{error}"))? {
                Frame::Whole(raw) => raw,
                Frame::Partial { .. } => break,
            };
            let packet = raw
                .decode(Sender::Client)
                .map_err(|error| format!("{error}: {rest:02x?}"))?;
            self.takes(&packet)
                .map_err(|found| format!("{found}: {packet:?}"))?;
            rest = &rest[raw.len()..];
        }
        if let Some(conn) = &mut self.conn {
            holds!(
                !conn.over || rest.is_empty(),
                "bytes behind DISCONNECT: {rest:02x?}"
            );
            conn.stream = rest.to_vec();
        }
        if !self.lags {
            self.arrive();
        }
        Ok(())
    }

    /// What is under way from the client arrives.
    pub(crate) fn arrive(&mut self) {
        let (Some(conn), session) = (&mut self.conn, &mut self.session) else {
            return;
        };
        for arrives in std::mem::take(&mut conn.under_way) {
            match (arrives, &mut *session) {
                (Arrives::Owed(owes), _) => conn.owes.push(owes),
                (Arrives::PubRel(id), Some(session)) => {
                    session.passed_on.remove(&id);
                    conn.owes.push(Owes::PubComp(id));
                }
                (Arrives::Taken(PacketType::PubRec, id), Some(session)) => {
                    if let Some(open) = session.to_client.iter_mut().find(|open| open.id == id) {
                        open.received = true;
                        conn.owes.push(Owes::PubRel(id));
                    }
                }
                (Arrives::Taken(_, id), Some(session)) => {
                    conn.inbound.remove(&id);
                    session.to_client.retain(|open| open.id != id);
                }
                (Arrives::Refused(id), Some(session)) => {
                    conn.inbound.remove(&id);
                    if let Some(open) = session.to_client.iter().find(|open| open.id == id)
                        && let Some(uid) = uid(&open.payload)
                    {
                        self.books.promised.remove(&uid);
                    }
                    session.to_client.retain(|open| open.id != id);
                }
                (_, None) => {}
            }
        }
    }

    fn takes(&mut self, packet: &Packet<'_>) -> Found {
        let Some(conn) = &mut self.conn else {
            return Ok(());
        };
        holds!(!conn.over, "a packet behind DISCONNECT");
        let is_connect = matches!(packet, Packet::Connect(_));
        holds!(
            conn.connect.is_none() == is_connect,
            "CONNECT comes first, and once"
        );
        let early = matches!(
            packet,
            Packet::Connect(_) | Packet::Auth(_) | Packet::Disconnect(_)
        );
        holds!(
            early || conn.accepts || conn.hostile,
            "a packet before CONNACK"
        );
        match packet {
            Packet::Connect(connect) => self.on_connect(connect),
            Packet::Publish(publish) => self.on_publish(publish),
            Packet::PubAck(ack) => self.on_ack(PacketType::PubAck, ack),
            Packet::PubRec(ack) => self.on_ack(PacketType::PubRec, ack),
            Packet::PubComp(ack) => self.on_pubcomp(ack),
            Packet::PubRel(ack) => self.on_pubrel(ack),
            Packet::Subscribe(subscribe) => self.on_subscribe(subscribe),
            Packet::Unsubscribe(unsubscribe) => self.on_request(
                unsubscribe.packet_id,
                Owes::UnsubAck(unsubscribe.packet_id, unsubscribe.filters.len()),
            ),
            Packet::PingReq => {
                let asked = conn.connect.as_ref().map_or(0, |facts| facts.keep_alive);
                let keep_alive = conn.allows.keep_alive.unwrap_or(asked);
                holds!(
                    keep_alive > 0 || conn.hostile,
                    "a ping without a keep alive"
                );
                conn.under_way.push(Arrives::Owed(Owes::PingResp));
                Ok(())
            }
            Packet::Disconnect(disconnect) => self.on_disconnect(disconnect),
            Packet::Auth(auth) => self.on_auth(auth),
            other => Err(format!("a client sends no {}", other.packet_type())),
        }
    }

    fn on_connect(&mut self, connect: &Connect<'_>) -> Found {
        let properties = connect.properties;
        let facts = Facts {
            client_id: connect.client_id.to_owned(),
            clean_start: connect.clean_start,
            keep_alive: connect.keep_alive,
            expiry: properties.session_expiry_interval().unwrap_or(0),
            receive_maximum: properties.receive_maximum().unwrap_or(u16::MAX),
            alias_maximum: properties.topic_alias_maximum().unwrap_or(0),
            problem_information: properties.request_problem_information().unwrap_or(true),
            method: properties.authentication_method().map(str::to_owned),
        };
        holds!(
            facts.receive_maximum <= self.client_holds,
            "Receive Maximum is more than the store holds"
        );
        if let Some(conn) = &mut self.conn {
            let challenge = facts.method.is_some() && conn.allows.challenges;
            conn.under_way.push(Arrives::Owed(if challenge {
                Owes::Challenge
            } else {
                Owes::ConnAck
            }));
            conn.connect = Some(facts);
        }
        Ok(())
    }

    fn on_publish(&mut self, publish: &Publish<'_>) -> Found {
        let (Some(conn), Some(session)) = (&mut self.conn, &mut self.session) else {
            return Ok(());
        };
        let strict = !conn.hostile;
        let alias = publish.properties.topic_alias();
        holds!(
            !strict || alias.is_none_or(|alias| alias <= conn.allows.alias_maximum),
            "an alias above the maximum"
        );
        let topic = match (publish.topic, alias) {
            (Some(topic), Some(alias)) => {
                conn.aliases.insert(alias, topic.as_str().to_owned());
                topic.as_str().to_owned()
            }
            (Some(topic), None) => topic.as_str().to_owned(),
            (None, alias) => match alias.and_then(|alias| conn.aliases.get(&alias)) {
                Some(topic) => topic.clone(),
                None if strict => return Err("an alias that stands for nothing".into()),
                None => return Ok(()),
            },
        };
        let most = conn.allows.maximum_qos.unwrap_or(QoS::ExactlyOnce);
        holds!(!strict || publish.qos <= most, "above the maximum QoS");
        holds!(
            !strict || !publish.retain || !conn.allows.no_retain,
            "retained messages are not supported"
        );
        let content = Content::of(publish, &topic);
        let message = uid(publish.payload);
        holds!(message.is_some(), "a payload that is not whole");
        self.books.receives(&content, publish.qos);
        let Some(id) = publish.packet_id.map(PacketId::value) else {
            return Ok(());
        };
        let known = session.from_client.get(&id);
        let open = known.is_some_and(|known| known.stage != Stage::Over);
        if strict {
            holds!(
                !(open && conn.sent.contains(&id)),
                "sent again on a live connection"
            );
            holds!(
                !conn.requests.contains(&id),
                "an identifier that a request uses"
            );
            conn.in_flight.insert(id);
            let quota = usize::from(conn.allows.receive_maximum.unwrap_or(u16::MAX));
            holds!(
                conn.in_flight.len() <= quota,
                "more than the receive maximum"
            );
            holds!(publish.dup || !open, "an identifier that is in use");
            let seen = session.seen.contains(&content.uid());
            holds!(publish.dup || !seen, "sent again without DUP");
            holds!(
                !publish.dup || !conn.fresh,
                "an old message behind a new one"
            );
        }
        conn.sent.insert(id);
        session.seen.insert(content.uid());
        conn.fresh |= !publish.dup;
        let since = match known {
            Some(known) if publish.dup => {
                let same = known.qos == publish.qos
                    && known.content.as_ref().is_none_or(|c| *c == content);
                holds!(!strict || same, "not what it was before: {known:?}");
                known.since
            }
            // Of several, the earlier ones were given up: nothing is begun before they go on.
            _ if publish.dup => match session.fragments.pop() {
                Some(since) => since,
                None if strict => return Err("DUP on what was never sent".into()),
                None => 0,
            },
            _ => session.tick(),
        };
        if publish.dup {
            holds!(
                !strict || since > conn.again,
                "resent out of the order of first sending"
            );
            conn.again = since;
        }
        let stage = match session.from_client.get(&id) {
            Some(known) if publish.dup && known.stage == Stage::Received => Stage::Received,
            _ => Stage::Published,
        };
        let received = session.from_client.get(&id).map_or(0, |old| old.received);
        conn.earlier.remove(&id);
        session.from_client.insert(
            id,
            FromClient {
                qos: publish.qos,
                content: Some(content),
                stage,
                since,
                received,
            },
        );
        conn.under_way
            .push(Arrives::Owed(if publish.qos == QoS::AtLeastOnce {
                Owes::PubAck(id)
            } else {
                Owes::PubRec(id)
            }));
        Ok(())
    }

    fn on_pubrel(&mut self, ack: &Ack<'_>) -> Found {
        let (Some(conn), Some(session)) = (&mut self.conn, &self.session) else {
            return Ok(());
        };
        let id = ack.packet_id.value();
        if !conn.hostile {
            holds!(
                ack.reason == ReasonCode::SUCCESS,
                "a PUBREL that knows of no PUBREC"
            );
            if conn.earlier.remove(&id) {
                let received = session.from_client.get(&id).map_or(0, |old| old.received);
                holds!(
                    received > conn.released,
                    "PUBREL resent out of the order of PUBREC"
                );
                conn.released = received;
            } else {
                holds!(
                    conn.releases.front() == Some(&id),
                    "PUBREL out of the order of PUBREC {:?}",
                    conn.releases
                );
                conn.releases.pop_front();
            }
        }
        conn.under_way.push(Arrives::PubRel(id));
        Ok(())
    }

    /// PUBACK or PUBREC.
    fn on_ack(&mut self, kind: PacketType, ack: &Ack<'_>) -> Found {
        let Some(conn) = &mut self.conn else {
            return Ok(());
        };
        let id = ack.packet_id.value();
        if !conn.hostile {
            holds!(
                conn.acks.pop_front() == Some((kind, id)),
                "acknowledged out of order, {:?} is left",
                conn.acks
            );
            holds!(
                ack.reason == ReasonCode::SUCCESS || ack.reason.is_failure(),
                "a client never sends {}",
                ack.reason
            );
        }
        conn.under_way.push(if ack.reason.is_failure() {
            Arrives::Refused(id)
        } else {
            Arrives::Taken(kind, id)
        });
        Ok(())
    }

    fn on_pubcomp(&mut self, ack: &Ack<'_>) -> Found {
        let (Some(conn), Some(session)) = (&mut self.conn, &self.session) else {
            return Ok(());
        };
        let id = ack.packet_id.value();
        if !conn.hostile {
            holds!(
                conn.completions.pop_front() == Some(id),
                "PUBCOMP out of the order of PUBREL"
            );
            holds!(
                ack.reason == ReasonCode::SUCCESS
                    || session.releases.get(&id).is_some_and(|count| *count > 1),
                "PUBCOMP for a message that is not remembered"
            );
        }

        conn.under_way.push(Arrives::Taken(PacketType::PubComp, id));
        Ok(())
    }

    fn on_subscribe(&mut self, subscribe: &Subscribe<'_>) -> Found {
        let Some(conn) = &self.conn else {
            return Ok(());
        };
        if !conn.hostile {
            let allows = &conn.allows;
            let identified = subscribe.properties.subscription_identifiers().count() > 0;
            holds!(
                !(identified && allows.no_identifiers),
                "identifiers are not supported"
            );
            for subscription in subscribe.subscriptions.iter() {
                let filter = subscription.filter;
                holds!(
                    !(filter.is_shared() && allows.no_shared),
                    "shared subscriptions are not supported"
                );
                holds!(
                    !(filter.has_wildcard() && allows.no_wildcards),
                    "wildcards are not supported"
                );
            }
        }
        let count = subscribe.subscriptions.len();
        self.on_request(
            subscribe.packet_id,
            Owes::SubAck(subscribe.packet_id, count),
        )
    }

    fn on_request(&mut self, packet_id: PacketId, owes: Owes) -> Found {
        let (Some(conn), Some(session)) = (&mut self.conn, &mut self.session) else {
            return Ok(());
        };
        let id = packet_id.value();
        if !conn.hostile {
            let open = session.from_client.get(&id);
            holds!(
                conn.requests.insert(id) && open.is_none_or(|open| open.stage == Stage::Over),
                "an identifier that is in use"
            );
        }
        conn.under_way.push(Arrives::Owed(owes));
        Ok(())
    }

    fn on_disconnect(&mut self, disconnect: &Disconnect<'_>) -> Found {
        let Some(conn) = &mut self.conn else {
            return Ok(());
        };
        conn.over = true;
        conn.farewell = Some(disconnect.reason);
        if let Some(expiry) = disconnect.properties.session_expiry_interval()
            && let Some(facts) = &mut conn.connect
        {
            holds!(
                facts.expiry > 0 || expiry == 0,
                "an expiry that was zero is raised"
            );
            // A DISCONNECT that ends the session and is lost leaves the two at odds for good: the
            // client has to close when the server still has what it threw away.
            facts.expiry = expiry;
        }
        Ok(())
    }

    fn on_auth(&mut self, auth: &Auth<'_>) -> Found {
        let Some(conn) = &mut self.conn else {
            return Ok(());
        };
        let method = conn.connect.as_ref().and_then(|facts| facts.method.clone());
        holds!(method.is_some(), "AUTH without a method in CONNECT");
        holds!(
            auth.properties.authentication_method() == method.as_deref(),
            "AUTH with another method than CONNECT"
        );
        if conn.hostile {
            return Ok(());
        }
        if auth.reason == ReasonCode::CONTINUE_AUTHENTICATION {
            holds!(conn.challenges > 0, "an answer to no challenge");
            conn.challenges -= 1;
        } else {
            holds!(conn.accepts, "a re-authentication before CONNACK");
        }
        let owes = if conn.accepts {
            Owes::AuthDone
        } else {
            Owes::ConnAck
        };
        conn.under_way.push(Arrives::Owed(owes));
        Ok(())
    }

    /// The transport is gone; half a PUBLISH may have come.
    pub(crate) fn fragment(conn: &Conn, session: &mut super::session::Session) {
        let stream = &conn.stream[..];
        let Some(first) = stream.first() else { return };
        let qos = QoS::from_u8((first >> 1) & 3);
        let (0x30, Some(qos)) = (first & 0xf0, qos) else {
            return;
        };
        if qos == QoS::AtMostOnce || first & 8 != 0 {
            return;
        }
        let since = session.tick();
        let Some((id, rest)) = fragment_id(stream) else {
            session.fragments.push(since);
            return;
        };
        session.seen.extend(fragment_uid(rest));
        let begun = FromClient {
            qos,
            content: None,
            stage: Stage::Begun,
            since,
            received: 0,
        };
        session.from_client.insert(id, begun);
    }
}

/// The packet identifier of a PUBLISH of which only the beginning is there, and what is behind.
fn fragment_id(stream: &[u8]) -> Option<(u16, &[u8])> {
    let length = 1 + stream
        .iter()
        .skip(1)
        .position(|byte| byte & 0x80 == 0)?
        .saturating_add(1);
    let body = stream.get(length..)?;
    let (topic, rest) = body.split_first_chunk::<2>()?;
    let rest = rest.get(usize::from(u16::from_be_bytes(*topic))..)?;
    let (id, rest) = rest.split_first_chunk::<2>()?;
    Some((u16::from_be_bytes(*id), rest))
}

/// Which message it is, if so much of it came. The properties are shorter than 128 bytes.
fn fragment_uid(rest: &[u8]) -> Option<u64> {
    let (length, rest) = rest.split_first()?;
    begun_uid(rest.get(usize::from(*length)..)?)
}
