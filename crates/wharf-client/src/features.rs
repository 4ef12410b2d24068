//! What a server says that it can do (FEAT, RFC 2389 §3.2).

use wharf_proto::Reply;

/// Most features that are remembered.
const MOST: usize = 256;

/// The features of a server. One that knows no FEAT has none, which proves nothing: old servers can do much that they
/// never list.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Features {
    lines: Vec<String>,
}

impl Features {
    /// Reads the answer to FEAT; a refusal is an empty list.
    #[must_use]
    pub fn from_reply(reply: &Reply) -> Self {
        if reply.code().is_negative() || !reply.is_multi_line() {
            return Self::default();
        }
        let inner = reply.lines().len() - 2;
        let lines = reply.lines().skip(1).take(inner.min(MOST));
        let lines = lines.map(|line| String::from_utf8_lossy(line).trim().to_owned());
        Self { lines: lines.filter(|line| !line.is_empty()).collect() }
    }

    /// Each line, without the space in front.
    #[must_use]
    pub fn lines(&self) -> &[String] {
        &self.lines
    }

    /// Whether the word `name` begins a line, in any case.
    #[must_use]
    pub fn has(&self, name: &str) -> bool {
        self.parameters(name).is_some()
    }

    /// What stands behind `name`.
    #[must_use]
    pub fn parameters(&self, name: &str) -> Option<&str> {
        self.lines.iter().find_map(|line| {
            let (word, rest) = line.split_once(' ').unwrap_or((line, ""));
            word.eq_ignore_ascii_case(name).then_some(rest)
        })
    }

    /// MLST and MLSD, which come as one feature (RFC 3659 §7.8).
    #[must_use]
    pub fn machine_listings(&self) -> bool {
        self.has("MLST") || self.has("MLSD")
    }

    /// REST in stream mode (RFC 3659 §5.1).
    #[must_use]
    pub fn restarts(&self) -> bool {
        self.parameters("REST").is_some_and(|rest| rest.to_ascii_uppercase().contains("STREAM"))
    }

    /// UTF-8 names (RFC 2640 §3.2).
    #[must_use]
    pub fn utf8(&self) -> bool {
        self.has("UTF8")
    }
}

#[cfg(test)]
mod tests {
    use wharf_proto::ReplyCode;

    use super::*;

    #[test]
    fn features_are_found_in_any_case_and_with_their_parameters() {
        let reply = Reply::multi_line(
            ReplyCode::SYSTEM_STATUS,
            ["Features:", " MLST type*;size*;", " rest stream", "UTF8", "End"],
        );
        let features = Features::from_reply(&reply);
        assert!(features.machine_listings() && features.restarts() && features.utf8());
        assert!(!features.has("SIZE") && !features.has("ML"));
        assert_eq!(features.parameters("MLST"), Some("type*;size*;"));
    }

    #[test]
    fn a_refusal_and_a_single_line_have_none() {
        assert_eq!(Features::from_reply(&Reply::new(ReplyCode::SYNTAX_ERROR, "What?")), Features::default());
        let none = Reply::new(ReplyCode::SYSTEM_STATUS, "No features.");
        assert_eq!(Features::from_reply(&none), Features::default());
    }
}
