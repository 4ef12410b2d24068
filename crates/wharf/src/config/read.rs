//! Reading wharf.toml, and saying what is wrong with it, and where.

use std::fmt::Write;
use std::ops::Range;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::keys::Configuration;
use super::section::{Key, Section};

impl Configuration {
    /// Reads `file`. Relative paths in it start from its folder.
    ///
    /// # Errors
    /// When it cannot be read, or is not understood: a line for each thing that is wrong.
    pub(crate) fn read(file: &Path) -> Result<Self> {
        let text =
            std::fs::read_to_string(file).with_context(|| format!("cannot read {}", file.display()))?;
        let mut configuration = Self::parse(&text, &file.display().to_string())?;
        let file = std::path::absolute(file).context("there is no working directory")?;
        configuration.start_paths_from(file.parent().unwrap_or(Path::new("/")));
        Ok(configuration)
    }

    /// Reads `text`; `name` is what it is called in errors.
    fn parse(text: &str, name: &str) -> Result<Self> {
        let told = |problems: &[Problem]| {
            let lines = problems.iter().map(|problem| problem.with_line(text, name));
            lines.collect::<Vec<_>>().join("\n")
        };
        // Keys first: serde would stop at the first that it does not know, and know no better one.
        let table = match DeTable::parse(text) {
            Ok(table) => table,
            Err(error) => bail!(told(&[Problem::from(error)])),
        };
        let mut problems = Vec::new();
        look_at(table.get_ref(), table.span(), Self::KEYS, &mut Vec::new(), &mut problems);
        if !problems.is_empty() {
            problems.sort_by_key(|problem| problem.place.start);
            bail!(told(&problems));
        }
        toml::from_str(text).map_err(|error| {
            let mut problem = Problem::from(error);
            if let Some(path) = path_to(table.get_ref(), &problem.place) {
                problem.text = format!("{path}: {}", problem.text);
            }
            anyhow::anyhow!(told(&[problem]))
        })
    }

    fn start_paths_from(&mut self, folder: &Path) {
        let accounts = self.users.accounts.iter_mut().filter_map(|account| account.password_file.as_mut());
        let paths: Vec<&mut PathBuf> = self
            .root
            .iter_mut()
            .chain(&mut self.log.xferlog)
            .chain(&mut self.log.file)
            .chain(&mut self.users.file)
            .chain(&mut self.admin.token_file)
            .chain(accounts)
            .chain(&mut self.tls.certificate.0)
            .chain(&mut self.tls.key.0)
            .collect();
        for path in paths {
            *path = folder.join(&*path);
        }
    }
}

/// What is wrong, and at which bytes of the file.
struct Problem {
    place: Range<usize>,
    text: String,
}

impl Problem {
    fn with_line(&self, file: &str, name: &str) -> String {
        let before = file.get(..self.place.start).unwrap_or(file);
        let line = before.matches('\n').count() + 1;
        format!("{name}:{line}: {}", self.text)
    }
}

impl From<toml::de::Error> for Problem {
    fn from(error: toml::de::Error) -> Self {
        Self { place: error.span().unwrap_or(0..0), text: error.message().to_owned() }
    }
}

/// Finds the keys that nobody knows and those that are missing, in `table` and all that are in it.
fn look_at<'a>(
    table: &'a DeTable<'_>,
    place: Range<usize>,
    known: &[Key],
    path: &mut Vec<&'a str>,
    problems: &mut Vec<Problem>,
) {
    for (name, value) in table {
        let written: &str = name.get_ref();
        let Some(key) = known.iter().find(|key| key.name == written) else {
            let text = unknown(written, path, known);
            problems.push(Problem { place: name.span(), text });
            continue;
        };
        path.push(written);
        for (table, place) in tables_in(value) {
            // A table where a plain value is wanted is for serde to tell.
            if !key.inside.is_empty() {
                look_at(table, place, key.inside, path, problems);
            }
        }
        path.pop();
    }
    for key in known.iter().filter(|key| key.is_required && !table.contains_key(key.name)) {
        let text = format!(
            "`{}` is missing in `{}`, such as {} = {}",
            key.name,
            path.join("."),
            key.name,
            key.example
        );
        problems.push(Problem { place: place.clone(), text });
    }
}

/// The table that a value is, or the tables that are in the list.
fn tables_in<'a>(value: &'a Spanned<DeValue<'_>>) -> Vec<(&'a DeTable<'a>, Range<usize>)> {
    match value.get_ref() {
        DeValue::Table(table) => vec![(table, value.span())],
        DeValue::Array(list) => list.iter().flat_map(tables_in).collect(),
        _ => Vec::new(),
    }
}

/// "unknown key `pasive`; did you mean `passive`?"
fn unknown(written: &str, path: &[&str], known: &[Key]) -> String {
    let mut text = format!("unknown key `{}`", escaped(written));
    if !path.is_empty() {
        let _ = write!(text, " in `{}`", path.join("."));
    }
    let nearest = known
        .iter()
        .map(|key| (strsim::osa_distance(&written.to_lowercase(), key.name), key.name))
        .min()
        .filter(|(distance, name)| *distance <= 2.max(name.len() / 3));
    let elsewhere = elsewhere(written, Configuration::KEYS, "");
    match (nearest, elsewhere) {
        (Some((_, name)), _) => {
            let _ = write!(text, "; did you mean `{name}`?");
        }
        (None, Some(place)) => {
            let _ = write!(text, "; did you mean `{place}`?");
        }
        (None, None) => {
            let names: Vec<_> = known.iter().map(|key| format!("`{}`", key.name)).collect();
            let _ = write!(text, "; here are {}", names.join(", "));
        }
    }
    text
}

/// A key of that very name in another table.
fn elsewhere(written: &str, keys: &[Key], before: &str) -> Option<String> {
    keys.iter().find_map(|key| {
        let place = format!("{before}{}", key.name);
        if key.name == written { Some(place) } else { elsewhere(written, key.inside, &format!("{place}.")) }
    })
}

/// The names of the tables and the key whose value is at `place`.
fn path_to(table: &DeTable<'_>, place: &Range<usize>) -> Option<String> {
    table.iter().find_map(|(name, value)| {
        let within = |table| path_to(table, place).map(|rest| format!("{}.{rest}", name.get_ref()));
        let span = value.span();
        let holds = span.start <= place.start && place.end <= span.end;
        let inner = tables_in(value).into_iter().find_map(|(table, _)| within(table));
        inner.or_else(|| holds.then(|| name.get_ref().to_string()))
    })
}

fn escaped(text: &str) -> impl std::fmt::Display {
    wharf_proto::pathname::escaped(text.as_bytes()).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn errors(text: &str) -> String {
        Configuration::parse(text, "wharf.toml").unwrap_err().to_string()
    }

    #[test]
    fn unknown_keys_are_all_named_with_their_line_and_the_nearest_known_one() {
        let text = "root = \"/srv\"\nwrit = true\n\n[pasive]\nports = \"1-2\"\n[active]\nsourceport = 20\nports = \"3-4\"\nx = 1\n";
        assert_eq!(
            errors(text),
            "wharf.toml:2: unknown key `writ`; did you mean `write`?\n\
             wharf.toml:4: unknown key `pasive`; did you mean `passive`?\n\
             wharf.toml:7: unknown key `sourceport` in `active`; did you mean `source_port`?\n\
             wharf.toml:8: unknown key `ports` in `active`; did you mean `passive.ports`?\n\
             wharf.toml:9: unknown key `x` in `active`; here are `source_port`, `private_address`"
        );
        let text = "[passive]\nadvertise = [\n  { client = \"10.0.0.0/8\", address = \"local\" },\n  { clients = \"10.0.0.0/8\" }\n]\n";
        assert_eq!(
            errors(text),
            "wharf.toml:3: unknown key `client` in `passive.advertise`; did you mean `clients`?\n\
             wharf.toml:4: `address` is missing in `passive.advertise`, such as address = \"203.0.113.7\""
        );
        assert_eq!(
            errors("\"a\\u001Bb\" = 1"),
            "wharf.toml:1: unknown key `a\\u{1b}b`; here are `listen`, `root`, `write`, `charset`, `charsets`, `uploads`, `append`, `publish`, `durability`, `keep_parts`, `modes`, `proxy_protocol`, `ascii`, `canary`, `passive`, `active`, `user`, `group`, `sandbox`, `fxp`, `users`, `limits`, `bans`, `tls`, `admin`, `log`, `times`"
        );
    }

    #[test]
    fn wrong_values_are_told_with_what_was_found_and_what_is_wanted() {
        for (text, told) in [
            ("write = 1", "1: write: invalid type: integer `1`, expected a boolean"),
            ("\nmodes = [\"both\"]", "2: modes: unknown variant `both`, expected `active` or `passive`"),
            ("modes = \"active\"", "1: modes: invalid type: string \"active\", expected a sequence"),
            ("listen = [\"localhost\"]", "1: listen: invalid socket address syntax"),
            ("[passive]\n\nports = \"9-1\"", "3: passive.ports: the range 9-1 runs backwards: 1-9 is meant"),
            (
                "[passive]\nports = true",
                "2: passive.ports: invalid type: boolean `true`, expected a range of ports such as \"40000-40099\", or \"any\"",
            ),
            ("passive = 1", "1: passive: invalid type: integer `1`, expected a table"),
            (
                "[active]\nsource_port = 70000",
                "2: active.source_port: invalid value: integer `70000`, expected \"control-1\", \"any\" or a port from 1 to 65535",
            ),
            (
                "[times]\nlogin = 0",
                "2: times.login: invalid value: integer `0`, expected a number of seconds from 1 to 86400",
            ),
            (
                "passive.advertise = [\n{ address = \"local\" },\n{ clients = [\"10.0.0.1/8\"], address = \"local\" } ]",
                "3: passive.advertise.clients: 10.0.0.1/8 has bits behind its length set: 10.0.0.0/8 is meant",
            ),
            ("write = true\nwrite = false", "2: duplicate key"),
            ("write = \n", "1: string values must be quoted, expected literal string"),
        ] {
            assert_eq!(errors(text), format!("wharf.toml:{told}"), "{text}");
        }
    }

    #[test]
    fn relative_paths_start_from_the_files_folder() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("wharf.toml");
        std::fs::write(&file, "root = \"files\"\n[log]\nxferlog = \"/var/log/xferlog\"").unwrap();
        let read = Configuration::read(&file).unwrap();
        assert_eq!(read.root, Some(folder.path().join("files")));
        assert_eq!(read.log.xferlog, Some("/var/log/xferlog".into()));
    }
}
