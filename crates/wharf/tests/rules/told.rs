//! What is printed, compared with files beside this one; `WHARF_WRITE_DOCS=1` writes them anew.

use std::fs;
use std::path::Path;

use wharf_testkit::TestDirectory;
use wharf_testkit::process::run;

use crate::wharf;

const SERVER: &[&str] = &["--passive-ports", "50000-50002"];
const IPV4: &[&str] = &["--listen", "0.0.0.0:21"];
const IPV6_TOO: &[&str] = &["--listen", "[::]:21"];
const IPV6_ONLY: &[&str] = &["--listen", "[2001:db8::1]:21"];

#[track_caller]
fn compare(name: &str, listen: &[&str], flags: &[&str]) {
    let printed = run(wharf().arg("rules").args(listen).args(SERVER).args(flags));
    let text = printed.assert_success().output();
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/rules/told").join(name);
    if std::env::var_os("WHARF_WRITE_DOCS").is_some() {
        fs::write(&file, &text).unwrap();
    }
    let expected = fs::read_to_string(&file).unwrap_or_default();
    assert_eq!(text, expected, "{}: WHARF_WRITE_DOCS=1 writes it anew", file.display());
}

#[test]
fn each_form_is_as_it_was_read_and_approved() {
    for (name, flags) in [
        ("server.nft", &[][..]),
        ("server-stateless.nft", &["--stateless"]),
        ("client.nft", &["--side", "client", "--active-ports", "40000-40009"]),
        ("server.iptables", &["--for", "iptables"]),
        ("server-one-rule-per-port.iptables", &["--for", "iptables", "--stateless", "--one-rule-per-port"]),
        ("server.firewalld", &["--for", "firewalld"]),
        ("client.firewalld", &["--for", "firewalld", "--side", "client"]),
        ("server.ufw", &["--for", "ufw"]),
        ("server.netsh", &["--for", "netsh"]),
        ("compose.yaml", &["--for", "compose"]),
        ("kubernetes.yaml", &["--for", "kubernetes"]),
        ("active.nft", &["--modes", "active"]),
        ("passive.nft", &["--modes", "passive"]),
    ] {
        compare(name, IPV4, flags);
    }
    compare("dual-stack.nft", IPV6_TOO, &[]);
    compare("dual-stack.iptables", IPV6_TOO, &["--for", "iptables"]);
    compare("ipv6-stateless.iptables", IPV6_ONLY, &["--for", "iptables", "--stateless"]);
}

#[test]
fn a_file_is_read_as_serve_reads_it() {
    let directory = TestDirectory::new();
    let file = directory.write(
        "wharf.toml",
        "root = \"/srv\"\nlisten = [\"0.0.0.0:21\"]\nmodes = [\"passive\"]\n[passive]\nports = \"30000-30009\"\n[tls]\nimplicit_listen = [\"0.0.0.0:990\"]\n",
    );
    let text = run(wharf().args(["rules", "--config"]).arg(file)).assert_success().output();
    for wanted in ["tcp dport 21 ", "tcp dport 990 ", "tcp dport 30000-30009 "] {
        assert!(text.contains(wanted), "{wanted}:\n{text}");
    }
    assert!(!text.contains("port 20 ") && !text.contains("port 989 "), "active mode is off:\n{text}");
}

#[test]
fn what_cannot_be_expressed_is_refused_with_what_to_change() {
    for (flags, wanted) in [
        (
            &["--stateless", "--active-source-port", "any", "--passive-ports", "1-2"][..],
            "--active-source-port 20",
        ),
        (&["--stateless"], "--passive-ports FIRST-LAST"),
        (&["--one-rule-per-port"], "--passive-ports FIRST-LAST"),
        (&["--one-rule-per-port", "--passive-ports", "20000-29999"], "too much"),
        (&["--for", "ufw", "--stateless"], "leave --stateless out"),
        (&["--for", "compose"], "set a passive range"),
        (&["--for", "kubernetes", "--side", "client"], "--side client"),
        (&["--for", "kubernetes", "--passive-ports", "20000-29999"], "smaller range"),
        (&["--listen", "127.0.0.1:0"], "any free port"),
    ] {
        let refused = run(wharf().arg("rules").args(flags));
        refused.assert_code(2);
        assert!(refused.errors().contains(wanted), "{flags:?}: {refused}");
        assert!(refused.output().is_empty(), "{refused}");
    }
}
