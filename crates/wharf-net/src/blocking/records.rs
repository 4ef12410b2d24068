//! TLS records of which only the lengths are looked at.

use std::io;

use crate::tls::TlsVersion;

/// Type, version and length (RFC 8446 §5.1, RFC 5246 §6.2.1).
const HEADER: usize = 5;
/// The type of an alert that is not disguised.
const ALERT: u8 = 21;
/// The type of payload, and under TLS 1.3 of everything that is encrypted.
const APPLICATION_DATA: u8 = 23;
/// What TLS 1.3 adds to a payload: the true type and the authentication tag (RFC 8446 §5.2).
const OVERHEAD_OF_1_3: usize = 1 + 16;
/// What TLS 1.2 adds with AES-GCM: an explicit nonce and the tag (RFC 5288 §3).
const OVERHEAD_OF_1_2: usize = 8 + 16;
/// The length of an alert's content.
const ALERT_LENGTH: usize = 2;

/// Follows the records of one direction.
#[derive(Debug)]
pub(super) struct Records {
    version: TlsVersion,
    header: [u8; HEADER],
    /// Bytes of the header that have come.
    header_length: usize,
    /// Bytes of the record's body that have not come.
    body_left: usize,
    has_ended: bool,
}

impl Records {
    /// From the beginning of a record on.
    pub(super) fn new(version: TlsVersion) -> Self {
        Self { version, header: [0; HEADER], header_length: 0, body_left: 0, has_ended: false }
    }

    /// Whether what looks like close_notify came.
    pub(super) fn has_ended(&self) -> bool {
        self.has_ended
    }

    /// Goes on over `bytes`, and tells the payload of the records that begin in them.
    pub(super) fn take(&mut self, mut bytes: &[u8]) -> io::Result<usize> {
        let mut payload = 0;
        while !bytes.is_empty() {
            if self.body_left > 0 {
                let skipped = self.body_left.min(bytes.len());
                self.body_left -= skipped;
                bytes = &bytes[skipped..];
                continue;
            }
            let taken = (HEADER - self.header_length).min(bytes.len());
            self.header[self.header_length..self.header_length + taken].copy_from_slice(&bytes[..taken]);
            self.header_length += taken;
            bytes = &bytes[taken..];
            if self.header_length == HEADER {
                payload += self.begin_record()?;
            }
        }
        Ok(payload)
    }

    fn begin_record(&mut self) -> io::Result<usize> {
        let [kind, major, _, high, low] = self.header;
        if !(20..=APPLICATION_DATA).contains(&kind) || major != 3 {
            return Err(io::Error::new(io::ErrorKind::InvalidData, "what came is no TLS record"));
        }
        self.header_length = 0;
        self.body_left = usize::from(u16::from_be_bytes([high, low]));
        let (overhead, is_alert) = match self.version {
            TlsVersion::Tls13 => (OVERHEAD_OF_1_3, self.body_left == OVERHEAD_OF_1_3 + ALERT_LENGTH),
            TlsVersion::Tls12 => (OVERHEAD_OF_1_2, false),
        };
        self.has_ended |= is_alert || kind == ALERT;
        Ok(if kind == APPLICATION_DATA && !is_alert { self.body_left.saturating_sub(overhead) } else { 0 })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record(kind: u8, length: u16) -> Vec<u8> {
        let [high, low] = length.to_be_bytes();
        let mut record = vec![kind, 3, 3, high, low];
        record.resize(HEADER + usize::from(length), 0xAA);
        record
    }

    #[test]
    fn the_payload_is_counted_however_the_bytes_are_cut() {
        let stream = [record(23, 1017), record(23, 117), record(23, 19)].concat();
        for piece in [1, 4, 5, 6, 1000, stream.len()] {
            let mut records = Records::new(TlsVersion::Tls13);
            let counted: usize = stream.chunks(piece).map(|bytes| records.take(bytes).unwrap()).sum();
            assert_eq!((counted, records.has_ended()), (1100, true), "pieces of {piece}");
        }
    }

    #[test]
    fn tls_1_2_says_its_alerts_openly() {
        let mut records = Records::new(TlsVersion::Tls12);
        assert_eq!(records.take(&record(23, 1024)).unwrap(), 1000);
        assert!(!records.has_ended());
        assert_eq!(records.take(&record(21, 26)).unwrap(), 0);
        assert!(records.has_ended());
        assert!(Records::new(TlsVersion::Tls12).take(b"220 hello").is_err());
    }
}
