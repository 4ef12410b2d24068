//! What a user may do. Commands ask here, with a right and a path, and nowhere else.

mod pattern;

pub use pattern::{PathPattern, PatternError};

use wharf_proto::Reply;
use wharf_storage::StoragePath;

use crate::commands::Carried;
use crate::replies;
use crate::session::Session;

/// One thing that a user may be allowed to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Right {
    /// Download files.
    Read,
    /// Store files under names that are free.
    Write,
    /// Change what is there: replace it, go on at its end or in its midst, set its time or its mode.
    Overwrite,
    /// Delete files and empty directories.
    Delete,
    /// See the names in a directory.
    List,
    /// Give files and directories other names.
    Rename,
    /// Make directories.
    MakeDirectory,
}

impl Right {
    /// All of them, with their names in files.
    pub const NAMED: [(&'static str, Self); 7] = [
        ("read", Self::Read),
        ("write", Self::Write),
        ("overwrite", Self::Overwrite),
        ("delete", Self::Delete),
        ("list", Self::List),
        ("rename", Self::Rename),
        ("mkdir", Self::MakeDirectory),
    ];

    /// Its name in files.
    #[must_use]
    pub fn name(self) -> &'static str {
        Self::NAMED.iter().find(|(_, right)| *right == self).map_or("", |(name, _)| name)
    }
}

/// A set of rights.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rights(u8);

impl Rights {
    /// None.
    pub const NONE: Self = Self(0);
    /// Every one.
    pub const ALL: Self = Self(0x7F);
    /// Downloads and listings.
    pub const READ_ONLY: Self = Self::NONE.with(Right::Read).with(Right::List);

    /// With this one too.
    #[must_use]
    pub const fn with(self, right: Right) -> Self {
        Self(self.0 | 1 << right as u8)
    }

    /// Whether it is in the set.
    #[must_use]
    pub const fn has(self, right: Right) -> bool {
        self.0 & (1 << right as u8) != 0
    }
}

/// Other rights for a part of the tree.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PathRule {
    /// For these paths.
    pub pattern: PathPattern,
    /// What may be done there, in place of what the user may elsewhere.
    pub rights: Rights,
}

/// What a user may do, and where.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Policy {
    /// Where no rule fits.
    pub rights: Rights,
    /// Tried in order; the first that fits counts.
    pub rules: Vec<PathRule>,
}

impl Policy {
    /// These rights everywhere.
    #[must_use]
    pub const fn everywhere(rights: Rights) -> Self {
        Self { rights, rules: Vec::new() }
    }

    /// What may be done with `path`.
    #[must_use]
    pub fn rights_at(&self, path: &StoragePath) -> Rights {
        self.rules.iter().find(|rule| rule.pattern.fits(path)).map_or(self.rights, |rule| rule.rights)
    }

    /// Whether nothing may be done with `path`, nor with anything beneath it, since a rule says so.
    fn hides(&self, path: &StoragePath) -> bool {
        let gives = |rule: &PathRule| rule.rights != Rights::NONE && rule.pattern.may_fit_beneath(path);
        !self.rules.is_empty() && self.rights_at(path) == Rights::NONE && !self.rules.iter().any(gives)
    }

    /// Whether something beneath `path` has other rights than `path` itself. Moving such a directory would take what is
    /// in it out of its rules.
    fn differs_beneath(&self, path: &StoragePath) -> bool {
        let own = self.rights_at(path);
        self.rules.iter().any(|rule| rule.rights != own && rule.pattern.may_fit_beneath(path))
    }
}

/// Whether the user may do nothing at `path`, nor anywhere beneath it: for it, it is not there.
pub(crate) fn is_hidden(session: &Session, path: &StoragePath) -> bool {
    session.policy().hides(path)
}

/// Whether the user has this right at `path`.
pub(crate) fn has(session: &Session, right: Right, path: &StoragePath) -> bool {
    session.policy().rights_at(path).has(right)
}

/// Stops where the user has not this right at `path`.
pub(crate) fn may(session: &Session, right: Right, path: &StoragePath) -> Carried<()> {
    let policy = session.policy();
    let rights = if policy.rules.is_empty() { policy.rights } else { policy.rights_at(path) };
    if rights.has(right) { Ok(()) } else { Err(denied(session, right, path)) }
}

/// Stops where what stands at `from` may not be given another name, or not the name `path`: one of the two.
pub(crate) async fn may_rename(session: &mut Session, from: &StoragePath, path: &StoragePath) -> Carried<()> {
    may(session, Right::Rename, path)?;
    // A file has nothing beneath it.
    if session.policy().differs_beneath(path)
        && session.storage().stat(from).await.is_ok_and(|metadata| metadata.is_directory())
    {
        return Err(replies::has_rules_beneath());
    }
    Ok(())
}

/// Stops who may neither read nor list at `path`: sizes and times are told to those who may do either.
pub(crate) fn may_look(session: &Session, path: &StoragePath) -> Carried<()> {
    if session.policy().rights_at(path).has(Right::List) { Ok(()) } else { may(session, Right::Read, path) }
}

/// The reply to whoever has not this right at `path`, which is logged.
pub(crate) fn denied(session: &Session, right: Right, path: &StoragePath) -> Reply {
    tracing::info!(
        session = session.number, user = %session.who(), right = right.name(),
        path = %wharf_proto::pathname::escaped(path.as_bytes()), "refused by the user's rights"
    );
    if session.policy() == &Policy::everywhere(Rights::READ_ONLY) {
        return replies::read_only();
    }
    replies::denied(right)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn path(text: &str) -> StoragePath {
        StoragePath::root().resolve(text.as_bytes()).unwrap()
    }

    fn policy(rights: Rights, rules: &[(&str, Rights)]) -> Policy {
        let rules = rules
            .iter()
            .map(|(pattern, rights)| PathRule { pattern: pattern.parse().unwrap(), rights: *rights });
        Policy { rights, rules: rules.collect() }
    }

    #[test]
    fn each_right_has_a_bit_and_a_name_of_its_own() {
        let all = Right::NAMED.iter().fold(Rights::NONE, |rights, (_, right)| rights.with(*right));
        assert_eq!(all, Rights::ALL);
        for (name, right) in Right::NAMED {
            assert_eq!(right.name(), name);
            let one = Rights::NONE.with(right);
            assert_eq!(Right::NAMED.iter().filter(|(_, other)| one.has(*other)).count(), 1, "{name}");
        }
    }

    #[test]
    fn the_first_rule_that_fits_counts() {
        let policy = policy(
            Rights::READ_ONLY,
            &[("/in/old/**", Rights::NONE), ("/in/**", Rights::ALL), ("/*.log", Rights::NONE)],
        );
        assert_eq!(policy.rights_at(&path("/in/new/a")), Rights::ALL);
        assert_eq!(policy.rights_at(&path("/in/old/a")), Rights::NONE);
        assert_eq!(policy.rights_at(&path("/in")), Rights::ALL);
        assert_eq!(policy.rights_at(&path("/a.log")), Rights::NONE);
        assert_eq!(policy.rights_at(&path("/b/a.log")), Rights::READ_ONLY);
    }

    #[test]
    fn what_has_no_rights_is_hidden_unless_something_beneath_it_has() {
        let policy = policy(Rights::ALL, &[("/a/open/**", Rights::ALL), ("/a/**", Rights::NONE)]);
        assert!(policy.hides(&path("/a/shut")) && policy.hides(&path("/a/b/c")));
        for seen in ["/", "/a", "/a/open", "/a/open/x", "/b"] {
            assert!(!policy.hides(&path(seen)), "{seen}");
        }
        assert!(!Policy::everywhere(Rights::NONE).hides(&path("/")));
    }

    #[test]
    fn a_directory_that_holds_what_other_rules_are_about_is_known() {
        let policy = policy(Rights::ALL, &[("/a/secret/**", Rights::NONE), ("/**/*.key", Rights::ALL)]);
        assert!(policy.differs_beneath(&path("/a")) && policy.differs_beneath(&path("/")));
        assert!(!policy.differs_beneath(&path("/b")));
    }
}
