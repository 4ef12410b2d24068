//! Servers that want TLS left out, broken, or cut short (threats 29 and 30).

use super::script::{Script, get, ls, play, put};

/// AUTH and the handshake as they should be, and this.
fn under(name: &str, code: i32, says: &[&'static str], table: &str) -> Script {
    get(name, code, says, &format!("AUTH: 234 go on & tls\n{table}")).secured("ftp")
}

#[test]
fn tls_that_does_not_come_about() {
    let mut scripts = Vec::new();
    for code in ["421", "431", "500", "502", "503", "504", "530", "534", "550"] {
        // A server that is about to go says nothing of TLS.
        let exit = if code == "421" { 3 } else { 4 };
        scripts.push(get(code, exit, &[code], &format!("AUTH: {code} no")).secured("ftpes"));
        scripts.push(get(code, exit, &[code], &format!("AUTH: {code} no")).flags(&["--tls", "require"]));
    }
    for reply in ["200 ok", "230 in", "334 more?"] {
        scripts.push(get(reply, 4, &["AUTH"], &format!("AUTH: {reply}")));
    }
    for (name, table) in [
        ("a reply behind 234", r"AUTH: raw 234 go on\r\n230 in\r\n & tls"),
        ("half a reply behind 234", r"AUTH: raw 234 go on\r\n2 & tls"),
        ("an end behind 234", "AUTH: 234 go on & close & deaf"),
        ("a reset behind 234", "AUTH: 234 go on & cut"),
        ("no TLS behind 234", "AUTH: 234 go on & pause 50 & 220 hello & deaf"),
        ("nonsense behind 234", r"AUTH: 234 go on & pause 50 & raw \0\x01\x02\x03\x04\x05\x06 & deaf"),
        ("an alert", r"AUTH: 234 go on & pause 50 & raw \x15\x03\x03\x00\x02\x02\x28 & deaf"),
        ("a flood", r"AUTH: 234 go on & pause 50 & flood \x16\x03\x03\x40\x00"),
    ] {
        for scheme in ["ftp", "ftpes"] {
            scripts.push(get(name, 4, &["TLS"], table).secured(scheme));
        }
    }
    scripts.extend([
        get("silence behind 234", 4, &["TLS"], "AUTH: 234 go on & deaf").hasty(),
        get("a login without TLS", 4, &["TLS"], "greeting: 230 you are in").secured("ftpes"),
        get("a certificate that proves nothing", 4, &["certificate"], "AUTH: 234 go on & tls")
            .secured("ftpes"),
        get("that, and it is let pass", 0, &[], "AUTH: 234 go on & tls")
            .secured("ftpes")
            .flags(&["--insecure"])
            .file(),
        get("no ftps", 4, &["TLS"], "greeting: 220 ready").secured("ftps"),
        get("AUTH, and no reply", 3, &["no reply"], "AUTH: deaf").hasty(),
    ]);
    play(scripts);
}

#[test]
fn tls_that_is_cut() {
    play(vec![
        under("as it should be", 0, &["certificate"], "").file(),
        under("cut at USER", 3, &[], "USER: close & deaf"),
        under("reset at USER", 3, &[], "USER: cut"),
        under("cut at PASS", 3, &[], "PASS: close & deaf"),
        under("PROT refused", 0, &["clear"], "PROT: 536 no").file(),
        under("PBSZ refused", 0, &[], "PBSZ: 500 no").file(),
        get("PROT refused where TLS is required", 7, &["does not protect data"], "AUTH: 234 go on & tls\nPROT: 536 no")
            .secured("ftpes")
            .flags(&["--insecure"]),
        under("data in clear", 7, &["prot-mismatch"], "RETR: 150 x & open clear & data hello & end & 226 done"),
        under("no close_notify, the right size", 0, &[], "RETR: 150 x & data hello & end plainly & 226 done").file(),
        under("no close_notify, the wrong size", 8, &["missing-close-notify"], "RETR: 150 x & data hel & end plainly & 226 done")
            .part("hel"),
        under("no close_notify, no size", 8, &["missing-close-notify"], "SIZE: 502 no\nRETR: 150 x & data hello & end plainly & 226 x")
            .part("hello"),
        under("data cut in the handshake", 7, &[], "RETR: 150 x & open clear & end & 425 no").flags(&["--passive"]),
        under("data reset in the handshake", 7, &[], "RETR: 150 x & open clear & reset & 425 no").flags(&["--passive"]),
        under("data silent in the handshake", 7, &[], "RETR: 150 x & open clear & deaf").flags(&["--mode", "epsv"]).hasty(),
        under("data reset in the middle", 8, &[], "RETR: 150 x & data hel & pause 100 & reset & 426 cut").at_most("hel"),
        under("resumption demanded", 7, &["session reuse required"], "RETR: 522 session reuse required"),
        under("no 226", 10, &["confirmation never came"], "RETR: 150 x & data hello & end & deaf").hasty().part("hello"),
        under("a reset in place of 226", 10, &["confirmation never came"], "RETR: 150 x & data hello & end & pause 50 & cut")
            .part("hello"),
        ls("a listing without close_notify", 0, &["file"], "AUTH: 234 go on & tls\nLIST: 150 x & data -rw-r--r--   1 ftp ftp 5 Nov 20 10:00 file\\r\\n & end plainly & 226 x")
            .secured("ftp"),
        ls("a listing cut without 226", 8, &[], "AUTH: 234 go on & tls\nLIST: 150 x & data -rw-r--r--   1 ftp ftp 5 Nov 20 10:00 file\\r\\n & end plainly & 426 x")
            .secured("ftp"),
        put("an upload", 0, &[], "AUTH: 234 go on & tls").secured("ftp"),
        put("an upload into clear data", 7, &[], "AUTH: 234 go on & tls\nSTOR: 150 x & open clear & take & 226 x")
            .secured("ftp")
            .hasty(),
    ]);
}
