//! Patterns of whole paths: what every shell has for names, and `**` for any number of them.

use core::fmt;
use core::str::FromStr;

use wharf_proto::glob;
use wharf_storage::{MAX_NAME, MAX_PATH, StoragePath};

/// Which paths are meant, from the user's root on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PathPattern {
    parts: Vec<Part>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Part {
    /// `**`: any number of names, none too.
    Any,
    /// One name that fits this pattern.
    Name(Vec<u8>),
}

/// Why a text is no pattern of paths.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PatternError {
    /// It does not begin with a slash.
    #[error("a pattern of paths begins with a slash, as in \"/incoming/**\"")]
    Relative,
    /// It holds a component that no path has.
    #[error("no path holds \".\" or \"..\"")]
    Dots,
    /// It is longer than any path.
    #[error("no path is as long as that")]
    TooLong,
}

impl FromStr for PathPattern {
    type Err = PatternError;

    fn from_str(text: &str) -> Result<Self, PatternError> {
        let rest = text.strip_prefix('/').ok_or(PatternError::Relative)?;
        let mut parts = Vec::new();
        for name in rest.split('/').filter(|name| !name.is_empty()) {
            match name {
                "." | ".." => return Err(PatternError::Dots),
                "**" if parts.last() == Some(&Part::Any) => {}
                "**" => parts.push(Part::Any),
                _ if name.len() > MAX_NAME || text.len() > MAX_PATH => return Err(PatternError::TooLong),
                _ => parts.push(Part::Name(name.as_bytes().to_vec())),
            }
        }
        Ok(Self { parts })
    }
}

impl fmt::Display for PathPattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.parts.is_empty() {
            return f.write_str("/");
        }
        self.parts.iter().try_for_each(|part| match part {
            Part::Any => f.write_str("/**"),
            Part::Name(name) => write!(f, "/{}", String::from_utf8_lossy(name)),
        })
    }
}

impl PathPattern {
    /// Whether `path` is meant.
    #[must_use]
    pub fn fits(&self, path: &StoragePath) -> bool {
        self.reached(path)[self.parts.len()]
    }

    /// Whether something beneath `path`, and not `path` itself, may be meant.
    #[must_use]
    pub fn may_fit_beneath(&self, path: &StoragePath) -> bool {
        // Whatever is left of the pattern after it has taken the path needs, or may take, one more name.
        self.reached(path)[..self.parts.len()].contains(&true) || self.ends_open(path)
    }

    /// A pattern that ends with `**` and fits a path fits everything beneath it.
    fn ends_open(&self, path: &StoragePath) -> bool {
        self.parts.last() == Some(&Part::Any) && self.fits(path)
    }

    /// After which parts of the pattern the whole path may be taken: at each index, whether so many parts have. Takes
    /// names × parts steps.
    fn reached(&self, path: &StoragePath) -> Vec<bool> {
        let mut reached = vec![false; self.parts.len() + 1];
        reached[0] = true;
        self.skip_any(&mut reached);
        for name in path.components() {
            let mut next = vec![false; reached.len()];
            for (index, part) in self.parts.iter().enumerate().filter(|(index, _)| reached[*index]) {
                match part {
                    Part::Any => next[index] = true,
                    Part::Name(pattern) => next[index + 1] |= glob::fits(pattern, name),
                }
            }
            reached = next;
            self.skip_any(&mut reached);
        }
        reached
    }

    /// `**` may take no name at all.
    fn skip_any(&self, reached: &mut [bool]) {
        for (index, part) in self.parts.iter().enumerate() {
            if *part == Part::Any && reached[index] {
                reached[index + 1] = true;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pattern(text: &str) -> PathPattern {
        text.parse().unwrap()
    }

    fn path(text: &str) -> StoragePath {
        StoragePath::root().resolve(text.as_bytes()).unwrap()
    }

    #[test]
    fn names_fit_one_name_and_double_stars_any_number() {
        for (text, fitting, others) in [
            ("/", &["/"][..], &["/a"][..]),
            ("/**", &["/", "/a", "/a/b"], &[]),
            ("/in/**", &["/in", "/in/a", "/in/a/b"], &["/", "/i", "/inn", "/x/in"]),
            ("/*/out", &["/a/out"], &["/out", "/a/b/out", "/a/out/c"]),
            ("/**/*.key", &["/a.key", "/a/b/c.key"], &["/a.key/b", "/a"]),
            ("/a/**/b/**/c", &["/a/b/c", "/a/x/b/y/z/c", "/a/b/b/c/c"], &["/a/c", "/a/b/c/d"]),
        ] {
            for one in fitting {
                assert!(pattern(text).fits(&path(one)), "{text} {one}");
            }
            for one in others {
                assert!(!pattern(text).fits(&path(one)), "{text} {one}");
            }
            assert_eq!(pattern(text).to_string(), text);
        }
    }

    #[test]
    fn what_may_fit_beneath_is_known() {
        for (text, above, apart) in [
            ("/a/b/c", &["/", "/a", "/a/b"][..], &["/a/b/c", "/b", "/a/c"][..]),
            ("/a/**", &["/", "/a", "/a/b"], &["/b"]),
            ("/**/x", &["/", "/a", "/x"], &[]),
            ("/*", &["/"], &["/a"]),
        ] {
            for one in above {
                assert!(pattern(text).may_fit_beneath(&path(one)), "{text} {one}");
            }
            for one in apart {
                assert!(!pattern(text).may_fit_beneath(&path(one)), "{text} {one}");
            }
        }
    }

    #[test]
    fn what_no_path_can_fit_is_an_error() {
        assert_eq!("in/**".parse::<PathPattern>(), Err(PatternError::Relative));
        assert_eq!("/in/../x".parse::<PathPattern>(), Err(PatternError::Dots));
        assert_eq!(format!("/{}", "a".repeat(256)).parse::<PathPattern>(), Err(PatternError::TooLong));
    }
}
