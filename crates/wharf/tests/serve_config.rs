//! wharf.toml: read, checked, overridden by flags, printed; and its page, whose snippets all work.

#![allow(clippy::unwrap_used, reason = "a test fails loudly")]

use std::path::{Path, PathBuf};
use std::process::Command;

use wharf_testkit::namespace::NetworkNamespace;
use wharf_testkit::process::{Run, run};
use wharf_testkit::scripted::ScriptedClient;
use wharf_testkit::served::Served;
use wharf_testkit::{TestDirectory, skip};

const WHARF: &str = env!("CARGO_BIN_EXE_wharf");

/// A folder with a wharf.toml, and a folder `files` to serve beside it.
struct Folder(TestDirectory);

impl Folder {
    fn with(text: &str) -> Self {
        let folder = TestDirectory::new();
        std::fs::create_dir(folder.join("files")).unwrap();
        folder.write("wharf.toml", text);
        Self(folder)
    }

    fn file(&self) -> PathBuf {
        self.0.join("wharf.toml")
    }

    fn serve(&self, flags: &[&str]) -> Command {
        let mut command = Command::new(WHARF);
        command.arg("serve").arg("--config").arg(self.file()).args(flags);
        command
    }

    fn run(&self, flags: &[&str]) -> Run {
        run(&mut self.serve(flags))
    }
}

#[test]
fn a_file_is_served_from_and_flags_override_it() {
    let folder = Folder::with(
        "listen = ['127.0.0.1:0']\nroot = 'files'\nwrite = true\nmodes = ['active']\n\
         [users]\naccounts = [{ name = 'me', password_file = 'secret' }]\n[log]\nlevel = 'info'\n",
    );
    folder.0.write("secret", "from a file\n");
    folder.0.write("files/file", "content");
    let served = Served::from_command(&mut folder.serve(&[]));
    let mut client = ScriptedClient::log_in(served.address(), "me", "from a file");
    client.play("C: PASV\nS: 502\nC: DELE file\nS: 250");
    drop(client);
    // Without a word about anonymous access there is none beside accounts.
    ScriptedClient::connect(served.address()).play("S: 220\nC: USER anonymous\nS: 331\nC: PASS x\nS: 530");
    assert!(served.stop().contains("logged in"));
    let served =
        Served::from_command(&mut folder.serve(&["--modes", "passive", "--user", "you:secret", "--quiet"]));
    ScriptedClient::log_in(served.address(), "you", "secret").play("C: PASV\nS: 227\nC: PORT {six}\nS: 502");
    ScriptedClient::connect(served.address()).play("S: 220\nC: USER me\nS: 331\nC: PASS from a file\nS: 530");
    assert_eq!(served.stop(), "");
}

#[test]
fn a_server_with_a_file_listens_on_port_21_of_every_address() {
    let namespace = match NetworkNamespace::new() {
        Ok(namespace) => namespace,
        Err(reason) => skip!("{reason}"),
    };
    let folder = Folder::with("root = 'files'");
    let served = Served::from_command(&mut namespace.adopt(&folder.serve(&[])));
    let addresses: Vec<String> = served.addresses().iter().map(ToString::to_string).collect();
    assert_eq!(addresses, ["[::]:21", "0.0.0.0:21"]);
    namespace.enter(|| {
        for address in ["127.0.0.1:21", "[::1]:21"] {
            ScriptedClient::log_in(address.parse().unwrap(), "anonymous", "x").play("C: EPSV\nS: 229");
        }
    });
    assert_eq!(served.stop(), "");
}

#[test]
fn what_is_wrong_with_a_file_is_told_with_its_line_and_nothing_is_started() {
    for (text, told) in [
        (
            "root = 'files'\n\npasive.ports = '1-2'\nwrit = 1\n",
            vec![
                ":3: unknown key `pasive`; did you mean `passive`?",
                ":4: unknown key `writ`; did you mean `write`?",
            ],
        ),
        (
            "root = 'files'\n[passive]\nports = 40000\n",
            vec![":3: passive.ports: invalid value: integer `40000`, expected a range"],
        ),
        ("write = true\n", vec![": `root` is missing: name the directory to serve"]),
        ("root = 'gone'\nlisten = ['127.0.0.1:0']", vec!["cannot open the directory"]),
        ("root = 'files'\nlisten = ['192.0.2.1:0']", vec!["cannot listen on 192.0.2.1:0"]),
        (
            "root = 'files'\nusers.accounts = [{ name = 'me', password = 'a', password_file = 'b' }]",
            vec!["user me has both"],
        ),
        (
            "root = 'files'\nusers.accounts = [{ name = 'me', password_file = 'b' }]",
            vec!["the password of user me: cannot read"],
        ),
    ] {
        let folder = Folder::with(text);
        for flags in [&["--check"][..], &[]] {
            let run = folder.run(flags);
            run.assert_code(1);
            for line in &told {
                assert!(run.errors().contains(line), "{line}: {run}");
            }
            assert!(!run.output().contains("ready"), "{run}");
        }
    }
    let mut command = Command::new(WHARF);
    let missing = run(command.args(["serve", "--check", "--config", "/no/such/wharf.toml"]));
    missing.assert_code(1);
    assert!(missing.errors().contains("cannot read /no/such/wharf.toml: No such file"), "{missing}");
}

#[test]
fn what_is_printed_reads_back_to_the_same_and_tells_no_password() {
    let folder = Folder::with(
        "root = 'files'\n[passive]\nports = '40000-40099'\n\
         advertise = [{ clients = '192.168.0.0/16', address = 'local' }, { address = 'ftp.example.net' }]\n\
         [active]\nsource_port = 20\n\
         [users]\naccounts = [{ name = 'me', password = 'top secret' }]\n[times]\ndrain = 5\n",
    );
    let printed =
        folder.run(&["--print-config", "--write", "--listen", "127.0.0.1:0"]).assert_success().output();
    assert!(
        !printed.contains("top secret") && printed.contains("Not shown: the passwords of \"me\""),
        "{printed}"
    );
    for line in [
        "write = true",
        "ports = \"40000-40099\"",
        "clients = [\"192.168.0.0/16\"]",
        "drain = 5",
        "login = 60",
    ] {
        assert!(printed.contains(line), "{line} in {printed}");
    }
    let again = Folder::with(&printed);
    let printed_again = again.run(&["--print-config"]).assert_success().output();
    let without_note = printed.split_once('\n').unwrap().1;
    assert_eq!(printed_again, without_note);
    // Without a file it is the flags alone.
    let mut command = Command::new(WHARF);
    let flags = run(command.args(["serve", "/srv", "--passive-ports", "5-6", "--print-config"]));
    let printed = flags.assert_success().output();
    assert!(printed.contains("root = \"/srv\"") && printed.contains("ports = \"5-6\""), "{printed}");
    assert!(printed.contains("\"127.0.0.1:2121\""), "{printed}");
}

#[test]
fn a_password_that_others_can_read_is_a_warning() {
    use std::os::unix::fs::PermissionsExt;

    let folder = Folder::with(
        "root = 'files'\nlisten = ['127.0.0.1:0']\nusers.accounts = [{ name = 'me', password = 'a' }, { name = 'you', password_file = 'secret' }]",
    );
    let secret = folder.0.write("secret", "b\n");
    let set_mode =
        |file: &Path, mode| std::fs::set_permissions(file, PermissionsExt::from_mode(mode)).unwrap();
    let warned = |name: &str| {
        let check = folder.run(&["--check"]);
        check.assert_success().errors().contains(&format!("{name} holds a password, and others"))
    };
    set_mode(&folder.file(), 0o644);
    set_mode(&secret, 0o640);
    assert!(warned("wharf.toml") && warned("secret"));
    set_mode(&folder.file(), 0o600);
    assert!(!warned("wharf.toml") && warned("secret"));
    set_mode(&secret, 0o400);
    assert!(!warned("secret"));
}

/// The pages that hold parts of a wharf.toml.
fn pages() -> Vec<PathBuf> {
    let docs = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs");
    let pages = std::fs::read_dir(docs).unwrap().map(|entry| entry.unwrap().path());
    pages.filter(|page| page.extension().is_some_and(|extension| extension == "md")).collect()
}

/// Each piece of TOML in the documentation is one that the program takes.
#[test]
fn every_snippet_of_the_pages_is_understood() {
    let mut count = 0;
    for page in pages() {
        let text = std::fs::read_to_string(&page).unwrap();
        for snippet in text.split("```toml\n").skip(1).filter_map(|rest| rest.split("```").next()) {
            let folder = Folder::with(snippet);
            let run = folder.run(&["--print-config", "files"]);
            assert_eq!(run.code(), 0, "{}:\n{snippet}\n{run}", page.display());
            count += 1;
        }
    }
    assert!(count > 15, "only {count} snippets");
}
