//! Checksums that servers compute: HASH (draft-bryan-ftpext-hash), XSHA512, XSHA256, XSHA1, XMD5, XCRC and MD5
//! (draft-twine-ftpmd5), and the comparison with ours.

use std::fs::File;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use wharf_proto::command::UnknownCommand;
use wharf_proto::pathname::Pathname;
use wharf_proto::{Command, Reply, ReplyCode};

use crate::digest::{Algorithm, Sum};
use crate::error::{ClientError, ControlFailure, SumsDiffer};
use crate::features::Features;
use crate::session::Session;

/// The slowest that a server computes a sum, in bytes a second: so much longer it is waited for.
const SLOWEST: u64 = 16 * 1024 * 1024;

/// That files are compared by checksum after a transfer. Clones are of one wish: what cannot be done is said once for all
/// sessions.
#[derive(Clone, Debug, Default)]
pub struct Verification {
    was_told: Arc<AtomicBool>,
}

impl PartialEq for Verification {
    fn eq(&self, _: &Self) -> bool {
        true
    }
}

impl Eq for Verification {}

/// A way to ask for a sum.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Question {
    /// HASH, with the algorithm chosen by OPTS before, unless the server has it chosen already.
    Hash { algorithm: Algorithm, is_chosen: bool },
    /// A command for this algorithm alone.
    Verb { verb: &'static str, algorithm: Algorithm },
}

impl Question {
    fn algorithm(self) -> Algorithm {
        match self {
            Self::Hash { algorithm, .. } | Self::Verb { algorithm, .. } => algorithm,
        }
    }
}

/// Commands for one algorithm alone, the strongest first.
const VERBS: &[(&str, Algorithm)] = &[
    ("XSHA512", Algorithm::Sha512),
    ("XSHA256", Algorithm::Sha256),
    ("XSHA1", Algorithm::Sha1),
    ("XSHA", Algorithm::Sha1),
    ("XMD5", Algorithm::Md5),
    ("MD5", Algorithm::Md5),
    ("XCRC", Algorithm::Crc32),
];

/// What the server can be asked, the strongest algorithm first, and HASH before other commands for the same.
fn questions(features: &Features, wanted: Option<Algorithm>) -> Vec<Question> {
    let mut questions = Vec::new();
    // A star marks the chosen one (draft-bryan-ftpext-hash §3.2).
    let offered: Vec<_> = features.parameters("HASH").unwrap_or_default().split(';').collect();
    for name in offered {
        let is_chosen = name.ends_with('*');
        if let Some(algorithm) = Algorithm::from_any_name(name.trim_end_matches('*').trim()) {
            questions.push(Question::Hash { algorithm, is_chosen });
        }
    }
    let has = |verb| features.has(verb);
    let verbs = VERBS.iter().filter(|(verb, _)| has(verb));
    questions.extend(verbs.map(|&(verb, algorithm)| Question::Verb { verb, algorithm }));
    questions.retain(|question| wanted.is_none_or(|wanted| question.algorithm() == wanted));
    let strength = |algorithm| Algorithm::STRONGEST_FIRST.iter().position(|other| *other == algorithm);
    // Stable: HASH stays in front.
    questions.sort_by_key(|question| strength(question.algorithm()));
    questions
}

impl Session {
    /// The checksum of the file `path` as the server computes it, by the strongest algorithm that both sides have, or by
    /// `wanted`; none where the server has no command for it, or refuses it. `size` is the file's length in bytes, if it is
    /// known: a long one is waited for longer.
    ///
    /// # Errors
    /// What happened to the control connection.
    pub async fn checksum(
        &mut self,
        path: &Pathname,
        wanted: Option<Algorithm>,
        size: Option<u64>,
    ) -> Result<Option<Sum>, ClientError> {
        for question in questions(self.features(), wanted) {
            let lines = match question {
                Question::Hash { algorithm, is_chosen } => {
                    let choice = line("OPTS HASH", algorithm.name().as_bytes());
                    // In another transfer of this session another one may have been chosen.
                    if (!is_chosen || self.has_chosen_hash) && !self.accepts(choice, None).await? {
                        continue;
                    }
                    self.has_chosen_hash |= !is_chosen;
                    vec![line("HASH", path.as_bytes())]
                }
                Question::Verb { verb, .. } => {
                    let mut lines = vec![line(verb, path.as_bytes())];
                    // Arguments may follow the name, so that some want one with spaces quoted.
                    if path.as_bytes().contains(&b' ') {
                        lines.push(line(verb, &[b"\"", path.as_bytes(), b"\""].concat()));
                    }
                    lines
                }
            };
            for line in lines.into_iter().flatten() {
                let reply = self.answer_to(line, size).await?;
                if let Some(sum) = sum_in(&reply, question.algorithm())
                    .filter(|sum| wanted.is_none_or(|wanted| sum.algorithm == wanted))
                {
                    return Ok(Some(sum));
                }
            }
        }
        Ok(None)
    }

    /// Compares `file`, of which `length` bytes are the transferred file, with what the server says of `path`, if that was
    /// asked for. `file` is none where it cannot be read again.
    pub(crate) async fn verify(
        &mut self,
        path: &Pathname,
        file: Option<File>,
        length: u64,
    ) -> Result<Option<Sum>, ClientError> {
        let Some(verification) = self.options.transfers.verification.clone() else { return Ok(None) };
        let Some(file) = file else {
            self.observer.warning(&format!("{path} cannot be read again here; only its size was compared"));
            return Ok(None);
        };
        let Some(theirs) = self.checksum(path, None, Some(length)).await? else {
            if !verification.was_told.swap(true, Ordering::Relaxed) {
                let reason = match questions(self.features(), None).is_empty() {
                    true => "the server has no command for checksums",
                    false => "the server does not tell checksums of these files",
                };
                self.observer.warning(&format!("{reason}; only the sizes were compared"));
            }
            return Ok(None);
        };
        let algorithm = theirs.algorithm;
        let local = ClientError::local(format!("the local file of {path}"));
        let computed = tokio::task::spawn_blocking(move || Sum::of_file(algorithm, &file, length)).await;
        let ours = match computed {
            Ok(ours) => ours.map_err(local)?,
            Err(error) => return Err(local(std::io::Error::other(error))),
        };
        if ours != theirs {
            let path = path.to_string();
            return Err(ClientError::SumsDiffer(Box::new(SumsDiffer { path, ours, theirs, kept: None })));
        }
        self.observer.note(&format!("{path}: {ours}, here and at the server"));
        Ok(Some(ours))
    }

    async fn accepts(&mut self, command: Option<Command>, size: Option<u64>) -> Result<bool, ClientError> {
        match command {
            Some(command) => Ok(self.answer_to(command, size).await?.code().is_positive()),
            None => Ok(false),
        }
    }

    /// The answer to a command for which the server may have to read all of a file.
    async fn answer_to(&mut self, command: Command, size: Option<u64>) -> Result<Reply, ClientError> {
        self.revive().await?;
        let limit = self.options.times.reply + Duration::from_secs(size.unwrap_or(0) / SLOWEST);
        let reply = self.exchange_within(&command, limit).await?;
        if reply.code() == ReplyCode::SERVICE_NOT_AVAILABLE {
            return Err(ControlFailure::Dismissed(reply).into());
        }
        Ok(reply)
    }
}

fn line(verb: &str, argument: &[u8]) -> Option<Command> {
    UnknownCommand::new(&[verb.as_bytes(), b" ", argument].concat()).ok().map(Command::Unknown)
}

/// The sum in an answer: `213 SHA-256 0-49 6a1f… name`, `250 6A1F…`, `251 "name" 6a1f…`, or the last line of several. What
/// stands in quotes is a name; else the first word that has the right digits is taken.
fn sum_in(reply: &Reply, asked: Algorithm) -> Option<Sum> {
    if !reply.code().is_positive() {
        return None;
    }
    reply.lines().rev().find_map(|line| {
        let line = String::from_utf8_lossy(line);
        let unquoted: String = line.split('"').step_by(2).collect::<Vec<_>>().join(" ");
        let is_between = |c: char| c.is_whitespace() || matches!(c, ':' | ';' | ',' | '=' | '(' | ')');
        let words: Vec<&str> = unquoted.split(is_between).filter(|word| !word.is_empty()).collect();
        // One that ignored OPTS says by what it computed.
        let said = words.iter().find_map(|word| Algorithm::from_any_name(word));
        let algorithm = said.unwrap_or(asked);
        let is_hexadecimal = |word: &str| word.bytes().all(|byte| byte.is_ascii_hexdigit());
        let whole = |word: &&&str| word.len() == algorithm.digits() && is_hexadecimal(word);
        let found = words.iter().find(whole).copied().or_else(|| match words.as_slice() {
            // Some write a CRC as a number, without the zeros in front.
            [only] if algorithm == Algorithm::Crc32 && only.len() < 8 && is_hexadecimal(only) => Some(only),
            _ => None,
        })?;
        let digits = format!("{:0>width$}", found.to_ascii_lowercase(), width = algorithm.digits());
        Some(Sum { algorithm, digits })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const MD5: &str = "25f9e794323b453885f5181f1b624d0b";
    const SHA1: &str = "f7c3bc1d808e04732adf679965ccc34ca7ae3441";

    fn features(lines: &[&str]) -> Features {
        let lines = ["Features:"].iter().chain(lines).chain(&["End"]).map(|line| (*line).to_owned());
        Features::from_reply(&Reply::multi_line(ReplyCode::SYSTEM_STATUS, lines))
    }

    #[test]
    fn the_strongest_is_asked_first() {
        let names = |lines: &[&str]| -> Vec<_> {
            questions(&features(lines), None)
                .into_iter()
                .map(|question| question.algorithm().name())
                .collect()
        };
        assert_eq!(names(&["HASH MD5;SHA-1*;SHA-256", "XCRC"]), ["SHA-256", "SHA-1", "MD5", "CRC32"]);
        assert_eq!(names(&["XMD5", "XSHA512", "xsha1"]), ["SHA-512", "SHA-1", "MD5"]);
        assert_eq!(names(&["HASH WHIRLPOOL", "SIZE"]), [""; 0]);
        let both = questions(&features(&["XSHA256", "HASH SHA-256*"]), Some(Algorithm::Sha256));
        assert_eq!(both[0], Question::Hash { algorithm: Algorithm::Sha256, is_chosen: true });
        assert_eq!(both.len(), 2);
    }

    #[test]
    fn sums_in_all_the_forms_of_answers() {
        let sum = |code: u16, text: &str, asked| {
            let reply = Reply::new(ReplyCode::new(code).unwrap(), text.to_owned());
            sum_in(&reply, asked).map(|sum| sum.to_string())
        };
        let (md5, sha1) = (format!("MD5 {MD5}"), format!("SHA-1 {SHA1}"));
        assert_eq!(sum(213, &format!("SHA-1 0-8 {SHA1} a name"), Algorithm::Sha1), Some(sha1.clone()));
        assert_eq!(sum(213, &format!("MD5 0-8 {MD5} {SHA1}"), Algorithm::Sha1), Some(md5.clone()));
        assert_eq!(sum(250, &MD5.to_ascii_uppercase(), Algorithm::Md5), Some(md5.clone()));
        assert_eq!(sum(250, &format!("XMD5 = {MD5}"), Algorithm::Md5), Some(md5.clone()));
        assert_eq!(sum(251, &format!("\"{SHA1} {MD5}\" {MD5}"), Algorithm::Md5), Some(md5.clone()));
        assert_eq!(sum(250, "CBF43926", Algorithm::Crc32), Some("CRC32 cbf43926".to_owned()));
        assert_eq!(sum(250, "43926", Algorithm::Crc32), Some("CRC32 00043926".to_owned()));
        for (code, text) in [(550, MD5), (250, "done"), (250, &MD5[1..]), (250, &format!("{MD5}0"))] {
            assert_eq!(sum(code, text, Algorithm::Md5), None, "{text}");
        }
        let several = Reply::multi_line(ReplyCode::FILE_ACTION_OKAY, ["Computing MD5 digest", MD5]);
        assert_eq!(sum_in(&several, Algorithm::Md5).unwrap().digits, MD5);
    }
}
