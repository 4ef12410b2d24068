//! What a server does with a download.

use super::script::{Script, get, play};

const HERE: &str = "RETR: 150 here & data hello & end";

/// A download of which all is there, and which ends in this way.
fn ends(name: &str, code: i32, says: &[&'static str], end: &str) -> Script {
    get(name, code, says, &format!("{HERE} & {end}"))
}

#[test]
fn ends_of_downloads() {
    let long = format!("raw 226  & repeat 4096 {} & raw \\r\\n", "x".repeat(4096));
    let never = &["confirmation never came"];
    play(vec![
        ends("a late 226", 0, &[], "pause 1500 & 226 done").file(),
        ends("no 226", 10, never, "deaf").hasty().part("hello"),
        ends("an end in its place", 10, never, "close & deaf").part("hello"),
        ends("a reset in its place", 10, never, "pause 50 & cut").part("hello"),
        ends("421 in its place", 8, &["bye"], "421 bye & close").part("hello"),
        ends("250", 0, &[], "250 done").file(),
        ends("several lines", 0, &[], r"raw 226-a\r\n226-b\r\n226 c\r\n").file(),
        ends("426", 8, &["426"], "426 cut").part("hello"),
        ends("451", 8, &["451"], "451 disk").part("hello"),
        ends("550", 8, &["550"], "550 no").part("hello"),
        ends("a storm of 226", 0, &[], "repeat 10000 226 done\\r\\n").file(),
        ends("a storm of 150", 10, never, "trickle 150 more\\r\\n").hasty().part("hello"),
        ends("lines without an end", 10, never, "flood 226-x\\r\\n").part("hello"),
        ends("a line without an end", 10, never, "raw 226  & flood x").part("hello"),
        ends("a line of 16 MiB", 10, never, &long).part("hello"),
        ends("a trickle", 10, never, "trickle 226-x\\r\\n").hasty().part("hello"),
        ends("NUL", 0, &[], r"raw 226 \0\r\n").flags(&["-v"]).file(),
        ends("not UTF-8", 0, &[], r"raw 226 \xE9\r\n").flags(&["-v"]).file(),
        ends("a bare LF", 0, &[], r"raw 226 done\n").flags(&["-v"]).file(),
        ends("garbage", 10, never, r"raw garbage\r\n").part("hello"),
        ends("no size, and no 226", 10, never, "deaf\nSIZE: 502 no").hasty().part("hello"),
        ends("no size, and an end", 8, &["without a confirmation"], "close & deaf\nSIZE: 502 no")
            .part("hello"),
    ]);
}

#[test]
fn the_order_of_things() {
    play(vec![
        get("226 before the data", 0, &[], "RETR: 150 x & 226 done & data hello & end").file(),
        get("226 and no 150", 0, &[], "RETR: data hello & end & 226 done").file(),
        get("226 and no data", 8, &["0 of 5"], "RETR: 150 x & open & end & 226 done"),
        get(
            "226 and no data, told why",
            8,
            &["0 of 5", "stolen-accept"],
            "RETR: 150 x & open & end & 226 done\nEPRT: 500 no\nPORT: 500 no",
        ),
        get(
            "226 and a reset",
            8,
            &["stolen-accept"],
            "RETR: 150 x & open & reset & pause 100 & 226 done\nEPRT: 500 no\nPORT: 500 no",
        ),
        get(
            "a stranger's data, then ours",
            0,
            &[],
            "RETR: 150 x & open & end & 226 done\nRETR: 150 x & data hello & end & 226 done",
        )
        .file(),
        get("two 150", 0, &[], "RETR: 150 x & 150 y & data hello & end & 226 done").file(),
        get("125", 0, &[], "RETR: 125 x & data hello & end & 226 done").file(),
        get("100", 0, &[], "RETR: 100 x & data hello & end & 226 done").file(),
        get("data before 150", 0, &[], "RETR: data hello & end & pause 200 & 150 x & 226 done").file(),
        get("150 never", 3, &["no reply"], "RETR: deaf").hasty(),
        get("150 and nothing more", 8, &["0 of 5"], "RETR: 150 x & open & deaf").hasty(),
        get("a storm of 150", 8, &[], "RETR: 150 x & open & trickle 150 again\\r\\n").hasty(),
        get("a flood of 150", 8, &[], "RETR: 150 x & open & flood 150 again\\r\\n").hasty(),
        get("421 before 150", 3, &["421"], "RETR: 421 bye & close"),
        get("421 in the middle", 8, &["421"], "RETR: 150 x & data hel & pause 100 & 421 bye & close & end")
            .at_most("hel"),
        get("426 in the middle", 8, &["426"], "RETR: 150 x & data hel & pause 100 & 426 enough & end")
            .at_most("hel"),
        get("a cut control connection", 8, &[], "RETR: 150 x & data hel & pause 100 & cut").at_most("hel"),
        get("a reply that nobody asked for", 0, &[], "TYPE: 200 ok & pause 50 & 226 done\nSIZE: 213 5")
            .file(),
    ]);
}

#[test]
fn resets_and_lies() {
    play(vec![
        get("reset before 150", 8, &[], "RETR: open & reset & 150 x & 426 cut"),
        get("reset behind 150", 8, &[], "RETR: 150 x & open & reset & 426 cut"),
        get("reset in the middle", 8, &["426"], "RETR: 150 x & data hel & pause 100 & reset & 426 cut")
            .at_most("hel"),
        get("reset in the middle, and 226", 8, &[], "RETR: 150 x & data hel & pause 100 & reset & 226 done")
            .at_most("hel"),
        get("reset behind the end", 8, &[], "RETR: 150 x & data hello & pause 100 & reset & 226 done")
            .at_most("hello"),
        get(
            "too short, and 226",
            8,
            &["the length is wrong", "3 of 5"],
            "RETR: 150 x & data hel & end & 226 done",
        )
        .part("hel"),
        get("too long, and 226", 8, &["5"], "RETR: 150 x & data hello you & end & 226 done")
            .at_most("hello you"),
        get("without an end", 8, &["more than the 5 bytes"], "RETR: 150 x & flood data x")
            .at_most(&"x".repeat(32 << 20)),
        get("a size of 0", 8, &[], "SIZE: 213 0").at_most("hello"),
        get("a huge size", 8, &["length is wrong"], "SIZE: 213 18446744073709551615").part("hello"),
        get("a size above 2^64", 0, &[], "SIZE: 213 18446744073709551616").file(),
        get("a size below 0", 0, &[], "SIZE: 213 -5").file(),
        get("a size in words", 0, &[], "SIZE: 213 five").file(),
        get("no size", 0, &[], "SIZE: raw 213\\r\\n").file(),
        get("a size refused", 0, &[], "SIZE: 550 not in ASCII mode").file(),
        get("silence at SIZE", 3, &["no reply"], "SIZE: deaf").hasty(),
        get("lines without an end at SIZE", 3, &["longer than"], "SIZE: flood 213-5\\r\\n"),
        get("another size in 150", 0, &[], "RETR: 150 x (3 bytes) & data hello & end & 226 done").file(),
        get("a date of nonsense", 0, &[], r"MDTM: raw 213 \xFF99999999999999999999\r\n").file(),
        get("a date without an end", 0, &[], "MDTM: 213 99999999999999").file(),
    ]);
}

#[test]
fn refusals_and_resumes() {
    let big = "x".repeat(100_000);
    let mut scripts = Vec::new();
    for code in ["450", "451", "500", "502", "530", "532", "550", "551", "553"] {
        let table = format!("RETR: {code} never");
        scripts.push(get(code, 6, &["RETR file", "never"], &table));
    }
    scripts.extend([
        get(
            "REST refused",
            0,
            &[],
            "SIZE: 213 100000\nREST: 502 no\nRETR: 150 x & data 100000 x & end & 226 done",
        )
        .flags(&["-c"])
        .before("file.part", &big[..90_000])
        .leaves("file", big.clone()),
        get("REST ignored", 9, &[], "SIZE: 213 100000\nRETR: 150 x & data 100000 y & end & 226 done")
            .flags(&["-c"])
            .before("file.part", &big[..90_000])
            .leaves("file.part", &big[..90_000]),
        get("silence at REST", 3, &["no reply"], "SIZE: 213 100000\nREST: deaf")
            .flags(&["-c"])
            .hasty()
            .before("file.part", &big[..90_000])
            .leaves("file.part", &big[..90_000]),
        get("a part longer than the file", 9, &[], "SIZE: 213 5")
            .flags(&["-c"])
            .before("file.part", &big[..10])
            .leaves("file.part", &big[..10]),
        get(
            "cut, then whole",
            0,
            &["try 2 of 2"],
            "RETR: 150 x & data hel & end & 426 cut\nRETR: 150 x & data hello & end & 226 done",
        )
        .flags(&["--retry", "1"])
        .file(),
        get(
            "cut, then another file",
            9,
            &[],
            "RETR: 150 x & data hel & end & 426 cut\nRETR: 150 x & data HELLO & end & 226 done",
        )
        .flags(&["--retry", "1"])
        .part("hel"),
    ]);
    play(scripts);
}
