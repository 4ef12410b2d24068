use jiff::Timestamp;
use jiff::civil::{DateTime, datetime};
use jiff::tz::Offset;
use proptest::prelude::*;

use super::super::{EntryKind, ListedTime, ListingEntry, TimePrecision, UnlistableName};
use super::*;

fn now() -> Timestamp {
    "2026-11-20T12:00:00Z".parse().unwrap()
}

fn attributes(kind: EntryKind) -> Attributes<'static> {
    Attributes {
        kind,
        permissions: 0o644,
        links: 1,
        owner: b"ftp",
        group: b"ftp",
        size: 1024,
        modified: "2026-11-20T10:00:00Z".parse().unwrap(),
        link_target: None,
    }
}

fn line(attributes: &Attributes<'_>, name: &[u8]) -> String {
    let mut out = Vec::new();
    write_line(&mut out, attributes, name, now()).unwrap();
    String::from_utf8(out).unwrap()
}

#[test]
fn lines_look_as_those_of_ls() {
    let file = attributes(EntryKind::File);
    assert_eq!(line(&file, b"name"), "-rw-r--r--   1 ftp      ftp          1024 Nov 20 10:00 name\r\n");
    assert_eq!(
        line(
            &Attributes {
                permissions: 0o7777,
                links: 12345,
                owner: b"a b",
                group: b"",
                size: u64::MAX,
                ..file
            },
            b" x"
        ),
        "-rwsrwsrwt 12345 -        -        18446744073709551615 Nov 20 10:00  x\r\n"
    );
    assert_eq!(
        line(&Attributes { permissions: 0o7000, ..attributes(EntryKind::Directory) }, b"d"),
        "d--S--S--T   1 ftp      ftp          1024 Nov 20 10:00 d\r\n"
    );
    let link = Attributes { link_target: Some(b"../target"), ..attributes(EntryKind::Symlink) };
    assert_eq!(
        line(&link, b"l"),
        "lrw-r--r--   1 ftp      ftp          1024 Nov 20 10:00 l -> ../target\r\n"
    );
    let forged = Attributes { link_target: Some(b"a\r\nb"), ..link };
    assert_eq!(line(&forged, b"l"), "lrw-r--r--   1 ftp      ftp          1024 Nov 20 10:00 l\r\n");
    for name in [&b"a\nb"[..], b"a\rb", b"a\0b", b""] {
        let mut out = Vec::new();
        assert_eq!(write_line(&mut out, &file, name, now()), Err(UnlistableName));
        assert!(out.is_empty());
    }
}

#[test]
fn the_time_stands_there_for_six_months() {
    let file = attributes(EntryKind::File);
    for (time, text) in [
        ("2026-11-20T12:00:00Z", "Nov 20 12:00"),
        ("2026-11-20T12:59:59Z", "Nov 20 12:59"),
        ("2026-11-20T13:00:01Z", "Nov 20  2026"),
        ("2026-05-22T00:00:00Z", "May 22 00:00"),
        ("2026-05-21T00:00:00Z", "May 21  2026"),
        ("1999-02-03T00:00:00Z", "Feb  3  1999"),
    ] {
        let line = line(&Attributes { modified: time.parse().unwrap(), ..file }, b"x");
        assert!(line.contains(&format!(" {text} x\r\n")), "{line}");
    }
}

fn to_minute(moment: DateTime) -> Option<ListedTime> {
    Some(ListedTime { moment, precision: TimePrecision::Minute, zone_known: false })
}

fn to_day(moment: DateTime) -> Option<ListedTime> {
    Some(ListedTime { moment, precision: TimePrecision::Day, zone_known: false })
}

fn entry(name: &str, kind: EntryKind, permissions: u32, size: u64) -> ListingEntry {
    ListingEntry {
        size: Some(size),
        permissions: Some(permissions),
        modified: to_minute(datetime(2026, 11, 20, 10, 0, 0, 0)),
        ..ListingEntry::new(name, kind)
    }
}

fn owned(entry: ListingEntry, owner: &str, group: &str) -> ListingEntry {
    ListingEntry { owner: Some(owner.into()), group: Some(group.into()), ..entry }
}

#[track_caller]
fn parse(line: &str) -> ListingEntry {
    parse_line(line.as_bytes(), now()).unwrap().unwrap()
}

#[test]
fn lines_of_real_servers() {
    use EntryKind::{Directory, File, Symlink};
    for (line, expected) in [
        // vsftpd 3.0.3
        (
            "-rw-r--r--    1 0        0            1024 Nov 20 10:00 name",
            owned(entry("name", File, 0o644, 1024), "0", "0"),
        ),
        // ProFTPD 1.3.8
        (
            "-rw-r--r--   1 ftp      ftp          1024 Nov 20 10:00 hello world.txt",
            owned(entry("hello world.txt", File, 0o644, 1024), "ftp", "ftp"),
        ),
        // Pure-FTPd 1.0.50
        (
            "drwxr-xr-x    2 1000       ftp              4096 Nov 20 10:00 pub",
            owned(entry("pub", Directory, 0o755, 4096), "1000", "ftp"),
        ),
        // pyftpdlib 2
        (
            "-rw-r--r--   1 root     root     12345678901 Nov 20 10:00 big",
            owned(entry("big", File, 0o644, 12_345_678_901), "root", "root"),
        ),
        // No group
        (
            "-rw-r--r--   1 owner      1024 Nov 20 10:00 name",
            ListingEntry { owner: Some(b"owner".to_vec()), ..entry("name", File, 0o644, 1024) },
        ),
        // No owner, no links
        ("drwxrwxrwx               folder        2 Nov 20 10:00 network", {
            ListingEntry { owner: Some(b"folder".to_vec()), ..entry("network", Directory, 0o777, 2) }
        }),
        ("-rw-r--r-- 1024 Nov 20 10:00 name", entry("name", File, 0o644, 1024)),
        ("-rw-r--r-- 1 1024 Nov 20 10:00 name", entry("name", File, 0o644, 1024)),
        // A group with a space, an access list, set-user-ID
        (
            "-rwsr-xr-x+  1 admin    Domain Users     1024 Nov 20 10:00 name",
            owned(entry("name", File, 0o4755, 1024), "admin", "Domain Users"),
        ),
        // A name that looks like a date, and one with spaces around it
        (
            "-rw-r--r--   1 ftp      ftp          1024 Nov 20 10:00 12 Nov 20 10:00 x",
            owned(entry("12 Nov 20 10:00 x", File, 0o644, 1024), "ftp", "ftp"),
        ),
        (
            "-rw-r--r--   1 ftp      ftp          1024 Nov 20 10:00   two  and one ",
            owned(entry("  two  and one ", File, 0o644, 1024), "ftp", "ftp"),
        ),
        // Links, one with an arrow in its name: its size says where it ends
        (
            "lrwxrwxrwx   1 ftp      ftp             9 Nov 20 10:00 l -> ../target",
            ListingEntry {
                link_target: Some(b"../target".to_vec()),
                ..owned(entry("l", Symlink, 0o777, 9), "ftp", "ftp")
            },
        ),
        (
            "lrwxrwxrwx   1 ftp      ftp             1 Nov 20 10:00 a -> b -> c",
            ListingEntry {
                link_target: Some(b"c".to_vec()),
                ..owned(entry("a -> b", Symlink, 0o777, 1), "ftp", "ftp")
            },
        ),
        (
            "lrwxrwxrwx   1 ftp      ftp             1 Nov 20 10:00 a -> -> c",
            ListingEntry {
                link_target: Some(b"c".to_vec()),
                ..owned(entry("a ->", Symlink, 0o777, 1), "ftp", "ftp")
            },
        ),
        (
            "-rw-r--r--   1 ftp      ftp             1 Nov 20 10:00 a -> b",
            owned(entry("a -> b", File, 0o644, 1), "ftp", "ftp"),
        ),
    ] {
        assert_eq!(parse(line), expected, "{line}");
    }
}

#[test]
fn devices_have_no_size() {
    for line in [
        "crw-rw-rw-   1 root     root       1,   3 Nov 20 10:00 null",
        "crw-rw-rw-   1 root     root       1,3 Nov 20 10:00 null",
    ] {
        let device = parse(line);
        let expected = owned(entry("null", EntryKind::CharacterDevice, 0o666, 0), "root", "root");
        assert_eq!(device, ListingEntry { size: None, ..expected });
    }
}

#[test]
fn dates_in_their_forms() {
    let minute = to_minute(datetime(2026, 11, 20, 10, 0, 0, 0));
    for (date, expected) in [
        ("Nov 20 10:00", minute),
        ("nov 20 9:05", to_minute(datetime(2026, 11, 20, 9, 5, 0, 0))),
        ("20 Nov 10:00", minute),
        ("20. Nov. 10:00", minute),
        ("Nov 20  2025", to_day(datetime(2025, 11, 20, 0, 0, 0, 0))),
        ("20 Nov 2025", to_day(datetime(2025, 11, 20, 0, 0, 0, 0))),
        // Tomorrow where the server is; the day after is last year's.
        ("Nov 21 11:59", to_minute(datetime(2026, 11, 21, 11, 59, 0, 0))),
        ("Nov 21 12:01", to_minute(datetime(2025, 11, 21, 12, 1, 0, 0))),
        ("Dec 31 10:00", to_minute(datetime(2025, 12, 31, 10, 0, 0, 0))),
        ("Feb 29 10:00", to_minute(datetime(2024, 2, 29, 10, 0, 0, 0))),
        ("Feb 31 10:00", None),
        ("Feb 29  2025", None),
        ("2026-11-20 10:00", minute),
        (
            "2026-11-20 10:00:05",
            Some(ListedTime {
                moment: datetime(2026, 11, 20, 10, 0, 5, 0),
                precision: TimePrecision::Second,
                zone_known: false,
            }),
        ),
        (
            "2026-11-20 10:00:05.123456789 +0130",
            Some(ListedTime::exact("2026-11-20T08:30:05Z".parse().unwrap())),
        ),
        (
            "Nov 20 10:00:05 2026",
            Some(ListedTime {
                moment: datetime(2026, 11, 20, 10, 0, 5, 0),
                precision: TimePrecision::Second,
                zone_known: false,
            }),
        ),
    ] {
        let entry = parse(&format!("-rw-r--r-- 1 ftp ftp 1024 {date} +0100 x"));
        assert_eq!((entry.modified, entry.name.as_slice()), (expected, &b"+0100 x"[..]), "{date}");
        assert_eq!(entry.size, Some(1024));
    }
    // At the turn of the year, a server in the east is in the next one.
    let eve = "2026-12-31T20:00:00Z".parse().unwrap();
    let entry = parse_line(b"-rw-r--r-- 1 ftp ftp 1 Jan  1 08:00 x", eve).unwrap().unwrap();
    assert_eq!(entry.modified, to_minute(datetime(2027, 1, 1, 8, 0, 0, 0)));
}

#[test]
fn lines_that_list_nothing_and_lines_that_nobody_understands() {
    for line in ["total 8", "total 0", "insgesamt 12", "", "   "] {
        assert_eq!(parse_line(line.as_bytes(), now()), Ok(None), "{line}");
    }
    for line in [
        "hello",
        "-rw-r--r--",
        "-rw-r--r-- 1 ftp ftp 1024 Nov 20 10:00",
        "-rw-r--r-- 1 ftp ftp 1024 Nov 20 10:00 ",
        "-rw-r--r-- 1 ftp ftp lots Nov 20 10:00 x",
        "-rw-r--r-- 1 ftp ftp 1024 Foo 20 10:00 x",
        "-rw-r--r-- 1 ftp ftp 1024 Nov 32 10:00 x",
        "-rw-r--r-- 1 ftp ftp 1024 Nov 20 24:00 x",
        "-rw-r--q-- 1 ftp ftp 1024 Nov 20 10:00 x",
        "xrw-r--r-- 1 ftp ftp 1024 Nov 20 10:00 x",
        "11-20-26  10:00AM       <DIR>          pub",
    ] {
        assert!(parse_line(line.as_bytes(), now()).is_err(), "{line}");
    }
}

fn any_kind() -> impl Strategy<Value = EntryKind> {
    use EntryKind::*;
    prop::sample::select(vec![File, Directory, Symlink, CharacterDevice, BlockDevice, Fifo, Socket])
}

proptest! {
    #[test]
    fn lines_come_back(
        kind in any_kind(),
        permissions in 0_u32..0o10000,
        links in any::<u64>(),
        owner in "[a-z][a-z0-9_-]{0,12}",
        group in "[a-z0-9_-]{1,12}",
        size in any::<u64>(),
        age in prop_oneof![-3000_i64..40_000_000, 0_i64..60_000_000_000],
        name in prop::collection::vec(any::<u8>(), 1..40),
        target in prop::option::of(prop::collection::vec(any::<u8>(), 1..40)),
    ) {
        let modified = Timestamp::new(now().as_second() - age, 0).unwrap();
        let attributes = Attributes {
            kind,
            permissions,
            links,
            owner: owner.as_bytes(),
            group: group.as_bytes(),
            size,
            modified,
            link_target: target.as_deref(),
        };
        let mut text = Vec::new();
        let listable = |text: &[u8]| !text.iter().any(|byte| matches!(byte, 0 | b'\r' | b'\n'));
        prop_assert_eq!(write_line(&mut text, &attributes, &name, now()).is_ok(), listable(&name));
        let arrows = |text: &[u8]| text.windows(4).filter(|window| window == b" -> ").count();
        let joined = [name.as_slice(), b" -> ", target.as_deref().unwrap_or_default()].concat();
        if !listable(&name) || matches!(name.as_slice(), b"." | b"..") || arrows(&joined) > 1 {
            return Ok(());
        }
        let line = text.strip_suffix(b"\r\n").unwrap();
        let device = matches!(kind, EntryKind::CharacterDevice | EntryKind::BlockDevice);
        let moment = Offset::UTC.to_datetime(modified);
        let expected = ListingEntry {
            name,
            kind,
            size: (!device).then_some(size),
            modified: if (-3600..31_556_952 / 2).contains(&age) {
                to_minute(moment.with().second(0).build().unwrap())
            } else {
                to_day(moment.date().to_datetime(jiff::civil::Time::midnight()))
            },
            permissions: Some(permissions),
            rights: None,
            unique: None,
            link_target: target.filter(|target| kind == EntryKind::Symlink && listable(target)),
            owner: Some(owner.into_bytes()),
            group: Some(group.into_bytes()),
        };
        prop_assert_eq!(parse_line(line, now()), Ok(Some(expected)));
    }

    #[test]
    fn nothing_panics(line in prop::collection::vec(prop::sample::select(b"-rwxdlcs 0129:.,Novt>+".as_slice()), 0..80)) {
        let _ = parse_line(&line, now());
        let _ = parse_line(&[b"-rw-r--r-- ", line.as_slice()].concat(), now());
        let _ = parse_line(&[b"lrw-r--r-- 1 a b 1 Nov 20 ", line.as_slice()].concat(), now());
    }
}
