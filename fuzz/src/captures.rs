//! What the fuzz targets of captures check: whole files, packets of every link type, and TCP segments in any disorder.
//!
//! As in `lib.rs`: `crates/wharf-diagnose/tests/fuzz_bodies.rs` runs the same functions in the ordinary tests.

use std::ops::ControlFlow;

use wharf_diagnose::capture::{
    Delivered, Dissector, Explainer, Options, Packet, Reading, Sight, Stream, compare, read,
};
use wharf_diagnose::report::{Style, html, json, svg, text};
use wharf_findings::Language;
use wharf_proto::{Timestamp, limits};

/// A function that checks one thing.
pub type Body = fn(&[u8]);

/// Every body, by the name of its target.
pub const BODIES: [(&str, Body); 3] = [("capture", capture), ("packet", packet), ("segments", segments)];

/// A file: whatever is in it, it is read to its end or to an error, understood, and told in every way.
pub fn capture(data: &[u8]) {
    let reading = explained(data);
    tell(&reading);
    let again = explained(data);
    let comparison = compare(&reading, &again);
    assert!(comparison.differences.is_empty(), "a capture differs from itself: {:?}", comparison.differences);
}

fn explained(data: &[u8]) -> Reading {
    let mut explainer = Explainer::new(Options { ports: vec![2121] });
    // An error says that the rest cannot be read; what came before is told all the same.
    let _ = read(data, &mut |packet| {
        explainer.packet(packet);
        while let Some(ended) = explainer.poll_ended() {
            let (conversation, transfer) = explainer.conversation(ended);
            let line = text::ended(conversation, transfer, Language::English);
            assert_eq!(line.lines().count(), 1, "{line:?}");
        }
        ControlFlow::Continue(())
    });
    explainer.finish()
}

fn tell(reading: &Reading) {
    for language in [Language::English, Language::Chinese] {
        let style = Style { language, ..Style::default() };
        let told = text::reading(reading, style);
        assert!(!told.contains('\u{1b}'), "an escape of the capture reached the terminal");
        let page = html::page(reading, language);
        assert_eq!(page.matches("<script").count(), 0, "the page holds a script");
        assert!(svg::picture(reading, language).ends_with("</svg>\n"));
        let document = json::document(reading, language);
        assert!(!format!("{document:?}").is_empty());
    }
}

/// Link types, in the order of the first byte.
const LINKS: [i32; 12] = [0, 1, 9, 12, 50, 51, 101, 108, 113, 228, 229, 276];

/// Packets of one link type, with lengths before them.
pub fn packet(data: &[u8]) {
    let Some((first, mut rest)) = data.split_first() else { return };
    let link_type = LINKS[usize::from(*first) % LINKS.len()];
    let mut dissector = Dissector::default();
    let mut explainer = Explainer::new(Options::default());
    let mut frame = 0;
    while let Some((length, behind)) = rest.split_first() {
        let (data, behind) = behind.split_at(behind.len().min(usize::from(*length)));
        rest = behind;
        frame += 1;
        let _ = dissector.dissect(link_type, data);
        let at = core::time::Duration::from_millis(frame);
        explainer.packet(Packet { frame, at, link_type, data });
    }
    tell(&explainer.finish());
}

/// Segments of one stream, of which the content is known: what comes out is that content, in order, with gaps where they
/// are, and no more is kept than the limit.
pub fn segments(data: &[u8]) {
    let content: Vec<u8> = (0..=255_u8).cycle().take(700).collect();
    let Some((start, rest)) = data.split_first_chunk::<4>() else { return };
    let start = u32::from_le_bytes(*start);
    let mut stream = Stream::new();
    stream.begin(start);
    let mut position = 0_usize;
    let mut check = |delivered: Delivered<'_>| match delivered {
        Delivered::Bytes(_, bytes) => {
            assert_eq!(bytes, &content[position..position + bytes.len()]);
            position += bytes.len();
        }
        Delivered::Gap(_, length) => {
            assert!(length > 0);
            position += length;
        }
    };
    let frames = rest.chunks_exact(3);
    for (frame, step) in (1_u64..).zip(frames) {
        let sight = Sight { frame, at: Timestamp::START };
        let offset = usize::from(step[0]) * 2;
        let length = usize::from(step[1]) % (content.len() - offset).max(1);
        let sequence = start.wrapping_add(u32::try_from(offset).unwrap_or(0));
        match step[2] % 4 {
            0 => stream.acknowledged(sequence, &mut check),
            1 => {
                let kept = length / 2;
                let payload = &content[offset..offset + kept];
                stream.segment(sight, sequence, payload, length - kept, &mut check);
            }
            _ => stream.segment(sight, sequence, &content[offset..offset + length], 0, &mut check),
        }
        assert!(stream.held() <= limits::CAPTURED_OUT_OF_ORDER + content.len());
    }
    stream.end(&mut check);
    assert!(position <= content.len());
    assert_eq!(stream.held(), 0);
}
