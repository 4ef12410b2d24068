use jiff::Timestamp;
use proptest::prelude::*;

use super::super::{EntryKind, ListedTime, ListingEntry, UnlistableName};
use super::*;

fn line(facts: &Facts<'_>, selection: FactSelection, name: &[u8]) -> String {
    let mut out = Vec::new();
    write_line(&mut out, facts, selection, name).unwrap();
    String::from_utf8(out).unwrap()
}

#[test]
fn facts_are_written_as_they_are_asked_for() {
    let facts = Facts {
        size: Some(1024),
        modify: Some("2026-11-20T10:00:05.5Z".parse().unwrap()),
        rights: Some(Rights::READ.with(Rights::DELETE).with(Rights::APPEND)),
        unique: Some(0x801_0000_002A),
        unix_mode: Some(0o100_644),
        unix_owner: Some(b"ftp"),
        unix_group: Some(b"domain users"),
        ..Facts::new(EntryKind::File)
    };
    assert_eq!(
        line(&facts, FactSelection::ALL, b" a  b"),
        "type=file;size=1024;modify=20261120100005;perm=adr;unique=8010000002a;UNIX.mode=0644;UNIX.owner=ftp;  a  b\r\n"
    );
    assert_eq!(line(&facts, FactSelection::NONE.with(Fact::Size), b"x"), "size=1024; x\r\n");
    assert_eq!(line(&facts, FactSelection::NONE, b"x"), " x\r\n");
    assert_eq!(line(&Facts::new(EntryKind::Symlink), FactSelection::ALL, b"x"), "type=OS.unix=slink; x\r\n");
    for name in [&b"a\nb"[..], b"a\rb", b"a\0b", b""] {
        let mut out = Vec::new();
        assert_eq!(write_line(&mut out, &facts, FactSelection::ALL, name), Err(UnlistableName));
        assert!(out.is_empty());
    }
}

#[test]
fn options_and_features() {
    let available = FactSelection::ALL.without(Fact::UnixGroup);
    let selected = FactSelection::parse_options(b"Size;TYPE;unknown;unix.group;unix.MODE;\r\n", available);
    assert_eq!(selected.iter().collect::<Vec<_>>(), [Fact::Type, Fact::Size, Fact::UnixMode]);
    assert_eq!(selected.options_text(), "MLST OPTS type;size;UNIX.mode;");
    assert_eq!(FactSelection::parse_options(b"", available).options_text(), "MLST OPTS");
    assert_eq!(
        available.feature_text(selected),
        "MLST type*;size*;modify;perm;unique;UNIX.mode*;UNIX.owner;"
    );
}

fn entry(name: &str, kind: EntryKind) -> ListingEntry {
    ListingEntry::new(name, kind)
}

fn modified(text: &str) -> Option<ListedTime> {
    Some(ListedTime::exact(text.parse().unwrap()))
}

#[test]
fn lines_of_real_servers() {
    // ProFTPD 1.3.8
    assert_eq!(
        parse_line(b"modify=20261120100000;perm=adfrw;size=1024;type=file;unique=803U2A;UNIX.group=1000;UNIX.groupname=ftp;UNIX.mode=0644;UNIX.owner=1000;UNIX.ownername=ftp; hello world.txt").unwrap(),
        ListingEntry {
            size: Some(1024),
            modified: modified("2026-11-20T10:00:00Z"),
            permissions: Some(0o644),
            rights: Some(b"adfrw".to_vec()),
            unique: Some(b"803U2A".to_vec()),
            owner: Some(b"ftp".to_vec()),
            group: Some(b"ftp".to_vec()),
            ..entry("hello world.txt", EntryKind::File)
        }
    );
    assert_eq!(
        parse_line(b"modify=20261120100000;perm=flcdmpe;type=cdir;unique=803U2;UNIX.mode=0755; .")
            .unwrap()
            .kind,
        EntryKind::CurrentDirectory
    );
    // Pure-FTPd 1.0.50
    assert_eq!(
        parse_line(b"type=dir;sizd=4096;modify=20261120100000;UNIX.mode=0755;UNIX.uid=0;UNIX.gid=0;unique=803g2b; pub").unwrap(),
        ListingEntry {
            size: Some(4096),
            modified: modified("2026-11-20T10:00:00Z"),
            permissions: Some(0o755),
            unique: Some(b"803g2b".to_vec()),
            owner: Some(b"0".to_vec()),
            group: Some(b"0".to_vec()),
            ..entry("pub", EntryKind::Directory)
        }
    );
    // pyftpdlib 2
    assert_eq!(
        parse_line(b"modify=20261120131526;perm=radfwMT;size=5;type=file;unique=fe00g98c0c1;  leading")
            .unwrap(),
        ListingEntry {
            size: Some(5),
            modified: modified("2026-11-20T13:15:26Z"),
            rights: Some(b"radfwMT".to_vec()),
            unique: Some(b"fe00g98c0c1".to_vec()),
            ..entry(" leading", EntryKind::File)
        }
    );
    // IIS 10 (facts in its own case)
    assert_eq!(
        parse_line(b"Type=file;Size=17;Modify=20261120100000.123;Perm=RWD; a.txt").unwrap(),
        ListingEntry {
            size: Some(17),
            modified: modified("2026-11-20T10:00:00.123Z"),
            rights: Some(b"RWD".to_vec()),
            ..entry("a.txt", EntryKind::File)
        }
    );
    // ProFTPD, Pure-FTPd: links without a target, names that look like facts
    for (line, name) in [
        (
            &b"modify=20261120131421;perm=adfrw;size=9;type=OS.unix=symlink;UNIX.mode=0777; li -> nk"[..],
            &b"li -> nk"[..],
        ),
        (
            b"type=OS.unix=slink:;size=9;modify=20261120131526;UNIX.mode=0777;UNIX.uid=0; semi; x=1; y",
            b"semi; x=1; y",
        ),
    ] {
        let link = parse_line(line).unwrap();
        assert_eq!((link.kind, link.link_target, link.name.as_slice()), (EntryKind::Symlink, None, name));
    }
    // Others: links with one
    for line in [&b"type=OS.unix=slink:/etc/Passwd; x"[..], b"type=OS.UNIX=symlink:/etc/Passwd; x"] {
        assert_eq!(parse_line(line).unwrap().link_target, Some(b"/etc/Passwd".to_vec()));
        assert_eq!(parse_line(line).unwrap().kind, EntryKind::Symlink);
    }
    assert_eq!(parse_reply_line(b" type=file;size=3; /a/b c").unwrap().name, b"/a/b c");
    assert_eq!(parse_reply_line(b"type=file;size=3; /a/b c").unwrap().name, b"/a/b c");
}

#[test]
fn names_are_kept_exactly() {
    for (line, name) in [
        (&b"size=1;  two spaces"[..], &b" two spaces"[..]),
        (b"size=1; a; b=c; d", b"a; b=c; d"),
        (b" only a name", b"only a name"),
        (b"size=1 no semicolon", b"no semicolon"),
        (b"UNIX.ownername=Domain Users;size=1; x y", b"x y"),
        (b"size=1; caf\xE9\xFF", b"caf\xE9\xFF"),
        (b"size=1; ../x", b"../x"),
    ] {
        assert_eq!(parse_line(line).unwrap().name, name);
    }
}

#[test]
fn what_is_no_entry() {
    for line in [
        &b""[..],
        b"x",
        b"size=1;",
        b"size=1; ",
        b"hello world",
        b"=1; x",
        b"-rw-r--r-- 1 ftp ftp 1 Nov 20 10:00 x",
    ] {
        assert!(parse_line(line).is_err(), "{line:?}");
    }
    // Values that say nothing.
    let entry = parse_line(b"size=-1;modify=yesterday;UNIX.mode=999;type=;perm=; x").unwrap();
    assert_eq!(entry, ListingEntry { rights: Some(vec![]), ..ListingEntry::new("x", EntryKind::Other) });
}

fn any_kind() -> impl Strategy<Value = EntryKind> {
    use EntryKind::*;
    prop::sample::select(vec![
        File,
        Directory,
        CurrentDirectory,
        ParentDirectory,
        Symlink,
        CharacterDevice,
        BlockDevice,
        Fifo,
        Socket,
        Other,
    ])
}

proptest! {
    #[test]
    fn facts_come_back(
        kind in any_kind(),
        size in any::<Option<u64>>(),
        second in prop::option::of(-62_167_219_200_i64..253_402_207_200),
        letters in prop::option::of(prop::collection::vec(prop::sample::select(b"acdeflmprw".as_slice()), 0..10)),
        unique in any::<Option<u128>>(),
        mode in prop::option::of(0_u32..0o10000),
        owner in prop::option::of("[a-z0-9=_-]{1,9}"),
        name in prop::collection::vec(any::<u8>(), 1..40),
        chosen in any::<[bool; 8]>(),
    ) {
        let selection = Fact::ALL.into_iter().zip(chosen).fold(FactSelection::NONE, |set, (fact, wanted)| {
            if wanted { set.with(fact) } else { set }
        });
        let rights = letters.map(|letters| Rights::from_letters(&letters));
        let facts = Facts {
            kind,
            size,
            modify: second.map(|second| Timestamp::new(second, 0).unwrap()),
            rights,
            unique,
            unix_mode: mode,
            unix_owner: owner.as_deref().map(str::as_bytes),
            unix_group: None,
        };
        let mut text = Vec::new();
        let listable = !name.iter().any(|byte| matches!(byte, 0 | b'\r' | b'\n'));
        prop_assert_eq!(write_entry(&mut text, &facts, selection, &name).is_ok(), listable);
        if !listable {
            return Ok(());
        }
        let has = |fact| selection.contains(fact);
        let mut expected = ListingEntry::new(name, if has(Fact::Type) { kind } else { EntryKind::Other });
        expected.size = size.filter(|_| has(Fact::Size));
        expected.modified = facts.modify.filter(|_| has(Fact::Modify)).map(ListedTime::exact);
        expected.rights = rights.filter(|_| has(Fact::Perm)).map(|rights| {
            let mut letters = Vec::new();
            rights.write(&mut letters);
            letters
        });
        expected.unique = unique.filter(|_| has(Fact::Unique)).map(|number| format!("{number:x}").into_bytes());
        expected.permissions = mode.filter(|_| has(Fact::UnixMode));
        expected.owner = owner.filter(|_| has(Fact::UnixOwner)).map(String::into_bytes);
        prop_assert_eq!(parse_line(&text), Ok(expected.clone()));
        // RFC 3659 §7.2: in a reply, one space more.
        text.insert(0, b' ');
        prop_assert_eq!(parse_reply_line(&text), Ok(expected));
    }

    #[test]
    fn nothing_panics(line in prop::collection::vec(prop::sample::select(b"type=OS.unix;:-size 0189/".as_slice()), 0..60)) {
        let _ = parse_line(&line);
        let _ = parse_reply_line(&line);
    }
}
