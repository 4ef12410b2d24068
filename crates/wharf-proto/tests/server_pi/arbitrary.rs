//! Arbitrary commands and bytes in each state, in whatever pieces they come.

use std::time::Duration;

use proptest::prelude::*;
use wharf_proto::{ReplyCode, Verb};

use crate::bench::Bench;

#[derive(Clone, Debug)]
enum Step {
    Send(Vec<u8>),
    EndTransfer(bool),
    RefuseTransfers(bool),
    Pass(u64),
}

fn any_argument() -> impl Strategy<Value = Vec<u8>> {
    let known = prop::sample::select(vec![
        &b""[..],
        b"a",
        b" spaced name ",
        b"I",
        b"TLS",
        b"0",
        b"18446744073709551616",
        b"127,0,0,1,200,10",
        b"|1|127.0.0.1|5000|",
        b"ALL",
        b"2",
        b"-la x",
        b"20200101000000 f",
        b"caf\xE9",
        b"nul\0",
        b"cr\rx",
        b"iac\xFF\xFFx",
        b"telnet\xFF\xFBx",
        b"telnet\xFF\xF4\xFF\xF2",
    ]);
    prop_oneof![4 => known.prop_map(<[u8]>::to_vec), 1 => prop::collection::vec(any::<u8>(), 0..20)]
}

fn any_line() -> impl Strategy<Value = Vec<u8>> {
    let known =
        prop::sample::select(Verb::ALL).prop_map(|verb| verb.specification().name.as_bytes().to_vec());
    let usual =
        prop::sample::select(vec!["PASV", "RETR", "STOR", "LIST", "ABOR", "STAT", "USER", "PASS", "RNFR"])
            .prop_map(|name| name.as_bytes().to_vec());
    let name = prop_oneof![
        6 => known,
        6 => usual,
        1 => Just(b"GET".to_vec()),
        1 => Just(b"\xFF\xF4\xFF\xF2ABOR".to_vec()),
        1 => prop::collection::vec(any::<u8>(), 0..6),
    ];
    let end = prop::sample::select(vec![&b"\r\n"[..], b"\r\n", b"\r\n", b"\n", b"\r\0\r\n", b""]);
    (name, prop::option::of(any_argument()), end).prop_map(|(name, argument, end)| {
        let space: &[u8] = if argument.is_some() { b" " } else { b"" };
        [&name, space, &argument.unwrap_or_default(), end].concat()
    })
}

fn any_step() -> impl Strategy<Value = Step> {
    prop_oneof![
        8 => prop::collection::vec(any_line(), 1..12).prop_map(|lines| Step::Send(lines.concat())),
        2 => prop::collection::vec(any::<u8>(), 0..100).prop_map(Step::Send),
        1 => (any::<u8>(), 0_usize..20_000).prop_map(|(byte, count)| Step::Send(vec![byte; count])),
        1 => (any_line(), 0_usize..150).prop_map(|(line, count)| Step::Send(line.repeat(count))),
        3 => any::<bool>().prop_map(Step::EndTransfer),
        1 => any::<bool>().prop_map(Step::RefuseTransfers),
        1 => (0_u64..100).prop_map(Step::Pass),
    ]
}

fn play(mut bench: Bench, steps: Vec<Step>) {
    for step in steps {
        match step {
            Step::Send(bytes) => bench.send(&bytes),
            Step::EndTransfer(true) => bench.end_transfer(ReplyCode::TRANSFER_COMPLETE),
            Step::EndTransfer(false) => bench.end_transfer(ReplyCode::TRANSFER_ABORTED),
            Step::RefuseTransfers(refuse) => bench.refuse_transfers = refuse,
            Step::Pass(seconds) => bench.pass(Duration::from_secs(seconds)),
        }
    }
    bench.settle();
}

/// A few hundred in the suite, as many as wanted in `cargo xtask soak` (threats.md: ≥ 10⁷ sessions).
fn rounds() -> ProptestConfig {
    let cases = u32::try_from(wharf_testkit::soak_rounds(400)).unwrap_or(u32::MAX);
    ProptestConfig { cases, failure_persistence: None, ..ProptestConfig::default() }
}

proptest! {
    #![proptest_config(rounds())]

    #[test]
    fn any_session_before_login(steps in prop::collection::vec(any_step(), 0..12)) {
        play(Bench::new(), steps);
    }

    #[test]
    fn any_session_after_login(steps in prop::collection::vec(any_step(), 0..12)) {
        play(Bench::logged_in(), steps);
    }

    #[test]
    fn any_session_during_a_transfer(upload in any::<bool>(), steps in prop::collection::vec(any_step(), 0..12)) {
        play(Bench::transferring(if upload { "STOR a" } else { "RETR a" }), steps);
    }

    #[test]
    fn pieces_make_no_difference(lines in prop::collection::vec(any_line(), 0..20), cuts in prop::collection::vec(1_usize..9, 1..50)) {
        let bytes = lines.concat();
        let mut whole = Bench::logged_in();
        whole.refuse_transfers = true;
        whole.send(&bytes);
        let mut cut = Bench::logged_in();
        cut.refuse_transfers = true;
        let mut rest = bytes.as_slice();
        for length in cuts.into_iter().cycle() {
            let (piece, behind) = rest.split_at(length.min(rest.len()));
            cut.send(piece);
            rest = behind;
            if rest.is_empty() {
                break;
            }
        }
        prop_assert_eq!(&whole.finals, &cut.finals);
        prop_assert_eq!(whole.closed, cut.closed);
    }
}
