//! Through this machine: what comes from the one server goes to the other, without a file in between and with a bounded
//! amount of memory.

use std::io;
use std::sync::atomic::{AtomicBool, Ordering};

use tokio::io::{AsyncWriteExt, duplex};
use wharf_net::dtp::PumpError;
use wharf_proto::command::Representation;
use wharf_proto::pathname::Pathname;
use wharf_proto::{Command, limits};

use crate::attempt::Attempt;
use crate::data_connection::Request;
use crate::error::{ClientError, Incomplete, IncompleteReason, WayOn};
use crate::session::Session;
use crate::transfer::{DataEnd, Final, completion, is_about_the_file, size_in_preliminary};

/// Bytes that have come and not gone yet, at most.
const ON_THE_WAY: usize = 256 * 1024;

/// Moves a file, and tells its length and how the data connection with the source was made.
pub(super) async fn transfer(
    source: &mut Session,
    destination: &mut Session,
    from: &Pathname,
    to: &Pathname,
    expected: Option<u64>,
) -> Result<(u64, Attempt), ClientError> {
    let request =
        |command| Request { command, representation: Representation::Image, offset: 0, expected: None };
    // First: of a file that is not there, nothing shall be at the destination.
    let coming = source.begin(&request(Command::Retr(from.clone()))).await?;
    let going = match destination.begin(&request(Command::Stor(to.clone()))).await {
        Ok(going) => going,
        Err(error) => {
            drop(coming);
            source.abort().await;
            return Err(error);
        }
    };
    let expected = expected.or_else(|| size_in_preliminary(&coming.first));
    let (writer, reader) = duplex(ON_THE_WAY);
    let is_whole = AtomicBool::new(false);
    let (come, gone) = (coming.progress.clone(), going.progress.clone());
    let mut tls_end = source.end_of_data(expected, false);
    let (whole, end, taken) = (&is_whole, &mut tls_end, come.clone());
    // Each owns its end of the pipe: whatever ends the one, the other notices.
    let taking = async move {
        let (mut transfer, mut writer) = (coming.transfer, writer);
        transfer.receive_to_writer(&mut writer, false).await?;
        end.judge(&transfer, taken.bytes())?;
        whole.store(true, Ordering::Release);
        writer.shutdown().await.map_err(PumpError::Local)?;
        // The sender has ended in order already; whether our end of it still reaches him changes nothing.
        let _ = transfer.finish().await;
        Ok(())
    };
    let giving = async move {
        let (mut transfer, mut reader) = (going.transfer, reader);
        transfer.send_reader(&mut reader, false).await?;
        if !whole.load(Ordering::Acquire) {
            // Cuts the connection, so that the server does not take a part for the whole.
            return Err(PumpError::Local(io::Error::other("the source broke off")));
        }
        transfer.finish_both(limits::TLS_END_TIME).await
    };
    let (first, second) =
        tokio::join!(source.attend(taking, coming.said), destination.attend(giving, going.said));
    source.note_end(&tls_end);
    let (come, gone) = (come.bytes(), gone.bytes());
    for (session, attempt, said, bytes) in
        [(&*source, &coming.attempt, &first.1, come), (&*destination, &going.attempt, &second.1, gone)]
    {
        if let Some(error) = session.rejected(attempt, said, bytes) {
            return Err(error);
        }
    }
    let cut = tls_end.finding(come).map(IncompleteReason::CloseNotifyMissing);
    let is_destinations_fault = matches!(first.0, DataEnd::Local(_));
    let first = settle(Command::Retr(from.clone()), from, first, come, expected, cut);
    let second = settle(Command::Stor(to.clone()), to, second, gone, Some(come), None);
    match (first, second) {
        (Err(_), Err(error)) if is_destinations_fault => Err(error),
        (Err(error), _) | (Ok(()), Err(error)) => Err(error),
        (Ok(()), Ok(())) => Ok((gone, coming.attempt)),
    }
}

/// Whether one of the two transfers is complete.
fn settle(
    command: Command,
    path: &Pathname,
    (end, said): (DataEnd, Final),
    bytes: u64,
    expected: Option<u64>,
    cut: Option<IncompleteReason>,
) -> Result<(), ClientError> {
    let reason = match (completion(&end, &said, bytes, expected), said) {
        (Ok(()), _) => return Ok(()),
        (Err(None), Err(failure)) => {
            return Err(ClientError::Unconfirmed { path: path.to_string(), bytes, kept: None, failure });
        }
        (Err(None), Ok(reply)) => IncompleteReason::ServerGaveUp(reply),
        (Err(Some(IncompleteReason::ServerGaveUp(reply))), _) if is_about_the_file(&reply) => {
            return Err(ClientError::Refused { command: command.to_string(), reply });
        }
        (Err(Some(reason @ IncompleteReason::DataBroke(_))), _) => cut.unwrap_or(reason),
        (Err(Some(reason)), _) => reason,
    };
    let (path, kept, way_on) = (path.to_string(), None, WayOn::Again);
    Err(ClientError::Incomplete(Box::new(Incomplete { path, bytes, expected, reason, kept, way_on })))
}
