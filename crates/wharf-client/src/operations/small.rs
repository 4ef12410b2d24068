//! A small file on its way here. It is taken whole and written in one piece: to have a thread do that, and to hear from it, would
//! cost more than all the rest.

use std::fs::File;
use std::io::Write;

use wharf_net::dtp::{PumpError, Transfer};

use crate::data_protection::EndOfData;

/// Most bytes of such a file.
pub(super) const MOST: u64 = 64 * 1024;

/// Takes a file that is told to have `length` bytes, at most [`MOST`], and writes what came to `file`. The data connection is
/// closed with its last byte.
pub(super) async fn take_small(
    mut transfer: Transfer,
    mut file: &File,
    length: u64,
    tls_end: &mut EndOfData,
) -> Result<(), PumpError> {
    // One byte more, for the end, or for what is too much: that is taken by itself, so that the rest is not lost with it.
    let length = usize::try_from(length.min(MOST)).unwrap_or(0);
    let mut content = vec![0; length + 1];
    let mut have = 0;
    let ended = loop {
        let until = if have < length { length } else { length + 1 };
        match transfer.receive(&mut content[have..until]).await {
            Ok(0) => break Ok(()),
            Ok(count) => have += count,
            Err(error) => break Err(error),
        }
    };
    file.write_all(&content[..have]).map_err(PumpError::Local)?;
    ended?;
    tls_end.judge(&transfer, have as u64)?;
    // The sender has ended in order already; whether our end of it still reaches him changes nothing.
    let _ = transfer.finish().await;
    Ok(())
}
