//! Cleans up behind a test that is killed: at Ctrl-C, at the runner's deadline, in any way that runs no destructor.
//!
//! A small shell of its own process group is told of everything that must not be left behind, and of what is gone
//! already. It acts when its standard input ends, which is when this process does, however that came about.

use std::fmt;
use std::io::Write;
use std::os::unix::process::CommandExt;
use std::process::{Child, Command, Stdio};
use std::sync::{Mutex, OnceLock};

/// Something that outlives this process unless it is removed, and is removed after it, as long as this guard is held.
#[derive(Debug)]
pub(crate) struct Watched(String);

/// What is watched.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Remains<'a> {
    /// A process group, to be killed.
    Group(u32),
    /// A mounted file system by its place, to be unmounted.
    Mount(&'a str),
    /// A network namespace by its name, to be emptied and deleted, with its folder in /etc/netns.
    Namespace(&'a str),
    /// A file or directory, to be removed with all that is in it.
    Path(&'a str),
}

impl fmt::Display for Remains<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Group(group) => write!(f, "group {group}"),
            Self::Mount(place) => write!(f, "mount {place}"),
            Self::Namespace(name) => write!(f, "namespace {name}"),
            Self::Path(path) => write!(f, "path {path}"),
        }
    }
}

/// What was added and never taken back is left; sorted, processes go first and the files they write last.
const SCRIPT: &str = r#"
awk '
    { item = substr($0, 2) }
    /^[+]/ { left[item]++ }
    /^-/ { left[item]-- }
    END { for (item in left) if (left[item] > 0) print item }
' | sort | while read -r kind value; do
    case $kind in
        group) kill -s KILL -- "-$value" ;;
        mount) umount --force --lazy "$value" ;;
        namespace)
            ip netns pids "$value" | xargs -r kill -s KILL
            ip netns delete "$value"
            rm -rf -- "/etc/netns/$value"
            ;;
        path) rm -rf -- "$value" ;;
    esac
done
"#;

/// Has `remains` removed when this process ends before the guard does.
pub(crate) fn watch_over(remains: Remains<'_>) -> Watched {
    let line = remains.to_string();
    tell('+', &line);
    Watched(line)
}

impl Drop for Watched {
    fn drop(&mut self) {
        tell('-', &self.0);
    }
}

fn tell(sign: char, item: &str) {
    static JANITOR: OnceLock<Mutex<Child>> = OnceLock::new();
    let janitor = JANITOR.get_or_init(|| {
        let mut shell = Command::new("sh");
        shell.args(["-c", SCRIPT]).stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::null());
        // In a group of its own, or what kills the test's group would kill the janitor too.
        Mutex::new(shell.process_group(0).spawn().unwrap())
    });
    // A test that failed while it held the lock has not broken a pipe.
    let mut janitor = janitor.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
    // One write: a line is there whole or not at all.
    janitor.stdin.as_mut().unwrap().write_all(format!("{sign}{item}\n").as_bytes()).unwrap();
}

#[cfg(test)]
mod tests {
    use std::path::Path;
    use std::time::{Duration, Instant};

    use rustix::process::{Signal, test_kill_process_group};

    use super::*;
    use crate::TestDirectory;
    use crate::namespace::NetworkNamespace;
    use crate::process::{Background, pid};

    const CHILD: &str = "WHARF_TEST_TO_BE_KILLED";

    /// Runs itself once more, as the process that is killed.
    #[test]
    fn a_test_that_is_killed_leaves_nothing_behind() {
        if std::env::var_os(CHILD).is_some() {
            return be_killed();
        }
        let mut again = Command::new(std::env::current_exe().unwrap());
        again.args(["--exact", "--nocapture", "janitor::tests::a_test_that_is_killed_leaves_nothing_behind"]);
        let child = Background::start(again.env(CHILD, "1"));
        let limit = Duration::from_secs(20);
        let left = child.wait_for_line("left: ", limit);
        let left: Vec<&str> = left.split(' ').collect();
        let [group, directory, namespace] = left[..] else { panic!("{left:?}") };
        let group = pid(group.parse().unwrap());
        let namespace = Path::new("/run/netns").join(namespace);
        assert!(test_kill_process_group(group).is_ok() && Path::new(directory).exists());
        assert!(!crate::is_root() || namespace.exists());
        child.signal(Signal::KILL);
        let deadline = Instant::now() + limit;
        // Nobody tells when a process that is no child of ours has done its work.
        while test_kill_process_group(group).is_ok() || Path::new(directory).exists() || namespace.is_file() {
            assert!(Instant::now() < deadline, "{left:?} is still there");
            std::thread::sleep(Duration::from_millis(5));
        }
    }

    fn be_killed() {
        let directory = TestDirectory::new();
        let namespace = NetworkNamespace::new();
        let mut sleeping = Command::new("sleep");
        let sleeping = Background::start(sleeping.arg("600"));
        let name = namespace.as_ref().map_or("none", NetworkNamespace::name);
        println!("\nleft: {} {} {name}", sleeping.id(), directory.path().display());
        std::thread::sleep(Duration::from_secs(600));
    }
}
