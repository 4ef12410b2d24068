//! What a server says to who logs in, and of what it can do.

use super::script::{get, ls, play};

#[test]
fn logins() {
    play(vec![
        get("USER is enough", 0, &[], "USER: 230 in").file(),
        get("PASS is superfluous", 0, &[], "PASS: 202 not needed").file(),
        get("no user", 5, &["as me was refused", "go away"], "USER: 530 go away"),
        get("no password", 5, &["check the user and the password"], "PASS: 530 no"),
        get("an account before the password", 5, &["332"], "USER: 332 account?"),
        get("an account behind it", 5, &["332"], "PASS: 332 account?"),
        get("a password again and again", 5, &["331"], "PASS: 331 again"),
        get("421 to USER", 3, &["idle"], "USER: 421 idle & close"),
        get("421 to PASS", 3, &["idle"], "PASS: 421 idle & close"),
        get("500 to PASS", 5, &["500"], "PASS: 500 what?"),
        get("TLS wanted", 5, &["TLS"], "USER: 530 Non-anonymous sessions must use encryption.\nAUTH: 502 no"),
        get("the password in the reply", 5, &["****"], "PASS: 530 user me with s3cret, s3cret is wrong"),
        get("the password in a dialogue", 0, &["****"], "PASS: 230 s3cret is right").flags(&["-v"]).file(),
        get("the password later", 6, &[], "PASS: 230 in\nRETR: 550 s3cret"),
        get("an end at PASS", 3, &["closed"], "PASS: close & deaf"),
        get("a reset at PASS", 3, &[], "PASS: cut"),
        get("silence at USER", 3, &["no reply"], "USER: deaf").hasty(),
        get("silence at PASS", 3, &["no reply"], "PASS: deaf").hasty(),
        get("a trickle at PASS", 3, &["no reply"], "PASS: trickle 230-x\\r\\n").hasty(),
        get("a storm at USER", 3, &["no reply"], "USER: trickle 150 wait\\r\\n").hasty(),
        get("a flood of lines at PASS", 3, &["longer than"], "PASS: flood 230-x\\r\\n"),
        get("a line without an end at PASS", 3, &["longer than"], "PASS: raw 230  & flood x"),
        get("garbage at PASS", 3, &[], "PASS: raw \\x00\\x01\\x02\\r\\n & deaf").hasty(),
    ]);
}

#[test]
fn features_and_systems() {
    play(vec![
        get("features without an end", 3, &["longer than"], "FEAT: raw 211-x\\r\\n & flood  x\\r\\n"),
        get("features in one line", 0, &[], "FEAT: 211 none").file(),
        get("no code at the end of features", 3, &["no reply"], "FEAT: raw 211-x\\r\\n UTF8\\r\\n & deaf")
            .hasty(),
        get(
            "features of nonsense",
            0,
            &[],
            r"FEAT: raw 211-x\r\n \xFF\0\x1b\r\n SIZE SIZE SIZE\r\n REST\r\n211 x\r\n",
        )
        .flags(&["-v"])
        .file(),
        get("features refused", 0, &[], "FEAT: 530 no").file(),
        get("421 to FEAT", 0, &[], "FEAT: 421 bye & close").file(),
        get("silence at FEAT", 3, &["no reply"], "FEAT: deaf").hasty(),
        get("OPTS refused", 0, &[], "FEAT: raw 211-x\\r\\n UTF8\\r\\n211 x\\r\\n\nOPTS: 501 no").file(),
        get("TYPE refused", 6, &["TYPE I", "no images"], "TYPE: 504 no images"),
        get("silence at TYPE", 3, &["no reply"], "TYPE: deaf").hasty(),
        ls("no system", 0, &["file"], "SYST: 502 no"),
        ls("a system of nonsense", 0, &["file"], r"SYST: raw 215 \xFF\0\x1b[2J\r\n"),
        ls("a system without a name", 0, &["file"], r"SYST: raw 215\r\n"),
        ls("silence at SYST", 3, &["no reply"], "SYST: deaf").hasty(),
        ls("a system without an end", 3, &["longer than"], "SYST: flood 215-x\\r\\n"),
    ]);
}
