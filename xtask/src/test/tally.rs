//! Counting from the closing lines of test runners.

use std::fmt;

/// How many tests passed, failed and were skipped.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Tally {
    passed: usize,
    failed: usize,
    skipped: usize,
}

impl Tally {
    /// Adds a run that printed `lines`. A run that failed without a failed test, because something does not
    /// compile or a runner died, counts as one failed test: it must not look like less work.
    pub(super) fn add_run(&mut self, succeeded: bool, lines: &[String]) {
        let mut this = Self::default();
        for line in lines {
            if let Some(one) = libtest(line).or_else(|| nextest(line)) {
                this.passed += one.passed;
                this.failed += one.failed;
                this.skipped += one.skipped;
            }
        }
        if !succeeded && this.failed == 0 {
            this.failed = 1;
        }
        self.passed += this.passed;
        self.failed += this.failed;
        self.skipped += this.skipped;
    }

    /// A test that found out by itself that it cannot run here has "passed" for its runner.
    pub(super) fn move_to_skipped(&mut self, count: usize) {
        let count = count.min(self.passed);
        self.passed -= count;
        self.skipped += count;
    }

    /// Whether something ran, and all of it passed.
    pub(super) fn is_good(&self) -> bool {
        self.failed == 0 && self.passed > 0
    }
}

impl fmt::Display for Tally {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} passed, {} failed, {} skipped", self.passed, self.failed, self.skipped)
    }
}

/// `test result: ok. 3 passed; 0 failed; 1 ignored; 0 measured; 0 filtered out; finished in 0.00s`
///
/// At the start of a line only: indented, it is what nextest repeats of a test that failed.
fn libtest(line: &str) -> Option<Tally> {
    let counts = line.strip_prefix("test result: ")?.split_once(". ")?.1;
    let count = |what| counts.split(';').find_map(|part| number_before(part, what)).unwrap_or(0);
    Some(Tally { passed: count("passed"), failed: count("failed"), skipped: count("ignored") })
}

/// `Summary [   1.2s] 7/8 tests run: 4 passed (1 slow), 2 failed, 1 timed out, 3 skipped`
///
/// What nextest calls skipped was ignored or filtered out; only a run of all tests makes that count mean something,
/// and there it is the ignored ones. A filter leaves others out on purpose: they are nobody's concern.
fn nextest(line: &str) -> Option<Tally> {
    let counts = line.trim().strip_prefix("Summary [")?.split_once("run: ")?.1;
    let count = |what| counts.split(", ").find_map(|part| number_before(part, what)).unwrap_or(0);
    Some(Tally {
        passed: count("passed"),
        failed: count("failed") + count("timed out") + count("exec failed"),
        skipped: 0,
    })
}

/// 4 in "4 passed (1 slow)" for "passed".
fn number_before(part: &str, what: &str) -> Option<usize> {
    let (number, rest) = part.trim().split_once(' ')?;
    let is_it = rest.strip_prefix(what).is_some_and(|after| after.is_empty() || after.starts_with(" ("));
    if is_it { number.parse().ok() } else { None }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tally(passed: usize, failed: usize, skipped: usize) -> Tally {
        Tally { passed, failed, skipped }
    }

    fn after(succeeded: bool, lines: &[&str]) -> Tally {
        let lines: Vec<String> = lines.iter().map(ToString::to_string).collect();
        let mut tally = Tally::default();
        tally.add_run(succeeded, &lines);
        tally
    }

    #[test]
    fn closing_lines_are_read() {
        let line =
            "test result: ok. 3 passed; 0 failed; 1 ignored; 0 measured; 0 filtered out; finished in 0.00s";
        assert_eq!(after(true, &[line, "other", line]), tally(6, 0, 2));
        let repeated = format!("    {line}");
        let summary = "     Summary [   0.1s] 1 test run: 0 passed, 1 failed, 0 skipped";
        assert_eq!(after(false, &[&repeated, summary]), tally(0, 1, 0));
        let line =
            "     Summary [   1.240s] 8/9 tests run: 5 passed (1 slow), 2 failed, 1 timed out, 3 skipped";
        assert_eq!(after(false, &[line]), tally(5, 3, 0));
        assert_eq!(after(true, &["     Summary [   0.1s] 1 test run: 1 passed, 0 skipped"]), tally(1, 0, 0));
    }

    #[test]
    fn a_run_that_did_not_compile_is_a_failure() {
        assert_eq!(after(false, &["error[E0308]: mismatched types"]), tally(0, 1, 0));
        assert!(!after(true, &[]).is_good(), "no test ran");
    }

    #[test]
    fn skipped_tests_are_not_passed_ones() {
        let mut all = tally(5, 0, 1);
        all.move_to_skipped(2);
        assert_eq!(all.to_string(), "3 passed, 0 failed, 3 skipped");
        all.move_to_skipped(9);
        assert!(!all.is_good(), "nothing but skipped tests is no test run");
    }
}
