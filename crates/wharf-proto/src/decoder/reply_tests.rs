use proptest::prelude::*;

use super::*;

fn decode(input: &[u8]) -> Vec<Result<DecodedReply, ReplyError>> {
    let mut decoder = ReplyDecoder::new();
    decoder.push(input);
    core::iter::from_fn(|| decoder.next_reply()).collect()
}

/// The one reply of `input`: code, lines, quirks.
#[track_caller]
fn decode_one(input: &[u8]) -> (u16, Vec<Vec<u8>>, Vec<ReplyQuirk>) {
    let mut replies = decode(input);
    assert_eq!(replies.len(), 1, "{replies:?}");
    let DecodedReply { reply, quirks } = replies.remove(0).unwrap();
    (reply.code().get(), reply.lines().map(<[u8]>::to_vec).collect(), quirks.iter().collect())
}

fn lines(lines: &[&str]) -> Vec<Vec<u8>> {
    lines.iter().map(|line| line.as_bytes().to_vec()).collect()
}

#[test]
fn real_greetings() {
    assert_eq!(decode_one(b"220 (vsFTPd 3.0.3)\r\n"), (220, lines(&["(vsFTPd 3.0.3)"]), vec![]));
    assert_eq!(
        decode_one(b"220 ProFTPD Server (Debian) [::ffff:127.0.0.1]\r\n"),
        (220, lines(&["ProFTPD Server (Debian) [::ffff:127.0.0.1]"]), vec![])
    );
    assert_eq!(
        decode_one(
            b"220---------- Welcome to Pure-FTPd [privsep] [TLS] ----------\r\n\
              220-You are user number 1 of 50 allowed.\r\n\
              220-IPv6 connections are also welcome on this server.\r\n\
              220 You will be disconnected after 15 minutes of inactivity.\r\n"
        ),
        (
            220,
            lines(&[
                "--------- Welcome to Pure-FTPd [privsep] [TLS] ----------",
                "You are user number 1 of 50 allowed.",
                "IPv6 connections are also welcome on this server.",
                "You will be disconnected after 15 minutes of inactivity.",
            ]),
            vec![]
        )
    );
}

#[test]
fn inner_lines_may_hold_any_number() {
    let (code, texts, _) =
        decode_one(b"230-Welcome\r\n331 days left\r\n 230 users\r\n230\ttab\r\n2301\r\n\r\n230 Go\r\n");
    assert_eq!(code, 230);
    assert_eq!(texts, lines(&["Welcome", "331 days left", " 230 users", "230\ttab", "2301", "", "Go"]));
}

#[test]
fn features_keep_their_space() {
    let (_, texts, quirks) = decode_one(b"211-Features:\r\n MDTM\r\n REST STREAM\r\n211 End\r\n");
    assert_eq!(texts, lines(&["Features:", " MDTM", " REST STREAM", "End"]));
    assert!(quirks.is_empty());
}

#[test]
fn what_is_tolerated_is_said() {
    use ReplyQuirk::*;
    for (input, text, quirk) in [
        (&b"220 Hello\n"[..], "Hello", BareLineFeed),
        (b"220Hello\r\n", "Hello", MissingSpace),
        (b"220\r\n", "", CodeAlone),
        (b"290 odd\r\n", "odd", CodeOutOfRange),
        (b"220 a\rb\r\n", "a\rb", ForbiddenByte),
        (b"220 a\0b\r\n", "a\0b", ForbiddenByte),
        (b"220 a\xFF\xF1b\r\n", "ab", TelnetInside),
        (b"\r\n\r\n220 late\r\n", "late", BlankLine),
    ] {
        let (_, texts, quirks) = decode_one(input);
        assert_eq!((texts, quirks), (lines(&[text]), vec![quirk]), "{input:?}");
    }
    // The quirks of one reply are not those of the next.
    let replies = decode(b"220 a\n200 b\r\n");
    assert!(replies[1].as_ref().unwrap().quirks.is_empty());
    assert_eq!(decode_one(b"\xFF\xFB\x01\xFF\xFD\x03220 hello\r\n").2, vec![]);
    assert_eq!(decode_one(b"220-a\r\n220\r\n"), (220, lines(&["a", ""]), vec![CodeAlone]));
}

#[test]
fn what_is_no_reply_is_named_and_left_behind() {
    let replies =
        decode(b"99 PASV invalid\r\nSSH-2.0-OpenSSH_9.2\r\n1234 x\r\n600 x\r\n099 x\r\n200 fine\r\n");
    let bad = |line: &str| Err(ReplyError::BadCode { line: line.into() });
    assert_eq!(replies[0], bad("99 PASV invalid"));
    assert_eq!(replies[1], Err(ReplyError::NotAReply { line: b"SSH-2.0-OpenSSH_9.2".to_vec() }));
    assert_eq!(replies[2], bad("1234 x"));
    assert_eq!(replies[3], bad("600 x"));
    assert_eq!(replies[4], bad("099 x"));
    assert_eq!(replies[5].as_ref().unwrap().reply, Reply::new(ReplyCode::COMMAND_OKAY, "fine"));
    assert_eq!(
        replies[0].as_ref().unwrap_err().to_string(),
        "a reply with an impossible code: \"99 PASV invalid\""
    );
}

#[test]
fn an_endless_line_or_banner_ends_the_decoder() {
    let mut decoder = ReplyDecoder::new();
    decoder.push(&vec![b'2'; limits::REPLY_LINE]);
    assert_eq!(decoder.next_reply(), Some(Err(ReplyError::TooLong { limit: limits::REPLY_LINE })));
    assert!(decoder.is_finished());
    decoder.push(b"200 late\r\n");
    assert_eq!((decoder.next_reply(), decoder.pending_bytes()), (None, 0));

    let mut decoder = ReplyDecoder::new();
    let line = [b"220-", [b'x'; 1000].as_slice(), b"\r\n"].concat();
    let mut pushed = 0;
    let error = loop {
        decoder.push(&line);
        pushed += line.len();
        if let Some(result) = decoder.next_reply() {
            break result;
        }
        assert!(decoder.pending_bytes() <= limits::REPLY);
    };
    assert_eq!(error, Err(ReplyError::TooLong { limit: limits::REPLY }));
    assert!(pushed <= limits::REPLY + line.len());
}

#[test]
fn the_end_of_the_connection() {
    let mut decoder = ReplyDecoder::new();
    decoder.push(b"220 Hello\r\n");
    decoder.next_reply().unwrap().unwrap();
    assert_eq!(decoder.end(), None);
    let mut decoder = ReplyDecoder::new();
    decoder.push(b"220-Hello\r\n421 bye");
    assert_eq!(decoder.next_reply(), None);
    assert!(decoder.is_within_reply());
    assert_eq!(
        decoder.end(),
        Some(ReplyError::Unfinished { code: Some(ReplyCode::SERVICE_READY), line: b"421 bye".to_vec() })
    );
    assert!(decoder.is_finished());
}

/// What a decoder gives back for what an encoder was given: the documented escapes, and the space before an inner
/// line that looks like the end.
fn as_sent(reply: &Reply) -> Reply {
    let count = reply.lines().len();
    let texts: Vec<Vec<u8>> = reply
        .lines()
        .enumerate()
        .map(|(index, line)| {
            let pad =
                index > 0 && index + 1 < count && line.len() >= 3 && line[..3].iter().all(u8::is_ascii_digit);
            let mut text = if pad { vec![b' '] } else { vec![] };
            for &byte in line {
                match byte {
                    b'\r' => text.extend(b"\\r"),
                    b'\n' => text.extend(b"\\n"),
                    0 => text.extend(b"\\0"),
                    _ => text.push(byte),
                }
            }
            text
        })
        .collect();
    Reply::multi_line(reply.code(), texts)
}

fn any_reply() -> impl Strategy<Value = Reply> {
    let byte = prop_oneof![2 => any::<u8>(), 1 => prop::sample::select(b"0123 -\r\n\xFF\xF4".as_slice())];
    let line = prop::collection::vec(byte, 0..30);
    (100_u16..600, prop::collection::vec(line, 1..6))
        .prop_map(|(code, texts)| Reply::multi_line(ReplyCode::new(code).unwrap(), texts))
}

proptest! {
    #[test]
    fn replies_come_back_whatever_the_pieces(replies in prop::collection::vec(any_reply(), 1..5), piece in 1_usize..50) {
        let mut wire = Vec::new();
        for reply in &replies {
            reply.encode(&mut wire);
        }
        let mut decoder = ReplyDecoder::new();
        let mut decoded = Vec::new();
        for bytes in wire.chunks(piece) {
            decoder.push(bytes);
            while let Some(reply) = decoder.next_reply() {
                let reply = reply.unwrap();
                prop_assert!(reply.quirks.iter().all(|quirk| quirk == ReplyQuirk::CodeOutOfRange));
                decoded.push(reply.reply);
            }
        }
        let expected: Vec<Reply> = replies.iter().map(as_sent).collect();
        prop_assert_eq!(decoded, expected);
        prop_assert_eq!(decoder.pending_bytes(), 0);
        prop_assert_eq!(decoder.end(), None);
    }

    #[test]
    fn pieces_never_change_the_replies(
        input in prop::collection::vec(prop::sample::select(b"220 -\r\nax\xFF\xF4".as_slice()), 0..200),
        piece in 1_usize..50,
    ) {
        let mut decoder = ReplyDecoder::new();
        let mut decoded = Vec::new();
        for bytes in input.chunks(piece) {
            decoder.push(bytes);
            decoded.extend(core::iter::from_fn(|| decoder.next_reply()));
        }
        prop_assert_eq!(decoded, decode(&input));
    }
}
