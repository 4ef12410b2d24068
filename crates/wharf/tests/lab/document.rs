//! docs/lab.md and docs/diagnosis.md: what came of each scenario, written by the tests.

use std::collections::HashMap;
use std::fs::{self, File};
use std::path::PathBuf;

use rustix::fs::{FlockOperation, flock};
use wharf_findings::Cause;
use wharf_testkit::lab::scenario::Scenario;

use crate::{faulty_servers, meddled_servers};

/// What the clients did.
pub(crate) const LAB: &str = "lab.md";
/// What the doctor said.
pub(crate) const DIAGNOSIS: &str = "diagnosis.md";

fn path(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../docs").join(name)
}

/// Compares what a test saw, as Markdown, with what the document tells of the scenario; or writes it there, where that is
/// asked for.
#[track_caller]
pub(crate) fn compare(name: &str, scenario: &Scenario, seen: &str) {
    compare_section(name, scenario.name, section(scenario, seen));
}

/// The same with a whole section, of something that is no scenario.
#[track_caller]
pub(crate) fn compare_section(name: &str, section_name: &str, section: String) {
    if std::env::var_os("WHARF_LAB_WRITE").is_some_and(|value| value == "1") {
        return write(name, section_name, section);
    }
    let document = Document::parse(&fs::read_to_string(path(name)).unwrap());
    let told = document.sections.get(section_name).map_or("nothing", String::as_str);
    assert!(
        told == section,
        "docs/{name} tells something else; WHARF_LAB_WRITE=1 writes it anew\n--- it tells\n{told}\n--- seen\n{section}"
    );
}

fn section(scenario: &Scenario, seen: &str) -> String {
    let situation = scenario.situation.map(|id| format!(" ({id})")).unwrap_or_default();
    let twin = scenario.healthy_twin.map(|twin| format!(" Without the fault: [{twin}](#{twin})."));
    let except = scenario.except.iter().map(|(server, ways)| format!(" With {server}: {ways}."));
    format!(
        "## {}\n\n{}{situation}{}\n\nWhat can work: {}.{}\n\n{}",
        scenario.name,
        scenario.about,
        twin.unwrap_or_default(),
        scenario.works,
        except.collect::<String>(),
        seen.trim_end()
    )
}

/// Puts a section in its place. The tests run side by side, so each has the file to itself while it does.
fn write(name: &str, section_name: &str, section: String) {
    let file = File::options().read(true).append(true).open(path(name)).unwrap();
    flock(&file, FlockOperation::LockExclusive).unwrap();
    let mut document = Document::parse(&fs::read_to_string(path(name)).unwrap());
    document.sections.insert(section_name.to_owned(), section);
    fs::write(path(name), document.to_string()).unwrap();
}

/// What is no scenario of the lab, in the order of the document.
fn single_servers() -> impl Iterator<Item = &'static str> {
    faulty_servers::NAMES.iter().chain(meddled_servers::NAMES).copied()
}

/// An introduction, and a section for each scenario by its name.
struct Document {
    introduction: String,
    sections: HashMap<String, String>,
}

impl Document {
    fn parse(text: &str) -> Self {
        let mut parts = text.split("\n## ");
        let introduction = parts.next().unwrap_or_default().trim_end().to_owned();
        let sections = parts.map(|part| {
            let name = part.lines().next().unwrap_or_default().to_owned();
            (name, format!("## {}", part.trim_end()))
        });
        Self { introduction, sections: sections.collect() }
    }
}

/// In the order of the catalogue; what is not in that is left out.
impl std::fmt::Display for Document {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        writeln!(f, "{}", self.introduction)?;
        let catalogue = Scenario::catalogue();
        let names = catalogue.iter().map(|scenario| scenario.name).chain(single_servers());
        let known = names.filter_map(|name| self.sections.get(name));
        known.into_iter().try_for_each(|section| write!(f, "\n{section}\n"))
    }
}

#[test]
fn the_documents_have_a_section_for_each_scenario_and_no_other() {
    for name in [LAB, DIAGNOSIS] {
        let text = fs::read_to_string(path(name)).unwrap();
        let document = Document::parse(&text);
        for scenario in Scenario::catalogue() {
            assert!(document.sections.contains_key(scenario.name), "{name}: {}", scenario.name);
        }
        for server in single_servers() {
            assert_eq!(document.sections.contains_key(server), name == DIAGNOSIS, "{name}: {server}");
        }
        let why = "it has a section too many, or not in the order of the catalogue";
        assert_eq!(document.to_string(), text, "{name}: {why}");
    }
}

#[test]
fn the_doctor_is_shown_with_every_cause_of_the_catalogue() {
    let text = fs::read_to_string(path(DIAGNOSIS)).unwrap();
    let sure = ["certain", "likely", "possible"];
    let is_shown = |id: &str| sure.iter().any(|sure| text.contains(&format!(" {id} ({sure})")));
    let missing: Vec<&str> = Cause::ALL.iter().map(|cause| cause.id()).filter(|id| !is_shown(id)).collect();
    assert!(missing.is_empty(), "docs/{DIAGNOSIS} has no situation in which the doctor says {missing:?}");
}
