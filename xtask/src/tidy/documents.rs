//! Documents: what must be in them, what must not, and whether their links lead somewhere.

use std::path::{Path, PathBuf};

use super::Report;
use super::repository::{Repository, TextFile};
use crate::run;

/// Documents that must be there, and what each must say.
const REQUIRED: &[(&str, &[&str])] = &[
    ("README.md", &["wharf serve", "wharf get"]),
    ("ARCHITECTURE.md", &[]),
    ("CHANGELOG.md", &[]),
    ("LICENSE", &[]),
    ("LICENSE-APACHE", &["Apache License"]),
    ("LICENSE-MIT", &["Permission is hereby granted"]),
];

/// Parts of documents that a program writes: the document, the line before and after the part, and the arguments with
/// which `wharf` prints it. The comparison needs the program, so it is made only where `cargo` can build it.
struct Generated {
    document: &'static str,
    start: &'static str,
    end: &'static str,
    arguments: &'static [&'static str],
}

const GENERATED: &[Generated] = &[
    Generated {
        document: "docs/configuration.md",
        start: "checked by `cargo xtask tidy` -->\n",
        end: "<!-- end of the keys -->",
        arguments: &["serve", "--configuration-reference"],
    },
    Generated {
        document: "docs/shell.md",
        start: "checked by `cargo xtask tidy` -->\n",
        end: "<!-- end of the commands -->",
        arguments: &["shell", "--command-reference"],
    },
];

/// Hosts of package registries. In parts, so that this file does not name them.
const REGISTRIES: &[&str] = &[
    concat!("crates", ".io"),
    concat!("pypi", ".org"),
    concat!("files.python", "hosted.org"),
    concat!("deb.debian", ".org"),
    concat!("registry.npmjs", ".org"),
    concat!("proxy.golang", ".org"),
];

pub(super) fn check(repository: &Repository, report: &mut Report) {
    required(repository, report);
    for file in &repository.files {
        places(file, report);
        if file.path.extension().is_some_and(|extension| extension == "md") {
            links(repository, file, report);
        }
    }
    for part in GENERATED {
        generated(repository, part, report);
    }
}

fn required(repository: &Repository, report: &mut Report) {
    for (name, texts) in REQUIRED {
        let Some(content) = repository.text(name) else {
            report.error("documents", name, 0, "missing; write it");
            continue;
        };
        for text in texts.iter().filter(|text| !content.contains(**text)) {
            report.error(
                "documents",
                name,
                0,
                format!("`{text}` does not stand in it; it is what readers look for"),
            );
        }
    }
}

/// Neither the hosts of registries nor places on the machine of whoever wrote it belong into a file. A lock file is
/// cargo's own.
fn places(file: &TextFile, report: &mut Report) {
    if file.path.file_name().is_some_and(|name| name == "Cargo.lock") {
        return;
    }
    let home = std::env::var("HOME").ok().filter(|home| home.len() > 1).map(|home| format!("{home}/"));
    let workplace = [concat!("/work", "/main"), concat!("/work", "/shared")];
    for (index, line) in file.text.lines().enumerate() {
        for host in REGISTRIES.iter().filter(|host| line.contains(**host)) {
            let text = format!("the registry host {host} is named; the ordinary client knows it");
            report.error("places", &file.path, index + 1, text);
        }
        for place in home.iter().map(String::as_str).chain(workplace).filter(|place| line.contains(place)) {
            let text = format!("`{place}` is a place on one machine; write it relative to the repository");
            report.error("places", &file.path, index + 1, text);
        }
    }
}

/// `[text](path)` within the repository, and `docs/name.md` in a code span.
fn links(repository: &Repository, file: &TextFile, report: &mut Report) {
    let folder = file.path.parent().unwrap_or(Path::new(""));
    for (index, line) in file.text.lines().enumerate() {
        for target in line.split("](").skip(1).filter_map(|rest| rest.split(')').next()) {
            let target = target.split(['#', ' ']).next().unwrap_or_default();
            if target.is_empty() || target.contains(':') {
                continue;
            }
            missing(repository, file, index, &folder.join(target), target, report);
        }
        for target in line.split('`').skip(1).step_by(2) {
            if target.starts_with("docs/") && !target.contains(['*', ' ', '<']) {
                missing(repository, file, index, Path::new(target), target, report);
            }
        }
    }
}

fn missing(
    repository: &Repository,
    file: &TextFile,
    index: usize,
    path: &Path,
    shown: &str,
    report: &mut Report,
) {
    let place: PathBuf = repository.root.join(path);
    if !place.exists() {
        report.error(
            "links",
            &file.path,
            index + 1,
            format!("{shown} is not there; write it or correct the link"),
        );
    }
}

fn generated(repository: &Repository, part: &Generated, report: &mut Report) {
    let between = repository.text(part.document).and_then(|text| {
        let (_, rest) = text.split_once(part.start)?;
        rest.split_once(part.end).map(|(inside, _)| inside.trim().to_owned())
    });
    let Some(written) = between else {
        report.error(
            "documents",
            part.document,
            0,
            format!("`{}` … `{}` is not in it; put it back", part.start, part.end),
        );
        return;
    };
    let mut command = run::cargo();
    command.args(["run", "--quiet", "--package", "wharf", "--"]).args(part.arguments);
    let Some(printed) = run::output(&mut command) else { return };
    if printed.trim() != written {
        let text = format!("out of date; put in what `wharf {}` prints", part.arguments.join(" "));
        report.error("documents", part.document, 0, text);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dead_links_and_foreign_places_are_found() {
        let root = tempfile::tempdir().unwrap();
        std::fs::create_dir(root.path().join("docs")).unwrap();
        std::fs::write(root.path().join("docs/there.md"), "").unwrap();
        let text = "[a](docs/there.md#x) [b](gone.md) [c](other:page)\n`docs/no.md` `docs/*.md`\n".to_owned();
        let file = TextFile { path: "README.md".into(), text: text + concat!("see crates", ".io\n") };
        let repository = Repository { root: root.path().into(), files: vec![file] };
        let mut report = Report::default();
        links(&repository, &repository.files[0], &mut report);
        places(&repository.files[0], &mut report);
        let found: Vec<_> = report.findings.iter().map(|finding| (finding.line, finding.rule)).collect();
        assert_eq!(found, [(1, "links"), (2, "links"), (3, "places")]);
    }
}
