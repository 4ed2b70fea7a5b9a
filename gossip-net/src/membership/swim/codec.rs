//! The wire format of foca's packets. It omits the ids of the sender and the receiver, because the
//! connection identifies both.

use bytes::{Buf, BufMut};
use foca::{Codec, Header, Member, Message, State};

use super::Instance;
use crate::NodeId;
use crate::limits::MAX_MEMBERSHIP_PACKET;

/// The length of the sender's id. The sender removes the id from each packet, and the
/// receiver restores it from the connection, which authenticates the sender.
pub(super) const HEADER_SOURCE: usize = 32;
/// The length of an entry in the member list: id, incarnation, foca's count of refutations, state.
const MEMBER: usize = 32 + 8 + 2 + 1;

/// Encodes and decodes foca's packets. Numbers are little-endian, except the length of the member
/// list, which foca writes big-endian.
#[derive(Clone, Copy, Debug)]
pub(super) struct Compact {
    pub(super) us: NodeId,
}

/// The bytes are not a packet of this version.
#[derive(Debug, thiserror::Error)]
#[error("not a membership packet of this version")]
pub(super) struct Malformed;

impl Codec<Instance> for Compact {
    type Error = Malformed;

    fn encode_header(
        &mut self,
        header: &Header<Instance>,
        mut buf: impl BufMut,
    ) -> Result<(), Malformed> {
        buf.put_slice(header.src.node.as_bytes());
        buf.put_u64_le(header.src.incarnation);
        buf.put_u16_le(header.src_incarnation);
        buf.put_u64_le(header.dst.incarnation);
        let (tag, about) = match &header.message {
            Message::Ping(number) => (0, Some((None, number))),
            Message::Ack(number) => (1, Some((None, number))),
            Message::PingReq { target, probe_number } => (2, Some((Some(target), probe_number))),
            Message::IndirectPing { origin, probe_number } => {
                (3, Some((Some(origin), probe_number)))
            }
            Message::IndirectAck { target, probe_number } => {
                (4, Some((Some(target), probe_number)))
            }
            Message::ForwardedAck { origin, probe_number } => {
                (5, Some((Some(origin), probe_number)))
            }
            Message::Announce => (6, None),
            Message::Feed => (7, None),
            Message::Gossip => (8, None),
            Message::Broadcast => (9, None),
            Message::TurnUndead => (10, None),
        };
        buf.put_u8(tag);
        if let Some((member, number)) = about {
            buf.put_u8(*number);
            member.into_iter().for_each(|instance| put_instance(&mut buf, instance));
        }
        Ok(())
    }

    fn decode_header(&mut self, mut buf: impl Buf) -> Result<Header<Instance>, Malformed> {
        let node = take_node(&mut buf)?;
        let (src, src_incarnation, dst, message) = take_short_header(&mut buf)?;
        let src = Instance { node, incarnation: src };
        Ok(Header {
            src,
            src_incarnation,
            dst: Instance { node: self.us, incarnation: dst },
            message,
        })
    }

    fn encode_member(
        &mut self,
        member: &Member<Instance>,
        mut buf: impl BufMut,
    ) -> Result<(), Malformed> {
        if buf.remaining_mut() < MEMBER {
            return Err(Malformed);
        }
        put_member(&mut buf, member);
        Ok(())
    }

    fn decode_member(&mut self, mut buf: impl Buf) -> Result<Member<Instance>, Malformed> {
        let instance = take_instance(&mut buf)?;
        let incarnation = buf.try_get_u16_le().map_err(|_| Malformed)?;
        let state = match buf.try_get_u8() {
            Ok(0) => State::Alive,
            Ok(1) => State::Suspect,
            Ok(2) => State::Down,
            _ => return Err(Malformed),
        };
        Ok(Member::new(instance, incarnation, state))
    }
}

fn put_member(buf: &mut impl BufMut, member: &Member<Instance>) {
    put_instance(buf, member.id());
    buf.put_u16_le(member.incarnation());
    buf.put_u8(match member.state() {
        State::Alive => 0,
        State::Suspect => 1,
        State::Down => 2,
    });
}

fn put_instance(buf: &mut impl BufMut, instance: &Instance) {
    buf.put_slice(instance.node.as_bytes());
    buf.put_u64_le(instance.incarnation);
}

fn take_node(buf: &mut impl Buf) -> Result<NodeId, Malformed> {
    let mut node = [0; 32];
    buf.try_copy_to_slice(&mut node).map_err(|_| Malformed)?;
    Ok(NodeId::from(node))
}

fn take_instance(buf: &mut impl Buf) -> Result<Instance, Malformed> {
    let node = take_node(buf)?;
    Ok(Instance { node, incarnation: buf.try_get_u64_le().map_err(|_| Malformed)? })
}

/// Reads the header after the sender's id: the sender's incarnation and count of refutations, the
/// receiver's incarnation, and the message.
fn take_short_header(buf: &mut impl Buf) -> Result<(u64, u16, u64, Message<Instance>), Malformed> {
    let src = buf.try_get_u64_le().map_err(|_| Malformed)?;
    let src_incarnation = buf.try_get_u16_le().map_err(|_| Malformed)?;
    let dst = buf.try_get_u64_le().map_err(|_| Malformed)?;
    Ok((src, src_incarnation, dst, take_message(buf)?))
}

fn take_message(buf: &mut impl Buf) -> Result<Message<Instance>, Malformed> {
    let tag = buf.try_get_u8().map_err(|_| Malformed)?;
    let probe_number = match tag {
        0..=5 => buf.try_get_u8().map_err(|_| Malformed)?,
        _ => 0,
    };
    Ok(match tag {
        0 => Message::Ping(probe_number),
        1 => Message::Ack(probe_number),
        2 => Message::PingReq { target: take_instance(buf)?, probe_number },
        3 => Message::IndirectPing { origin: take_instance(buf)?, probe_number },
        4 => Message::IndirectAck { target: take_instance(buf)?, probe_number },
        5 => Message::ForwardedAck { origin: take_instance(buf)?, probe_number },
        6 => Message::Announce,
        7 => Message::Feed,
        8 => Message::Gossip,
        9 => Message::Broadcast,
        10 => Message::TurnUndead,
        _ => return Err(Malformed),
    })
}

/// Whether a packet tells its receiver that the sender considers the receiver down.
pub(super) fn says_down(mut packet: &[u8]) -> bool {
    take_short_header(&mut packet).is_ok_and(|(.., message)| message == Message::TurnUndead)
}

/// Adds a member to the list of a packet if the packet has a list with room for another entry.
pub(super) fn mention(packet: &mut Vec<u8>, member: &Member<Instance>) {
    let mut rest = &packet[..];
    let header = take_short_header(&mut rest).map(|_| packet.len() - rest.len());
    let (Ok(list), true) = (header, packet.len() + MEMBER <= MAX_MEMBERSHIP_PACKET) else { return };
    let Some(count) = packet.get_mut(list..).and_then(|rest| rest.first_chunk_mut::<2>()) else {
        return;
    };
    *count = u16::from_be_bytes(*count).saturating_add(1).to_be_bytes();
    put_member(packet, member);
}

/// Returns a packet that informs `to` that its node has already had the later incarnation `known`.
/// The packet lists the later incarnation as down.
pub(super) fn correction(us: Instance, to: Instance, known: u64) -> Vec<u8> {
    let header = Header { src: us, src_incarnation: 0, dst: to, message: Message::Gossip };
    let mut packet = Vec::new();
    let encoded = Compact { us: us.node }.encode_header(&header, &mut packet);
    encoded.expect("writing to a vector succeeds");
    let mut packet = packet.split_off(HEADER_SOURCE);
    packet.extend_from_slice(&0_u16.to_be_bytes());
    let known = Instance { incarnation: known, ..to };
    mention(&mut packet, &Member::new(known, 0, State::Down));
    packet
}

/// A received packet with the sender's id restored at its start.
pub(super) struct Relayed {
    packet: Vec<u8>,
    header: Header<Instance>,
    /// Offset of the member list.
    list: usize,
}

impl Relayed {
    /// Parses a packet from `from` to `us`. Returns `None` if its header is invalid.
    pub(super) fn parse(us: NodeId, from: NodeId, bytes: &[u8]) -> Option<Self> {
        let mut packet = from.as_bytes().to_vec();
        packet.extend_from_slice(bytes);
        let mut rest = &packet[..];
        let header = Compact { us }.decode_header(&mut rest).ok()?;
        let list = packet.len() - rest.len();
        Some(Self { packet, header, list })
    }

    pub(super) fn sender(&self) -> &Instance {
        &self.header.src
    }

    /// The greatest incarnation of `node` in the member list.
    pub(super) fn incarnation_of(&self, node: NodeId) -> Option<u64> {
        let (_, members) = self.packet.get(self.list..)?.split_first_chunk::<2>()?;
        let listed =
            members.chunks_exact(MEMBER).filter_map(|mut member| take_instance(&mut member).ok());
        listed.filter(|instance| instance.node == node).map(|instance| instance.incarnation).max()
    }

    /// Removes the members that are not `known` from the list. Returns `None` if the message itself
    /// concerns an unknown member, or if the list is invalid.
    pub(super) fn about(mut self, known: impl Fn(&Instance) -> bool) -> Option<Vec<u8>> {
        let subject = match &self.header.message {
            Message::PingReq { target: instance, .. }
            | Message::IndirectPing { origin: instance, .. }
            | Message::IndirectAck { target: instance, .. }
            | Message::ForwardedAck { origin: instance, .. } => Some(instance),
            _ => None,
        };
        if subject.is_some_and(|instance| !known(instance)) {
            return None;
        }
        let list = self.packet.split_off(self.list);
        let Some((count, members)) = list.split_first_chunk::<2>() else {
            return list.is_empty().then_some(self.packet);
        };
        let members = members.chunks_exact(MEMBER);
        let count = usize::from(u16::from_be_bytes(*count));
        if !members.remainder().is_empty() || members.len() != count {
            return None;
        }
        let is_known =
            |member: &&[u8]| take_instance(&mut &member[..]).is_ok_and(|instance| known(&instance));
        let kept: Vec<u8> = members.filter(is_known).flatten().copied().collect();
        let count = u16::try_from(kept.len() / MEMBER).ok()?;
        self.packet.extend_from_slice(&count.to_be_bytes());
        self.packet.extend_from_slice(&kept);
        Some(self.packet)
    }
}

#[cfg(test)]
mod tests {
    use proptest::collection::vec;
    use proptest::prelude::*;

    use super::*;

    fn instance(n: u8) -> Instance {
        Instance { node: NodeId::from([n; 32]), incarnation: 1 << 40 | u64::from(n) }
    }

    fn every_message() -> Vec<Message<Instance>> {
        let (target, origin, probe_number) = (instance(3), instance(3), 9);
        vec![
            Message::Ping(7),
            Message::Ack(7),
            Message::PingReq { target, probe_number },
            Message::IndirectPing { origin, probe_number },
            Message::IndirectAck { target, probe_number },
            Message::ForwardedAck { origin, probe_number },
            Message::Announce,
            Message::Feed,
            Message::Gossip,
            Message::Broadcast,
            Message::TurnUndead,
        ]
    }

    fn encode(message: Message<Instance>) -> Vec<u8> {
        let header = Header { src: instance(1), src_incarnation: 5, dst: instance(2), message };
        let mut bytes = Vec::new();
        Compact { us: instance(1).node }.encode_header(&header, &mut bytes).unwrap();
        bytes
    }

    #[test]
    fn every_header_round_trips() {
        for message in every_message() {
            let bytes = encode(message.clone());
            let mut rest = &bytes[..];
            let header = Compact { us: instance(2).node }.decode_header(&mut rest).unwrap();
            assert_eq!(
                header,
                Header { src: instance(1), src_incarnation: 5, dst: instance(2), message }
            );
            assert!(rest.is_empty());
            for len in 0..bytes.len() {
                assert!(Compact { us: instance(2).node }.decode_header(&bytes[..len]).is_err());
            }
        }
    }

    /// A change to one of these values breaks compatibility between old and new nodes.
    #[test]
    fn golden_packets() {
        let hex = |bytes: &[u8]| bytes.iter().map(|byte| format!("{byte:02x}")).collect::<String>();
        let packets: Vec<_> =
            every_message().into_iter().map(|m| hex(&encode(m)[HEADER_SOURCE..])).collect();
        let header = "010000000001000005000200000000010000";
        let about = format!("09{}0300000000010000", "03".repeat(32));
        let bodies = [
            "0007".to_owned(),
            "0107".to_owned(),
            format!("02{about}"),
            format!("03{about}"),
            format!("04{about}"),
            format!("05{about}"),
            "06".to_owned(),
            "07".to_owned(),
            "08".to_owned(),
            "09".to_owned(),
            "0a".to_owned(),
        ];
        assert_eq!(packets, bodies.map(|body| format!("{header}{body}")));
        let mut member = Vec::new();
        put_member(&mut member, &Member::new(instance(3), 4, State::Suspect));
        assert_eq!(hex(&member), format!("{}0300000000010000040001", "03".repeat(32)));
    }

    /// Generates random bytes, some of which start with a valid header.
    fn packet() -> impl Strategy<Value = Vec<u8>> {
        let begins = (0..every_message().len(), vec(any::<u8>(), 0..200)).prop_map(|(n, rest)| {
            [encode(every_message()[n].clone())[HEADER_SOURCE..].to_vec(), rest].concat()
        });
        prop_oneof![vec(any::<u8>(), 0..300), begins]
    }

    proptest! {
        #[test]
        fn prop_unknown_packet_never_panics_or_grows(packet in packet(), node in any::<[u8; 32]>()) {
            says_down(&packet);
            let (us, from) = (instance(2).node, NodeId::from(node));
            if let Some(relayed) = Relayed::parse(us, from, &packet) {
                prop_assert_eq!(relayed.sender().node, from);
                let about = relayed.about(|instance| instance.incarnation % 2 == 0);
                prop_assert!(about.is_none_or(|kept| kept.len() <= HEADER_SOURCE + packet.len()));
            }
            let mut mentioned = packet.clone();
            mention(&mut mentioned, &Member::alive(instance(3)));
            prop_assert!([packet.len(), packet.len() + MEMBER].contains(&mentioned.len()));
        }

        /// The encoding is canonical: re-encoding a decoded header reproduces its bytes.
        #[test]
        fn prop_decoded_header_encodes_to_same_bytes(packet in packet()) {
            let full = [instance(1).node.as_bytes(), &packet[..]].concat();
            let mut rest = &full[..];
            let mut codec = Compact { us: instance(2).node };
            if let Ok(header) = codec.decode_header(&mut rest) {
                let mut written = Vec::new();
                codec.encode_header(&header, &mut written).unwrap();
                prop_assert_eq!(&written, &full[..full.len() - rest.len()]);
            }
        }
    }

    #[test]
    fn a_ping_takes_twenty_bytes() {
        assert_eq!(encode(Message::Ping(1)).len() - HEADER_SOURCE, 20);
    }

    fn relayed(packet: &[u8]) -> Relayed {
        Relayed::parse(instance(2).node, instance(1).node, packet).unwrap()
    }

    #[test]
    fn unknown_members_are_left_out() {
        let mut packet = encode(Message::Gossip)[HEADER_SOURCE..].to_vec();
        let members = [instance(3), instance(4), instance(5)].map(Member::alive);
        packet.extend_from_slice(&3_u16.to_be_bytes());
        for member in &members {
            Compact { us: instance(1).node }.encode_member(member, &mut packet).unwrap();
        }
        let known = relayed(&packet).about(|member| *member != instance(4)).unwrap();
        let lists = &known[known.len() - 2 * MEMBER - 2..];
        assert_eq!(lists[..2], 2_u16.to_be_bytes());
        for (member, bytes) in [&members[0], &members[2]].into_iter().zip(lists[2..].chunks(MEMBER))
        {
            assert_eq!(Compact { us: instance(1).node }.decode_member(bytes).unwrap(), *member);
        }
        packet.pop();
        assert_eq!(relayed(&packet).about(|_| true), None, "truncated");
    }

    #[test]
    fn a_suspect_is_mentioned_where_a_list_is() {
        let suspect = Member::new(instance(2), 4, State::Suspect);
        let mut packet = encode(Message::Ping(1))[HEADER_SOURCE..].to_vec();
        let bare = packet.clone();
        mention(&mut packet, &suspect);
        assert_eq!(packet, bare, "a packet without a list remains unchanged");
        packet.extend_from_slice(&0_u16.to_be_bytes());
        mention(&mut packet, &suspect);
        assert_eq!(packet[bare.len()..][..2], 1_u16.to_be_bytes());
        let listed = Compact { us: instance(2).node }.decode_member(&packet[bare.len() + 2..]);
        assert_eq!(listed.unwrap(), suspect);
        packet.resize(MAX_MEMBERSHIP_PACKET, 0);
        let full = packet.clone();
        mention(&mut packet, &suspect);
        assert_eq!(packet, full);
    }

    #[test]
    fn ping_request_for_unknown_node_is_dropped() {
        let packet = encode(Message::PingReq { target: instance(9), probe_number: 1 });
        assert_eq!(
            relayed(&packet[HEADER_SOURCE..])
                .about(|instance| instance.node != self::instance(9).node),
            None
        );
    }
}
