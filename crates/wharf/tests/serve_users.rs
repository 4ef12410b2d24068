//! Users of a file: `wharf user` keeps it, and each has a root, rights and limits of its own.

#![allow(clippy::unwrap_used, reason = "tests fail loudly")]

use std::fs;
use std::io::Write as _;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use wharf_testkit::TestDirectory;
use wharf_testkit::clients::{self, LftpMode};
use wharf_testkit::process::{Run, run};
use wharf_testkit::scripted::{Conversation, ScriptedClient};
use wharf_testkit::served::Served;
use wharf_testkit::skip;

const WHARF: &str = env!("CARGO_BIN_EXE_wharf");

/// A directory with a users file in it.
struct Place {
    directory: TestDirectory,
}

impl Place {
    fn new() -> Self {
        Self { directory: TestDirectory::new() }
    }

    fn users(&self) -> PathBuf {
        self.directory.join("users.toml")
    }

    /// `wharf user WORDS --file …`, with `password` in the variable.
    fn user(&self, words: &[&str], password: &str) -> Run {
        let mut command = Command::new(WHARF);
        command.arg("user").args(words).arg("--file").arg(self.users()).env("WHARF_PASSWORD", password);
        run(&mut command)
    }

    /// Adds a user with the password `secret` and these lines behind its own.
    fn add(&self, name: &str, lines: &str) {
        self.user(&["add", name], "secret").assert_success();
        let mut file = fs::OpenOptions::new().append(true).open(self.users()).unwrap();
        writeln!(file, "{lines}").unwrap();
    }

    /// A directory beside the file.
    fn root(&self, name: &str) -> String {
        self.directory.make_directory(name);
        self.directory.join(name).display().to_string()
    }

    /// Serves with this users file, and `lines` in wharf.toml.
    fn serve(&self, lines: &str) -> Served {
        let root = self.root("everybody");
        let config = self.directory.join("wharf.toml");
        let users = self.users();
        let text = format!("{lines}\n[users]\nfile = {users:?}\n");
        fs::write(&config, text).unwrap();
        Served::start(WHARF, root, &["--config", config.to_str().unwrap(), "-v"])
    }
}

fn log_in(server: &Served, user: &str) -> Conversation {
    let mut client = ScriptedClient::log_in(server.address(), user, "secret");
    client.play("C: TYPE I\nS: 200");
    client
}

fn store(client: &mut Conversation, name: &str, content: &[u8], reply: &str) {
    client.play("C: PASV\nS: 227 *({six})*").open_data();
    client.play(&format!("C: STOR {name}\nS: 150")).send_data(content).close_data().expect_reply(reply);
}

#[test]
fn a_users_file_is_kept_with_its_comments_and_hides_its_hashes() {
    let place = Place::new();
    place
        .user(&["add", "camera", "--root", "/srv/%u", "--rights", "write,list"], "pass word")
        .assert_success();
    let made = fs::read_to_string(place.users()).unwrap();
    assert!(made.starts_with("# The users of") && made.contains("password = \"$argon2id$v=19$"), "{made}");
    assert!(!made.contains("pass word"));
    assert_eq!(fs::metadata(place.users()).unwrap().permissions().mode() & 0o777, 0o600);

    let own = made.replace("[[user]]", "# by the gate\n[[user]]") + "sessions = 3 # enough\n";
    fs::write(place.users(), &own).unwrap();
    place.user(&["passwd", "camera"], "other").assert_success();
    let changed = fs::read_to_string(place.users()).unwrap();
    assert_ne!(changed, own);
    let without =
        |text: &str| text.lines().filter(|line| !line.starts_with("password")).collect::<Vec<_>>().join("\n");
    assert_eq!(without(&changed), without(&own));

    place.user(&["add", "hall"], "x").assert_success();
    let listed = place.user(&["list"], "").output();
    assert!(
        listed.contains("camera") && listed.contains("hall") && listed.contains("sessions = 3"),
        "{listed}"
    );
    assert!(!listed.contains("argon2"), "{listed}");
    place.user(&["remove", "hall"], "").assert_success();
    assert_eq!(without(&fs::read_to_string(place.users()).unwrap()).trim_end(), without(&own).trim_end());

    for (words, password, error) in [
        (&["add", "camera"][..], "x", "there already"),
        (&["passwd", "nobody"], "x", "there is no user nobody"),
        (&["remove", "nobody"], "x", "there is no user nobody"),
        (&["add", "empty"], "", "the password is empty"),
        (&["add", "wrong", "--rights", "fly"], "x", "\"fly\" is no right"),
    ] {
        let refused = place.user(words, password);
        refused.assert_code(1);
        assert!(refused.errors().contains(error), "{words:?}: {refused}");
    }
    assert_eq!(without(&fs::read_to_string(place.users()).unwrap()).trim_end(), without(&own).trim_end());
}

#[test]
fn a_password_comes_by_standard_input_too() {
    let place = Place::new();
    let mut child = Command::new(WHARF)
        .args(["user", "add", "camera", "--file"])
        .arg(place.users())
        .env_remove("WHARF_PASSWORD")
        .stdin(Stdio::piped())
        .spawn()
        .unwrap();
    child.stdin.take().unwrap().write_all(b"secret\n").unwrap();
    assert!(child.wait().unwrap().success());
    let server = place.serve("");
    log_in(&server, "camera").play("C: PWD\nS: 257");
}

#[test]
fn each_user_sees_its_own_root() {
    let place = Place::new();
    let roots = place.root("roots");
    for user in ["one", "two"] {
        place.directory.write(format!("roots/{user}/mine"), user);
        place.add(user, &format!("root = {:?}", format!("{roots}/%u")));
    }
    place.add("lost", &format!("root = {:?}", format!("{roots}/%u")));
    place.directory.make_directory("everybody");
    place.directory.write("everybody/shared", "shared");
    place.add("plain", "");
    let server = place.serve("");
    for (user, name, size) in [("one", "mine", "3"), ("two", "mine", "3"), ("plain", "shared", "6")] {
        log_in(&server, user).play(&format!("C: SIZE {name}\nS: 213 {size}\nC: SIZE ../two/mine\nS: 550"));
    }
    let mut lost = ScriptedClient::connect(server.address());
    lost.play(
        "S: 220\nC: USER lost\nS: 331\nC: PASS secret\nS: 530 Your directory on this server cannot be used*",
    );
    // A name that is no name of a directory leads nowhere.
    let mut other = ScriptedClient::connect(server.address());
    other.play("S: 220\nC: USER ../one\nS: 331\nC: PASS secret\nS: 530 Login incorrect.");
}

#[test]
fn rights_are_asked_for_by_every_command() {
    let place = Place::new();
    let root = place.root("files");
    for (user, rights) in [
        ("reader", "[\"read\", \"list\"]"),
        ("sender", "[\"write\"]"),
        ("keeper", "[\"read\", \"write\", \"list\", \"rename\", \"mkdir\"]"),
        ("owner", "[\"all\"]"),
    ] {
        place.add(user, &format!("root = {root:?}\nrights = {rights}"));
    }
    place.directory.write("files/old", "old");
    place.directory.write("files/other", "other");
    let server = place.serve("");

    let mut reader = log_in(&server, "reader");
    reader.play(
        "C: SIZE old\nS: 213\nC: DELE old\nS: 550 Files may be read here, and nothing may be changed.\nC: MKD new\nS: 550\nC: RMD new\nS: 550
         C: RNFR old\nS: 550\nC: MFMT 20200101000000 old\nS: 550\nC: SITE CHMOD 600 old\nS: 550
         C: PASV\nS: 227\nC: STOR new\nS: 550\nC: PASV\nS: 227\nC: STOU\nS: 550\nC: PASV\nS: 227\nC: APPE old\nS: 550",
    );
    let mut sender = log_in(&server, "sender");
    store(&mut sender, "new", b"new", "226");
    sender.play(
        "C: PASV\nS: 227\nC: STOR old\nS: 550 You are not allowed to change files that exist here.
         C: PASV\nS: 227\nC: APPE old\nS: 550\nC: PASV\nS: 227\nC: REST 1\nS: 350\nC: STOR old\nS: 550
         C: PASV\nS: 227\nC: RETR new\nS: 550 You are not allowed to read files here.\nC: PASV\nS: 227\nC: LIST\nS: 550\nC: PASV\nS: 227\nC: NLST\nS: 550\nC: PASV\nS: 227\nC: MLSD\nS: 550
         C: STAT /\nS: 550\nC: SIZE new\nS: 550\nC: MDTM new\nS: 550\nC: MLST new\nS: 550\nC: DELE new\nS: 550",
    );
    // Threat 19: a name that is taken is not given away.
    let mut keeper = log_in(&server, "keeper");
    keeper.play(
        "C: RNFR new\nS: 350\nC: RNTO old\nS: 550 You are not allowed to change files that exist here.
         C: RNFR new\nS: 350\nC: RNTO newer\nS: 250\nC: MKD d\nS: 257\nC: DELE newer\nS: 550",
    );
    assert_eq!(place.directory.read("files/old"), b"old");
    let mut owner = log_in(&server, "owner");
    store(&mut owner, "old", b"changed", "226");
    owner.play("C: RNFR newer\nS: 350\nC: RNTO other\nS: 250\nC: DELE other\nS: 250\nC: RMD d\nS: 250\nC: MLST old\nS: 250");
    assert_eq!(place.directory.read("files/old"), b"changed");
}

#[test]
fn rules_give_parts_of_the_tree_other_rights_and_hide_what_has_none() {
    let place = Place::new();
    let root = place.root("files");
    for file in ["public/a", "in/old/b", "secret/c", "public/d.key"] {
        place.directory.write(format!("files/{file}"), file);
    }
    place.add(
        "user",
        &format!(
            "root = {root:?}\nrights = [\"read\", \"list\", \"rename\", \"delete\"]
             rules = [{{ path = \"/**/*.key\", rights = [] }}, {{ path = \"/secret/**\", rights = [] }},
                      {{ path = \"/in/*\", rights = [\"write\", \"mkdir\"] }}]"
        ),
    );
    let server = place.serve("");
    let mut client = log_in(&server, "user");
    let mut list = |directory: &str| {
        client.play("C: PASV\nS: 227 *({six})*").open_data();
        client.play(&format!("C: NLST {directory}\nS: 150"));
        let names = String::from_utf8(client.receive_data()).unwrap();
        client.expect_reply("226");
        let mut names: Vec<String> = names.lines().map(str::to_owned).collect();
        names.sort();
        names
    };
    assert_eq!(list("/"), ["/in", "/public"]);
    assert_eq!(list("/public"), ["/public/a"]);
    store(&mut client, "/in/new", b"new", "226");
    client.play(
        "C: PASV\nS: 227\nC: RETR /public/d.key\nS: 550\nC: PASV\nS: 227\nC: RETR /secret/c\nS: 550\nC: SIZE /secret/c\nS: 550
         C: PASV\nS: 227\nC: RETR /secret/../public/d.key\nS: 550\nC: PASV\nS: 227\nC: STOR /public/new\nS: 550\nC: DELE /in/new\nS: 550
         C: RNFR /in\nS: 550 Something in that directory has rights of its own*\nC: RNFR /\nS: 550\nC: RNFR /secret\nS: 550
         C: PASV\nS: 227\nC: LIST /secret\nS: 550\nC: DELE /public/a\nS: 250",
    );
    // What is hidden is answered like what is not there, by each command in its own words.
    for command in
        ["CWD", "STAT", "NLST", "MLSD", "MLST", "SIZE", "MDTM", "HASH", "XCRC", "RETR", "RNFR", "DELE", "RMD"]
    {
        let mut replies = ["/secret", "/secret/c", "/secret/missing", "/secret/missing*"].map(|path| {
            if ["NLST", "MLSD", "RETR"].contains(&command) {
                client.play("C: PASV\nS: 227");
            }
            client.send_line(&format!("{command} {path}")).expect_reply("550")
        });
        replies.sort();
        assert_eq!(replies[0], replies[3], "{command}");
    }
}

#[test]
fn what_may_not_be_read_is_not_read_by_moving_it() {
    let place = Place::new();
    let root = place.root("files");
    place.directory.write("files/box/a", "a");
    place.directory.write("files/open/b", "b");
    place.add(
        "user",
        &format!(
            "root = {root:?}\nrights = [\"read\", \"list\", \"rename\"]
             rules = [{{ path = \"/box/**\", rights = [\"write\", \"rename\"] }}]"
        ),
    );
    let server = place.serve("");
    log_in(&server, "user").play(
        "C: RNFR /box/a\nS: 350\nC: RNTO /open/a\nS: 550 You are not allowed to read*
         C: RNFR /box/a\nS: 350\nC: RNTO /box/c\nS: 250\nC: RNFR /open/b\nS: 350\nC: RNTO /box/b\nS: 250",
    );
}

#[test]
fn limits_of_a_user_are_told_when_they_are_reached() {
    let place = Place::new();
    place.add("one", "sessions = 1");
    place.add("passive", "modes = [\"passive\"]");
    place.add("elsewhere", "networks = [\"192.0.2.0/24\", \"2001:db8::/32\"]");
    place.add("here", "networks = [\"127.0.0.0/8\"]");
    place.add("off", "enabled = false");
    place.add("secure", "tls = \"require\"");
    let server = place.serve("[limits]\nsessions_per_user = 2\n[bans]\naddress_failures = 0\n");
    let mut first = log_in(&server, "one");
    let mut second = ScriptedClient::connect(server.address());
    second
        .play("S: 220\nC: USER one\nS: 331\nC: PASS secret\nS: 421 This user has its 1 sessions already*")
        .expect_close();
    first.play("C: QUIT\nS: 221").expect_close();
    // The place is given back with the session's end, which comes behind its close.
    let deadline = Instant::now() + Duration::from_secs(20);
    loop {
        let mut third = ScriptedClient::connect(server.address());
        third.play("S: 220\nC: USER one\nS: 331\nC: PASS secret");
        if third.expect_reply("*").starts_with("230") {
            break;
        }
        assert!(Instant::now() < deadline, "the place was not given back");
    }
    let _two = [log_in(&server, "passive"), log_in(&server, "here"), log_in(&server, "passive")];
    let mut third = ScriptedClient::connect(server.address());
    third.play(
        "S: 220\nC: USER passive\nS: 331\nC: PASS secret\nS: 421 This user has its 2 sessions already*",
    );
    let [mut passive, ..] = _two;
    passive.play("C: PORT 127,0,0,1,200,1\nS: 502\nC: EPSV\nS: 229");
    for user in ["elsewhere", "off"] {
        let mut refused = ScriptedClient::connect(server.address());
        refused.play(&format!("S: 220\nC: USER {user}\nS: 331\nC: PASS secret\nS: 530 Login incorrect."));
    }
    let mut clear = ScriptedClient::connect(server.address());
    clear.play("S: 220\nC: USER secure\nS: 331\nC: PASS secret\nS: 530 This login wants TLS*");
}

#[test]
fn speed_limits_hold_for_all_sessions_of_a_user_together() {
    let place = Place::new();
    let root = place.root("files");
    place.add(
        "slow",
        &format!("root = {root:?}\nrights = [\"all\"]\ndownload_rate = 1_000_000\nupload_rate = 500_000"),
    );
    place.directory.write("files/file", vec![7; 600_000]);
    let server = place.serve("");
    let started = Instant::now();
    std::thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| {
                let mut client = log_in(&server, "slow");
                client.play("C: PASV\nS: 227 *({six})*").open_data();
                client.play("C: RETR file\nS: 150");
                assert_eq!(client.receive_data().len(), 600_000);
                client.expect_reply("226");
            });
        }
    });
    // 1.2 MB at 1 MB/s, but for what the first call may take at once. A limit is a lower bound of time: load makes it longer.
    assert!(started.elapsed() > Duration::from_millis(1000), "{:?}", started.elapsed());
    let started = Instant::now();
    let mut client = log_in(&server, "slow");
    store(&mut client, "up", &vec![7; 400_000], "226");
    assert!(started.elapsed() > Duration::from_millis(600), "{:?}", started.elapsed());
    assert_eq!(place.directory.read("files/up").len(), 400_000);
}

#[test]
fn curl_and_lftp_log_in_as_users_of_the_file() {
    let place = Place::new();
    let root = place.root("files");
    place.directory.write("files/file", "content");
    place.add("real", &format!("root = {root:?}\nrights = [\"all\"]"));
    let server = place.serve("");
    let url = |path: &str| format!("ftp://real:secret@{}/{path}", server.address());
    if !clients::is_installed("curl") || !clients::is_installed("lftp") {
        skip!("curl or lftp is missing");
    }
    let curl = run(clients::curl().arg(url("file")));
    curl.assert_success();
    assert_eq!(curl.output(), "content");
    // curl's code for a login that was refused.
    run(clients::curl().arg(url("file").replace("secret", "wrong"))).assert_code(67);
    let script = format!("open {}; put {} -o sent; cls -1; bye", url(""), place.users().display());
    let lftp = run(&mut clients::lftp(LftpMode::Passive, &script));
    lftp.assert_success();
    let mut names: Vec<String> = lftp.output().lines().map(str::to_owned).collect();
    names.sort();
    assert_eq!(names, ["file", "sent"]);
    assert!(!server.log().contains("secret"), "{}", server.log());
}

#[test]
fn what_is_wrong_with_a_users_file_is_told_with_its_line_or_its_user() {
    let place = Place::new();
    place.root("everybody");
    let check = |users: &str| {
        fs::write(place.users(), users).unwrap();
        let config = place.directory.join("wharf.toml");
        let root = place.directory.join("everybody");
        fs::write(
            &config,
            format!("root = {root:?}\nlisten = [\"127.0.0.1:0\"]\n[users]\nfile = {:?}\n", place.users()),
        )
        .unwrap();
        let checked = run(Command::new(WHARF).args(["serve", "--check", "--config"]).arg(&config));
        checked.assert_code(1);
        checked.errors()
    };
    assert!(
        check("[[user]]\nname = \"a\"\npasword = \"x\"\n").contains("users.toml:3: unknown field `pasword`")
    );
    assert!(
        check("[[user]]\nname = \"a\"\npassword = \"x\"\n")
            .contains("users.toml: user a: the password is not an argon2 hash")
    );
    assert!(check("[[user]]\nname = \"a\"\n").contains("`wharf user passwd` sets one"));
    fs::remove_file(place.users()).unwrap();
}

#[test]
fn old_parts_are_removed_under_the_roots_of_users_who_are_away() {
    let place = Place::new();
    let roots = place.root("apart");
    place.add("away", &format!("root = {:?}\nrights = [\"all\"]", format!("{roots}/%u")));
    let part = format!("apart/away/deep/.wharf-{}.part", "0".repeat(32));
    place.directory.write(&part, "old");
    let file = fs::File::options().write(true).open(place.directory.join(&part)).unwrap();
    file.set_modified(std::time::SystemTime::now() - Duration::from_secs(10)).unwrap();
    let server = place.serve("keep_parts = 1");
    let deadline = Instant::now() + wharf_testkit::scripted::STEP_LIMIT;
    while place.directory.join(&part).exists() {
        assert!(Instant::now() < deadline, "it is still there:\n{}", server.log());
        std::thread::sleep(Duration::from_millis(10)); // nobody announces what is removed
    }
}

/// What frees nothing gives nothing back.
#[test]
fn a_quota_does_not_grow_by_renames() {
    let place = Place::new();
    let root = place.root("files");
    place.add("small", &format!("root = {root:?}\nrights = [\"all\"]\nquota_bytes = 10_000"));
    let server = place.serve("");
    let mut client = log_in(&server, "small");
    store(&mut client, "a", &[0; 8000], "226");
    client.play("C: AVBL\nS: 213 2000\nC: RNFR a\nS: 350\nC: RNTO a\nS: 250\nC: AVBL\nS: 213 2000");
    // Over the name of an upload that was cut, whose part stays.
    client.play("C: PASV\nS: 227 *({six})*").open_data();
    client.play("C: STOR cut\nS: 150").send_data(vec![0; 1000]);
    while !client.send_line("STAT").expect_reply("211").contains(" 1000 bytes so far") {}
    client.reset_data().expect_reply("426");
    client.play("C: AVBL\nS: 213 1000\nC: RNFR a\nS: 350\nC: RNTO cut\nS: 250\nC: AVBL\nS: 213 1000");
    client.play("C: RNFR cut\nS: 350\nC: RNTO a\nS: 250\nC: DELE cut\nS: 250\nC: AVBL\nS: 213 2000");
    store(&mut client, "b", &[0; 500], "226");
    client.play("C: RNFR b\nS: 350\nC: RNTO a\nS: 250\nC: AVBL\nS: 213 9500");
}

#[test]
fn a_quota_ends_an_upload_in_its_midst_and_what_is_deleted_makes_room() {
    let place = Place::new();
    let root = place.root("files");
    place.directory.write("files/before", vec![1; 300_000]);
    place.add("small", &format!("root = {root:?}\nrights = [\"all\"]\nquota_bytes = 1_000_000"));
    place.add("few", &format!("root = {root:?}\nrights = [\"all\"]\nquota_files = 2"));
    let server = place.serve("");
    let mut client = log_in(&server, "small");
    store(&mut client, "fits", &vec![2; 600_000], "226");
    // What is too much is not even tried to its end: the server closes the data connection, and 552 says why.
    client.play("C: PASV\nS: 227 *({six})*").open_data();
    client.play("C: STOR much\nS: 150");
    let (mut sent, piece) = (0, vec![3; 100_000]);
    while sent < 40_000_000 && client.data_stream().write_all(&piece).is_ok() {
        sent += piece.len();
    }
    client.expect_reply("552");
    assert!(sent < 40_000_000, "everything was taken");
    client.play("C: SIZE much\nS: 550");
    // The old one counts until the new one has taken its place, and less is given back then.
    client.play("C: DELE before\nS: 250");
    store(&mut client, "more", &vec![4; 300_000], "226");
    store(&mut client, "little", b"5", "226");
    store(&mut client, "toomuch", &vec![6; 100_000], "552");
    client.play("C: RNFR little\nS: 350\nC: RNTO fits\nS: 250");
    store(&mut client, "enough", &vec![6; 100_000], "226");
    // Another user of the same root sees the same files.
    let mut few = log_in(&server, "few");
    few.play("C: PASV\nS: 227 *({six})*").open_data();
    few.play("C: STOR another\nS: 552 *").close_data();
    few.play("C: DELE enough\nS: 250\nC: DELE more\nS: 250");
    store(&mut few, "another", &vec![7; 2_000_000], "226");
    client.play("C: PASV\nS: 227 *({six})*").open_data();
    client.play("C: STOR much\nS: *");
}
