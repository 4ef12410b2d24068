//! A server, or a box before it, that makes TYPE A of TYPE I: whatever is no text would be damaged, and nobody would notice
//! where the server tells no sizes, as many do not in TYPE A.

use wharf_findings::{Cause, Confidence, Evidence, Finding};
use wharf_proto::Reply;
use wharf_proto::command::Representation;

use crate::error::{ClientError, IncompleteReason};
use crate::session::Session;

impl Session {
    /// Looks at what TYPE was answered with.
    pub(crate) fn note_representation(&mut self, wanted: Representation, reply: &Reply) {
        if wanted != Representation::Image {
            return;
        }
        let taken = says_text(reply).then(|| reply.clone());
        // Once is enough: the type changes with each listing.
        if let (Some(reply), None) = (&taken, &self.taken_for_text) {
            let warning = format!(
                "the server answered TYPE I with \"{reply}\": whatever is no text may be damaged on the way"
            );
            self.observer.warning(&warning);
        }
        self.taken_for_text = taken;
    }

    /// Why a file whose length nobody tells cannot be moved as it is, if it cannot.
    ///
    /// # Errors
    /// [`ClientError::TakenForText`].
    pub(crate) fn is_moved_as_it_is(&self) -> Result<(), ClientError> {
        match (&self.taken_for_text, self.text_finding()) {
            (Some(reply), Some(finding)) => Err(ClientError::TakenForText { reply: reply.clone(), finding }),
            _ => Ok(()),
        }
    }

    /// Why a file has another length at its end, if TYPE was taken so.
    pub(crate) fn went_as_text(&self) -> Option<IncompleteReason> {
        self.text_finding().map(IncompleteReason::WentAsText)
    }

    fn text_finding(&self) -> Option<Box<Finding>> {
        let reply = self.taken_for_text.as_ref()?.to_string();
        let said = Evidence::ReplyReceived { verb: "TYPE I".to_owned(), reply };
        Finding::new(Cause::AsciiDamaged, Confidence::Likely, vec![said]).ok().map(Box::new)
    }
}

/// Whether a positive reply to TYPE I tells of text, and of nothing else.
fn says_text(reply: &Reply) -> bool {
    let text = String::from_utf8_lossy(reply.text()).to_ascii_uppercase();
    let words: Vec<&str> =
        text.split(|c: char| !c.is_ascii_alphanumeric()).filter(|word| !word.is_empty()).collect();
    let is_text = words.contains(&"ASCII") || words.last() == Some(&"A");
    is_text && !words.iter().any(|word| matches!(*word, "BINARY" | "IMAGE" | "I" | "NO" | "NOT" | "OFF"))
}

#[cfg(test)]
mod tests {
    use wharf_proto::ReplyCode;

    use super::*;

    #[test]
    fn what_servers_say_to_type() {
        for (text, expected) in [
            ("Switching to ASCII mode.", true),
            ("Type set to A", true),
            ("TYPE is now ASCII", true),
            ("Type set to: ASCII.", true),
            ("Type set to ASCII.", true),
            ("Switching to Binary mode.", false),
            ("Type set to I", false),
            ("TYPE is now 8-bit binary", false),
            ("Type set to I, was ASCII", false),
            ("ASCII translation off", false),
            ("Command okay.", false),
            ("", false),
        ] {
            assert_eq!(says_text(&Reply::new(ReplyCode::COMMAND_OKAY, text)), expected, "{text}");
        }
    }
}
