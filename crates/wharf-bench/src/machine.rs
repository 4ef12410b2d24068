//! What this machine has to do with the figures: processor time, congestion control, connections that are remembered.

use std::fs;
use std::num::NonZero;
use std::thread;
use std::time::Duration;

use rustix::time::{ClockId, clock_gettime};

/// The processor time that this process has used so far, user and system.
#[must_use]
pub fn processor_time() -> Duration {
    Duration::try_from(clock_gettime(ClockId::ProcessCPUTime)).unwrap_or_default()
}

/// The cores that this process may use.
#[must_use]
pub fn cores() -> usize {
    thread::available_parallelism().map_or(1, NonZero::get)
}

/// Connections that have ended and are remembered (TIME_WAIT) in this network, and the local ports that there are for new
/// ones; none where the system does not tell.
#[must_use]
pub fn remembered_connections() -> Option<(u64, u64)> {
    let sockets = fs::read_to_string("/proc/net/sockstat").ok()?;
    let ports = fs::read_to_string("/proc/sys/net/ipv4/ip_local_port_range").ok()?;
    Some((remembered(&sockets)?, port_count(&ports)?))
}

/// The number behind `tw` in the line of TCP.
fn remembered(sockets: &str) -> Option<u64> {
    let line = sockets.lines().find_map(|line| line.strip_prefix("TCP:"))?;
    let mut words = line.split_whitespace().skip_while(|word| *word != "tw");
    words.nth(1)?.parse().ok()
}

fn port_count(range: &str) -> Option<u64> {
    let mut ends = range.split_whitespace().map_while(|word| word.parse::<u64>().ok());
    let (first, last) = (ends.next()?, ends.next()?);
    Some(last.checked_sub(first)? + 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_kernel_s_tables_are_read() {
        let sockets = "sockets: used 9\nTCP: inuse 5 orphan 0 tw 1234 alloc 7 mem 1\nUDP: inuse 1 mem 0\n";
        assert_eq!(remembered(sockets), Some(1234));
        assert_eq!(remembered("TCP: inuse 5"), None);
        assert_eq!(port_count("32768\t60999\n"), Some(28_232));
        assert_eq!(port_count("5 4"), None);
    }
}
