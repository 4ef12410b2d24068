//! SITE (RFC 959 §4.1.3): HELP, CANARY, CHMOD and UMASK.

use wharf_proto::command::Text;
use wharf_proto::{Pathname, Reply, ReplyCode};

use super::{Carried, log_change, resolve};
use crate::policy::{Right, may};
use crate::replies;
use crate::session::Session;

/// The first word says which.
pub(crate) async fn run(session: &mut Session, argument: &Text) -> Carried<Reply> {
    let (name, rest) = split(argument.as_bytes());
    match name.to_ascii_uppercase().as_slice() {
        b"HELP" => Ok(Reply::multi_line(
            ReplyCode::HELP_MESSAGE,
            ["SITE commands:", " CANARY", " CHMOD <SP> mode <SP> path", " UMASK [<SP> mask]", "End."]
                .map(|line| line.as_bytes().to_vec()),
        )),
        b"CANARY" => {
            let client = session.client_endpoint();
            match session.canary() {
                Some(canary) => Ok(canary.sing(client)),
                None => Err(replies::unknown_site(name)),
            }
        }
        b"CHMOD" => change_mode(session, rest).await,
        b"UMASK" => umask(session, rest),
        _ => Err(replies::unknown_site(name)),
    }
}

async fn change_mode(session: &mut Session, rest: &[u8]) -> Carried<Reply> {
    let (mode, path) = split(rest);
    let mode = octal(mode).ok_or_else(replies::wants_octal_mode)?;
    let path = Pathname::new(path).map_err(|_| replies::wants_octal_mode())?;
    let path = resolve(session, &path)?;
    may(session, Right::Overwrite, &path)?;
    session.storage().set_mode(&path, mode.into()).await.map_err(|error| replies::storage(&error))?;
    log_change(session, format_args!("mode set to {mode:03o}"), &path);
    // RFC 959 §5.4 has 200 for SITE, not the 250 of other file actions.
    Ok(replies::mode_changed())
}

fn umask(session: &mut Session, rest: &[u8]) -> Carried<Reply> {
    if !rest.is_empty() {
        session.umask = Some(octal(rest).ok_or_else(replies::wants_octal_mode)?);
    }
    Ok(Reply::new(
        ReplyCode::COMMAND_OKAY,
        match session.umask {
            Some(umask) => format!("The umask is {umask:03o}."),
            None => "The umask is the server's own.".to_owned(),
        },
    ))
}

/// Permission bits: 000 to 777.
fn octal(digits: &[u8]) -> Option<u16> {
    let text =
        std::str::from_utf8(digits).ok().filter(|text| text.bytes().all(|byte| byte.is_ascii_digit()))?;
    u16::from_str_radix(text, 8).ok().filter(|mode| *mode <= 0o777)
}

fn split(bytes: &[u8]) -> (&[u8], &[u8]) {
    match bytes.iter().position(|&byte| byte == b' ') {
        Some(at) => (&bytes[..at], &bytes[at + 1..]),
        None => (bytes, &[]),
    }
}
