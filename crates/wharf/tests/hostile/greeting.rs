//! What a server says before anything is asked.

use super::script::{get, play};

#[test]
fn greetings() {
    let long = "x".repeat(4096);
    let long = format!("greeting: raw 220  & repeat 4096 {long} & raw \\r\\n");
    play(vec![
        get("silence", 3, &["no reply in 1 s"], "greeting: deaf").hasty(),
        get("an end at once", 3, &["the server closed it"], "greeting: close & deaf"),
        get("a reset at once", 3, &["is no FTP server that serves us"], "greeting: pause 50 & cut"),
        get(
            "too many users",
            3,
            &["too many users", "try again later"],
            "greeting: 421 too many users & close",
        ),
        get("421 without an end", 3, &["421"], "greeting: 421 not now & deaf"),
        get(
            "too many users, then not",
            0,
            &["try 2 of 2"],
            "greeting: 421 full & close\ngreeting: 220 ready",
        )
        .flags(&["--retry", "1"])
        .file(),
        get("530", 3, &["banned"], "greeting: 530 you are banned & close"),
        get("554", 3, &["554"], "greeting: 554 no"),
        get("500", 3, &["500"], "greeting: 500 what?"),
        get(
            "SSH",
            3,
            &["another service"],
            "greeting: SSH-2.0-OpenSSH_9.2\ngreeting: raw SSH-2.0-OpenSSH_9.2\\r\\n",
        ),
        get("HTTP", 3, &["another service"], "greeting: raw HTTP/1.1 400 Bad Request\\r\\n\\r\\n"),
        get("SMTP", 5, &["login"], "greeting: 220 mail ESMTP\nUSER: 500 unrecognized\nAUTH: 503 EHLO first"),
        get("TLS from the first byte on", 3, &["ftps://"], r"greeting: raw \x15\x03\x01\x00\x02\x02\x28\r\n"),
        get("120, then 220", 0, &[], "greeting: 120 ready in 0 minutes & pause 100 & 220 ready").file(),
        get("120 and silence", 3, &["no reply"], "greeting: 120 ready in 999 minutes & deaf").hasty(),
        get("a storm of 120", 3, &["no reply"], "greeting: trickle 120 soon\\r\\n").hasty(),
        get("a flood of 120", 3, &[], "greeting: flood 120 soon\\r\\n").hasty(),
        get("an endless banner", 3, &["longer than"], "greeting: flood 220-hello\\r\\n"),
        get("an endless line", 3, &["longer than"], "greeting: flood x"),
        get("a line of 16 MiB", 3, &["longer than"], &long),
        get("a trickling banner", 3, &["no reply in 1 s"], "greeting: trickle 220-x\\r\\n").hasty(),
        get("a trickling line", 3, &["no reply in 1 s"], "greeting: trickle 2").hasty(),
        get("NUL", 0, &[], r"greeting: raw 220 re\0ady\r\n").flags(&["-v"]).file(),
        get("not UTF-8", 0, &[], r"greeting: raw 220 caf\xE9 \xFF\r\n").flags(&["-v"]).file(),
        get("a bare LF", 0, &[], r"greeting: raw 220 ready\n").flags(&["-v"]).file(),
        get("a bare CR", 0, &[], r"greeting: raw 220 a\rb\r\n").flags(&["-v"]).file(),
        get("a terminal's commands", 0, &[], r"greeting: raw 220 \x1b[2J\x1b]0;x\x07\r\n")
            .flags(&["-v"])
            .file(),
        get("no text", 0, &[], r"greeting: raw 220\r\n").file(),
        get("Telnet options", 0, &[], r"greeting: raw \xFF\xFB\x01220 ready\r\n").file(),
        get("two greetings", 0, &[], "greeting: raw 220 a\\r\\n220 b\\r\\n").file(),
        get("four digits", 3, &["another service"], r"greeting: raw 2200 ready\r\n"),
        get("two digits", 3, &["another service"], r"greeting: raw 22 ready\r\n"),
        get("999", 3, &["another service"], r"greeting: raw 999 ready\r\n"),
        get("000", 3, &["another service"], r"greeting: raw 000 ready\r\n"),
        get("an end of another code", 3, &["no reply"], r"greeting: raw 220-a\r\n221 b\r\n & deaf").hasty(),
        get("a banner cut in its middle", 3, &["closed"], r"greeting: raw 220-a\r\n & close & deaf"),
    ]);
}
