//! Real clients that are cut in the middle of an upload, and go on with it.

use std::io::Write;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use wharf_testkit::clients::{self, LftpMode, is_installed};
use wharf_testkit::directory::sample;
use wharf_testkit::process::{Background, run};
use wharf_testkit::served::Served;
use wharf_testkit::skip;

use super::{Room, WHARF};

const SIZE: usize = 6_000_000;

/// Something to upload, and a server to upload it to.
struct Upload {
    name: &'static str,
    room: Room,
    server: Served,
    local: String,
}

impl Upload {
    fn new(name: &'static str) -> Self {
        let room = Room::with("");
        let local = room.folder.write("local", sample(SIZE)).to_str().unwrap().to_owned();
        Self { name, server: room.serve(), room, local }
    }

    fn url(&self) -> String {
        format!("ftp://one:secret@{}/file", self.server.address())
    }

    /// Waits until some of it has come, and the upload has lasted for a while: the longer, the better can the server tell an
    /// end from a kill on a busy machine.
    fn wait_for_part(&self) {
        let begun = Instant::now();
        let deadline = Instant::now() + Duration::from_secs(60);
        let size = || {
            let part = self.room.names().into_iter().find(|name| name.starts_with(".wharf-"));
            part.and_then(|part| self.room.path(&part).metadata().ok()).map_or(0, |metadata| metadata.len())
        };
        while size() < 200_000 || begun.elapsed() < Duration::from_secs(2) {
            assert!(Instant::now() < deadline, "{}: {}", self.name, self.server.log());
            std::thread::sleep(Duration::from_millis(5)); // what a file system holds nobody announces
        }
    }

    /// The client that brought some of it is gone: lets another one bring the rest.
    fn go_on(self, mut command: Command) {
        let Self { name, room, server, .. } = self;
        assert_eq!(room.read("file"), None, "{name}");
        // It may come before the server has seen that the first is gone.
        let finished = (0..20).any(|_| run(&mut command).code() == 0 && room.path("file").exists());
        assert!(finished, "{name}: {}", server.log());
        assert_eq!(room.read("file").unwrap(), sample(SIZE), "{name}");
        assert_eq!(room.names(), ["file"], "{name}");
        // It was gone on with, and not begun anew: what went over the wire tells.
        let log = server.stop();
        let complete = log.lines().rfind(|line| line.contains("transfer complete")).unwrap().to_owned();
        let bytes = complete.split_once("bytes=").unwrap().1.split(' ').next().unwrap();
        assert!(bytes.parse::<usize>().unwrap() < SIZE, "{name}: {complete}");
    }
}

#[test]
fn curl_goes_on_with_a_cut_upload() {
    if !is_installed("curl") {
        skip!("curl is not installed");
    }
    let upload = Upload::new("curl");
    let mut curl = clients::curl();
    let mut curl = Background::start(curl.args(["--limit-rate", "500K", "-T", &upload.local, &upload.url()]));
    upload.wait_for_part();
    curl.kill();
    let mut again = clients::curl();
    again.args(["-C", "-", "-T", &upload.local, &upload.url()]);
    upload.go_on(again);
}

#[test]
fn lftp_goes_on_with_a_cut_upload() {
    if !is_installed("lftp") {
        skip!("lftp is not installed");
    }
    let upload = Upload::new("lftp");
    let lftp = |more: &str| {
        let server = upload.server.address();
        clients::lftp(LftpMode::Passive, &format!("open -u one,secret ftp://{server}; {more}; bye"))
    };
    let local = &upload.local;
    let mut cut = Background::start(&mut lftp(&format!("set net:limit-rate 500000; put {local} -o file")));
    upload.wait_for_part();
    cut.kill();
    let again = lftp(&format!("put -c {local} -o file"));
    upload.go_on(again);
}

#[test]
fn wharf_put_goes_on_with_a_cut_upload() {
    let upload = Upload::new("wharf put");
    let mut put = Command::new(WHARF);
    let put = put.args(["put", "--quiet", "-", &upload.url()]).stdin(Stdio::piped());
    let mut cut = put.spawn().unwrap();
    // As much as a pipe and some buffers let through; the rest never comes.
    let mut input = cut.stdin.take().unwrap();
    input.write_all(&sample(SIZE)[..SIZE / 2]).unwrap();
    upload.wait_for_part();
    cut.kill().unwrap();
    cut.wait().unwrap();
    let mut again = Command::new(WHARF);
    again.args(["put", "--quiet", "-c", &upload.local, &upload.url()]);
    upload.go_on(again);
}

#[test]
fn wget_and_lftp_mirror_what_was_uploaded() {
    if !is_installed("lftp") || !is_installed("wget") {
        skip!("lftp and wget are needed");
    }
    let room = Room::with("");
    let tree = room.folder.make_directory("tree");
    for number in 0..40 {
        let directory = tree.join(format!("{}", number % 4));
        std::fs::create_dir_all(&directory).unwrap();
        std::fs::write(directory.join(number.to_string()), sample(1000 * number)).unwrap();
    }
    let server = room.serve();
    let script = format!(
        "open -u one,secret ftp://{}; mirror -R --parallel=3 {} up; mirror -R --only-newer {} up; bye",
        server.address(),
        tree.display(),
        tree.display()
    );
    run(&mut clients::lftp(LftpMode::Passive, &script)).assert_success();
    for number in 0..40 {
        let name = format!("up/{}/{number}", number % 4);
        assert_eq!(room.read(&name).unwrap(), sample(1000 * number), "{name}");
    }
    let mut curl = clients::curl();
    let url = format!("ftp://one:secret@{}", server.address());
    curl.args(["--ftp-create-dirs", "-T", tree.join("3/39").to_str().unwrap(), &format!("{url}/a/b/c/file")]);
    run(&mut curl).assert_success();
    let mut wget = clients::wget();
    wget.args(["-O", "-", &format!("{url}/a/b/c/file")]);
    assert_eq!(run(&mut wget).assert_success().stdout, sample(39_000));
}
