use proptest::prelude::*;

use super::*;

fn all_lines(decoder: &mut LineDecoder) -> Vec<Result<Line, LineError>> {
    core::iter::from_fn(|| decoder.next_line()).collect()
}

/// The texts of the lines that `input` holds, none of them unusual.
fn texts(input: &[u8]) -> Vec<Vec<u8>> {
    let mut decoder = LineDecoder::new(64);
    decoder.push(input);
    all_lines(&mut decoder).into_iter().map(|line| line.unwrap().bytes).collect()
}

#[test]
fn lines_end_at_line_feeds() {
    let mut decoder = LineDecoder::new(64);
    decoder.push(b"USER a\r\nPASS b\nC\rD\r\r\n\r\nrest");
    let line = |bytes: &[u8], bare_line_feed| {
        Some(Ok(Line { bytes: bytes.to_vec(), bare_line_feed, telnet_inside: false }))
    };
    assert_eq!(decoder.next_line(), line(b"USER a", false));
    assert_eq!(decoder.next_line(), line(b"PASS b", true));
    assert_eq!(decoder.next_line(), line(b"C\rD\r", false));
    assert_eq!(decoder.next_line(), line(b"", false));
    assert_eq!(decoder.next_line(), None);
    assert_eq!(decoder.unfinished(), b"rest");
    assert_eq!(decoder.pending_bytes(), 4);
}

#[test]
fn nul_stays_but_behind_a_carriage_return() {
    assert_eq!(texts(b"a\0b\r\0c\r\0\0\r\n"), [b"a\0b\rc\r\0"]);
    // CR NUL LF is a literal CR and a bare line feed, not a line's end.
    let mut decoder = LineDecoder::new(64);
    decoder.push(b"x\r\0\n");
    let line = decoder.next_line().unwrap().unwrap();
    assert_eq!((line.bytes.as_slice(), line.bare_line_feed), (b"x\r".as_slice(), true));
}

#[test]
fn a_long_line_is_discarded_as_it_arrives_and_said_once() {
    let mut decoder = LineDecoder::new(8192);
    let chunk = vec![b'A'; 65536];
    decoder.push(b"NOOP\r\n");
    for _ in 0..256 {
        decoder.push(&chunk);
        assert!(decoder.is_discarding());
        assert!(decoder.heap_bytes() <= 8192, "{}", decoder.heap_bytes());
    }
    decoder.push(b"\r\nNOOP\r\n");
    assert!(!decoder.is_discarding());
    assert_eq!(decoder.next_line().unwrap().unwrap().bytes, b"NOOP");
    assert_eq!(decoder.next_line(), Some(Err(LineError::TooLong { limit: 8192, length: (16 << 20) + 2 })));
    assert_eq!(decoder.next_line().unwrap().unwrap().bytes, b"NOOP");
    assert_eq!(decoder.next_line(), None);
    assert_eq!(decoder.heap_bytes(), 0);
}

#[test]
fn the_limit_counts_the_line_end() {
    for (input, fits) in
        [(&b"123456\r\n"[..], true), (b"1234567\r\n", false), (b"1234567\n", true), (b"12345678\n", false)]
    {
        for chunk in [1, 3, 100] {
            let mut decoder = LineDecoder::new(8);
            for piece in input.chunks(chunk) {
                decoder.push(piece);
            }
            assert_eq!(decoder.next_line().unwrap().is_ok(), fits, "{input:?} in pieces of {chunk}");
        }
    }
}

#[test]
fn nothing_is_held_when_all_is_taken() {
    let mut decoder = LineDecoder::new(8192);
    decoder.push(b"NOOP\r\nNOOP\r\nNO");
    while decoder.next_line().is_some() {}
    assert!(decoder.heap_bytes() <= 8, "{}", decoder.heap_bytes());
    decoder.push(b"OP\r\n");
    decoder.next_line().unwrap().unwrap();
    assert_eq!((decoder.heap_bytes(), decoder.pending_bytes()), (0, 0));
}

#[test]
fn telnet_is_taken_out() {
    assert_eq!(texts(b"a\xFF\xFFb\r\n"), [b"a\xFFb"]);
    assert_eq!(
        texts(b"\xFF\xFD\x01\xFF\xFB\x03\xFF\xFA\x18\x00xterm\xFF\xFF\xFF\xF0USER x\r\n"),
        [b"USER x"]
    );
    // ÿ in Latin-1, from a client that does not double it.
    assert_eq!(texts(b"RETR \xFFa\xFF\r\n"), [b"RETR \xFFa\xFF"]);
}

#[test]
fn telnet_in_the_middle_of_a_line_is_said() {
    let mut decoder = LineDecoder::new(64);
    decoder.push(b"\xFF\xF1RETR a\r\nRETR \xFF\xFBnb\r\nRETR b\xFF\xFAc\r\nNOOP\r\n");
    let inside: Vec<_> =
        all_lines(&mut decoder).into_iter().map(|line| line.unwrap().telnet_inside).collect();
    assert_eq!(inside, [false, true, true, false]);
}

#[test]
fn an_abort_is_found_wherever_the_urgent_byte_went() {
    for input in [
        &b"\xFF\xF4\xFF\xF2ABOR\r\n"[..],
        b"\xFF\xF4\xF2ABOR\r\n",
        b"\xFF\xF4\xFFABOR\r\n",
        b"\xFF\xF4ABOR\r\n",
        b"\xFF\xF2ABOR\r\n",
        b"\xFF\xF5\xFF\xF4\xFF\xF4\xFF\xF2ABOR\r\n",
    ] {
        for chunk in 1..6 {
            let mut decoder = LineDecoder::new(64);
            decoder.push(b"SIZE x\r\n");
            for piece in input.chunks(chunk) {
                decoder.push(piece);
            }
            let lines: Vec<_> = all_lines(&mut decoder).into_iter().map(|line| line.unwrap().bytes).collect();
            assert_eq!(lines, [&b"SIZE x"[..], b"ABOR"], "{input:?}");
            assert!(decoder.take_interrupt());
            assert!(!decoder.take_interrupt());
        }
    }
    // Without an interrupt before it, 0xF2 is a letter.
    assert_eq!(texts(b"\xF2ABOR\r\n"), [b"\xF2ABOR"]);
}

#[test]
fn a_discarded_line_is_no_line_start() {
    let mut decoder = LineDecoder::new(8);
    decoder.push(b"123456789\xFF\xF4\xF2\n");
    assert_eq!(decoder.next_line(), Some(Err(LineError::TooLong { limit: 8, length: 11 })));
}

#[test]
fn an_endless_subnegotiation_is_a_long_line() {
    let mut decoder = LineDecoder::new(64);
    decoder.push(b"US\xFF\xFA");
    decoder.push(&[b'x'; 65]);
    assert!(decoder.is_discarding());
    decoder.push(b"\nNOOP\r\n");
    assert!(decoder.next_line().unwrap().is_err());
    assert_eq!(decoder.next_line().unwrap().unwrap().bytes, b"NOOP");
}

#[test]
fn a_data_connection_has_no_telnet() {
    let mut decoder = LineDecoder::without_telnet(64);
    decoder.push(b"\xFF\xFF\xF4a\r\0b\r\n");
    assert_eq!(decoder.next_line().unwrap().unwrap().bytes, b"\xFF\xFF\xF4a\r\0b");
}

#[test]
fn clear_forgets_what_was_pipelined() {
    let mut decoder = LineDecoder::new(64);
    decoder.push(b"NOOP\r\nUSER x\xFF");
    assert_eq!(decoder.pending_bytes(), 13);
    decoder.clear();
    assert_eq!((decoder.pending_bytes(), decoder.heap_bytes()), (0, 0));
    decoder.push(b"\xF4QUIT\r\n");
    assert_eq!(decoder.next_line().unwrap().unwrap().bytes, b"\xF4QUIT");
}

/// Bytes of which many mean something here.
fn wire_bytes() -> impl Strategy<Value = Vec<u8>> {
    let byte = prop_oneof![
        4 => prop::sample::select(b"\r\n\0\xFF\xFF\xF0\xF2\xF4\xFA\xFB ab".as_slice()),
        1 => any::<u8>(),
    ];
    prop::collection::vec(byte, 0..200)
}

proptest! {
    #[test]
    fn pieces_never_change_the_lines(
        input in wire_bytes(),
        cuts in prop::collection::vec(1_usize..20, 1..40),
        limit in 1_usize..40,
        drain in any::<bool>(),
    ) {
        let mut whole = LineDecoder::new(limit);
        whole.push(&input);
        let expected = all_lines(&mut whole);
        let mut pieces = LineDecoder::new(limit);
        let mut lines = Vec::new();
        let mut rest = input.as_slice();
        for cut in cuts.iter().cycle() {
            if rest.is_empty() {
                break;
            }
            let (piece, later) = rest.split_at((*cut).min(rest.len()));
            pieces.push(piece);
            rest = later;
            if drain {
                lines.extend(all_lines(&mut pieces));
            }
        }
        lines.extend(all_lines(&mut pieces));
        prop_assert_eq!(lines, expected);
        prop_assert_eq!(pieces.unfinished(), whole.unfinished());
        prop_assert_eq!(pieces.pending_bytes(), whole.pending_bytes());
        prop_assert_eq!(pieces.take_interrupt(), whole.take_interrupt());
        prop_assert!(pieces.unfinished().len() < limit);
    }

    #[test]
    fn what_is_escaped_comes_back(lines in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..40), 0..10)) {
        let mut wire = Vec::new();
        let mut expected = Vec::new();
        for line in lines {
            let line: Vec<u8> = line.into_iter().filter(|byte| !matches!(byte, b'\r' | b'\n')).collect();
            for &byte in &line {
                wire.push(byte);
                if byte == 0xFF {
                    wire.push(byte);
                }
            }
            wire.extend_from_slice(b"\r\n");
            expected.push(line);
        }
        let mut decoder = LineDecoder::new(1000);
        decoder.push(&wire);
        let decoded: Vec<_> = all_lines(&mut decoder).into_iter().map(|line| line.unwrap().bytes).collect();
        prop_assert_eq!(decoded, expected);
    }
}
