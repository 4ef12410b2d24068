//! IP datagrams that came in pieces (RFC 791 §3.2, RFC 8200 §4.5).

use std::collections::VecDeque;
use std::net::IpAddr;

use wharf_proto::limits;

/// Where a piece belongs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Fragment {
    pub(super) identification: u32,
    /// In bytes.
    pub(super) offset: usize,
    /// Others follow.
    pub(super) more: bool,
}

/// Source, destination and protocol.
pub(super) type Between = (IpAddr, IpAddr, u8);

#[derive(Debug)]
struct Datagram {
    between: Between,
    identification: u32,
    pieces: Vec<(usize, Vec<u8>)>,
    /// Known with the last piece.
    length: Option<usize>,
}

/// Datagrams that are not whole yet; the oldest is given up for a new one.
#[derive(Debug, Default)]
pub(super) struct Fragments(VecDeque<Datagram>);

/// RFC 791 §3.1.
const LONGEST_DATAGRAM: usize = 65_535;
/// Of one datagram; the smallest that any link makes has over 500 bytes.
const MOST_PIECES: usize = 256;

impl Fragments {
    /// Takes a piece, and gives the payload back when it is whole.
    pub(super) fn take(&mut self, between: Between, fragment: Fragment, payload: &[u8]) -> Option<Vec<u8>> {
        let end = fragment.offset + payload.len();
        if end > LONGEST_DATAGRAM {
            return None;
        }
        let identification = fragment.identification;
        let is_it =
            |datagram: &Datagram| datagram.between == between && datagram.identification == identification;
        let position = match self.0.iter().position(is_it) {
            Some(position) => position,
            None => {
                if self.0.len() >= limits::CAPTURED_FRAGMENTED {
                    self.0.pop_front();
                }
                self.0.push_back(Datagram { between, identification, pieces: Vec::new(), length: None });
                self.0.len() - 1
            }
        };
        let datagram = &mut self.0[position];
        if !fragment.more {
            datagram.length = Some(end);
        }
        let is_known = datagram.pieces.iter().any(|(offset, _)| *offset == fragment.offset);
        if !is_known && datagram.pieces.len() < MOST_PIECES {
            datagram.pieces.push((fragment.offset, payload.to_vec()));
        }
        let whole = datagram.whole()?;
        self.0.remove(position);
        Some(whole)
    }
}

impl Datagram {
    fn whole(&mut self) -> Option<Vec<u8>> {
        let length = self.length?;
        self.pieces.sort_by_key(|(offset, _)| *offset);
        let mut whole: Vec<u8> = Vec::new();
        for (offset, piece) in &self.pieces {
            let overlap = whole.len().checked_sub(*offset)?;
            whole.extend_from_slice(piece.get(overlap..).unwrap_or_default());
        }
        (whole.len() == length).then_some(whole)
    }
}
