//! How many commands a second a server-PI takes, without any socket: what the protocol itself costs.

use std::net::SocketAddr;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use wharf_proto::dialogue::{DataEvent, Deadlines, Endpoints, Side};
use wharf_proto::server_pi::{Action, ServerPi};
use wharf_proto::{Command, Reply, ReplyCode, Timestamp};

const NOW: Timestamp = Timestamp::START;

fn address(port: u16) -> SocketAddr {
    SocketAddr::from(([127, 0, 0, 1], port))
}

/// Carries out what it is asked for, and counts the replies.
fn serve(pi: &mut ServerPi) -> usize {
    let mut count = 0;
    while let Some(action) = pi.poll_action(NOW) {
        let Action::CarryOut(command) = action else { continue };
        let (code, text) = match command {
            Command::User(_) => (ReplyCode::NEED_PASSWORD, "Password, please."),
            Command::Pass(_) => (ReplyCode::LOGGED_IN, "Logged in."),
            Command::Pasv => (ReplyCode::PASSIVE_MODE, "Entering Passive Mode (127,0,0,1,195,80)."),
            Command::Retr(_) => {
                pi.reply(NOW, &Reply::new(ReplyCode::OPENING_DATA_CONNECTION, "Opening data connection."));
                let opened =
                    DataEvent::Opened { by: Side::Client, client: address(40_001), server: address(50_000) };
                for event in [opened, DataEvent::Progress { bytes: 1024 }, DataEvent::Closed] {
                    pi.handle_data(NOW, event);
                }
                (ReplyCode::TRANSFER_COMPLETE, "Transfer complete.")
            }
            _ => (ReplyCode::COMMAND_OKAY, "OK."),
        };
        pi.reply(NOW, &Reply::new(code, text));
        count += 1;
        while pi.poll_event().is_some() {}
        pi.output_written(pi.output().len());
    }
    count
}

/// A server-PI with somebody logged in.
fn logged_in() -> ServerPi {
    let mut pi = ServerPi::new(NOW, Endpoints::new(address(40_000), address(21)), Deadlines::default());
    pi.greet(NOW, &Reply::new(ReplyCode::SERVICE_READY, "Ready."));
    pi.handle_input(b"USER me\r\n");
    serve(&mut pi);
    pi.handle_input(b"PASS secret\r\n");
    serve(&mut pi);
    pi
}

fn dialogue(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("dialogue");
    for (name, input, commands) in [
        ("NOOP", &[&b"NOOP\r\n"[..]][..], 1),
        ("PASV and RETR", &[b"PASV\r\n", b"RETR small/file.dat\r\n"], 2),
        ("PASV and RETR in one piece", &[b"PASV\r\nRETR small/file.dat\r\n"], 2),
    ] {
        group.throughput(Throughput::Elements(commands));
        group.bench_function(name, |bencher| {
            let mut pi = logged_in();
            bencher.iter(|| {
                for piece in input {
                    pi.handle_input(piece);
                    serve(&mut pi);
                }
            });
        });
    }
}

criterion_group!(benches, dialogue);
criterion_main!(benches);
