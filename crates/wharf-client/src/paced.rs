//! Moving payload no faster than a [`RateLimit`] lets: piece by piece, where without a limit whole files go by way of the
//! kernel.

use std::fs::File;
use std::io::{Seek, SeekFrom};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use wharf_net::dtp::{PumpError, Transfer};
use wharf_proto::ascii::{AsciiDecoder, AsciiEncoder};

use crate::rate::RateLimit;

/// Takes everything until the peer's end and writes it to `file` at its position, with CR LF made LF where `ascii`.
pub(crate) async fn receive_paced(
    transfer: &mut Transfer,
    file: File,
    ascii: bool,
    rate: &RateLimit,
) -> Result<(), PumpError> {
    let mut file = tokio::fs::File::from_std(file);
    let mut decoder = ascii.then(AsciiDecoder::new);
    let mut decoded = Vec::new();
    let mut buffer = vec![0; rate.piece()];
    loop {
        let count = transfer.receive(&mut buffer).await?;
        let payload = match &mut decoder {
            None => &buffer[..count],
            Some(decoder) => {
                decoded.clear();
                decoder.decode(&buffer[..count], &mut decoded);
                if count == 0 {
                    decoder.finish(&mut decoded);
                }
                &decoded[..]
            }
        };
        file.write_all(payload).await.map_err(PumpError::Local)?;
        // So that what arrived is in the file whenever this is given up.
        file.flush().await.map_err(PumpError::Local)?;
        if count == 0 {
            return Ok(());
        }
        rate.pace(count).await;
    }
}

/// Sends `file`, from `offset` (bytes) if it is one that has such, to its end, with LF made CR LF where `ascii`.
pub(crate) async fn send_paced(
    transfer: &mut Transfer,
    mut file: File,
    offset: Option<u64>,
    ascii: bool,
    rate: &RateLimit,
) -> Result<(), PumpError> {
    if let Some(offset) = offset {
        file.seek(SeekFrom::Start(offset)).map_err(PumpError::Local)?;
    }
    let mut file = tokio::fs::File::from_std(file);
    let mut encoder = ascii.then(AsciiEncoder::new);
    let mut encoded = Vec::new();
    let mut buffer = vec![0; rate.piece()];
    loop {
        let count = file.read(&mut buffer).await.map_err(PumpError::Local)?;
        let payload = match &mut encoder {
            None => &buffer[..count],
            Some(encoder) => {
                encoded.clear();
                encoder.encode(&buffer[..count], &mut encoded);
                &encoded[..]
            }
        };
        transfer.send_bytes(payload).await?;
        if count == 0 {
            return Ok(());
        }
        rate.pace(count).await;
    }
}
