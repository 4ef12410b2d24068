//! What a server says of where data connections are made.

use super::script::{Script, get, play};

const PASV: &[&str] = &["--mode", "pasv"];
const EPSV: &[&str] = &["--mode", "epsv"];
const PORT: &[&str] = &["--mode", "port"];
const EPRT: &[&str] = &["--mode", "eprt"];

/// Whatever is not understood leads on to a way that is.
fn unreadable(name: &'static str, epsv: &str, says: &[&'static str]) -> [Script; 2] {
    let table = format!("EPSV: {epsv}");
    [
        get(name, 7, says, &table).flags(EPSV),
        get(name, 0, &["data connection by PASV"], &table).flags(&["-v"]).file(),
    ]
}

#[test]
fn what_227_tells() {
    play(vec![
        get("another host", 0, &["told 192.0.2.1"], "PASV: 227 x (192,0,2,1,{last two})")
            .flags(PASV)
            .flags(&["-v"])
            .file(),
        get("a private host", 0, &[], "PASV: 227 x (10,0,0,1,{last two})").flags(PASV).file(),
        get("no host", 0, &[], "PASV: 227 x (0,0,0,0,{last two})").flags(PASV).file(),
        get("everybody", 0, &[], "PASV: 227 x (255,255,255,255,{last two})").flags(PASV).file(),
        get("port 0", 7, &["PASV", "227"], "PASV: 227 x (127,0,0,1,0,0)").flags(PASV),
        get("a port nobody listens at", 7, &["PASV 127.0.0.1:1"], "PASV: 227 x (127,0,0,1,0,1)").flags(PASV),
        get("no numbers", 7, &["says no endpoint"], "PASV: 227 Entering Passive Mode").flags(PASV),
        get("no text", 7, &["says no endpoint"], "PASV: raw 227\\r\\n").flags(PASV),
        get("numbers above 255", 7, &["says no endpoint"], "PASV: 227 x (127,0,0,256,4,1)").flags(PASV),
        get("huge numbers", 7, &["says no endpoint"], "PASV: 227 x (127,0,0,1,99999999999999999999,1)")
            .flags(PASV),
        get("five numbers", 7, &["says no endpoint"], "PASV: 227 x (127,0,0,1,4)").flags(PASV),
        get("numbers below 0", 7, &["says no endpoint"], "PASV: 227 x (127,0,0,-1,4,1)").flags(PASV),
        get("no brackets", 0, &[], "PASV: 227 Entering Passive Mode 127,0,0,1,{last two}").flags(PASV).file(),
        get("an equals sign", 0, &[], "PASV: 227 =127,0,0,1,{last two}").flags(PASV).file(),
        get("IPv6", 7, &["says no endpoint"], "PASV: 227 x (::1,4,1)").flags(PASV),
        get("NUL", 7, &["says no endpoint"], r"PASV: 227 x (127,0,\0,1,4,1)").flags(PASV),
        get("several lines", 0, &[], r"PASV: raw 227-wait\r\n & 227 x (127,0,0,1,{last two})")
            .flags(PASV)
            .file(),
        get("200 in its place", 0, &[], "PASV: 200 x ({six})").flags(PASV).file(),
        get("silence", 7, &["no reply"], "PASV: deaf").flags(PASV).hasty(),
        get("an end", 7, &["closed"], "PASV: close & deaf").flags(PASV),
        get("lines without an end", 7, &["longer than"], "PASV: flood 227-x\\r\\n").flags(PASV),
    ]);
}

#[test]
fn what_229_tells() {
    play(
        [
            unreadable("no brackets", "229 {port}", &["says no endpoint"]),
            unreadable("nothing in them", "229 ()", &["says no endpoint"]),
            unreadable("no port", "229 x (||||)", &["says no endpoint"]),
            unreadable("port 0", "229 x (|||0|)", &["229"]),
            unreadable("port 70000", "229 x (|||70000|)", &["says no endpoint"]),
            unreadable("a port below 0", "229 x (|||-1|)", &["says no endpoint"]),
            unreadable("letters", "229 x (|||http|)", &["says no endpoint"]),
            unreadable("several delimiters", "229 x (|!|{port}|)", &["says no endpoint"]),
            unreadable("NUL", r"raw 229 x (|||4\x300\0|)\r\n", &["says no endpoint"]),
            unreadable("no text", r"raw 229\r\n", &["says no endpoint"]),
            unreadable("a port nobody listens at", "229 x (|||1|)", &["127.0.0.1:1"]),
            unreadable("six numbers", "229 x ({six})", &["says no endpoint"]),
        ]
        .into_iter()
        .flatten()
        .chain([
            get("other delimiters", 0, &[], "EPSV: 229 x (!!!{port}!)").flags(EPSV).file(),
            get("text on both sides", 0, &[], "EPSV: 229 a (b) (|||{port}|) c").flags(EPSV).file(),
            get("no end", 0, &[], "EPSV: 229 x (|||{port}").flags(EPSV).file(),
            get("200 in its place", 0, &[], "EPSV: 200 x (|||{port}|)").flags(EPSV).file(),
            get("silence", 0, &["by PASV"], "EPSV: nothing\nEPSV: 502 no").flags(&["-v"]).hasty().file(),
            get("a flood", 0, &["by PASV"], "EPSV: flood 229-x\\r\\n").flags(&["-v"]).file(),
            get("an end", 0, &["by PASV"], "EPSV: close & deaf").flags(&["-v"]).file(),
        ])
        .collect(),
    );
}

/// A ladder of refusals ends with the root cause and its name.
#[test]
fn refusals_of_all_rungs() {
    let mut scripts = Vec::new();
    for (code, cause) in [
        ("425", ""),
        ("450", ""),
        ("500", "(mode-disabled, likely)"),
        ("501", ""),
        ("502", "(mode-disabled, likely)"),
        ("503", ""),
        ("504", ""),
        ("522", "(family-mismatch, likely)"),
        ("530", ""),
        ("534", ""),
        ("550", ""),
        ("553", ""),
    ] {
        let all = ["EPSV", "PASV", "EPRT", "PORT"].map(|verb| format!("{verb}: {code} no")).join("\n");
        scripts.push(get(
            &format!("{code} to all"),
            7,
            &["EPSV: refused with", "PASV: refused with", cause],
            &all,
        ));
        for mode in [EPSV, PASV, EPRT, PORT] {
            scripts.push(get(&format!("{code}, {}", mode[1]), 7, &["refused with", "no"], &all).flags(mode));
        }
    }
    play(scripts);
}

#[test]
fn ways_that_lead_nowhere() {
    play(vec![
        get("425 behind each", 7, &["gave it up with", "425"], "RETR: 425 cannot open"),
        get("425 behind 150", 7, &["gave it up with"], "RETR: 150 here & 425 cannot open").hasty(),
        get("closed as a stranger's", 7, &["425"], "RETR: open & end & 425 who are you?")
            .flags(&["--passive"]),
        get("nobody comes", 7, &["did not connect"], "RETR: 150 here & deaf").flags(PORT).hasty(),
        get("nobody comes, by EPRT", 7, &["did not connect"], "RETR: 150 here & deaf").flags(EPRT).hasty(),
        get("425 in active mode", 7, &["425"], "RETR: 425 cannot connect").flags(PORT),
        get("500 to PORT only", 0, &["by EPRT"], "EPSV: 500 no\nPASV: 500 no\nPORT: 500 no")
            .flags(&["-v"])
            .file(),
        get("PORT is all that works", 0, &["by PORT"], "EPSV: 500 no\nPASV: 500 no\nEPRT: 500 no")
            .flags(&["-v"])
            .file(),
        get("421 to EPSV, then as before", 0, &[], "EPSV: 421 no ports\nEPSV: 229 (|||{port}|)").file(),
    ]);
}
