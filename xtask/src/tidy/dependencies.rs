//! Other people's crates: their licences and the bans, as deny.toml has them.

use anyhow::{Context, Result};
use cargo_metadata::{Metadata, Package};
use spdx::{Expression, Licensee, ParseMode};
use toml::{Table, Value};

use super::Report;
use super::repository::Repository;

const FILE: &str = "deny.toml";

pub(super) fn check(repository: &Repository, metadata: &Metadata, report: &mut Report) -> Result<()> {
    let Some(text) = repository.text(FILE) else {
        report.error("dependencies", FILE, 0, "missing; it says which licences and crates are allowed");
        return Ok(());
    };
    let rules = Rules::read(text)?;
    for package in
        metadata.packages.iter().filter(|package| !metadata.workspace_members.contains(&package.id))
    {
        licence(package, &rules, report);
        if let Some(reason) =
            rules.banned.iter().find(|(name, _)| *name == package.name.as_str()).map(|(_, why)| why)
        {
            let users = users(metadata, package);
            let text = format!("{} is banned: {reason}; it comes in by {}", package.name, users.join(", "));
            report.error("dependencies", "Cargo.lock", 0, text);
        }
        if package.source.as_ref().is_none_or(|source| !source.is_crates_io()) {
            let text = format!(
                "{} comes from neither the workspace nor the public registry; publish or drop it",
                package.name
            );
            report.error("dependencies", "Cargo.lock", 0, text);
        }
    }
    Ok(())
}

struct Rules {
    allowed: Vec<Licensee>,
    /// A crate, and the licences that it alone may have.
    exceptions: Vec<(String, Vec<Licensee>)>,
    banned: Vec<(String, String)>,
}

impl Rules {
    fn read(text: &str) -> Result<Self> {
        let table: Table = text.parse().context("deny.toml is not TOML")?;
        let licences = table.get("licenses").and_then(Value::as_table);
        let bans = table.get("bans").and_then(Value::as_table);
        let exceptions = licences.map(|licences| tables(licences, "exceptions")).unwrap_or_default();
        let banned = bans.map(|bans| tables(bans, "deny")).unwrap_or_default();
        Ok(Self {
            allowed: licences.map(licensees).transpose()?.unwrap_or_default(),
            exceptions: exceptions
                .iter()
                .map(|one| Ok((crate_name(one), licensees(one)?)))
                .collect::<Result<_>>()?,
            banned: banned.iter().map(|one| (crate_name(one), string(one, "reason"))).collect(),
        })
    }
}

fn tables<'a>(table: &'a Table, key: &str) -> Vec<&'a Table> {
    let values = table.get(key).and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
    values.iter().filter_map(Value::as_table).collect()
}

fn string(table: &Table, key: &str) -> String {
    table.get(key).and_then(Value::as_str).unwrap_or_default().to_owned()
}

/// cargo-deny takes `crate = "name@version"`, and `name` as it was called before.
fn crate_name(table: &Table) -> String {
    let name = [string(table, "crate"), string(table, "name")].concat();
    name.split('@').next().unwrap_or_default().to_owned()
}

fn licensees(table: &Table) -> Result<Vec<Licensee>> {
    let values = table.get("allow").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
    let names = values.iter().filter_map(Value::as_str);
    names
        .map(|name| Licensee::parse(name).with_context(|| format!("deny.toml: {name} is no SPDX licence")))
        .collect()
}

fn licence(package: &Package, rules: &Rules, report: &mut Report) {
    let own = rules.exceptions.iter().filter(|(name, _)| *name == package.name.as_str());
    let allowed: Vec<&Licensee> =
        rules.allowed.iter().chain(own.flat_map(|(_, licensees)| licensees)).collect();
    let place = format!("{} {}", package.name, package.version);
    let Some(expression) = package.license.as_deref() else {
        let text = format!(
            "{place} names no licence; read its licence file and make an exception in deny.toml, or drop it"
        );
        report.error("licence", "Cargo.lock", 0, text);
        return;
    };
    let Ok(parsed) = Expression::parse_mode(expression, ParseMode::LAX) else {
        report.error(
            "licence",
            "Cargo.lock",
            0,
            format!("{place}: `{expression}` cannot be understood; drop it"),
        );
        return;
    };
    if !parsed.evaluate(|wanted| allowed.iter().any(|licensee| licensee.satisfies(wanted))) {
        let text = format!("{place} is under {expression}; allow that in deny.toml if it may be, or drop it");
        report.error("licence", "Cargo.lock", 0, text);
    }
}

fn users(metadata: &Metadata, package: &Package) -> Vec<String> {
    let Some(resolve) = &metadata.resolve else { return Vec::new() };
    let nodes = resolve.nodes.iter().filter(|node| node.dependencies.contains(&package.id));
    let users = nodes.filter_map(|node| metadata.packages.iter().find(|package| package.id == node.id));
    users.map(|package| package.name.to_string()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rules_are_read_as_cargo_deny_writes_them() {
        let rules = Rules::read(
            "[licenses]\nallow = ['MIT', 'Apache-2.0 WITH LLVM-exception']\n\
             exceptions = [{ crate = 'ring@0.17', allow = ['ISC'] }]\n\
             [bans]\ndeny = [{ name = 'openssl', reason = 'rustls' }, { crate = 'smol' }]\n",
        )
        .unwrap();
        assert_eq!(rules.allowed.len(), 2);
        assert_eq!(rules.exceptions[0].0, "ring");
        assert_eq!(rules.banned[0], ("openssl".to_owned(), "rustls".to_owned()));
        assert!(Rules::read("[licenses]\nallow = ['Beerware-ish']").is_err());
    }
}
