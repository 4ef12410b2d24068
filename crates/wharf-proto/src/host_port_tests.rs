use proptest::prelude::*;

use super::*;

fn endpoint(address: [u8; 4], port: u16) -> HostPort {
    HostPort { address: address.into(), port }
}

#[test]
fn the_argument_of_port_is_read_strictly() {
    use HostPortError::*;
    let parse = |text: &str| HostPort::parse_strict(text.as_bytes());
    assert_eq!(parse("127,0,0,1,4,51"), Ok(endpoint([127, 0, 0, 1], 1075)));
    assert_eq!(parse("010,000,000,001,255,255"), Ok(endpoint([10, 0, 0, 1], 65535)));
    for (text, error) in [
        ("", Missing { found: 0 }),
        ("127,0,0,1", Missing { found: 4 }),
        ("127,0,0,1,4,", Missing { found: 5 }),
        ("127,0,0,256,4,51", NumberTooLarge { index: 3, value: 256 }),
        ("127,0,0,1,99999999999,51", NumberTooLarge { index: 4, value: u32::MAX }),
        ("127,0,0,0001,4,51", TooManyDigits { index: 3 }),
        ("127,0,0,-1,4,51", NotANumber { index: 3, at: 8 }),
        ("127,0,,1,4,51", NotANumber { index: 2, at: 6 }),
        (" 127,0,0,1,4,51", NotANumber { index: 0, at: 0 }),
        ("127, 0,0,1,4,51", NotANumber { index: 1, at: 4 }),
        ("127.0.0.1,4,51", NotAComma { index: 0, at: 3 }),
        ("127,0,0,1,4 ,51", NotAComma { index: 4, at: 11 }),
        ("127,0,0,1,4,51,6", TrailingBytes { at: 14 }),
        ("127,0,0,1,4,51\r", TrailingBytes { at: 14 }),
        ("127,0,0,1,0,0", PortZero { address: Ipv4Addr::LOCALHOST }),
    ] {
        assert_eq!(parse(text), Err(error), "{text:?}");
    }
    assert_eq!(parse("127,0,0,256,4,51").unwrap_err().to_string(), "number 4 is 256, above 255");
    assert_eq!(parse("127.0.0.1,4,51").unwrap_err().to_string(), "no comma at byte 3, behind number 1");
}

#[test]
fn a_227_is_read_with_tolerance() {
    for text in [
        "Entering Passive Mode (127,0,0,1,4,51).", // vsftpd and most others
        "Entering Passive Mode (127,0,0,1,4,51)",  // Pure-FTPd
        "Entering Passive Mode 127,0,0,1,4,51",
        "Entering Passive Mode. 127,0,0,1,4,51",
        "=127,0,0,1,4,51",
        "127,0,0,1,4,51",
        "227 Entering Passive Mode (127,0,0,1,4,51).",
        "227 127,0,0,1,4,51",
        "227,127,0,0,1,4,51",
        "Entering Passive Mode (127, 0, 0, 1, 4, 51)",
        "Entering Passive Mode ( 127 ,0 ,0 ,1 ,\t4,51 )",
        "Server 2 of 3, port 1,2: Entering (127,0,0,1,4,51), go on",
        "Passive mode, 999,1,1,1,1,1 or better (127,0,0,1,4,51)",
    ] {
        assert_eq!(
            HostPort::find_in_reply_text(text.as_bytes()),
            Ok(endpoint([127, 0, 0, 1], 1075)),
            "{text}"
        );
    }
}

#[test]
fn a_227_without_an_endpoint_says_what_came_closest() {
    use HostPortError::*;
    for (text, error) in [
        ("Entering Passive Mode", Missing { found: 0 }),
        ("227 Entering Passive Mode", Missing { found: 0 }),
        ("Entering Passive Mode (127,0,0,1,4)", NotAComma { index: 4, at: 34 }),
        ("Entering Passive Mode (127,0,0,1,4", Missing { found: 5 }),
        ("Entering Passive Mode (127,0,0,1,400,51)", NumberTooLarge { index: 4, value: 400 }),
        ("Entering Passive Mode (10,0,0,1,0,0)", PortZero { address: [10, 0, 0, 1].into() }),
        ("Entering Passive Mode (::1)", Missing { found: 0 }),
    ] {
        assert_eq!(HostPort::find_in_reply_text(text.as_bytes()), Err(error), "{text:?}");
    }
}

#[test]
fn the_argument_of_eprt() {
    use ExtendedHostPortError::*;
    let parse = |text: &str| ExtendedHostPort::parse(text.as_bytes());
    let v4 = ExtendedHostPort { address: [132, 235, 1, 2].into(), port: 6275 };
    let v6 = ExtendedHostPort { address: "1080::8:800:200C:417A".parse().unwrap(), port: 5282 };
    assert_eq!(parse("|1|132.235.1.2|6275|"), Ok(v4));
    assert_eq!(parse("|2|1080::8:800:200C:417A|5282|"), Ok(v6));
    assert_eq!(parse("!1!132.235.1.2!6275!"), Ok(v4));
    assert_eq!(parse("~1~132.235.1.2~006275~"), Ok(v4));
    for (text, error) in [
        ("", Missing),
        (" 1 1.2.3.4 5 ", BadDelimiter { byte: b' ' }),
        ("\u{7f}", BadDelimiter { byte: 0x7F }),
        ("|", Unended { field: ExtendedField::Family }),
        ("|1|1.2.3.4", Unended { field: ExtendedField::Address }),
        ("|1|1.2.3.4|5", Unended { field: ExtendedField::Port }),
        ("|1|1.2.3.4|5|x", TrailingBytes { at: 13 }),
        ("|||5|", NotANumber { field: ExtendedField::Family }),
        ("|1|1.2.3.4|+5|", NotANumber { field: ExtendedField::Port }),
        ("|1|1.2.3.4||", NotANumber { field: ExtendedField::Port }),
        ("|3|anything", UnknownFamily { family: 3 }),
        ("|2|1.2.3.4|5|", AddressNotOfFamily { family: 2 }),
        ("|1|::1|5|", AddressNotOfFamily { family: 1 }),
        ("|1|1.2.3|5|", AddressNotOfFamily { family: 1 }),
        ("|1|01.2.3.4|5|", AddressNotOfFamily { family: 1 }),
        ("|2|fe80::1%eth0|5|", ScopedAddress),
        ("|2|nonsense%eth0|5|", AddressNotOfFamily { family: 2 }),
        ("|1|1.2.3.4|70000|", PortOutOfRange { value: 70000 }),
        ("|1|1.2.3.4|0|", PortZero),
    ] {
        assert_eq!(parse(text), Err(error), "{text:?}");
    }
    assert_eq!(parse("|2|1.2.3.4|5|").unwrap_err().to_string(), "the address is not an IPv6 address");
}

#[test]
fn a_229_is_read_with_tolerance() {
    for text in [
        "Entering Extended Passive Mode (|||6446|)",
        "Entering Extended Passive Mode (|||6446|).", // vsftpd
        "Extended Passive mode OK (|||6446|)",        // Pure-FTPd
        "Entering extended passive mode (!!!6446!)",
        "Entering extended passive mode (aaa6446a)",
        "Entering Extended Passive Mode |||6446|",
        "Entering Extended Passive Mode |||6446|, go on",
        "Entering Extended Passive Mode (|||6446)",
        "Entering Extended Passive Mode |||6446",
        "Entering Extended Passive Mode (|1|10.0.0.1|6446|)",
        "Entering Extended Passive Mode (|2|fe80::1%eth0|6446|)",
        "Mode (see below): --- (|||6446|)",
    ] {
        assert_eq!(find_extended_port(text.as_bytes()), Ok(6446), "{text}");
    }
    for (text, error) in [
        ("Entering Extended Passive Mode", ExtendedHostPortError::Missing),
        ("Entering Passive Mode (127,0,0,1,4,51)", ExtendedHostPortError::Missing),
        ("Entering Extended Passive Mode (|||64x6|)", ExtendedHostPortError::Missing),
        (
            "Entering Extended Passive Mode (|||70000|)",
            ExtendedHostPortError::PortOutOfRange { value: 70000 },
        ),
        ("Entering Extended Passive Mode (|||0|)", ExtendedHostPortError::PortZero),
    ] {
        assert_eq!(find_extended_port(text.as_bytes()), Err(error), "{text:?}");
    }
}

#[test]
fn what_we_say_is_canonical() {
    assert_eq!(
        endpoint([10, 1, 2, 3], 40001).passive_mode_text(),
        "Entering Passive Mode (10,1,2,3,156,65)."
    );
    assert_eq!(extended_passive_mode_text(40001), "Entering Extended Passive Mode (|||40001|)");
}

proptest! {
    #[test]
    fn six_numbers_come_back(address in any::<[u8; 4]>(), port in 1_u16..) {
        let endpoint = endpoint(address, port);
        let mut text = Vec::new();
        endpoint.write(&mut text);
        prop_assert_eq!(HostPort::parse_strict(&text), Ok(endpoint));
        prop_assert_eq!(HostPort::find_in_reply_text(&text), Ok(endpoint));
        prop_assert_eq!(HostPort::find_in_reply_text(endpoint.passive_mode_text().as_bytes()), Ok(endpoint));
    }

    #[test]
    fn extended_endpoints_come_back(address in any::<IpAddr>(), port in 1_u16.., delimiter in 33_u8..=126) {
        let endpoint = ExtendedHostPort { address, port };
        let mut text = Vec::new();
        endpoint.write(&mut text);
        prop_assert_eq!(ExtendedHostPort::parse(&text), Ok(endpoint));
        prop_assert_eq!(find_extended_port(&text), Ok(port));
        prop_assert_eq!(find_extended_port(extended_passive_mode_text(port).as_bytes()), Ok(port));
        if delimiter.is_ascii_punctuation() && !matches!(delimiter, b':' | b'.') {
            for byte in &mut text {
                if *byte == b'|' {
                    *byte = delimiter;
                }
            }
            prop_assert_eq!(ExtendedHostPort::parse(&text), Ok(endpoint));
        }
    }

    #[test]
    fn nothing_panics(text in prop::collection::vec(prop::sample::select(b"0129,. |:%()a\xFF".as_slice()), 0..60)) {
        let _ = HostPort::parse_strict(&text);
        let _ = HostPort::find_in_reply_text(&text);
        let _ = ExtendedHostPort::parse(&text);
        let _ = find_extended_port(&text);
    }
}
