//! Tests that cannot run on this machine, and how long the heavy ones are.

use std::fs::OpenOptions;
use std::io::Write;

/// Ends the test that calls it, with a reason; `cargo xtask test` counts it as skipped.
///
/// ```
/// # fn real_test() {
/// if !wharf_testkit::is_root() {
///     wharf_testkit::skip!("port 20 needs root");
/// }
/// # }
/// ```
#[macro_export]
macro_rules! skip {
    ($($reason:tt)+) => {{
        $crate::skip(&format!($($reason)+));
        return Default::default();
    }};
}

/// Notes that the calling test is skipped: in the file named by `WHARF_SKIPPED_LOG`, and on standard error.
/// [`skip!`](crate::skip!) returns from the test too.
pub fn skip(reason: &str) {
    let name = test_name();
    eprintln!("skipped {name}: {reason}");
    let Some(log) = std::env::var_os("WHARF_SKIPPED_LOG").filter(|file| !file.is_empty()) else { return };
    let mut log = OpenOptions::new().create(true).append(true).open(log).unwrap();
    // One write, so that the lines of tests that run at the same time do not mix.
    log.write_all(format!("{name}: {}\n", reason.replace('\n', " ")).as_bytes()).unwrap();
}

/// Whether this process is root, without which there are no namespaces, no port 20 and no change of user.
#[must_use]
pub fn is_root() -> bool {
    rustix::process::geteuid().is_root()
}

/// How often a heavy test goes round: `short` in the suite, `WHARF_SOAK_ROUNDS` in `cargo xtask soak`.
#[must_use]
pub fn soak_rounds(short: u64) -> u64 {
    let is_soak = std::env::var_os("WHARF_SOAK").is_some_and(|value| value == "1");
    let rounds = std::env::var("WHARF_SOAK_ROUNDS").ok().and_then(|rounds| rounds.parse().ok());
    rounds.filter(|_| is_soak).unwrap_or(short)
}

/// The name of the running test. The standard runner names the test's thread; nextest says it in the environment.
/// The test program comes first, because two of them may hold a test of the same name.
fn test_name() -> String {
    let thread = std::thread::current();
    let thread_name = thread.name().filter(|name| *name != "main").map(str::to_owned);
    let name = std::env::var("NEXTEST_TEST_NAME").ok().or(thread_name).unwrap_or_else(|| "a test".to_owned());
    let file = std::env::current_exe().ok();
    let program = file.as_deref().and_then(|file| file.file_stem()).map(|stem| stem.to_string_lossy());
    // cargo adds a hash: wharf_net-0123456789abcdef
    let program =
        program.as_deref().and_then(|stem| stem.rsplit_once('-')).map_or("tests", |(program, _)| program);
    format!("{program} {name}")
}
