//! Completions and manual pages, tried with the programs that read them.

#![allow(clippy::unwrap_used, reason = "tests fail loudly")]

use std::process::Command;

use wharf_testkit::TestDirectory;
use wharf_testkit::clients::is_installed;
use wharf_testkit::process::{Run, run};

fn wharf(arguments: &[&str]) -> Run {
    run(Command::new(env!("CARGO_BIN_EXE_wharf")).args(arguments))
}

#[test]
fn bash_completes_commands_and_flags() {
    if !is_installed("bash") {
        wharf_testkit::skip!("bash is not installed");
    }
    let directory = TestDirectory::new();
    let script = directory.write("wharf", wharf(&["completions", "bash"]).assert_success().output());
    let ask = "source \"$1\"; COMP_WORDS=(wharf ge); COMP_CWORD=1; _wharf wharf ge wharf; echo \"${COMPREPLY[*]}\"; \
               COMP_WORDS=(wharf get --pass); COMP_CWORD=2; _wharf wharf --pass get; echo \"${COMPREPLY[*]}\"";
    let asked = run(Command::new("bash").args(["-c", ask, "bash"]).arg(script));
    assert_eq!(asked.assert_success().output(), "get\n--passive\n", "{asked}");
}

#[test]
fn there_is_a_manual_page_for_each_command() {
    let directory = TestDirectory::new();
    wharf(&["man", directory.path().to_str().unwrap()]).assert_success();
    let names = directory.names();
    for page in ["wharf.1", "wharf-get.1", "wharf-serve.1"] {
        assert!(names.iter().any(|name| name == page), "{names:?}");
    }
    let page = String::from_utf8(directory.read("wharf-get.1")).unwrap();
    assert!(page.starts_with(".ie") && page.contains("\\-\\-passive"), "{page}");
    assert!(wharf(&["man"]).assert_success().output().contains(".SH NAME"));
}

#[test]
fn what_cannot_be_written_is_said() {
    let run = wharf(&["man", "/dev/null/no"]);
    assert!(run.assert_code(9).errors().contains("/dev/null/no"), "{run}");
}
