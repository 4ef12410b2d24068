//! A network of a test's own: every port free, 20 and 21 too, loopback with all of 127.0.0.0/8 and ::1.

use std::fs::File;
use std::net::IpAddr;
use std::os::fd::AsFd;
use std::path::Path;
use std::process::Command;
use std::sync::atomic::{AtomicU32, Ordering};
use std::thread;

use rustix::thread::{LinkNameSpaceType, move_into_link_name_space};

use crate::janitor::{self, Remains, Watched};
use crate::process;

/// A network namespace with loopback up, removed at the end of the test, and when the test is killed.
///
/// Programs run in it by [`command`](Self::command) or [`adopt`](Self::adopt), code of the test by
/// [`enter`](Self::enter).
#[derive(Debug)]
pub struct NetworkNamespace {
    name: String,
    _watched: Watched,
}

impl NetworkNamespace {
    /// Makes one; the error is the reason why it cannot be had here, fit for [`skip!`](crate::skip!).
    ///
    /// # Errors
    /// When this is not root, `ip` is missing, or the kernel says no.
    pub fn new() -> Result<Self, String> {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        if !crate::is_root() {
            return Err("a network namespace needs root".into());
        }
        if !crate::clients::is_installed("ip") {
            return Err("a network namespace needs iproute2".into());
        }
        let name = format!("wharf-{}-{}", std::process::id(), COUNT.fetch_add(1, Ordering::Relaxed));
        let watched = janitor::watch_over(Remains::Namespace(&name));
        let made = process::run(Command::new("ip").args(["netns", "add", &name]));
        if made.code() != 0 {
            return Err(format!("no network namespace can be made here: {}", made.errors().trim()));
        }
        let namespace = Self { name, _watched: watched };
        process::run(namespace.command("ip").args(["link", "set", "lo", "up"])).assert_success();
        Ok(namespace)
    }

    /// Its name, as `ip netns` has it.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// A command for `program` in this namespace. Its process is the program itself.
    #[must_use]
    pub fn command(&self, program: &str) -> Command {
        let mut command = Command::new("ip");
        command.args(["netns", "exec", &self.name, program]);
        command
    }

    /// `command`, but in this namespace: program, arguments, folder and environment are kept.
    #[must_use]
    pub fn adopt(&self, command: &Command) -> Command {
        let mut adopted = Command::new("ip");
        adopted.args(["netns", "exec", &self.name]).arg(command.get_program()).args(command.get_args());
        if let Some(folder) = command.get_current_dir() {
            adopted.current_dir(folder);
        }
        for (name, value) in command.get_envs() {
            match value {
                Some(value) => adopted.env(name, value),
                None => adopted.env_remove(name),
            };
        }
        adopted
    }

    /// Has the programs that run in it look names up at `server`, port 53.
    pub fn resolve_names_at(&self, server: IpAddr) {
        // `ip netns exec` puts what lies here in the place of what lies in /etc.
        let folder = Path::new("/etc/netns").join(&self.name);
        std::fs::create_dir_all(&folder).unwrap();
        let text = format!("nameserver {server}\noptions timeout:1 attempts:1\n");
        std::fs::write(folder.join("resolv.conf"), text).unwrap();
    }

    /// Runs `work` on a thread in this namespace. Sockets made there stay there, wherever they are used, and threads
    /// (a tokio runtime's too) started there live there.
    pub fn enter<T: Send>(&self, work: impl FnOnce() -> T + Send) -> T {
        let namespace = File::open(Path::new("/run/netns").join(&self.name)).unwrap();
        let name = thread::current().name().unwrap_or("test").to_owned();
        let entered = thread::scope(|scope| {
            // The thread is thrown away afterwards: a namespace is a property of a thread, and the way back is to end it.
            let inside = thread::Builder::new().name(name).spawn_scoped(scope, || {
                move_into_link_name_space(namespace.as_fd(), Some(LinkNameSpaceType::Network)).unwrap();
                work()
            });
            inside.unwrap().join()
        });
        entered.unwrap_or_else(|panic| std::panic::resume_unwind(panic))
    }
}

impl Drop for NetworkNamespace {
    fn drop(&mut self) {
        let _ = Command::new("ip").args(["netns", "delete", &self.name]).status();
        let _ = std::fs::remove_dir_all(Path::new("/etc/netns").join(&self.name));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::{TcpListener, TcpStream};

    #[test]
    fn a_namespace_has_port_21_and_all_of_loopback_to_itself() {
        let namespace = match NetworkNamespace::new() {
            Ok(namespace) => namespace,
            Err(reason) => crate::skip!("{reason}"),
        };
        let listener = namespace.enter(|| TcpListener::bind(("127.0.0.1", 21)).unwrap());
        let (inside, outside) =
            (|| TcpStream::connect(("127.0.0.1", 21)).is_ok(), TcpStream::connect(("127.0.0.1", 21)));
        assert!(namespace.enter(inside));
        assert!(outside.is_err(), "port 21 is open outside too");
        namespace.enter(|| TcpListener::bind(("127.0.0.2", 20)).unwrap());
        namespace.enter(|| TcpListener::bind(("::1", 20)).unwrap());
        let run = process::run(&mut namespace.adopt(Command::new("cat").arg("/proc/net/tcp")));
        assert!(run.assert_success().output().contains("0100007F:0015"), "{run}");
        drop(listener);
    }
}
