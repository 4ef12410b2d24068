//! A cause with what proves it.

use core::fmt;

use serde::{Deserialize, Serialize, Serializer};

use crate::{Cause, Evidence, EvidenceKind, Language, Report};

/// How sure a [`Finding`] is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Confidence {
    /// The evidence fits, other causes fit as well.
    Possible,
    /// The evidence fits this cause better than any other.
    Likely,
    /// The evidence leaves no other cause.
    Certain,
}

/// A root cause that was found, with the facts that led to it.
///
/// There is none without evidence: see [`Finding::new`]. In JSON it is
/// `{"cause", "confidence", "summary", "evidence": […], "fix": {"client", "server", "middle"}}` in English;
/// [`Finding::report`] gives the same in another language. `Display` is the text for people.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    cause: Cause,
    confidence: Confidence,
    evidence: Vec<Evidence>,
    /// Of the first facts, the frames of a capture that show each.
    frames: Vec<Vec<u64>>,
}

/// Why a cause cannot be named: the evidence does not carry it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Unfounded {
    /// There was no evidence at all.
    #[error("`{cause}` was named without evidence")]
    NoEvidence {
        /// The cause that was to be named.
        cause: Cause,
    },
    /// None of the evidence decides this cause, and it is to be named as more than possible.
    #[error("`{cause}` was named as {confidence:?} on {kinds:?}, of which none decides it")]
    NotDecisive {
        /// The cause that was to be named.
        cause: Cause,
        /// How sure it was to be.
        confidence: Confidence,
        /// What there was.
        kinds: Vec<EvidenceKind>,
    },
}

impl Finding {
    /// Names `cause` on the strength of `evidence`, the most telling fact first.
    ///
    /// At least one fact must be of a kind that decides the cause ([`Cause::decided_by`]). A cause that is no more
    /// than possible may rest on a hint ([`Cause::hinted_by`]) instead. Any other fact may stand beside it.
    ///
    /// # Errors
    /// When the evidence is empty or does not carry the cause: that is a mistake of the code that diagnoses.
    pub fn new(cause: Cause, confidence: Confidence, evidence: Vec<Evidence>) -> Result<Self, Unfounded> {
        if evidence.is_empty() {
            return Err(Unfounded::NoEvidence { cause });
        }
        let any_of = |kinds: &[EvidenceKind]| evidence.iter().any(|fact| kinds.contains(&fact.kind()));
        let decided = any_of(cause.decided_by());
        if decided || (confidence == Confidence::Possible && any_of(cause.hinted_by())) {
            return Ok(Self { cause, confidence, evidence, frames: Vec::new() });
        }
        let kinds = evidence.iter().map(Evidence::kind).collect();
        Err(Unfounded::NotDecisive { cause, confidence, kinds })
    }

    /// As [`new`](Self::new), for what a capture shows: each fact with the numbers of the frames that show it.
    ///
    /// # Errors
    /// As there.
    pub fn captured(
        cause: Cause,
        confidence: Confidence,
        seen: impl IntoIterator<Item = (Evidence, Vec<u64>)>,
    ) -> Result<Self, Unfounded> {
        let (evidence, frames) = seen.into_iter().unzip();
        Ok(Self { frames, ..Self::new(cause, confidence, evidence)? })
    }

    /// The frames of a capture that show the fact at `index`; none for facts that were seen otherwise.
    #[must_use]
    pub fn frames(&self, index: usize) -> &[u64] {
        self.frames.get(index).map_or(&[], Vec::as_slice)
    }

    /// Adds a fact that stands beside the others.
    #[must_use]
    pub fn with(mut self, evidence: Evidence) -> Self {
        self.evidence.push(evidence);
        self
    }

    /// What was found.
    #[must_use]
    pub const fn cause(&self) -> Cause {
        self.cause
    }

    /// How sure it is.
    #[must_use]
    pub const fn confidence(&self) -> Confidence {
        self.confidence
    }

    /// The facts, never none.
    #[must_use]
    pub fn evidence(&self) -> &[Evidence] {
        &self.evidence
    }

    /// What goes wrong, in a sentence or two.
    #[must_use]
    pub fn summary(&self, language: Language) -> &'static str {
        self.cause.summary(language)
    }

    /// The finding in words, for people (`Display`) and programs (`Serialize`).
    #[must_use]
    pub const fn report(&self, language: Language) -> Report<'_> {
        Report::new(self, language)
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.report(Language::English).fmt(f)
    }
}

impl Serialize for Finding {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.report(Language::English).serialize(serializer)
    }
}
