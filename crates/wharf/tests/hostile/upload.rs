//! What a server does with an upload.

use super::script::{play, put};

#[test]
fn uploads() {
    let mut scripts = Vec::new();
    for code in ["450", "452", "500", "530", "532", "550", "551", "552", "553"] {
        scripts.push(put(code, 6, &["STOR file", "never"], &format!("STOR: {code} never")));
    }
    scripts.extend([
        put("125", 0, &[], "STOR: 125 x & take & 226 done"),
        put("a late 226", 0, &[], "STOR: 150 x & take & pause 1500 & 226 done"),
        put("no 226", 10, &["confirmation never came"], "STOR: 150 x & take & deaf").hasty(),
        put("an end in its place", 10, &["confirmation never came"], "STOR: 150 x & take & close & deaf"),
        put("452 behind the data", 6, &["disk full"], "STOR: 150 x & take & 452 disk full"),
        put("552 behind the data", 6, &["quota"], "STOR: 150 x & take & 552 quota"),
        put("452 in the middle", 6, &["disk full"], "STOR: 150 x & take 1 & reset & 452 disk full"),
        put("421 in the middle", 8, &["bye"], "STOR: 150 x & take 1 & reset & 421 bye & close"),
        put("150 never", 3, &["no reply"], "STOR: deaf").hasty(),
        put("226 for a part", 8, &["3"], "SIZE: 213 3"),
        put("226 for more", 8, &["7"], "SIZE: 213 7"),
        put("no size", 0, &[], "SIZE: 502 no"),
        put("a size of nonsense", 0, &[], r"SIZE: raw 213 \xFF\r\n"),
        put(
            "lines without an end",
            10,
            &["confirmation never came"],
            "STOR: 150 x & take & flood 226-x\\r\\n",
        ),
        put("a storm of 150", 10, &[], "STOR: 150 x & take & trickle 150 x\\r\\n").hasty(),
        put("425 behind each", 7, &["425"], "STOR: 425 no"),
    ]);
    play(scripts);
}
