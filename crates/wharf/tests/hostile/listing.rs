//! Listings that lie, break, or never end.

use super::script::{Script, ls, play};

const MLSD: &str = "FEAT: raw 211-x\\r\\n MLST type*;size*;\\r\\n211 x\\r\\n\n";
const PLAIN: &str = "-rw-r--r--   1 ftp ftp 5 Nov 20 10:00";

/// A listing by LIST, whose data are these steps.
fn list(name: &str, code: i32, says: &[&'static str], steps: &str) -> Script {
    ls(name, code, says, &format!("LIST: {steps}"))
}

/// A listing by MLSD of this line and of one that is as it should be.
fn facts(name: &str, says: &[&'static str], line: &str) -> Script {
    let steps = format!("MLSD: 150 x & data {line}\\r\\ntype=file;size=5; fine\\r\\n & end & 226 done");
    ls(name, 0, &[&["fine"], says].concat(), &format!("{MLSD}{steps}"))
}

#[test]
fn listings_that_break() {
    let one = format!("data {PLAIN} file\\r\\n");
    play(vec![
        list("no 226", 10, &[], &format!("150 x & {one} & end & deaf")).hasty(),
        list("an end in its place", 8, &[], &format!("150 x & {one} & end & close & deaf")),
        list("426", 8, &["426"], &format!("150 x & {one} & end & 426 cut")),
        list(
            "421 in the middle",
            8,
            &["421"],
            &format!("150 x & {one} & pause 100 & 421 bye & close & reset"),
        ),
        list("reset", 8, &[], &format!("150 x & {one} & pause 100 & reset & 426 cut")),
        list("550", 6, &["550"], "550 no"),
        list("nothing", 0, &[], "150 x & open & end & 226 done"),
        list(
            "a reset, and 226",
            8,
            &["stolen-accept"],
            "150 x & open & reset & pause 100 & 226 done\nEPRT: 500 no\nPORT: 500 no",
        ),
        list("150 never", 3, &["no reply"], "deaf").hasty(),
        list("without line ends", 1, &["given up"], "150 x & flood data x"),
        list("nonsense without an end", 1, &["given up"], "150 x & flood data what is this?\\r\\n"),
        list("NULs without an end", 1, &["given up"], "150 x & flood data \\0"),
        list("nonsense", 0, &[], "150 x & data what is this?\\r\\n & end & 226 done"),
        list(
            "a last line without an end",
            0,
            &["file"],
            &format!("150 x & data {PLAIN} file & end & 226 done"),
        ),
        list("bare LF", 0, &["file"], &format!("150 x & data {PLAIN} file\\n & end & 226 done")),
        list(
            "many entries",
            0,
            &["file"],
            &format!("150 x & data 200000 {PLAIN} file\\r\\n & end & 226 done"),
        ),
    ]);
}

#[test]
fn names_that_lead_elsewhere() {
    play(
        ["../x", "/etc/passwd", "a/b", ".", "..", "nul\\0x", "../../../../tmp/x", "a/../../b", "/"]
            .into_iter()
            .map(|name| {
                let data = format!("data {PLAIN} {name}\\r\\n{PLAIN} fine\\r\\n");
                list(name, 0, &["fine", "left out"], &format!("150 x & {data} & end & 226 done"))
            })
            .chain(
                [
                    "|cmd",
                    "-rf",
                    "C:\\\\x",
                    "caf\\xE9",
                    "a\\x1b[2Jb",
                    "a\\rb",
                    "\\x07",
                    "  x  ",
                    "%n%s",
                    "`id`",
                ]
                .into_iter()
                .map(|name| {
                    let data = format!("data {PLAIN} {name}\\r\\n{PLAIN} fine\\r\\n");
                    list(name, 0, &["fine"], &format!("150 x & {data} & end & 226 done"))
                }),
            )
            .collect(),
    );
}

#[test]
fn facts_of_nonsense() {
    let long = "x".repeat(100_000);
    play(vec![
        facts("a size in words", &[], "type=file;size=abc;modify=now; odd"),
        facts("a huge size", &[], "type=file;size=99999999999999999999; odd"),
        facts("a size below 0", &[], "type=file;size=-1; odd"),
        facts("a date of nonsense", &[], "type=file;modify=99999999999999; odd"),
        facts("no facts", &["odd"], " odd"),
        facts("no name", &[], "type=file;size=5;"),
        facts("empty facts", &[], ";;;;; odd"),
        facts("no space", &[], "type=file;size=5;odd"),
        facts("not UTF-8", &[], r"type=file;size=5; \xFF\xFE"),
        facts("a fact of NULs", &[], r"type=\0\0;size=\0; odd"),
        facts("an unknown type", &[], "type=OS.unix=chr-1/3; odd"),
        facts("a fact twice", &[], "type=file;type=dir;size=1;size=2; odd"),
        facts("an out-of-date name", &["left out"], "type=file;size=5; ../odd"),
        facts("capitals", &["odd"], "TYPE=File;SIZE=5; odd"),
        ls(
            "a line of 100 kB",
            0,
            &["fine"],
            &format!("{MLSD}MLSD: 150 x & data {long}\\r\\ntype=file;size=5; fine\\r\\n & end & 226 x"),
        ),
        ls("MLSD refused though named", 0, &["file"], &format!("{MLSD}MLSD: 500 what?")),
        ls("silence at MLSD", 3, &["no reply"], &format!("{MLSD}MLSD: deaf")).hasty(),
    ]);
}
