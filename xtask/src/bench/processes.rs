//! What the processes of a server use: processor time and memory, as the kernel tells them.

use std::collections::HashMap;
use std::fs;
use std::path::PathBuf;

/// The kernel tells processor time in these (`USER_HZ`).
const TICKS_A_SECOND: f64 = 100.0;
/// What `clear_refs` takes for "forget the most that was used" (proc_pid_clear_refs(5)).
const FORGET_MOST: &str = "5";

/// A server's processes: the one that was started, and all that came of it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Family {
    /// The one that was started.
    pub(super) first: u32,
}

impl Family {
    /// Adds what is to be seen of their time to `seen`.
    pub(super) fn observe(self, seen: &mut ProcessorTime) {
        let mut whole = 0;
        for (id, process) in self.processes() {
            whole += process.own + process.ended;
            seen.own.insert(id, process.own);
        }
        seen.whole = seen.whole.max(whole);
    }

    /// What they occupy, in KiB: pages that several share count once in all (`Pss`).
    pub(super) fn memory(self) -> f64 {
        self.sum("smaps_rollup", "Pss:")
    }

    /// What they have in memory, in KiB.
    pub(super) fn resident(self) -> f64 {
        self.sum("status", "VmRSS:")
    }

    /// The most that each had in memory at one time, in KiB.
    pub(super) fn most_resident(self) -> f64 {
        self.sum("status", "VmHWM:")
    }

    /// From here on, the most is told anew.
    pub(super) fn forget_most(self) {
        for id in self.processes().keys() {
            // One that has ended has nothing to forget.
            let _ = fs::write(file(*id, "clear_refs"), FORGET_MOST);
        }
    }

    /// Sockets of TCP in use in its network, both ends of each connection.
    pub(super) fn sockets(self) -> usize {
        let text = fs::read_to_string(file(self.first, "net/sockstat")).unwrap_or_default();
        sockets_in(&text).unwrap_or(0)
    }

    fn sum(self, name: &str, key: &str) -> f64 {
        let of = |id: &u32| kib(&fs::read_to_string(file(*id, name)).ok()?, key);
        self.processes().keys().filter_map(of).sum()
    }

    fn processes(self) -> HashMap<u32, Process> {
        let mut processes = HashMap::new();
        for entry in fs::read_dir("/proc").into_iter().flatten().flatten() {
            let id = entry.file_name().to_str().and_then(|name| name.parse::<u32>().ok());
            let Some(id) = id else { continue };
            let stat = fs::read_to_string(entry.path().join("stat")).ok();
            if let Some(process) = stat.and_then(|stat| Process::parse(&stat)) {
                processes.insert(id, process);
            }
        }
        let is_ours = |id: &u32| {
            // Whose parent has ended has still the group; who has a group of its own has still the parent.
            let line = std::iter::successors(Some(*id), |id| Some(processes.get(id)?.parent));
            let is_first = |id: u32| {
                id == self.first || processes.get(&id).is_some_and(|process| process.group == self.first)
            };
            line.take(8).any(is_first)
        };
        let ours: Vec<u32> = processes.keys().copied().filter(is_ours).collect();
        ours.into_iter().filter_map(|id| processes.remove_entry(&id)).collect()
    }
}

fn file(id: u32, name: &str) -> PathBuf {
    PathBuf::from("/proc").join(id.to_string()).join(name)
}

/// `key` in a text such as /proc/PID/status.
fn kib(text: &str, key: &str) -> Option<f64> {
    let value = text.lines().find_map(|line| line.strip_prefix(key))?;
    value.trim().trim_end_matches(" kB").trim().parse().ok()
}

fn sockets_in(sockstat: &str) -> Option<usize> {
    let words = sockstat.lines().find_map(|line| line.strip_prefix("TCP: inuse "))?;
    words.split_whitespace().next()?.parse().ok()
}

/// The processor time of a server's processes.
///
/// vsftpd waits for none of its sessions, whose time is lost with them: so it is looked at while they live. Sessions that are
/// too short for that, of logins, are in what their parents have waited for. The larger of the two is nearer to the truth.
#[derive(Debug, Default)]
pub(super) struct ProcessorTime {
    /// Of each process, as it was seen last.
    own: HashMap<u32, u64>,
    /// Of all at one moment, with their children that were waited for.
    whole: u64,
}

impl ProcessorTime {
    /// Seconds that were used since `before`.
    pub(super) fn since(&self, before: &Self) -> f64 {
        let own = |seen: &Self| seen.own.values().sum::<u64>();
        let ticks = self.whole.saturating_sub(before.whole).max(own(self).saturating_sub(own(before)));
        ticks as f64 / TICKS_A_SECOND
    }
}

/// One process.
#[derive(Debug, PartialEq, Eq)]
struct Process {
    parent: u32,
    group: u32,
    /// Its own ticks.
    own: u64,
    /// Those of its children that have ended and were waited for.
    ended: u64,
}

impl Process {
    /// proc_pid_stat(5): behind the name in parentheses come state, parent and group, and, 11 to 14 fields on, the times.
    fn parse(stat: &str) -> Option<Self> {
        let (_, fields) = stat.rsplit_once(')')?;
        let fields: Vec<&str> = fields.split_whitespace().collect();
        let number = |index: usize| fields.get(index)?.parse::<u64>().ok();
        Some(Self {
            parent: u32::try_from(number(1)?).ok()?,
            group: u32::try_from(number(2)?).ok()?,
            own: number(11)? + number(12)?,
            ended: number(13)? + number(14)?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn processor_times_are_read_whatever_the_name() {
        let stat = "7 (a b) c) S 1 3 7 0 -1 4194560 1 2 3 4 10 20 30 40 20 0 1 0 5";
        assert_eq!(Process::parse(stat), Some(Process { parent: 1, group: 3, own: 30, ended: 70 }));
        assert_eq!(Process::parse("7 (x) S"), None);
    }

    #[test]
    fn figures_are_found_in_what_the_kernel_tells() {
        assert_eq!(kib("Rss:  7 kB\nPss:                 812 kB\nPss_Dirty: 1 kB\n", "Pss:"), Some(812.0));
        assert_eq!(kib("Rss:  7 kB\n", "Pss:"), None);
        let sockstat =
            "sockets: used 4123\nTCP: inuse 4002 orphan 0 tw 1 alloc 4003 mem 0\nUDP: inuse 0 mem 0\n";
        assert_eq!(sockets_in(sockstat), Some(4002));
    }
}
