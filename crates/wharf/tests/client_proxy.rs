//! `--proxy` and the environment: every connection through it, and whose fault it is when it does not work.

#![allow(clippy::unwrap_used, reason = "a test fails loudly")]

use std::process::Command;

use wharf_testkit::directory::sample;
use wharf_testkit::free_port;
use wharf_testkit::hostile::HostileServer;
use wharf_testkit::peers::unpacked;
use wharf_testkit::process::{Background, Run, run};
use wharf_testkit::proxy::TestProxy;
use wharf_testkit::served::Served;
use wharf_testkit::tls::TestCertificate;
use wharf_testkit::{TestDirectory, skip};

const WHARF: &str = env!("CARGO_BIN_EXE_wharf");
const LOGIN: (&str, &str) = ("aladdin", "opensesame");

fn wharf(words: &[&str], variables: &[(&str, &str)]) -> Run {
    let mut command = Command::new(WHARF);
    command.args(words).env("HOME", "/dev/null");
    for name in ["ftp_proxy", "ftps_proxy", "all_proxy", "no_proxy"] {
        command.env_remove(name).env_remove(name.to_uppercase());
    }
    run(command.envs(variables.iter().copied()))
}

fn served(flags: &[&str]) -> (Served, TestDirectory) {
    let files = TestDirectory::new();
    files.write("file", sample(200_000));
    files.write("folder/other", "other");
    (Served::start(WHARF, files.path(), &[&["--user", "test:secret", "--write"], flags].concat()), files)
}

/// A get and a mirror, by each kind of proxy, with the server's name looked up by us or by it.
#[test]
fn every_connection_goes_through_it() {
    let (server, files) = served(&[]);
    let port = server.address().port();
    for login in [None, Some(LOGIN)] {
        for (kind, host) in
            [("socks5", "127.0.0.1"), ("socks5h", "localhost"), ("http", "localhost"), ("http", "127.0.0.1")]
        {
            let proxy = TestProxy::start(login);
            let who = login.map_or(String::new(), |(user, password)| format!("{user}:{password}@"));
            let flag = format!("{kind}://{who}{}", proxy.address());
            let here = TestDirectory::new();
            let (file, tree) = (here.join("file"), here.join("tree"));
            let url = format!("ftp://test:secret@{host}:{port}/");
            let got = wharf(
                &["get", "-v", "--proxy", &flag, &format!("{url}file"), "-o", file.to_str().unwrap()],
                &[],
            );
            got.assert_success();
            assert!(here.read("file") == sample(200_000), "another content");
            assert!(!got.errors().contains(LOGIN.1), "{got}");
            let asked = proxy.asked();
            assert_eq!(asked.len(), 2, "control and data: {asked:?}");
            assert_eq!(asked[0], format!("{host}:{port}"));
            assert!(asked[1].starts_with(&format!("{host}:")), "{asked:?}");
            wharf(&["mirror", "--proxy", &flag, &url, tree.to_str().unwrap()], &[]).assert_success();
            assert!(here.read("tree/folder/other") == b"other" && files.tree().len() == 2);
        }
    }
}

#[test]
fn the_server_is_the_one_that_tls_knows() {
    let certificate = TestCertificate::new(&["localhost"]);
    let given = certificate.flags();
    let flags: Vec<_> = given.iter().map(String::as_str).collect();
    let (server, _files) = served(&flags);
    let proxy = TestProxy::start(None);
    let here = TestDirectory::new();
    let url = format!("ftpes://test:secret@localhost:{}/file", server.address().port());
    let (ca, flag) = (certificate.certificate(), format!("socks5h://{}", proxy.address()));
    let words =
        ["get", "--ca", ca.to_str().unwrap(), "--proxy", &flag, &url, "-o", here.path().to_str().unwrap()];
    wharf(&words, &[]).assert_success();
    assert_eq!(proxy.asked().len(), 2);
}

/// Debian's microsocks and tinyproxy, which ask for a login.
#[test]
fn real_proxies_lead_there_too() {
    let (server, _files) = served(&[]);
    let url = format!("ftp://test:secret@localhost:{}/", server.address().port());
    for kind in ["socks5", "socks5h", "http"] {
        let (port, directory) = (free_port([127, 0, 0, 1].into()), TestDirectory::new());
        let name = if kind == "http" { "tinyproxy" } else { "microsocks" };
        let program = match unpacked(&format!("proxies/usr/bin/{name}")) {
            Ok(program) => program,
            Err(reason) => skip!("{reason}"),
        };
        let mut command = Command::new(program);
        if kind == "http" {
            let settings = format!("Port {port}\nListen 127.0.0.1\nBasicAuth {} {}\n", LOGIN.0, LOGIN.1);
            command.arg("-d").arg("-c").arg(directory.write("settings", settings));
        } else {
            command.args(["-i", "127.0.0.1", "-p", &port.to_string(), "-u", LOGIN.0, "-P", LOGIN.1]);
        }
        let _proxy = Background::start(&mut command);
        let flag = format!("{kind}://{}:{}@127.0.0.1:{port}", LOGIN.0, LOGIN.1);
        let target = directory.join("tree");
        // Neither says when it listens.
        let words = ["mirror", "--retry", "5", "--proxy", &flag, &url, target.to_str().unwrap()];
        wharf(&words, &[]).assert_success();
        assert!(directory.read("tree/file") == sample(200_000), "{kind}: another content");
        let wrong = format!("{kind}://{}:wrong@127.0.0.1:{port}", LOGIN.0);
        let refused = wharf(&["get", "--proxy", &wrong, &format!("{url}file"), "-o", "/dev/null"], &[]);
        assert!(refused.assert_code(3).errors().contains("the proxy"), "{refused}");
    }
}

#[test]
fn the_environment_is_asked_as_curl_does() {
    let (server, _files) = served(&[]);
    let url = format!("ftp://test:secret@{}/file", server.address());
    let proxy = TestProxy::start(None);
    let flag = format!("socks5://{}", proxy.address());
    let get = |words: &[&str], variables: &[(&str, &str)]| {
        let before = proxy.asked().len();
        wharf(&[&["get", "--quiet", "-o", "/dev/null", &url], words].concat(), variables).assert_success();
        proxy.asked().len() - before
    };
    assert_eq!(get(&[], &[("ftp_proxy", &flag)]), 2);
    assert_eq!(get(&[], &[("ALL_PROXY", &flag)]), 2);
    assert_eq!(get(&[], &[("ftp_proxy", &flag), ("no_proxy", "127.0.0.0/8")]), 0);
    assert_eq!(get(&["--proxy", ""], &[("ftp_proxy", &flag)]), 0);
    assert_eq!(get(&[], &[]), 0);
}

#[test]
fn whose_fault_it_is() {
    let (server, _files) = served(&[]);
    let url = format!("ftp://test:secret@{}/file", server.address());
    let get = |proxy: &str| wharf(&["get", "--timeout", "5", "-o", "/dev/null", "--proxy", proxy, &url], &[]);
    let closed = free_port([127, 0, 0, 1].into());
    let nobody = get(&format!("socks5://me:s3cret@127.0.0.1:{closed}"));
    let nobody = nobody.assert_code(3).errors();
    assert!(nobody.contains(&format!("the proxy socks5://127.0.0.1:{closed}")), "{nobody}");
    assert!(!nobody.contains("s3cret"), "{nobody}");
    let strict = TestProxy::start(Some(LOGIN));
    for (proxy, words) in [("http://", "407"), ("socks5://", "proxy"), ("socks5://aladdin:wrong@", "proxy")] {
        let error = get(&format!("{proxy}{}", strict.address())).assert_code(3).errors();
        assert!(error.contains(words), "{error}");
    }
    // It leads to the server, and to no data connection.
    let error = get(&format!("http://{}", TestProxy::start_for_one().address())).assert_code(7).errors();
    assert!(error.contains("the proxy http://") && error.contains("403"), "{error}");
    // What answers there is no proxy.
    let other = HostileServer::start("greeting: raw SSH-2.0-x\\r\\n\\r\\n & deaf", None);
    let error = get(&format!("http://{}", other.address())).assert_code(3).errors();
    assert!(error.contains("no HTTP"), "{error}");
    wharf(&["get", "--active", "--proxy", "socks5://127.0.0.1", &url], &[]).assert_code(2);
    wharf(&["get", "--proxy", "gopher://h", &url], &[]).assert_code(2);
}

/// Threat 27 holds behind proxies: where 227 leads to another host, the proxy is not sent there.
#[test]
fn a_227_leads_to_the_server_only() {
    let server = HostileServer::start("EPSV: 502 no\nPASV: 227 x (192,0,2,1,{last two})", None);
    let proxy = TestProxy::start(None);
    let url = format!("ftp://me:secret@{}/file", server.address());
    let flag = format!("socks5://{}", proxy.address());
    wharf(&["get", "--proxy", &flag, "-o", "/dev/null", &url], &[]).assert_success();
    assert!(proxy.asked().iter().all(|target| target.starts_with("127.0.0.1:")), "{:?}", proxy.asked());
    let server = HostileServer::start("EPSV: 502 no\nPASV: 227 x (192,0,2,1,0,1)", None);
    let url = format!("ftp://me:secret@{}/file", server.address());
    wharf(&["get", "--proxy", &flag, "-o", "/dev/null", &url], &[]).assert_code(7);
    assert!(proxy.asked().iter().all(|target| target.starts_with("127.0.0.1:")), "{:?}", proxy.asked());
}
