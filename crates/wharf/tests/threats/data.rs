//! Threats 3 to 5 and 18: whom a data connection goes to, who gets the data, and what a broken one leaves.

use std::collections::HashSet;
use std::io::Write;
use std::net::{IpAddr, Ipv4Addr, SocketAddr, TcpListener};
use std::process::Command;
use std::thread;

use wharf_testkit::directory::sample;
use wharf_testkit::namespace::NetworkNamespace;
use wharf_testkit::process;
use wharf_testkit::scripted::{Conversation, ScriptedClient, Signal};
use wharf_testkit::served::Served;
use wharf_testkit::{TestDirectory, has_ipv6, skip};

use crate::{ask, expect_log, fetch, log_in, open_passive, serve, store};

const STRANGER: IpAddr = IpAddr::V4(Ipv4Addr::new(127, 0, 0, 2));

/// Whether anybody has connected. On loopback a SYN is there before `connect` returns.
fn nobody_came(listener: &TcpListener) -> bool {
    listener.set_nonblocking(true).unwrap();
    listener.accept().is_err_and(|error| error.kind() == std::io::ErrorKind::WouldBlock)
}

/// PORT and EPRT that are refused, with the code of each. The address is the client's own or another.
const REFUSED_IPV4: [(&str, &str); 33] = [
    ("PORT 127,0,0,2,200,10", "504"),
    ("PORT 10,0,0,1,200,10", "504"),
    ("PORT 0,0,0,0,200,10", "504"),
    ("PORT 255,255,255,255,200,10", "504"),
    ("EPRT |1|127.0.0.2|51210|", "504"),
    ("EPRT |1|0.0.0.0|51210|", "504"),
    ("PORT 127,0,0,1,3,255", "504"),
    ("PORT 127,0,0,1,0,21", "504"),
    ("PORT 127,0,0,1,0,1", "504"),
    ("EPRT |1|127.0.0.1|1023|", "504"),
    ("EPRT |1|127.0.0.1|22|", "504"),
    ("PORT 127,0,0,1,0,0", "501"),
    ("EPRT |1|127.0.0.1|0|", "501"),
    ("EPRT |1|127.0.0.1|70000|", "501"),
    ("EPRT |1|127.0.0.1|65536|", "501"),
    ("EPRT |1|127.0.0.1|116746|", "501"),
    ("PORT 127,0,0,1,256,10", "501"),
    ("PORT 127,0,0,257,200,10", "501"),
    ("PORT 127,0,0,1,200", "501"),
    ("PORT 127,0,0,1,200,10,1", "501"),
    ("PORT 127.0.0.1,200,10", "501"),
    ("PORT -127,0,0,1,200,10", "501"),
    ("PORT 127,0,0,1, 200,10", "501"),
    ("PORT", "501"),
    ("PORT x", "501"),
    ("EPRT", "501"),
    ("EPRT x", "501"),
    ("EPRT |1|127.0.0.1|51210", "501"),
    ("EPRT |1|::1|51210|", "501"),
    ("EPRT |1|localhost|51210|", "501"),
    ("EPRT |2|::1|51210|", "522"),
    ("EPRT |2|::ffff:127.0.0.1|51210|", "522"),
    ("EPRT |3|127.0.0.1|51210|", "522"),
];

/// Connections that processes of the namespace have begun so far.
fn active_opens(namespace: &NetworkNamespace) -> u64 {
    let run = process::run(&mut namespace.adopt(Command::new("cat").arg("/proc/net/snmp")));
    let text = run.assert_success().output();
    let mut rows = text.lines().filter_map(|line| line.strip_prefix("Tcp: "));
    let (names, values) = (rows.next().unwrap(), rows.next().unwrap());
    let at = names.split(' ').position(|name| name == "ActiveOpens").unwrap();
    values.split(' ').nth(at).unwrap().parse().unwrap()
}

#[test]
fn no_packet_goes_to_an_address_or_port_that_is_not_the_clients_own() {
    let namespace = match NetworkNamespace::new() {
        Ok(namespace) => namespace,
        Err(reason) => skip!("{reason}"),
    };
    let root = TestDirectory::new();
    let mut command = Command::new(env!("CARGO_BIN_EXE_wharf"));
    command.arg("serve").arg(root.path()).args([
        "--write",
        "--listen",
        "127.0.0.1:2121",
        "--listen",
        "[::1]:2121",
    ]);
    let server = Served::from_command(&mut namespace.adopt(&command));
    namespace.enter(|| {
        let listeners = ["127.0.0.2:51210", "127.0.0.1:1023", "127.0.0.1:22", "[::1]:51210", "[::1]:1023"]
            .map(|address| TcpListener::bind(address).unwrap());
        let mut client = log_in(server.addresses()[0]);
        let before = active_opens(&namespace);
        for (command, code) in REFUSED_IPV4 {
            ask(&mut client, command, code);
            // Nothing was agreed on, whatever was before.
            for transfer in ["LIST", "STOR x"] {
                ask(&mut client, transfer, "425");
            }
        }
        let mut client6 = log_in(server.addresses()[1]);
        let opens_of_clients = 1;
        for (command, code) in [
            ("PASV", "522"),
            ("EPRT |1|127.0.0.1|51210|", "522"),
            ("PORT 127,0,0,1,200,10", "522"),
            ("EPRT |2|::2|51210|", "504"),
            ("EPRT |2|::1|1023|", "504"),
            ("EPRT |2|::1|0|", "501"),
            ("EPRT |2|::1|70000|", "501"),
            ("EPSV 1", "522"),
        ] {
            ask(&mut client6, command, code);
            ask(&mut client6, "LIST", "425");
        }
        assert_eq!(active_opens(&namespace) - before, opens_of_clients, "the server connected to somewhere");
        assert!(listeners.iter().all(nobody_came));
        assert_eq!(root.names(), [""; 0]);
        // The instrument works: an active transfer is seen by it.
        client
            .play("C: PORT {six}\nS: 200\nC: LIST\nS: 150")
            .accept_data()
            .expect_data_end()
            .expect_reply("226");
        assert_eq!(active_opens(&namespace) - before, opens_of_clients + 1);
    });
}

#[test]
fn a_refused_port_is_not_replaced_by_an_older_one() {
    let root = TestDirectory::new();
    let server = serve(root.path());
    let mut client = log_in(server.address());
    let stranger = TcpListener::bind((STRANGER, 0)).unwrap();
    let port = stranger.local_addr().unwrap().port();
    client.listen_data().play("C: PORT {six}\nS: 200");
    ask(&mut client, format!("PORT 127,0,0,2,{},{}", port / 256, port % 256), "504");
    ask(&mut client, "LIST", "425");
    assert!(nobody_came(&stranger));
}

#[test]
fn pasv_on_ipv6_points_to_epsv() {
    if !has_ipv6() {
        skip!("no IPv6");
    }
    let root = TestDirectory::new();
    root.write("file", "content");
    let server = Served::start_on(env!("CARGO_BIN_EXE_wharf"), root.path(), "[::1]:0", &[]);
    let mut client = log_in(server.address());
    assert!(ask(&mut client, "PASV", "522").contains("EPSV"));
    client.play("C: EPSV\nS: 229 *(|||{port}|)*\nC: RETR file\nS: 150").open_data();
    client.expect_data("content").expect_data_end().expect_reply("226");
}

/// Connects to the client's data port from elsewhere.
fn stranger_at(client: &Conversation) -> Conversation {
    let target = client.data_target().unwrap();
    ScriptedClient::connect_from(SocketAddr::new(STRANGER, 0), target)
}

#[test]
fn a_stranger_who_connects_first_gets_nothing_and_the_client_its_file() {
    let root = TestDirectory::new();
    let content = sample(300_000);
    root.write("file", &content);
    let server = serve(root.path());
    let mut client = log_in(server.address());
    // Before the command, and while the server waits; one, and more than one.
    for strangers in [1, 5] {
        client.play("C: PASV\nS: 227 *({six})*");
        let mut early: Vec<_> = (0..strangers).map(|_| stranger_at(&client)).collect();
        client.play("C: RETR file\nS: 150");
        let mut late = stranger_at(&client);
        client.open_data();
        assert_eq!(client.receive_data(), content);
        client.expect_reply("226");
        early.iter_mut().for_each(|stranger| {
            stranger.expect_close();
        });
        late.expect_close();
    }
    expect_log(&server, "stolen-accept");
    assert!(server.log().contains("from=127.0.0.2:"), "{}", server.log());
}

#[test]
fn a_stranger_cannot_slip_data_into_an_upload() {
    let root = TestDirectory::new();
    let server = serve(root.path());
    let mut client = log_in(server.address());
    client.play("C: PASV\nS: 227 *({six})*");
    let mut stranger = stranger_at(&client);
    stranger.send("evil");
    client.play("C: STOR file\nS: 150").open_data();
    client.send_data("good").close_data().expect_reply("226");
    stranger.expect_close();
    assert_eq!(root.read("file"), b"good");
}

/// Sockets of the server.
fn sockets(server: &mut Served) -> usize {
    let descriptors = std::fs::read_dir(format!("/proc/{}/fd", server.program().id())).unwrap();
    let links = descriptors.filter_map(|entry| std::fs::read_link(entry.unwrap().path()).ok());
    links.filter(|link| link.to_string_lossy().starts_with("socket:")).count()
}

#[test]
fn two_hundred_pasv_hold_one_listener_and_their_ports_follow_no_rule() {
    let root = TestDirectory::new();
    let mut server = serve(root.path());
    let mut client = log_in(server.address());
    let idle = sockets(&mut server);
    let mut ports = Vec::new();
    for round in 0..200 {
        if round % 2 == 0 {
            client.play("C: PASV\nS: 227 *({six})*");
        } else {
            client.play("C: EPSV\nS: 229 *(|||{port}|)*");
        }
        ports.push(i32::from(client.data_target().unwrap().port()));
        assert_eq!(sockets(&mut server), idle + 1, "after {} listeners", round + 1);
    }
    let steps: HashSet<i32> = ports.windows(2).map(|pair| pair[1] - pair[0]).collect();
    assert!(steps.len() > 100, "the steps from one port to the next are few: {steps:?}");
    // What ends the agreement ends the listener: a refused transfer, active mode, a logout.
    ask(&mut client, "RETR missing", "550");
    assert_eq!(sockets(&mut server), idle);
    client.play("C: PASV\nS: 227\nC: PORT {six}\nS: 200");
    assert_eq!(sockets(&mut server), idle);
    client.play("C: PASV\nS: 227\nC: REIN\nS: 220");
    assert_eq!(sockets(&mut server), idle);
}

#[test]
fn an_upload_whose_data_connection_is_reset_is_told_to_have_failed() {
    let root = TestDirectory::new();
    let server = serve(root.path());
    let mut client = log_in(server.address());
    for kind in ["I", "A"] {
        ask(&mut client, format!("TYPE {kind}"), "200");
        open_passive(&mut client);
        client.play("C: STOR file\nS: 150");
        client.send_data(sample(100_000)).reset_data().expect_reply("426");
        client.play("C: NOOP\nS: 200");
    }
}

#[test]
fn a_client_that_vanishes_in_an_upload_takes_its_data_connection_with_it() {
    let root = TestDirectory::new();
    let server = Served::start(env!("CARGO_BIN_EXE_wharf"), root.path(), &["--write", "-v"]);
    for reset in [false, true] {
        let mut client = log_in(server.address());
        open_passive(&mut client);
        client.play("C: STOR file\nS: 150").send_data(sample(1000));
        if reset {
            client.reset();
        } else {
            client.close();
        }
        client.expect_data_reset();
    }
    // Nobody claims that it was complete.
    expect_log(&server, "transfer cut");
    assert!(!server.log().contains("transfer complete"), "{}", server.log());
}

#[test]
fn an_abort_leaves_no_thread_behind_that_writes_the_file() {
    let root = TestDirectory::new();
    let server = serve(root.path());
    let mut client = log_in(server.address());
    open_passive(&mut client);
    client.play("C: STOR file\nS: 150");
    // A client that sends as fast as it can: the server's thread always has something to do.
    let mut data = client.data_stream().try_clone().unwrap();
    let flowing = Signal::new();
    let told = flowing.clone();
    let sender = thread::spawn(move || {
        let block = sample(1 << 20);
        for _ in 0..8 {
            data.write_all(&block).unwrap();
        }
        told.give();
        // For ever, unless the server cuts it.
        while data.write_all(&block).is_ok() {}
    });
    flowing.wait();
    client.play("C: ABOR\nS: 426\nS: 226");
    let [part] = root.names().try_into().unwrap();
    let size = root.join(&part).metadata().unwrap().len();
    sender.join().unwrap();
    assert_eq!(root.join(&part).metadata().unwrap().len(), size, "written to after the abort was confirmed");
    // The name can be used at once, and only the new content is under it.
    store(&mut client, "STOR file", "new");
    client.play("C: NOOP\nS: 200");
    assert_eq!(root.read("file"), b"new");
}

#[test]
fn an_aborted_download_stops_for_a_client_that_reads_fast() {
    let root = TestDirectory::new();
    // Sparse: more than could be sent before the end of the test.
    std::fs::File::create(root.join("huge")).unwrap().set_len(1 << 40).unwrap();
    let server = serve(root.path());
    let mut client = log_in(server.address());
    open_passive(&mut client);
    client.play("C: RETR huge\nS: 150");
    let mut data = client.data_stream().try_clone().unwrap();
    let flowing = Signal::new();
    let told = flowing.clone();
    let reader = thread::spawn(move || {
        let mut block = vec![0; 1 << 20];
        let mut count = 0;
        loop {
            match std::io::Read::read(&mut data, &mut block) {
                Ok(0) => return true,
                Ok(_) => count += 1,
                Err(_) => return false,
            }
            if count == 20 {
                told.give();
            }
        }
    });
    flowing.wait();
    client.play("C: ABOR\nS: 426\nS: 226");
    assert!(!reader.join().unwrap(), "it ended as if it were whole");
    client.play("C: NOOP\nS: 200");
}

#[test]
fn a_full_disk_is_told_and_the_server_goes_on() {
    let root = TestDirectory::new();
    let mut command = Command::new("unshare");
    command.args(["--mount", "sh", "-c"]).arg(format!(
        "mount -t tmpfs -o size=256k none '{0}' || {{ echo wharf: ready; exit 7; }}; exec '{1}' serve '{0}' --write --listen 127.0.0.1:0",
        root.path().display(),
        env!("CARGO_BIN_EXE_wharf"),
    ));
    if process::run(Command::new("unshare").args(["--mount", "true"])).code() != 0 {
        skip!("no mount namespace");
    }
    let server = Served::from_command(&mut command);
    if server.addresses().is_empty() {
        skip!("no tmpfs can be mounted");
    }
    let mut client = log_in(server.address());
    for kind in ["I", "A"] {
        ask(&mut client, format!("TYPE {kind}"), "200");
        open_passive(&mut client);
        client.play("C: STOR big\nS: 150");
        // The server may cut the connection before all of it is sent.
        let _ = client.data_stream().write_all(&sample(4 << 20));
        client.expect_reply("452");
        // Nothing of it takes up room.
        assert!(root.names().is_empty());
        ask(&mut client, "DELE big", "550");
    }
    client.play("C: TYPE I\nS: 200");
    store(&mut client, "STOR small", "fits");
    assert_eq!(fetch(&mut client, "RETR small"), b"fits");
}
