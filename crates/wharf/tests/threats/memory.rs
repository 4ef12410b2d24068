//! Threat 13: what a client sends, or does not read, costs no memory. Each has the machine to itself.

use std::time::{Duration, Instant};

use wharf_testkit::TestDirectory;
use wharf_testkit::scripted::{Conversation, STEP_LIMIT, ScriptedClient};
use wharf_testkit::served::Served;
use wharf_testkit::tls::{FtpsClient, Mode, TLS12, TLS13, TestCertificate, TlsOptions};

use crate::{ask, log_in, serve};

/// What threats.md allows.
const BASELINE: u64 = 64 * 1024;
/// What the allocator and the runtime's threads move by on their own.
const NOISE: u64 = 192 * 1024;

/// The server's anonymous memory, in bytes.
fn anonymous_memory(server: &mut Served) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{}/status", server.program().id())).unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("RssAnon:")).unwrap();
    line.trim().strip_suffix(" kB").unwrap().parse::<u64>().unwrap() * 1024
}

/// Processor time used so far, in ticks.
fn processor_time(server: &mut Served) -> u64 {
    let stat = std::fs::read_to_string(format!("/proc/{}/stat", server.program().id())).unwrap();
    let fields: Vec<&str> = stat.rsplit(") ").next().unwrap().split(' ').collect();
    fields[11].parse::<u64>().unwrap() + fields[12].parse::<u64>().unwrap()
}

/// Waits until the server has nothing to do: it uses no processor time any more.
fn settle(server: &mut Served) {
    let deadline = Instant::now() + STEP_LIMIT;
    let (mut before, mut quiet) = (processor_time(server), 0);
    while quiet < 5 {
        assert!(Instant::now() < deadline, "the server never comes to rest: a busy loop?");
        std::thread::sleep(Duration::from_millis(20)); // nothing tells that a process has become idle
        let now = processor_time(server);
        quiet = if now == before { quiet + 1 } else { 0 };
        before = now;
    }
}

fn send_endless_line(client: &mut Conversation, length: usize) {
    let block = vec![b'A'; 1 << 16];
    for _ in 0..length / block.len() {
        client.send(&block);
    }
}

#[test]
fn alone_a_line_of_16_mib_costs_no_memory_and_disturbs_nobody() {
    const LENGTH: usize = 16 << 20;
    let root = TestDirectory::new();
    let mut server = serve(root.path());
    let mut other = log_in(server.address());
    // Once in small, so that what is needed for any session is there before the measurement.
    let mut first = log_in(server.address());
    send_endless_line(&mut first, 1 << 20);
    first.send("\r\n").expect_reply("500");
    ask(&mut other, "NOOP", "200");
    let before = anonymous_memory(&mut server);
    let mut anybody = ScriptedClient::connect(server.address());
    anybody.expect_reply("220");
    for client in [&mut anybody, &mut first] {
        send_endless_line(client, LENGTH);
        ask(&mut other, "NOOP", "200");
        settle(&mut server);
        let after = anonymous_memory(&mut server);
        assert!(after <= before + BASELINE + NOISE, "{before} bytes before, {after} with the line");
        client.send("\r\n").expect_reply("500");
        // One reply, and the session goes on.
        ask(client, "SYST", "215");
    }
}

#[test]
fn alone_a_client_that_reads_no_replies_is_not_served_on_and_costs_no_memory() {
    const COUNT: usize = 40_000;
    let root = TestDirectory::new();
    for index in 0..200 {
        root.write(format!("a file with a name of some length {index}"), "");
    }
    let mut server = serve(root.path());
    let mut other = log_in(server.address());
    let mut client = log_in(server.address());
    // As above, in small, and read: what any burst makes the allocator keep is there before the measurement.
    for (command, code, count) in [("HELP\r\n", "214", 2000), ("STAT /\r\n", "213", 200)] {
        client.send(command.repeat(count));
        for _ in 0..count {
            client.expect_reply(code);
        }
    }
    let before = anonymous_memory(&mut server);
    // The replies are some 30 MB, more than all the buffers between the two.
    client.send("HELP\r\n".repeat(COUNT));
    settle(&mut server);
    ask(&mut other, "NOOP", "200");
    let after = anonymous_memory(&mut server);
    assert!(after <= before + BASELINE + NOISE, "{before} bytes before, {after} with the replies");
    for _ in 0..COUNT {
        client.expect_reply("214");
    }
    ask(&mut client, "NOOP", "200");
    // As above, with few commands whose replies are long.
    let before = anonymous_memory(&mut server);
    client.send("STAT /\r\n".repeat(2000));
    settle(&mut server);
    ask(&mut other, "NOOP", "200");
    let after = anonymous_memory(&mut server);
    assert!(after <= before + 4 * BASELINE + NOISE, "{before} bytes before, {after} with the listings");
    for _ in 0..2000 {
        client.expect_reply("213");
    }
    ask(&mut client, "NOOP", "200");
}

#[test]
fn alone_a_session_that_waits_uses_no_processor_time() {
    // Lost wake-ups show as hangs elsewhere, busy loops here: each state in which a session can rest.
    let root = TestDirectory::new();
    std::fs::File::create(root.join("large")).unwrap().set_len(64 << 20).unwrap();
    let mut server = serve(root.path());
    let nobody = ScriptedClient::connect(server.address());
    let idle = log_in(server.address());
    let mut waiting = log_in(server.address());
    waiting.play("C: PASV\nS: 227 *({six})*\nC: RETR large\nS: 150");
    let mut stalled = log_in(server.address());
    stalled.play("C: PASV\nS: 227 *({six})*\nC: RETR large\nS: 150").open_data().expect_data([0]);
    let mut uploading = log_in(server.address());
    uploading.play("C: PASV\nS: 227 *({six})*\nC: STOR x\nS: 150").open_data().send_data("x");
    let mut full = log_in(server.address());
    full.play("C: PASV\nS: 227 *({six})*\nC: STOR y\nS: 150").open_data();
    full.send("NOOP\r\n".repeat(20_000));
    let mut quitting = log_in(server.address());
    quitting.play("C: PASV\nS: 227 *({six})*\nC: STOR z\nS: 150").open_data().send("QUIT\r\n");
    quitting.half_close();
    settle(&mut server);
    drop((nobody, idle, waiting));
    uploading.close_data().expect_reply("226");
    full.close_data().expect_reply("226");
    quitting.send_data("last").close_data().play("S: 226\nS: 221").expect_close();
    assert_eq!(root.read("z"), b"last");
    drop((stalled, full));
    settle(&mut server);
}

#[test]
fn alone_a_session_that_idles_under_tls_owns_next_to_nothing() {
    const SESSIONS: u64 = 400;
    /// What a session may own, keys and all.
    const MOST: u64 = 24 * 1024;
    let (root, certificate) = (TestDirectory::new(), TestCertificate::new(&["localhost"]));
    root.write("file", vec![7; 1 << 20]);
    let given = certificate.flags();
    let given: Vec<&str> = given.iter().map(String::as_str).collect();
    for versions in [TLS12, TLS13] {
        let mut server = Served::start(env!("CARGO_BIN_EXE_wharf"), root.path(), &given);
        let options = TlsOptions { versions, ..TlsOptions::default() };
        let address = server.address();
        let use_once = || {
            let mut client = FtpsClient::connect(address, &options);
            client.auth().log_in("anonymous", "guest");
            client.fetch(Mode::Epsv, "RETR file");
            client.expect("HELP", 214);
            client
        };
        // What any session needs is there before the measurement.
        let first = use_once();
        settle(&mut server);
        let before = anonymous_memory(&mut server);
        let clients: Vec<FtpsClient> = (0..SESSIONS).map(|_| use_once()).collect();
        settle(&mut server);
        let after = anonymous_memory(&mut server);
        let each = after.saturating_sub(before + NOISE) / SESSIONS;
        assert!(each <= MOST, "{each} bytes a session: {before} before, {after} after");
        drop((first, clients));
    }
}
