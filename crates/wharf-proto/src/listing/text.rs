//! The pieces that lines of listings are made of: numbers, months, words.

/// As `ls` and RFC 5322 write them.
pub(super) const MONTHS: [[u8; 3]; 12] = [
    *b"Jan", *b"Feb", *b"Mar", *b"Apr", *b"May", *b"Jun", *b"Jul", *b"Aug", *b"Sep", *b"Oct", *b"Nov",
    *b"Dec",
];

/// The value of a text that is decimal digits only; `None` for anything else or more than a u64 holds.
pub(super) fn parse_decimal(text: &[u8]) -> Option<u64> {
    if text.is_empty() {
        return None;
    }
    text.iter().try_fold(0_u64, |value, byte| match byte {
        b'0'..=b'9' => value.checked_mul(10)?.checked_add(u64::from(byte - b'0')),
        _ => None,
    })
}

/// As [`parse_decimal`], for a number of one to `digits` digits (at most two, four …) that fits the fields of a date.
pub(super) fn parse_short(text: &[u8], digits: core::ops::RangeInclusive<usize>) -> Option<i16> {
    if digits.contains(&text.len()) {
        parse_decimal(text).and_then(|value| i16::try_from(value).ok())
    } else {
        None
    }
}

/// Appends decimal digits, right-aligned in `width`.
pub(super) fn write_decimal(out: &mut Vec<u8>, mut value: u64, width: usize) {
    /// The digits of `u64::MAX`.
    const MOST: usize = 20;
    let mut text = [b' '; MOST];
    let mut start = MOST;
    loop {
        start -= 1;
        text[start] = b'0' + (value % 10) as u8;
        value /= 10;
        if value == 0 {
            break;
        }
    }
    out.extend_from_slice(&text[start.min(MOST.saturating_sub(width))..]);
}

/// The month, 1 to 12, that a word is: three letters in any case, perhaps with a full stop.
pub(super) fn parse_month(word: &[u8]) -> Option<i8> {
    let letters = word.strip_suffix(b".").unwrap_or(word);
    let position = MONTHS.iter().position(|month| month.eq_ignore_ascii_case(letters))?;
    Some(position as i8 + 1)
}

/// Where a word is in a line.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Word {
    pub(super) start: usize,
    pub(super) end: usize,
}

impl Word {
    pub(super) fn of(self, line: &[u8]) -> &[u8] {
        &line[self.start..self.end]
    }
}

/// The words of a line from byte `from` on, between spaces and tabs.
pub(super) fn words(line: &[u8], from: usize) -> impl Iterator<Item = Word> {
    let mut at = from;
    core::iter::from_fn(move || {
        let start = at + line[at..].iter().position(|byte| !is_space(*byte))?;
        let end =
            line[start..].iter().position(|byte| is_space(*byte)).map_or(line.len(), |length| start + length);
        at = end;
        Some(Word { start, end })
    })
}

fn is_space(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_aligned_and_come_back() {
        for (value, width, text) in [
            (0, 0, "0"),
            (7, 3, "  7"),
            (1234, 3, "1234"),
            (u64::MAX, 8, "18446744073709551615"),
            (1, 99, "1"),
        ] {
            let mut out = Vec::new();
            write_decimal(&mut out, value, width);
            assert_eq!(parse_decimal(out.trim_ascii()), Some(value));
            if width <= 20 {
                assert_eq!(out, text.as_bytes());
            }
        }
        assert_eq!(parse_decimal(b"18446744073709551616"), None);
        assert_eq!(parse_decimal(b""), None);
        assert_eq!(parse_decimal(b"+1"), None);
    }
}
