//! Whether a connection on some port is a control connection: its own first words tell.

use wharf_proto::limits;

use super::stream::{Delivered, Sight, Stream};

/// Verbs that no other protocol with three-digit replies has. SMTP and NNTP share QUIT, HELP, LIST, AUTH and STAT with FTP,
/// POP3 has USER and PASS, but no three digits.
const TELLING: [&[u8]; 20] = [
    b"USER", b"PASS", b"PASV", b"EPSV", b"PORT", b"EPRT", b"SYST", b"FEAT", b"CWD", b"PWD", b"TYPE", b"RETR",
    b"STOR", b"MLSD", b"NLST", b"SIZE", b"MDTM", b"CLNT", b"OPTS", b"REST",
];
/// AUTH is SMTP's too, but not with these.
const TELLING_AUTH: [&[u8]; 4] = [b"TLS", b"SSL", b"TLS-C", b"TLS-P"];

/// What is kept of a connection until it is known what it is.
#[derive(Debug, Default)]
pub(super) struct Unjudged {
    streams: [Stream; 2],
    begun: [Vec<u8>; 2],
    kept: Vec<Kept>,
}

/// Who said it, where, and what.
pub(super) type Kept = (usize, Sight, Vec<u8>);

/// What a connection is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    /// Too early to tell.
    Open,
    /// A control connection, whose client is this end.
    Control(usize),
    /// Something else.
    Other,
}

impl Unjudged {
    /// Takes a segment of the end `end`, and judges.
    pub(super) fn take(&mut self, end: usize, sight: Sight, sequence: u32, payload: &[u8]) -> Verdict {
        let mut pieces: Vec<(Sight, Vec<u8>)> = Vec::new();
        let mut has_gap = false;
        self.streams[end].segment(sight, sequence, payload, 0, &mut |delivered| match delivered {
            Delivered::Bytes(sight, bytes) => pieces.push((sight, bytes.to_vec())),
            Delivered::Gap(..) => has_gap = true,
        });
        for (sight, bytes) in pieces {
            self.begun[end].extend_from_slice(&bytes);
            self.kept.push((end, sight, bytes));
        }
        let too_much =
            |stream: &Stream, begun: &Vec<u8>| stream.held() + begun.len() > limits::CAPTURED_UNJUDGED;
        if has_gap || (0..2).any(|end| too_much(&self.streams[end], &self.begun[end])) {
            return Verdict::Other;
        }
        self.judge()
    }

    /// What was said so far, in its order.
    pub(super) fn into_parts(self) -> ([Stream; 2], Vec<Kept>) {
        (self.streams, self.kept)
    }

    fn judge(&self) -> Verdict {
        for client in 0..2 {
            let (said, answered) = (&self.begun[client], &self.begun[1 - client]);
            if !answered.is_empty() && !may_be_reply(answered) {
                continue;
            }
            match command(said) {
                Some(true) if may_be_reply(answered) && answered.len() >= 4 => {
                    return Verdict::Control(client);
                }
                None if said.is_empty() && answered.len() >= 4 && names_ftp(answered) => {
                    return Verdict::Control(client);
                }
                Some(true) | None => return Verdict::Open,
                Some(false) => {}
            }
        }
        Verdict::Other
    }
}

/// Whether bytes are the beginning of a reply, as far as they go.
fn may_be_reply(bytes: &[u8]) -> bool {
    bytes.iter().take(3).all(u8::is_ascii_digit)
        && bytes.first().is_none_or(|digit| (b'1'..=b'5').contains(digit))
        && bytes.get(3).is_none_or(|separator| matches!(separator, b' ' | b'-'))
}

/// Servers like to say what they are in their greeting.
fn names_ftp(greeting: &[u8]) -> bool {
    let upper = greeting.to_ascii_uppercase();
    upper.starts_with(b"220") && upper.windows(3).any(|word| word == b"FTP") && upper.ends_with(b"\n")
}

/// Whether bytes begin with a telling command; `None`: too early to tell.
fn command(bytes: &[u8]) -> Option<bool> {
    const LONGEST_VERB: usize = 4;
    let end = bytes.iter().position(|byte| matches!(byte, b' ' | b'\r' | b'\n'));
    let verb = &bytes[..end.unwrap_or(bytes.len())];
    if verb.len() > LONGEST_VERB || !verb.iter().all(u8::is_ascii_alphabetic) {
        return Some(false);
    }
    end?;
    let verb = verb.to_ascii_uppercase();
    if verb == b"AUTH" {
        let line = bytes.split(|byte| *byte == b'\n').next().unwrap_or_default();
        let mechanism = line.get(5..).unwrap_or_default().trim_ascii().to_ascii_uppercase();
        return Some(TELLING_AUTH.contains(&mechanism.as_slice()));
    }
    Some(TELLING.contains(&verb.as_slice()))
}

#[cfg(test)]
mod tests {
    use wharf_proto::Timestamp;

    use super::*;

    fn judge(lines: &[(usize, &str)]) -> Verdict {
        let mut unjudged = Unjudged::default();
        let mut sequence = [1_u32; 2];
        let mut verdict = Verdict::Open;
        for (frame, (end, line)) in (1..).zip(lines) {
            let sight = Sight { frame, at: Timestamp::START };
            verdict = unjudged.take(*end, sight, sequence[*end], line.as_bytes());
            sequence[*end] += u32::try_from(line.len()).unwrap();
        }
        verdict
    }

    #[test]
    fn ftp_is_known_by_what_is_said() {
        assert_eq!(judge(&[(1, "220 ready\r\n"), (0, "USER me\r\n")]), Verdict::Control(0));
        assert_eq!(judge(&[(0, "220-hello\r\n220 ready\r\n"), (1, "AUTH TLS\r\n")]), Verdict::Control(1));
        assert_eq!(judge(&[(1, "220 (vsFTPd 3.0.3)\r\n")]), Verdict::Control(0));
        assert_eq!(judge(&[(1, "220 ready\r\n")]), Verdict::Open);
        assert_eq!(judge(&[(0, "PASV\r\n"), (1, "227 x\r\n")]), Verdict::Control(0));
    }

    #[test]
    fn other_protocols_are_not_ftp() {
        assert_eq!(judge(&[(1, "220 mail.example ESMTP\r\n"), (0, "EHLO me\r\n")]), Verdict::Other);
        assert_eq!(judge(&[(1, "220 mail ready\r\n"), (0, "AUTH PLAIN x\r\n")]), Verdict::Other);
        assert_eq!(judge(&[(1, "200 news server\r\n"), (0, "LIST\r\n")]), Verdict::Other);
        assert_eq!(judge(&[(1, "+OK pop\r\n")]), Verdict::Other);
        assert_eq!(judge(&[(0, "GET / HTTP/1.1\r\n")]), Verdict::Other);
        assert_eq!(judge(&[(0, "\u{16}\u{3}\u{1}")]), Verdict::Other);
    }
}
