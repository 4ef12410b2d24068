//! The times of MDTM, MFMT and MLSx: `YYYYMMDDHHMMSS[.sss]` in UTC (RFC 3659 §2.3).

use jiff::Timestamp;
use jiff::civil::DateTime;
use jiff::tz::Offset;

use crate::pathname::escaped;

/// Why bytes are not a time of RFC 3659 §2.3.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum FactsTimeError {
    /// There are not fourteen digits before the end or the full stop.
    #[error("{digits} digits where YYYYMMDDHHMMSS has 14")]
    NotFourteenDigits {
        /// How many there are.
        digits: usize,
    },
    /// Something other than a full stop and digits stands behind the fourteen.
    #[error("\"{}\" behind the seconds is not a fraction", escaped(.0))]
    NotAFraction(Box<[u8]>),
    /// The digits name no moment, such as the 31st of June or 25 o'clock.
    #[error("\"{}\" is no moment of any calendar", escaped(.0))]
    NoSuchMoment(Box<[u8]>),
}

/// Reads a time. A fraction of any length is taken, to the nanosecond; a leap second (`60`) is the second before it;
/// and the year 19100 of servers that write "19" and the years since 1900 is the year 2000.
///
/// # Errors
/// What is wrong first, from the left.
pub fn parse(text: &[u8]) -> Result<Timestamp, FactsTimeError> {
    let count = text.iter().take_while(|byte| byte.is_ascii_digit()).count();
    let (digits, fraction) = text.split_at(count);
    let (year, rest) = match digits {
        // 19100 to 19199: a program that was not ready for the year 2000.
        [b'1', b'9', years @ ..] if count == 15 && years[0] == b'1' => {
            (1900 + number(&years[..3]), &digits[5..])
        }
        _ if count == 14 => (number(&digits[..4]), &digits[4..]),
        _ => return Err(FactsTimeError::NotFourteenDigits { digits: count }),
    };
    let nanosecond = parse_fraction(fraction)?;
    let pair = |index: usize| number(&rest[index * 2..index * 2 + 2]) as i8;
    let second = if pair(4) == 60 { 59 } else { pair(4) };
    DateTime::new(year, pair(0), pair(1), pair(2), pair(3), second, nanosecond)
        .and_then(|moment| Offset::UTC.to_timestamp(moment))
        .map_err(|_| FactsTimeError::NoSuchMoment(text.into()))
}

/// Appends `YYYYMMDDHHMMSS`, and the fraction if there is one, without zeros at its end. A year before 0 is written
/// as the first moment of the year 0, which is the earliest the form can say.
pub fn write(time: Timestamp, out: &mut Vec<u8>) {
    let moment = write_civil(time, out);
    let mut nanosecond = moment.subsec_nanosecond() as u32;
    if nanosecond == 0 {
        return;
    }
    let mut fraction = [b'0'; 9];
    for digit in fraction.iter_mut().rev() {
        *digit = b'0' + (nanosecond % 10) as u8;
        nanosecond /= 10;
    }
    let length = fraction.iter().rposition(|digit| *digit != b'0').map_or(0, |last| last + 1);
    out.push(b'.');
    out.extend_from_slice(&fraction[..length]);
}

/// Appends `YYYYMMDDHHMMSS` and drops the fraction, which many clients do not expect.
pub fn write_seconds(time: Timestamp, out: &mut Vec<u8>) {
    write_civil(time, out);
}

fn write_civil(time: Timestamp, out: &mut Vec<u8>) -> DateTime {
    let moment = Offset::UTC.to_datetime(time);
    let moment = if moment.year() < 0 { DateTime::constant(0, 1, 1, 0, 0, 0, 0) } else { moment };
    let year = moment.year();
    let fields = [
        (year / 100) as i8,
        (year % 100) as i8,
        moment.month(),
        moment.day(),
        moment.hour(),
        moment.minute(),
        moment.second(),
    ];
    let mut text = [0; 14];
    for (pair, field) in text.chunks_exact_mut(2).zip(fields) {
        pair[0] = b'0' + (field / 10) as u8;
        pair[1] = b'0' + (field % 10) as u8;
    }
    out.extend_from_slice(&text);
    moment
}

/// The value of at most four digits.
fn number(digits: &[u8]) -> i16 {
    digits.iter().fold(0, |value, digit| value * 10 + i16::from(digit - b'0'))
}

fn parse_fraction(text: &[u8]) -> Result<i32, FactsTimeError> {
    let Some((b'.', digits)) = text.split_first() else {
        return if text.is_empty() { Ok(0) } else { Err(FactsTimeError::NotAFraction(text.into())) };
    };
    if digits.is_empty() || !digits.iter().all(u8::is_ascii_digit) {
        return Err(FactsTimeError::NotAFraction(text.into()));
    }
    Ok((0..9)
        .fold(0, |value, index| value * 10 + digits.get(index).map_or(0, |digit| i32::from(digit - b'0'))))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn time(text: &str) -> Timestamp {
        text.parse().unwrap()
    }

    #[test]
    fn times_of_the_rfc_and_of_real_servers() {
        for (text, expected) in [
            ("20261120100005", "2026-11-20T10:00:05Z"),
            ("19990929003355.237", "1999-09-29T00:33:55.237Z"),
            ("20000229000000", "2000-02-29T00:00:00Z"),
            ("20161231235960", "2016-12-31T23:59:59Z"),
            ("19200112010000", "1920-01-12T01:00:00Z"),
            ("191000704123456", "2000-07-04T12:34:56Z"),
            ("191261120100005.5", "2026-11-20T10:00:05.5Z"),
            ("20261120100005.1234567899", "2026-11-20T10:00:05.123456789Z"),
        ] {
            assert_eq!(parse(text.as_bytes()), Ok(time(expected)), "{text}");
        }
    }

    #[test]
    fn what_is_wrong_is_named() {
        use FactsTimeError::*;
        for (text, error) in [
            ("", NotFourteenDigits { digits: 0 }),
            ("2026112010000", NotFourteenDigits { digits: 13 }),
            ("202611201000050", NotFourteenDigits { digits: 15 }),
            ("-2026112010000", NotFourteenDigits { digits: 0 }),
            ("20261120100005.", NotAFraction(b"."[..].into())),
            ("20261120100005.5x", NotAFraction(b".5x"[..].into())),
            ("20261120100005 ", NotAFraction(b" "[..].into())),
            ("20260230000000", NoSuchMoment(b"20260230000000"[..].into())),
            ("20261120250000", NoSuchMoment(b"20261120250000"[..].into())),
            ("99991231235959", NoSuchMoment(b"99991231235959"[..].into())),
        ] {
            assert_eq!(parse(text.as_bytes()), Err(error), "{text:?}");
        }
    }

    #[test]
    fn the_earliest_moment_is_the_year_0() {
        let mut out = Vec::new();
        write(Timestamp::MIN, &mut out);
        assert_eq!(out, b"00000101000000");
    }

    proptest! {
        #[test]
        fn times_come_back(second in -62_167_219_200_i64..253_402_207_200, nanosecond in 0..1_000_000_000_i64) {
            let time = Timestamp::new(second, 0).unwrap() + jiff::SignedDuration::from_nanos(nanosecond);
            let mut out = Vec::new();
            write(time, &mut out);
            prop_assert_eq!(parse(&out), Ok(time));
            out.clear();
            write_seconds(time, &mut out);
            prop_assert_eq!(parse(&out), Ok(Timestamp::new(second, 0).unwrap()));
        }

        #[test]
        fn nothing_panics(text in prop::collection::vec(prop::sample::select(b"0129.x".as_slice()), 0..30)) {
            let _ = parse(&text);
        }
    }
}
