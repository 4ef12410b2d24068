//! A server that is killed in the middle of an upload: under the final name stands the old file or the complete new one
//! (threat 22).

use std::io::{BufRead, BufReader, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use wharf_testkit::directory::sample;
use wharf_testkit::soak_rounds;

use super::Room;

/// Bytes of the files: more than one buffer of the server, so that there are many writes.
const SIZE: usize = 1_500_000;
/// Pieces in which they are sent.
const PIECES: usize = 12;

#[test]
fn soak_killed_uploads_never_leave_a_torn_file() {
    let room = Room::with("");
    let contents = [sample(SIZE), sample(SIZE + 1)[1..].to_vec()];
    let mut standing: Option<usize> = None;
    let mut outcomes = [0; 3];
    for round in 0..soak_rounds(200) {
        let new = usize::try_from(round % 2).unwrap();
        // Every third time there is nothing under the name before.
        if round % 3 == 0 {
            let _ = std::fs::remove_file(room.path("file"));
            standing = None;
        }
        let mut server = room.serve();
        let confirmed =
            upload_until_killed(server.address(), &contents[new], round, || server.program().kill());
        server.program().kill();
        let found = room.read("file");
        let is_new = found.as_ref().is_some_and(|found| *found == contents[new]);
        let is_old = match standing {
            None => found.is_none(),
            Some(old) => found.as_ref().is_some_and(|found| *found == contents[old]),
        };
        assert!(is_new || is_old, "round {round}: a torn file of {:?} bytes", found.map(|found| found.len()));
        assert!(is_new || !confirmed, "round {round}: 226 for what is not there");
        outcomes[usize::from(is_new) + usize::from(confirmed)] += 1;
        if is_new {
            standing = Some(new);
        }
    }
    // Not each point may lie before the end, or each behind it.
    assert!(outcomes[0] > 0 && outcomes[1] + outcomes[2] > 0, "{outcomes:?}");
}

/// Uploads, kills the server at a point that `round` chooses, and tells whether 226 came before.
fn upload_until_killed(server: SocketAddr, content: &[u8], round: u64, mut kill: impl FnMut()) -> bool {
    // The last points lie around the moment of publication, each a little later than the one before.
    let point = usize::try_from(round).unwrap() % (PIECES + 6);
    let later = Duration::from_micros((round / (PIECES as u64 + 6)) * 37 % 900);
    let stream = TcpStream::connect(server).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
    let mut control = BufReader::new(stream);
    let mut say = |line: &str| {
        let mut reply = String::new();
        if !line.is_empty() {
            control.get_mut().write_all(format!("{line}\r\n").as_bytes()).ok()?;
        }
        control.read_line(&mut reply).ok().filter(|&count| count > 0)?;
        Some(reply)
    };
    for line in ["", "USER one", "PASS secret", "TYPE I"] {
        say(line).unwrap();
    }
    let port: u16 = say("EPSV").unwrap().rsplit('|').nth(1).unwrap().parse().unwrap();
    let mut data = TcpStream::connect((server.ip(), port)).unwrap();
    let answer = say("STOR file").unwrap();
    assert!(answer.starts_with("150"), "round {round}: {answer}");
    for (number, piece) in content.chunks(content.len().div_ceil(PIECES)).enumerate() {
        if number == point {
            spin(later);
            kill();
            return false;
        }
        data.write_all(piece).unwrap();
    }
    drop(data);
    if point > PIECES {
        // Behind the end of the data, before anybody knows what became of them.
        spin(later * u32::try_from(point - PIECES).unwrap());
        kill();
        // What was said before is still to be read.
        return say("").is_some_and(|reply| reply.starts_with("226"));
    }
    let confirmed = say("").is_some_and(|reply| reply.starts_with("226"));
    kill();
    confirmed
}

/// Shorter than any sleep.
fn spin(time: Duration) {
    let start = std::time::Instant::now();
    while start.elapsed() < time {
        std::hint::spin_loop();
    }
}
