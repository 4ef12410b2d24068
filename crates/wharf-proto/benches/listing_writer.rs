//! How fast entries become the lines of LIST and MLSD.

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use jiff::Timestamp;
use wharf_proto::listing::EntryKind;
use wharf_proto::listing::mlsx::{self, FactSelection, Facts, Rights};
use wharf_proto::listing::unix::{self, Attributes};

/// Entries of one measurement.
const COUNT: usize = 1000;

fn listing_writer(criterion: &mut Criterion) {
    let names: Vec<_> = (0..COUNT).map(|index| format!("film-{index:06}.mkv").into_bytes()).collect();
    let now = Timestamp::UNIX_EPOCH;
    let mut out = Vec::new();
    let mut group = criterion.benchmark_group("listing writer");
    group.throughput(Throughput::Elements(COUNT as u64));
    group.bench_function("LIST", |bencher| {
        let attributes = Attributes {
            kind: EntryKind::File,
            permissions: 0o644,
            links: 1,
            owner: b"ftp",
            group: b"ftp",
            size: 1_048_576,
            modified: now,
            link_target: None,
        };
        bencher.iter(|| {
            out.clear();
            for name in &names {
                unix::write_line(&mut out, &attributes, name, now).expect("a name that a line can hold");
            }
            out.len()
        });
    });
    group.bench_function("MLSD", |bencher| {
        let facts = Facts {
            size: Some(1_048_576),
            modify: Some(now),
            rights: Some(Rights::READ.with(Rights::WRITE)),
            unique: Some(0x0801_0003_F00D),
            unix_mode: Some(0o644),
            ..Facts::new(EntryKind::File)
        };
        bencher.iter(|| {
            out.clear();
            for name in &names {
                mlsx::write_line(&mut out, &facts, FactSelection::ALL, name)
                    .expect("a name that a line can hold");
            }
            out.len()
        });
    });
}

criterion_group!(benches, listing_writer);
criterion_main!(benches);
