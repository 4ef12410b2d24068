//! Command lines go round: what is written is read back the same, and nothing that comes in makes the reader fall.
#![allow(clippy::unwrap_used, reason = "a failed test says where")]

use proptest::prelude::*;
use wharf_proto::command::{
    ByteCount, CommandError, EpsvArgument, ListArgument, Password, ProtectionLevel, Representation,
    Structure, Text, TimeAndPath, TransmissionMode, UnknownCommand,
};
use wharf_proto::decoder::LineDecoder;
use wharf_proto::host_port::{ExtendedHostPort, HostPort};
use wharf_proto::{Command, Pathname, ReplyCode, limits};

fn bytes() -> impl Strategy<Value = Vec<u8>> {
    prop::collection::vec(
        any::<u8>().prop_filter("CR, LF, NUL", |byte| !matches!(byte, 0 | b'\r' | b'\n')),
        1..40,
    )
}

fn path() -> impl Strategy<Value = Pathname> {
    bytes().prop_map(|bytes| Pathname::new(bytes).unwrap())
}

fn text() -> impl Strategy<Value = Text> {
    bytes().prop_map(|bytes| Text::new(bytes).unwrap())
}

/// A path that begins with `-` reads as an option, as in every server.
fn listed() -> impl Strategy<Value = ListArgument> {
    let path = path().prop_filter("options", |path| {
        !path.as_bytes().starts_with(b"-") && !path.as_bytes()[0].is_ascii_whitespace()
    });
    ("[a-zA-Z1]{0,3}", prop::option::of(path))
        .prop_map(|(options, path)| ListArgument { options: options.into_bytes().into(), path })
}

fn endpoint_port() -> impl Strategy<Value = u16> {
    1..=u16::MAX
}

fn command() -> impl Strategy<Value = Command> {
    let password =
        prop::option::of(bytes()).prop_map(|bytes| Password::new(bytes.unwrap_or_default()).unwrap());
    let extended = (any::<std::net::IpAddr>(), endpoint_port())
        .prop_filter("scopes and mapped ones", |(address, _)| *address == address.to_canonical())
        .prop_map(|(address, port)| ExtendedHostPort { address, port });
    let time = (0i64..4_000_000_000).prop_map(|second| jiff::Timestamp::from_second(second).unwrap());
    prop_oneof![
        prop::sample::select(vec![
            Command::Pwd,
            Command::Pasv,
            Command::Quit,
            Command::Cdup,
            Command::Feat,
            Command::Abor,
            Command::Type(Representation::Image),
            Command::Type(Representation::Ascii),
            Command::Type(Representation::Local(7)),
            Command::Stru(Structure::Page),
            Command::Mode(TransmissionMode::Deflate),
            Command::Prot(ProtectionLevel::Private),
            Command::Epsv(EpsvArgument::All),
            Command::Epsv(EpsvArgument::Same),
            Command::Epsv(EpsvArgument::Family(2)),
            Command::Stat(None),
            Command::Help(None),
            Command::Mlsd(None),
            Command::Stou(None),
        ]),
        path().prop_map(Command::Retr),
        path().prop_map(Command::Stor),
        path().prop_map(Command::Cwd),
        path().prop_map(|path| Command::Mlst(Some(path))),
        text().prop_map(Command::User),
        text().prop_map(Command::Site),
        password.prop_map(Command::Pass),
        listed().prop_map(Command::List),
        listed().prop_map(Command::Nlst),
        (0..=i64::MAX as u64).prop_map(|count| Command::Rest(ByteCount::new(count).unwrap())),
        (any::<std::net::Ipv4Addr>(), endpoint_port())
            .prop_map(|(address, port)| Command::Port(HostPort { address, port })),
        extended.prop_map(Command::Eprt),
        (time, path()).prop_map(|(time, path)| Command::Mfmt(TimeAndPath { time, path })),
        ("[G-Z]{5,8}( [!-~]{1,20})?")
            .prop_map(|line| Command::Unknown(UnknownCommand::new(line.as_bytes()).unwrap())),
    ]
}

/// What a server reads of the bytes that a client sends, in pieces of any size.
fn over_the_wire(bytes: &[u8], piece: usize) -> Command {
    let mut decoder = LineDecoder::new(limits::COMMAND_LINE);
    for piece in bytes.chunks(piece) {
        decoder.push(piece);
    }
    let line = decoder.next_line().expect("a line").expect("a short line");
    assert!(decoder.next_line().is_none());
    Command::parse(&line.bytes).unwrap()
}

proptest! {
    #[test]
    fn every_command_comes_back_from_the_wire(command in command(), piece in 1usize..50) {
        let mut line = Vec::new();
        command.encode(&mut line);
        prop_assert_eq!(over_the_wire(&line, piece), command);
    }

    #[test]
    fn any_line_is_a_command_or_a_clear_error(line in prop::collection::vec(any::<u8>(), 0..200)) {
        match Command::parse(&line) {
            Ok(command) => {
                let shown = command.to_string();
                prop_assert!(!shown.chars().any(char::is_control), "{}", shown);
            }
            Err(error) => {
                prop_assert!(!error.to_string().chars().any(char::is_control), "{}", error);
                prop_assert!(error.reply_code().is_negative());
            }
        }
    }
}

#[test]
fn passwords_are_never_shown() {
    let command = Command::parse(b"PASS top-secret").unwrap();
    assert_eq!(command.to_string(), "PASS ****");
    assert!(!format!("{command:?}").contains("top-secret"));
}

#[test]
fn errors_name_what_was_wrong_and_have_their_code() {
    for (line, code, text) in [
        (&b""[..], 500, "the line is empty"),
        (b"\x01\x02", 500, "is not a command"),
        (b"RETR", 501, "RETR: an argument is missing"),
        (b"RETR a\0b", 501, "RETR: the path holds a NUL at byte 1"),
        (b"PWD now", 501, "PWD: this command takes no argument"),
        (b"REST -1", 501, "\"-1\" is not a number"),
        (b"REST 9223372036854775808", 501, "is not a number"),
        (b"REST 18446744073709551616", 501, "is not a number"),
        (b"TYPE X", 504, "\"X\" is not a known parameter"),
        (b"PORT 1,2,3", 501, "PORT:"),
        (b"PORT 127,0,0,1,0,0", 501, "PORT:"),
        (b"EPRT |3|x|1|", 522, "EPRT:"),
        (b"EPRT |1|127.0.0.1|70000|", 501, "EPRT:"),
    ] {
        let error = Command::parse(line).unwrap_err();
        assert_eq!(error.reply_code(), ReplyCode::new(code).unwrap(), "{error}");
        assert!(error.to_string().contains(text), "{error}");
    }
    assert_eq!(Command::parse(b"   "), Err(CommandError::Empty));
}

#[test]
fn one_space_ends_the_verb_and_more_belong_to_the_name() {
    assert_eq!(
        Command::parse(b"RETR  two spaces "),
        Ok(Command::Retr(Pathname::new(b" two spaces ").unwrap()))
    );
    assert_eq!(Command::parse(b"retr x"), Ok(Command::Retr(Pathname::new(b"x").unwrap())));
    assert_eq!(
        Command::parse(b"LIST -a -l"),
        Ok(Command::List(ListArgument { options: (*b"al").into(), path: None }))
    );
}
