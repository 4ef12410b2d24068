//! How fast bytes become lines, commands, replies and listing entries.

use std::hint::black_box;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use jiff::Timestamp;
use wharf_proto::Command;
use wharf_proto::decoder::{LineDecoder, ReplyDecoder};
use wharf_proto::limits;
use wharf_proto::listing::{ListingKind, ListingParser};

/// Lines, or entries, of one measurement.
const COUNT: usize = 1000;

fn lines(criterion: &mut Criterion) {
    let input = b"RETR /pub/media/film.mkv\r\n".repeat(COUNT);
    let mut group = criterion.benchmark_group("decoders");
    group.throughput(Throughput::Elements(COUNT as u64));
    group.bench_function("lines", |bencher| {
        bencher.iter(|| {
            let mut decoder = LineDecoder::new(limits::COMMAND_LINE);
            let mut bytes = 0;
            for piece in input.chunks(4096) {
                decoder.push(piece);
                while let Some(Ok(line)) = decoder.next_line_ref() {
                    bytes += line.bytes.len();
                }
            }
            bytes
        });
    });
}

fn commands(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("decoders");
    group.throughput(Throughput::Elements(1));
    for (name, line) in [
        ("command NOOP", &b"NOOP"[..]),
        ("command PORT", b"PORT 192,168,100,200,195,80"),
        ("command RETR", b"RETR /pub/media/film.mkv"),
    ] {
        group.bench_function(name, |bencher| bencher.iter(|| Command::parse(black_box(line))));
    }
}

fn replies(criterion: &mut Criterion) {
    let input =
        b"227 Entering Passive Mode (127,0,0,1,195,80).\r\n150 Opening data connection.\r\n226 Done.\r\n";
    let mut group = criterion.benchmark_group("decoders");
    group.throughput(Throughput::Elements(3));
    group.bench_function("replies", |bencher| {
        let mut decoder = ReplyDecoder::new();
        bencher.iter(|| {
            decoder.push(black_box(input));
            let mut count = 0;
            while let Some(Ok(reply)) = decoder.next_reply() {
                count += u32::from(reply.reply.code().get());
            }
            count
        });
    });
}

fn listings(criterion: &mut Criterion) {
    let facts = "type=file;size=1048576;modify=20261120101530;perm=adfrw;unique=801g3f;UNIX.mode=0644; film-0001.mkv\r\n";
    let lines = "-rw-r--r--   1 ftp      ftp       1048576 Nov 20 10:15 film-0001.mkv\r\n";
    let mut group = criterion.benchmark_group("decoders");
    group.throughput(Throughput::Elements(COUNT as u64));
    for (name, kind, line) in
        [("listing of facts", ListingKind::Facts, facts), ("listing of ls", ListingKind::Lines, lines)]
    {
        let input = line.repeat(COUNT);
        group.bench_function(name, |bencher| {
            bencher.iter(|| {
                let mut parser = ListingParser::new(kind, Timestamp::UNIX_EPOCH);
                let mut bytes = 0;
                for piece in input.as_bytes().chunks(64 * 1024) {
                    parser.push(piece);
                    while let Some(entry) = parser.next_entry() {
                        bytes += entry.map_or(0, |entry| entry.name.len());
                    }
                }
                bytes
            });
        });
    }
}

criterion_group!(benches, lines, commands, replies, listings);
criterion_main!(benches);
