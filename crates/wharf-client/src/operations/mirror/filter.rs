//! Which paths of a tree take part, by patterns as a shell has them.

use wharf_proto::glob;

/// Patterns of paths relative to the root of the tree.
///
/// A pattern without a `/` is held against the last name of a path, at any depth; one with a `/` against all of it, name by
/// name, where `**` stands for any number of names. What fits an exclude is left out with all beneath it, and so protected
/// from deletion too. Where there are includes, only files that fit one take part, or that lie in a directory that does.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Filter {
    includes: Vec<Pattern>,
    excludes: Vec<Pattern>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Pattern {
    names: Vec<Vec<u8>>,
    /// Whether it is about whole paths.
    is_path: bool,
}

impl Filter {
    /// A filter of these patterns.
    pub fn new<T: AsRef<[u8]>>(
        includes: impl IntoIterator<Item = T>,
        excludes: impl IntoIterator<Item = T>,
    ) -> Self {
        Self {
            includes: includes.into_iter().map(|pattern| Pattern::new(pattern.as_ref())).collect(),
            excludes: excludes.into_iter().map(|pattern| Pattern::new(pattern.as_ref())).collect(),
        }
    }

    /// Whether the directory `path` is gone into. Its parents were asked for before.
    #[must_use]
    pub fn takes_directory(&self, path: &[u8]) -> bool {
        !self.excludes.iter().any(|pattern| pattern.fits(path))
    }

    /// Whether the file `path` takes part. Its parents were asked for before.
    #[must_use]
    pub fn takes_file(&self, path: &[u8]) -> bool {
        let is_included = || {
            self.includes.is_empty()
                || prefixes(path).any(|prefix| self.includes.iter().any(|pattern| pattern.fits(prefix)))
        };
        !self.excludes.iter().any(|pattern| pattern.fits(path)) && is_included()
    }
}

/// `a`, `a/b`, `a/b/c`.
fn prefixes(path: &[u8]) -> impl Iterator<Item = &[u8]> {
    let ends = path.iter().enumerate().filter(|(_, byte)| **byte == b'/').map(|(at, _)| at);
    ends.chain([path.len()]).map(|end| &path[..end])
}

impl Pattern {
    fn new(text: &[u8]) -> Self {
        let bare = text.strip_prefix(b"/").unwrap_or(text);
        let bare = bare.strip_suffix(b"/").unwrap_or(bare);
        let names: Vec<_> = bare.split(|byte| *byte == b'/').map(<[u8]>::to_vec).collect();
        let is_path = names.len() > 1 || text.starts_with(b"/");
        Self { names, is_path }
    }

    fn fits(&self, path: &[u8]) -> bool {
        let names: Vec<_> = path.split(|byte| *byte == b'/').collect();
        if self.is_path {
            return names_fit(&self.names, &names);
        }
        names.last().is_some_and(|name| glob::fits(&self.names[0], name))
    }
}

/// The pattern's names against the path's, `**` for any number of them: one row of a table at a time, so that no pattern
/// takes longer than pattern × path.
fn names_fit(pattern: &[Vec<u8>], path: &[&[u8]]) -> bool {
    // Whether the pattern so far fits the first `index` names.
    let mut fits = vec![false; path.len() + 1];
    fits[0] = true;
    for part in pattern {
        let before = fits.clone();
        fits[0] = before[0] && part == b"**";
        for index in 1..=path.len() {
            fits[index] = if part == b"**" {
                before[index] || fits[index - 1]
            } else {
                before[index - 1] && glob::fits(part, path[index - 1])
            };
        }
    }
    fits[path.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_are_of_names_or_of_paths() {
        for (pattern, path, wanted) in [
            ("*.tmp", "a/b/x.tmp", true),
            ("*.tmp", "a/b.tmp/x", false),
            ("a/*.tmp", "a/x.tmp", true),
            ("a/*.tmp", "a/b/x.tmp", false),
            ("a/**/x", "a/x", true),
            ("a/**/x", "a/b/c/x", true),
            ("**/x", "x", true),
            ("a/**", "a/b/c", true),
            ("/x", "x", true),
            ("/x", "a/x", false),
            ("b/", "a/b", true),
            ("caf?", "a/caf\u{e9}", false),
        ] {
            assert_eq!(Pattern::new(pattern.as_bytes()).fits(path.as_bytes()), wanted, "{pattern} {path}");
        }
        assert!(Pattern::new(b"caf?").fits(b"a/caf\xE9"));
    }

    #[test]
    fn excludes_win_and_a_directory_includes_what_is_in_it() {
        let filter = Filter::new(["*.txt", "docs"], ["old*"]);
        for (path, wanted) in
            [("a/x.txt", true), ("x.bin", false), ("docs/x.bin", true), ("docs/old.txt", false)]
        {
            assert_eq!(filter.takes_file(path.as_bytes()), wanted, "{path}");
        }
        assert!(filter.takes_directory(b"anything") && !filter.takes_directory(b"older"));
        assert!(Filter::default().takes_file(b"x"));
    }

    #[test]
    fn a_pattern_made_to_explode_does_not() {
        let pattern = "**/a/".repeat(200) + "x";
        let path = "a/".repeat(400) + "y";
        assert!(!Pattern::new(pattern.as_bytes()).fits(path.as_bytes()));
    }
}
