//! TYPE A on a data connection: lines end with CRLF on the wire and with LF here (RFC 959 §3.1.1.1).
//!
//! Both directions stream: pieces of any size go in, and where they are cut never changes what comes out.

use memchr::{memchr, memchr_iter};

/// Local text to the wire: each LF becomes CRLF.
///
/// A CRLF that is already in the text stays one CRLF, so that a file with DOS line ends arrives with DOS line ends
/// and not with CR CR LF; it cannot be told from LF after that. A CR elsewhere goes out as it is, without the NUL that
/// Telnet wants behind it (RFC 854), as no FTP program in use writes or reads that.
#[derive(Clone, Debug, Default)]
pub struct AsciiEncoder {
    after_carriage_return: bool,
}

impl AsciiEncoder {
    /// At the start of a file.
    #[must_use]
    pub const fn new() -> Self {
        Self { after_carriage_return: false }
    }

    /// Appends `input` as it goes over the wire: at most twice its length.
    pub fn encode(&mut self, input: &[u8], out: &mut Vec<u8>) {
        let Some(last) = input.last() else { return };
        out.reserve(input.len() + input.len() / 16);
        let mut written = 0;
        for line_feed in memchr_iter(b'\n', input) {
            let complete =
                if line_feed == 0 { self.after_carriage_return } else { input[line_feed - 1] == b'\r' };
            if !complete {
                out.extend_from_slice(&input[written..line_feed]);
                out.push(b'\r');
                written = line_feed;
            }
        }
        out.extend_from_slice(&input[written..]);
        self.after_carriage_return = *last == b'\r';
    }

    /// The file has ended: nothing is held back, and the encoder is at the start of another.
    pub fn finish(&mut self) {
        *self = Self::new();
    }
}

/// The wire to local text: each CRLF becomes LF. A CR elsewhere stays, as do LFs that have no CR.
#[derive(Clone, Debug, Default)]
pub struct AsciiDecoder {
    /// The last byte was a CR, of which only the next byte says whether it goes.
    held_carriage_return: bool,
}

impl AsciiDecoder {
    /// At the start of a file.
    #[must_use]
    pub const fn new() -> Self {
        Self { held_carriage_return: false }
    }

    /// Appends `input` as local text: at most one byte more than its length.
    pub fn decode(&mut self, input: &[u8], out: &mut Vec<u8>) {
        let Some(&first) = input.first() else { return };
        if core::mem::take(&mut self.held_carriage_return) && first != b'\n' {
            out.push(b'\r');
        }
        out.reserve(input.len());
        let mut rest = input;
        while let Some(carriage_return) = memchr(b'\r', rest) {
            out.extend_from_slice(&rest[..carriage_return]);
            rest = &rest[carriage_return + 1..];
            match rest.first() {
                Some(b'\n') => {}
                Some(_) => out.push(b'\r'),
                None => self.held_carriage_return = true,
            }
        }
        out.extend_from_slice(rest);
    }

    /// The file has ended: appends a CR that was its last byte. The decoder is at the start of another file then.
    pub fn finish(&mut self, out: &mut Vec<u8>) {
        if core::mem::take(&mut self.held_carriage_return) {
            out.push(b'\r');
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn encode<'a>(pieces: impl IntoIterator<Item = &'a [u8]>) -> Vec<u8> {
        let (mut encoder, mut out) = (AsciiEncoder::new(), Vec::new());
        for piece in pieces {
            encoder.encode(piece, &mut out);
        }
        encoder.finish();
        out
    }

    fn decode<'a>(pieces: impl IntoIterator<Item = &'a [u8]>) -> Vec<u8> {
        let (mut decoder, mut out) = (AsciiDecoder::new(), Vec::new());
        for piece in pieces {
            decoder.decode(piece, &mut out);
        }
        decoder.finish(&mut out);
        out
    }

    #[test]
    fn lines_to_the_wire_and_back() {
        assert_eq!(encode([&b"a\nb\n\nc"[..]]), b"a\r\nb\r\n\r\nc");
        assert_eq!(decode([&b"a\r\nb\r\n\r\nc"[..]]), b"a\nb\n\nc");
    }

    #[test]
    fn carriage_returns_that_are_there() {
        assert_eq!(encode([&b"a\r\nb\rc\n\r\r\n"[..]]), b"a\r\nb\rc\r\n\r\r\n");
        assert_eq!(encode([&b"a\r"[..], b"\nb"]), b"a\r\nb");
        assert_eq!(decode([&b"a\rb\r\r\nc\nd\r"[..]]), b"a\rb\r\nc\nd\r");
        assert_eq!(decode([&b"a\r"[..], b"\r", b"\nb\r", b"", b"c"]), b"a\r\nb\rc");
    }

    #[test]
    fn the_next_file_starts_afresh() {
        let (mut encoder, mut out) = (AsciiEncoder::new(), Vec::new());
        encoder.encode(b"a\r", &mut out);
        encoder.finish();
        encoder.encode(b"\n", &mut out);
        assert_eq!(out, b"a\r\r\n");
    }

    fn text() -> impl Strategy<Value = Vec<u8>> {
        prop::collection::vec(prop::sample::select(b"\r\r\n\nab".as_slice()), 0..100)
    }

    proptest! {
        #[test]
        fn text_with_line_feeds_comes_back(text in text()) {
            let mut text = text;
            while let Some(at) = memchr::memmem::find(&text, b"\r\n") {
                text.remove(at);
            }
            prop_assert_eq!(decode([encode([text.as_slice()]).as_slice()]), text);
        }

        #[test]
        fn pieces_change_nothing(text in text(), piece in 1_usize..9) {
            prop_assert_eq!(encode(text.chunks(piece)), encode([text.as_slice()]));
            prop_assert_eq!(decode(text.chunks(piece)), decode([text.as_slice()]));
        }

        #[test]
        fn every_line_feed_on_the_wire_has_its_carriage_return(text in text()) {
            let wire = encode([text.as_slice()]);
            prop_assert!(memchr_iter(b'\n', &wire).all(|at| at > 0 && wire[at - 1] == b'\r'));
        }
    }
}
