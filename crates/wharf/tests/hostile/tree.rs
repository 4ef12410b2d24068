//! Whole trees from servers that would like to write somewhere else (threat 25).

use super::script::{SOURCE, Script, mirror, play};

/// A tree whose root has these lines, of which each file is `hello`.
fn tree(name: &str, code: i32, says: &[&'static str], lines: &[&str]) -> Script {
    let lines = lines.join("\\r\\n");
    mirror(name, code, says, &format!("MLSD: 150 x & data {lines}\\r\\n & end & 226 done"))
}

#[test]
fn trees_that_lead_elsewhere() {
    let fine = "type=file;size=5; fine";
    let mut scripts: Vec<Script> = ["../x", "/tmp/wharf-hostile", "a/b", "nul\\0x", "../source", "a/../../b"]
        .into_iter()
        .flat_map(|name| {
            [
                tree(
                    name,
                    0,
                    &["names that no directory here can have"],
                    &[&format!("type=file;size=5; {name}"), fine],
                )
                .leaves("fine", "hello"),
                tree(
                    name,
                    0,
                    &["names that no directory here can have"],
                    &[&format!("type=dir; {name}"), fine],
                )
                .leaves("fine", "hello"),
            ]
        })
        .collect();
    // Every listing may have these two, which mean nothing.
    for name in [".", ".."] {
        scripts.push(tree(name, 0, &[], &[&format!("type=dir; {name}"), fine]).leaves("fine", "hello"));
    }
    let long = "x".repeat(300);
    scripts.extend([
        tree("a link, and a file through it", 0, &[], &["type=OS.unix=slink:../source; away", "type=file;size=5; away"]),
        tree("a link that is made, and a file through it", 0, &[], &[
            "type=OS.unix=slink:../source; away",
            "type=file;size=5; away",
        ])
        .flags(&["--links"])
        .leaves("away", SOURCE),
        tree("a name twice", 0, &[], &["type=file;size=5; twice", "type=file;size=5; twice"]).leaves("twice", "hello"),
        mirror("a directory and a file of one name", 0, &["names that no"], "MLSD: 150 x & data type=dir; twice\\r\\ntype=file;size=5; twice\\r\\n & end & 226 x\nMLSD twice: 150 x & open & end & 226 x"),
        tree("two cases", 0, &[], &["type=file;size=5; a", "type=file;size=5; A"]).leaves("a", "hello").leaves("A", "hello"),
        tree("a name too long", 9, &["File name too long"], &[&format!("type=file;size=5; {long}"), fine]).leaves("fine", "hello"),
        tree("the name of a part", 0, &[], &["type=file;size=5; a", "type=file;size=5; a.part"])
            .leaves("a", "hello")
            .leaves("a.part", "hello"),
        tree("a size that is none", 8, &[], &["type=file;size=7; file"]).leaves("file.part", "hello"),
        mirror("no root", 6, &["550"], "MLSD: 550 no"),
        mirror("a root without an end", 1, &["given up"], "MLSD: 150 x & flood data x"),
        mirror("a file without an end", 8, &["more than the 5 bytes"], "RETR: 150 x & flood data x")
            .leaves("file.part", "x".repeat(32 << 20))
            .cut(),
        mirror("files refused", 6, &["550"], "RETR: 550 no"),
        mirror("421 to each file", 3, &["421"], "RETR: 421 bye & close"),
        mirror("silence", 3, &[], "MLSD: deaf").hasty(),
        mirror("a listing cut in its middle", 8, &[], "MLSD: 150 x & data type=file;size=5; fi & pause 100 & reset & 426 cut"),
        mirror("many entries", 0, &[], "MLSD: 150 x & data 100000 type=file;size=5; file\\r\\n & end & 226 done")
            .flags(&["--dry-run"]),
    ]);
    play(scripts);
}
