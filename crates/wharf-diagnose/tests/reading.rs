//! Files, link types and TCP's disorder: whatever carries the conversation, the same is understood.

#![allow(clippy::unwrap_used, reason = "tests fail loudly")]

mod common;

use common::{Capture, Format, Link, conversation, explained, healthy};
use wharf_diagnose::capture::{CaptureError, Outcome, Reading, read};

/// What every form of the same conversation has to come to.
#[track_caller]
fn assert_healthy(reading: &Reading) {
    let [conversation] = reading.conversations.as_slice() else { panic!("{:?}", reading.conversations) };
    let [transfer] = conversation.transfers.as_slice() else { panic!("{:?}", conversation.transfers) };
    assert_eq!(transfer.outcome, Outcome::Complete);
    assert_eq!(conversation.data_of(transfer).unwrap().bytes(), 1000);
    assert_eq!(conversation.user.as_deref(), Some("me"));
    assert!(conversation.findings.is_empty() && reading.findings.is_empty());
    assert!(conversation.is_complete());
}

#[test]
fn every_format_in_both_byte_orders() {
    for format in [
        Format::Pcap { big_endian: false, nanoseconds: false },
        Format::Pcap { big_endian: true, nanoseconds: false },
        Format::Pcap { big_endian: false, nanoseconds: true },
        Format::Pcap { big_endian: true, nanoseconds: true },
        Format::PcapNg { big_endian: false },
        Format::PcapNg { big_endian: true },
    ] {
        let capture = Capture { format, ..Capture::default() };
        let reading = explained(&capture.bytes(&healthy()));
        assert_healthy(&reading);
        assert_eq!(reading.epoch.as_secs(), 1_700_000_000, "{format:?}");
        let last = reading.conversations[0].control.last.at.since_start();
        assert_eq!(last.as_millis(), (healthy().len() as u128) - 1, "{format:?}");
    }
}

#[test]
fn every_link_type_and_both_families() {
    for link in Link::ALL {
        for ipv6 in [false, true] {
            let capture = Capture { link, ..Capture::default() };
            let reading = explained(&capture.bytes(&conversation(ipv6)));
            assert_healthy(&reading);
        }
    }
}

#[test]
fn gzip_and_short_reads() {
    use std::io::Write;
    let plain = Capture::default().bytes(&healthy());
    let mut zipped = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
    zipped.write_all(&plain).unwrap();
    assert_healthy(&explained(&zipped.finish().unwrap()));
    /// As a pipe may bring it.
    struct Trickle<'a>(&'a [u8]);
    impl std::io::Read for Trickle<'_> {
        fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
            let count = buffer.len().min(7).min(self.0.len());
            buffer[..count].copy_from_slice(&self.0[..count]);
            self.0 = &self.0[count..];
            Ok(count)
        }
    }
    for format in
        [Format::Pcap { big_endian: false, nanoseconds: false }, Format::PcapNg { big_endian: true }]
    {
        let bytes = Capture { format, ..Capture::default() }.bytes(&healthy());
        assert_healthy(&common::explained_from(Trickle(&bytes)).unwrap());
    }
}

#[test]
fn what_is_no_capture_is_said_to_be_none() {
    let error = |bytes: &[u8]| read(bytes, &mut |_| std::ops::ControlFlow::Continue(())).unwrap_err();
    assert!(matches!(error(b""), CaptureError::Empty));
    assert!(matches!(
        error(b"hello, this is a text file, long enough for a header"),
        CaptureError::NotACapture
    ));
    let whole = Capture::default().bytes(&healthy());
    assert!(matches!(error(&whole[..whole.len() - 5]), CaptureError::Truncated { frames } if frames > 10));
    assert!(error(&whole[..whole.len() - 5]).is_at_end());
}

#[test]
fn packets_out_of_order_twice_and_once_more() {
    let packets = healthy();
    // Neighbours swapped, where they are of one direction: as parallel queues do.
    let mut swapped = packets.clone();
    for index in (0..swapped.len() - 1).step_by(2) {
        swapped.swap(index, index + 1);
    }
    let reading = explained(&Capture::default().bytes(&swapped));
    let conversation = &reading.conversations[0];
    assert_eq!(conversation.transfers[0].outcome, Outcome::Complete);
    assert_eq!(conversation.gaps, 0);
    // Every packet captured twice.
    let twice: Vec<_> = packets.iter().flat_map(|packet| [packet.clone(), packet.clone()]).collect();
    let reading = explained(&Capture { step: std::time::Duration::ZERO, ..Capture::default() }.bytes(&twice));
    assert_healthy(&reading);
    assert_eq!(reading.conversations[0].control.syn_count, 1);
    // Every packet sent again after a while.
    let again: Vec<_> = packets.iter().chain(&packets[3..6]).cloned().collect();
    let reading = explained(&Capture::default().bytes(&again));
    assert_eq!(reading.conversations[0].lines.iter().filter(|line| line.text.starts_with("USER")).count(), 1);
}

#[test]
fn sequence_numbers_that_wrap() {
    let packets = common::conversation_from(false, u32::MAX - 20);
    assert_healthy(&explained(&Capture::default().bytes(&packets)));
}

#[test]
fn fragments_are_put_together() {
    let capture = Capture { fragment: Some(24), ..Capture::default() };
    for ipv6 in [false, true] {
        assert_healthy(&explained(&capture.bytes(&conversation(ipv6))));
    }
}

#[test]
fn a_gap_is_a_gap_and_no_finding() {
    let packets = healthy();
    let lost: Vec<_> = packets.iter().filter(|packet| !packet.payload.starts_with(b"331")).cloned().collect();
    let reading = explained(&Capture::default().bytes(&lost));
    let conversation = &reading.conversations[0];
    assert!(conversation.gaps > 0 && !conversation.is_complete());
    assert_eq!(conversation.transfers[0].outcome, Outcome::Complete);
    assert!(conversation.findings.is_empty(), "{:?}", conversation.findings);
}

#[test]
fn a_snap_length_cuts_data_and_counts_it_all_the_same() {
    let capture = Capture { snap: Some(200), ..Capture::default() };
    assert_healthy(&explained(&capture.bytes(&healthy())));
}

#[test]
fn a_control_connection_on_any_port() {
    let mut packets = healthy();
    for packet in &mut packets {
        for port in [&mut packet.source_port, &mut packet.destination_port] {
            if *port == 21 {
                *port = 54_321;
            }
        }
    }
    assert_healthy(&explained(&Capture::default().bytes(&packets)));
}
