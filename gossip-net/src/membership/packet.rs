//! A membership datagram: the sender's roots and a membership packet.

use crate::limits::{MAX_MEMBERSHIP_PACKET, PACKET_ADVERT};

/// The first bytes of a datagram with a membership packet. A bare advert starts with different
/// bytes.
const MAGIC: [u8; 3] = *b"EM\x01";
/// The number of bytes that encode the advert's length, after the magic.
const LENGTH: usize = 2;

/// The contents of a membership datagram.
pub(crate) struct Packet<'a> {
    pub(crate) advert: &'a [u8],
    pub(crate) membership: &'a [u8],
}

impl<'a> Packet<'a> {
    /// Parses a datagram. Returns `None` if it contains no valid membership packet.
    pub(crate) fn parse(datagram: &'a [u8]) -> Option<Self> {
        let rest = datagram.strip_prefix(&MAGIC)?;
        let (length, rest) = rest.split_first_chunk::<LENGTH>()?;
        let (advert, membership) = rest.split_at_checked(u16::from_le_bytes(*length).into())?;
        let fits = advert.len() <= PACKET_ADVERT && membership.len() <= MAX_MEMBERSHIP_PACKET;
        fits.then_some(Self { advert, membership })
    }

    pub(crate) fn encode(&self) -> Vec<u8> {
        let length =
            u16::try_from(self.advert.len()).expect("the length of an advert fits in 16 bits");
        [&MAGIC[..], &length.to_le_bytes(), self.advert, self.membership].concat()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn packet_round_trips() {
        let datagram = Packet { advert: b"roots", membership: b"members" }.encode();
        let packet = Packet::parse(&datagram).unwrap();
        assert_eq!((packet.advert, packet.membership), (&b"roots"[..], &b"members"[..]));
    }

    #[test]
    fn truncated_or_oversized_packet_is_rejected() {
        let datagram = Packet { advert: b"roots", membership: b"" }.encode();
        assert!((0..datagram.len()).all(|len| Packet::parse(&datagram[..len]).is_none()));
        let long = vec![0; MAX_MEMBERSHIP_PACKET + 1];
        for (advert, membership) in [(&long[..PACKET_ADVERT + 1], &b""[..]), (b"", &long)] {
            assert!(Packet::parse(&Packet { advert, membership }.encode()).is_none());
        }
        assert!(Packet::parse(b"EA\x01 is an advert").is_none());
    }
}
