//! SITE CANARY: what arrived and what left, in digits that no gateway takes for an address.

#![allow(clippy::unwrap_used, reason = "tests fail loudly")]

use wharf_testkit::TestDirectory;
use wharf_testkit::scripted::ScriptedClient;
use wharf_testkit::served::Served;

fn hexadecimal(text: &str) -> String {
    text.bytes().map(|byte| format!("{byte:02x}")).collect()
}

#[test]
fn it_tells_what_was_heard_though_it_was_refused_and_what_was_told() {
    let directory = TestDirectory::new();
    let flags = ["--anonymous", "--passive-ports", "2134-2134"];
    let served = Served::start(env!("CARGO_BIN_EXE_wharf"), directory.path(), &flags);
    let mut client = ScriptedClient::log_in(served.address(), "anonymous", "a@b");
    client.play("C: SITE CANARY\nS: 200 CANARY peer=* heard=- told=-");
    // Another host is refused, and heard all the same.
    client.play("C: PORT 192,0,2,1,8,77\nS: 504 *");
    let heard = hexadecimal("192.0.2.1:2125");
    client.play(&format!("C: SITE CANARY\nS: 200 CANARY peer=* heard={heard} told=-"));
    let told = hexadecimal("127.0.0.1:2134");
    client.play("C: PASV\nS: 227 *(127,0,0,1,8,86)*");
    client.play(&format!("C: SITE CANARY\nS: 200 CANARY peer=* heard={heard} told={told}"));
    client.play("C: EPSV\nS: 229 *(|||2134|)");
    client.play(&format!("C: SITE CANARY\nS: 200 CANARY peer=* heard={heard} told={told}"));
    client.close();
}

#[test]
fn it_can_be_switched_off() {
    let directory = TestDirectory::new();
    let file = directory.write("wharf.toml", "canary = false\n");
    let flags = ["--anonymous", "--config", file.to_str().unwrap(), "--listen", "127.0.0.1:0"];
    let served = Served::start(env!("CARGO_BIN_EXE_wharf"), directory.path(), &flags);
    let mut client = ScriptedClient::log_in(served.address(), "anonymous", "a@b");
    client.play("C: SITE CANARY\nS: 500 *");
    client.close();
}
