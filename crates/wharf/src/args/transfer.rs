//! The flags of transfers, beside those of how to connect.

use clap::Args;

/// What is done beside moving the bytes.
#[derive(Clone, Copy, Debug, Args)]
pub(crate) struct TransferArguments {
    /// Compare checksums afterwards, where the server has them (HASH, XSHA256, XMD5, XCRC and the like)
    #[arg(long)]
    pub(crate) verify: bool,

    /// Leave copies as new as they are; else they get the time of last change of what they are copies of
    #[arg(long)]
    pub(crate) no_times: bool,
}

/// Bytes a second: a number, with k, M or G for 1024 times as many, 1024 times these, and so on.
pub(super) fn rate(text: &str) -> Result<u64, String> {
    let wrong = || format!("\"{text}\" is not a number of bytes above 0, such as 500k or 2.5M");
    let (digits, unit) = match text.char_indices().last() {
        Some((at, letter)) if letter.is_ascii_alphabetic() => (&text[..at], letter.to_ascii_lowercase()),
        _ => (text, 'b'),
    };
    let factor: u64 = match unit {
        'b' => 1,
        'k' => 1 << 10,
        'm' => 1 << 20,
        'g' => 1 << 30,
        _ => return Err(wrong()),
    };
    let number: f64 = digits.parse().map_err(|_| wrong())?;
    let bytes = number * factor as f64;
    if bytes.is_finite() && bytes >= 1.0 { Ok(bytes as u64) } else { Err(wrong()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rates() {
        for (text, bytes) in [
            ("1", 1),
            ("1000", 1000),
            ("500k", 512_000),
            ("500K", 512_000),
            ("2.5M", 2_621_440),
            ("1g", 1 << 30),
        ] {
            assert_eq!(rate(text), Ok(bytes), "{text}");
        }
        for wrong in ["", "0", "k", "-1", "1x", "inf", "nan", "0.5", "1kk", "é"] {
            assert!(rate(wrong).is_err(), "{wrong}");
        }
    }
}
