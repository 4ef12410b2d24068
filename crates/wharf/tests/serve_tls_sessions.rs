//! Sessions under TLS: what goes on beside a transfer, what comes all at once or is not read, many at a time, and the end.

#![allow(clippy::unwrap_used, reason = "a test fails loudly")]

use std::io::{ErrorKind, Read, Write};
use std::thread;

use rustix::process::Signal;
use wharf_testkit::TestDirectory;
use wharf_testkit::directory::sample;
use wharf_testkit::served::Served;
use wharf_testkit::tls::{FtpsClient, Mode, TLS12, TLS13, TestCertificate, TlsOptions};

const WHARF: &str = env!("CARGO_BIN_EXE_wharf");
/// More than all the buffers between a server and a client that does not read.
const LARGE: usize = 24 << 20;

struct Serving {
    directory: TestDirectory,
    certificate: TestCertificate,
    served: Served,
}

impl Serving {
    fn start() -> Self {
        let (directory, certificate) = (TestDirectory::new(), TestCertificate::new(&["localhost"]));
        directory.write("large", sample(LARGE));
        directory.write("small", "hello");
        let given = certificate.flags();
        let given: Vec<&str> = given.iter().map(String::as_str).collect();
        let flags = [&given[..], &["--write", "-v", "--active-source-port", "any"]].concat();
        let served = Served::start(WHARF, directory.path(), &flags);
        Self { directory, certificate, served }
    }

    fn log_in(&self, options: &TlsOptions) -> FtpsClient {
        let mut client = FtpsClient::connect(self.served.address(), options);
        client.auth().log_in("anonymous", "guest");
        client
    }
}

/// Both versions.
fn each_version() -> impl Iterator<Item = TlsOptions> {
    [TLS12, TLS13].into_iter().map(|versions| TlsOptions { versions, ..TlsOptions::default() })
}

#[test]
fn stat_and_abor_act_while_data_flow() {
    let serving = Serving::start();
    for options in each_version() {
        let mut client = serving.log_in(&options);
        for (mode, command) in
            [(Mode::Epsv, "RETR large"), (Mode::Port, "RETR large"), (Mode::Epsv, "STOR up")]
        {
            let mut data = client.begin(mode, command);
            // Enough that it is under way, and no more.
            if command == "STOR up" {
                data.write_all(b"something").unwrap();
                data.flush().unwrap();
            } else {
                data.read_exact(&mut [0; 100]).unwrap();
            }
            let status = client.expect("STAT", 211);
            assert!(status.contains("is running") && status.contains("under TLS"), "{status}");
            client.say(b"ABOR\r\n");
            assert_eq!([client.reply().0, client.reply().0], [426, 226], "{command}");
            // Nobody may take what came for the whole.
            let end = data.read_to_end(&mut Vec::new());
            assert!(end.is_err(), "{end:?}");
        }
        assert_eq!(client.fetch(Mode::Epsv, "RETR small").0, b"hello");
        let mut data = client.begin(Mode::Epsv, "RETR large");
        client.say(b"QUIT\r\n");
        let mut content = Vec::new();
        data.read_to_end(&mut content).unwrap();
        assert!(content == sample(LARGE), "QUIT waits for the transfer");
        assert_eq!([client.reply().0, client.reply().0], [226, 221]);
        assert_eq!(client.try_reply().unwrap_err().kind(), ErrorKind::UnexpectedEof);
    }
}

#[test]
fn commands_that_come_at_once_are_answered_in_order_though_nobody_reads_at_first() {
    const COUNT: usize = 20_000;
    let serving = Serving::start();
    for options in each_version() {
        let mut client = serving.log_in(&options);
        // The replies are some 15 MB: more than fits between the two.
        let mut sending = client.control_socket().try_clone().unwrap();
        let mut records = client.encrypted(&b"HELP\r\nNOOP\r\n".repeat(COUNT));
        let sender = thread::spawn(move || sending.write_all(&std::mem::take(&mut records)).unwrap());
        for _ in 0..COUNT {
            assert_eq!([client.reply().0, client.reply().0], [214, 200]);
        }
        sender.join().unwrap();
        client.expect("PWD", 257);
    }
}

/// More than rustls' own store of sessions would remember.
#[test]
fn four_hundred_sessions_at_a_time_all_resume() {
    let serving = Serving::start();
    for options in each_version() {
        let mut clients: Vec<FtpsClient> = (0..400).map(|_| serving.log_in(&options)).collect();
        for client in &mut clients {
            assert_eq!(client.fetch(Mode::Epsv, "RETR small"), (b"hello".to_vec(), true));
        }
    }
}

#[test]
fn the_end_of_the_server_comes_in_order() {
    let mut serving = Serving::start();
    let mut idle = serving.log_in(&TlsOptions::default());
    let mut busy = serving.log_in(&TlsOptions::default());
    let mut data = busy.begin(Mode::Epsv, "RETR large");
    // One that never shakes hands does not hold it up.
    let mut silent = FtpsClient::connect(serving.served.address(), &TlsOptions::default());
    silent.expect("AUTH TLS", 234);
    serving.served.program().signal(Signal::TERM);
    assert_eq!(idle.reply().0, 421);
    // close_notify came: a mere end of TCP would be another error.
    assert_eq!(idle.try_reply().unwrap_err().to_string(), "unexpected end of file");
    let mut content = Vec::new();
    data.read_to_end(&mut content).unwrap();
    assert!(content == sample(LARGE), "a running transfer is finished");
    assert_eq!([busy.reply().0, busy.reply().0], [226, 421]);
    assert!(
        serving.served.program().wait(wharf_testkit::scripted::STEP_LIMIT).is_some_and(|end| end.success())
    );
    drop((serving.directory, serving.certificate));
}
