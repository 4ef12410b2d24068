//! The file itself (vsftpd.conf(5), "FORMAT").

use std::collections::BTreeMap;

use anyhow::{Result, bail};

use super::directives::{DIRECTIVES, Directive, Kind};

/// The directives that a file gives.
#[derive(Debug, Default)]
pub(crate) struct Conf {
    /// By name. The last one counts, as with vsftpd.
    given: BTreeMap<&'static str, Given>,
}

/// A directive that the file gives.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Given {
    /// As it stands there.
    pub(super) value: String,
    /// From 1.
    pub(super) line: usize,
}

impl Conf {
    /// Reads the text of a file; `name` is what it is called in errors.
    ///
    /// # Errors
    /// Where vsftpd would not start: a line for each thing that is wrong.
    pub(crate) fn parse(text: &str, name: &str) -> Result<Self> {
        let mut conf = Self::default();
        let mut problems = Vec::new();
        for (index, line) in text.lines().enumerate() {
            let line_number = index + 1;
            let line = line.trim();
            if line.is_empty() || line.starts_with('#') {
                continue;
            }
            match setting(line) {
                Ok((directive, value)) => {
                    let given = Given { value: value.to_owned(), line: line_number };
                    conf.given.insert(directive.name, given);
                }
                Err(problem) => problems.push(format!("{name}:{line_number}: {problem}")),
            }
        }
        if !problems.is_empty() {
            bail!(problems.join("\n"));
        }
        Ok(conf)
    }

    /// What the file gives, in its order.
    pub(super) fn given(&self) -> Vec<(&'static Directive, &Given)> {
        let mut given: Vec<_> = DIRECTIVES
            .iter()
            .filter_map(|directive| Some((directive, self.given.get(directive.name)?)))
            .collect();
        given.sort_by_key(|(_, given)| given.line);
        given
    }

    /// Whether the file gives it.
    pub(super) fn gives(&self, name: &str) -> bool {
        self.given.contains_key(name)
    }

    /// The value, or vsftpd's default; empty for a text that has none.
    pub(super) fn text(&self, name: &str) -> &str {
        match self.given.get(name) {
            Some(given) => &given.value,
            None => DIRECTIVES
                .iter()
                .find(|directive| directive.name == name)
                .map_or("", |directive| directive.default),
        }
    }

    /// The same of a switch.
    pub(super) fn is_on(&self, name: &str) -> bool {
        switch(self.text(name)) == Some(true)
    }

    /// The same of a number.
    pub(super) fn number(&self, name: &str) -> u64 {
        number(self.text(name)).unwrap_or(0)
    }
}

/// A line that is neither empty nor a comment.
fn setting(line: &str) -> Result<(&'static Directive, &str), String> {
    let (name, value) = line.split_once('=').ok_or_else(|| {
        format!("`{line}` is no directive: a line is NAME=VALUE, or a comment that begins with #")
    })?;
    if name.ends_with(' ') || value.starts_with(' ') {
        return Err(format!("`{line}`: vsftpd takes no space around the ="));
    }
    let directive = DIRECTIVES.iter().find(|directive| directive.name == name).ok_or_else(|| {
        let nearest = DIRECTIVES
            .iter()
            .map(|directive| (strsim::damerau_levenshtein(name, directive.name), directive.name))
            .min()
            .filter(|(distance, _)| *distance <= 3);
        match nearest {
            Some((_, nearest)) => format!("vsftpd knows no directive `{name}`; did you mean `{nearest}`?"),
            None => format!("vsftpd knows no directive `{name}`"),
        }
    })?;
    match directive.kind {
        Kind::Switch if switch(value).is_none() => Err(format!("{name}={value}: YES or NO is wanted")),
        Kind::Number if number(value).is_none() => {
            Err(format!("{name}={value}: a number is wanted, an octal one with a 0 before it"))
        }
        _ => Ok((directive, value)),
    }
}

fn switch(value: &str) -> Option<bool> {
    match value.to_ascii_uppercase().as_str() {
        "YES" | "TRUE" | "1" => Some(true),
        "NO" | "FALSE" | "0" => Some(false),
        _ => None,
    }
}

fn number(value: &str) -> Option<u64> {
    match value.strip_prefix('0') {
        Some(octal) if !octal.is_empty() => u64::from_str_radix(octal, 8).ok(),
        _ => value.parse().ok(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_read_as_vsftpd_reads_it() {
        let text = "# a comment\n\nlisten=YES\nlisten_port=2121\nlocal_umask=022\nftpd_banner=Welcome = here\nlisten_port=2122\n";
        let conf = Conf::parse(text, "vsftpd.conf").unwrap();
        assert!(conf.is_on("listen") && !conf.is_on("listen_ipv6") && conf.is_on("pasv_enable"));
        assert_eq!((conf.number("listen_port"), conf.number("local_umask")), (2122, 0o22));
        assert_eq!(conf.text("ftpd_banner"), "Welcome = here");
        let lines: Vec<usize> = conf.given().iter().map(|(_, given)| given.line).collect();
        assert_eq!(lines, [3, 5, 6, 7]);
    }

    #[test]
    fn what_vsftpd_would_not_take_is_told_with_its_line() {
        let text = "listen=MAYBE\npasv_enabel=YES\nlocal_umask=9x\nlisten = YES\nnothing\n";
        let error = Conf::parse(text, "a.conf").unwrap_err().to_string();
        let lines: Vec<&str> = error.lines().collect();
        assert_eq!(
            lines,
            [
                "a.conf:1: listen=MAYBE: YES or NO is wanted",
                "a.conf:2: vsftpd knows no directive `pasv_enabel`; did you mean `pasv_enable`?",
                "a.conf:3: local_umask=9x: a number is wanted, an octal one with a 0 before it",
                "a.conf:4: `listen = YES`: vsftpd takes no space around the =",
                "a.conf:5: `nothing` is no directive: a line is NAME=VALUE, or a comment that begins with #",
            ]
        );
    }
}
