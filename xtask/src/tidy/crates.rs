//! The crates: who may depend on whom, and what each manifest says.

use std::collections::{BTreeSet, HashMap, HashSet};
use std::path::PathBuf;

use cargo_metadata::{DependencyKind, Metadata, Package, PackageId};

use super::Report;

/// The arrows of ARCHITECTURE.md: a crate, and what it may use of the others. Add a line with a crate.
const ARROWS: &[(&str, &[&str])] = &[
    ("wharf-proto", &[]),
    ("wharf-digest", &[]),
    ("wharf-storage", &["wharf-digest"]),
    ("wharf-findings", &["wharf-proto"]),
    ("wharf-net", &["wharf-proto", "wharf-findings"]),
    ("wharf-server", &["wharf-proto", "wharf-findings", "wharf-net", "wharf-storage"]),
    ("wharf-client", &["wharf-digest", "wharf-proto", "wharf-findings", "wharf-net"]),
    ("wharf-bench", &["wharf-proto", "wharf-net"]),
    ("wharf-gateway", &["wharf-proto", "wharf-findings", "wharf-net"]),
    ("wharf-diagnose", &["wharf-proto", "wharf-findings", "wharf-net", "wharf-client"]),
    ("wharf-testkit", &["wharf-proto"]),
    ("xtask", &["wharf-testkit"]),
    (
        "wharf",
        &[
            "wharf-proto",
            "wharf-findings",
            "wharf-net",
            "wharf-storage",
            "wharf-server",
            "wharf-client",
            "wharf-bench",
            "wharf-gateway",
            "wharf-diagnose",
        ],
    ),
];

/// Crates without I/O, and what must not be anywhere below them.
const PURE: &[&str] = &["wharf-proto", "wharf-findings"];
const IMPURE: &[&str] =
    &["tokio", "mio", "socket2", "rustix", "nix", "async-io", "hyper", "rustls", "getrandom"];

pub(super) fn check(metadata: &Metadata, report: &mut Report) {
    let ours: Vec<&Package> = metadata.workspace_packages();
    let names: HashSet<&str> = ours.iter().map(|package| package.name.as_str()).collect();
    for package in &ours {
        manifest(metadata, package, report);
        arrows(metadata, package, &names, report);
        if PURE.contains(&package.name.as_str()) {
            purity(metadata, package, report);
        }
    }
}

fn path(metadata: &Metadata, package: &Package) -> PathBuf {
    let manifest = package.manifest_path.as_path();
    manifest.strip_prefix(&metadata.workspace_root).unwrap_or(manifest).into()
}

fn manifest(metadata: &Metadata, package: &Package, report: &mut Report) {
    let file = path(metadata, package);
    if package.description.as_deref().unwrap_or_default().is_empty() {
        report.error("manifest", &file, 0, "no description; say in a line what the crate is for");
    }
    if package.license.as_deref() != Some("Apache-2.0 OR MIT") {
        report.error(
            "manifest",
            &file,
            0,
            "another licence than the workspace's; write `license.workspace = true`",
        );
    }
    let text = std::fs::read_to_string(&package.manifest_path).unwrap_or_default();
    let has_lints =
        text.split("[lints]").nth(1).is_some_and(|rest| rest.trim_start().starts_with("workspace = true"));
    if !has_lints {
        report.error(
            "manifest",
            &file,
            0,
            "the workspace's lints are not on; add `[lints]` with `workspace = true`",
        );
    }
}

fn arrows(metadata: &Metadata, package: &Package, names: &HashSet<&str>, report: &mut Report) {
    let file = path(metadata, package);
    let Some((_, allowed)) = ARROWS.iter().find(|(name, _)| *name == package.name.as_str()) else {
        let text = format!(
            "{} has no place in the picture; give it a line in ARROWS of xtask/src/tidy/crates.rs",
            package.name
        );
        report.error("arrows", &file, 0, text);
        return;
    };
    for dependency in
        package.dependencies.iter().filter(|dependency| names.contains(dependency.name.as_str()))
    {
        let name = dependency.name.as_str();
        // In tests anything goes but a circle, and cargo refuses that where it matters.
        if dependency.kind != DependencyKind::Development && !allowed.contains(&name) {
            let text = if name == "wharf-testkit" {
                "wharf-testkit is for tests; move it to [dev-dependencies]".to_owned()
            } else {
                format!(
                    "{} must not use {name}; dependencies point left only (ARCHITECTURE.md)",
                    package.name
                )
            };
            report.error("arrows", &file, 0, text);
        }
    }
}

/// Everything that is linked into `package` outside of tests.
fn purity(metadata: &Metadata, package: &Package, report: &mut Report) {
    let Some(resolve) = &metadata.resolve else { return };
    let nodes: HashMap<&PackageId, _> = resolve.nodes.iter().map(|node| (&node.id, node)).collect();
    let mut seen: BTreeSet<&PackageId> = BTreeSet::new();
    let mut next = vec![(&package.id, package.name.to_string())];
    while let Some((id, way)) = next.pop() {
        let Some(node) = nodes.get(id).filter(|_| seen.insert(id)) else { continue };
        for dependency in &node.deps {
            // What only runs in the compiler, such as a derive macro's parts, is not in the crate.
            if !dependency.dep_kinds.iter().any(|kind| kind.kind == DependencyKind::Normal) {
                continue;
            }
            let Some(used) = metadata.packages.iter().find(|package| package.id == dependency.pkg) else {
                continue;
            };
            if used.targets.iter().any(cargo_metadata::Target::is_proc_macro) {
                continue;
            }
            let way = format!("{way} → {}", used.name);
            if IMPURE.contains(&used.name.as_str()) {
                let text = format!("a crate without I/O comes to {} ({way}); take it out", used.name);
                report.error("purity", path(metadata, package), 0, text);
            }
            next.push((&used.id, way));
        }
    }
}
