//! Patterns of names, in listing commands and in the filters of a mirror: `*`, `?` and `[…]`, as every shell has them. No
//! braces, no `**`.

/// Whether a name holds a character that makes it a pattern.
#[must_use]
pub fn is_pattern(name: &[u8]) -> bool {
    name.iter().any(|byte| matches!(byte, b'*' | b'?' | b'['))
}

/// Whether `name` fits `pattern`. Takes at most pattern × name steps, and both are names of at most 255 bytes
/// (threat 11).
#[must_use]
pub fn fits(pattern: &[u8], name: &[u8]) -> bool {
    let (mut at_pattern, mut at_name) = (0, 0);
    // Where the last `*` stands, and how much of the name it has taken.
    let mut star: Option<(usize, usize)> = None;
    while at_name < name.len() {
        match step(&pattern[at_pattern..], name[at_name]) {
            Step::Star => {
                star = Some((at_pattern, at_name));
                at_pattern += 1;
            }
            Step::Fits(length) => {
                at_pattern += length;
                at_name += 1;
            }
            Step::Differs => match &mut star {
                Some((at_star, taken)) => {
                    *taken += 1;
                    (at_pattern, at_name) = (*at_star + 1, *taken);
                }
                None => return false,
            },
        }
    }
    pattern[at_pattern..].iter().all(|&byte| byte == b'*')
}

enum Step {
    Star,
    /// One character of the name is used up, and so many of the pattern.
    Fits(usize),
    Differs,
}

fn step(pattern: &[u8], character: u8) -> Step {
    match pattern.first() {
        Some(b'*') => Step::Star,
        Some(b'?') => Step::Fits(1),
        Some(b'[') => match class(&pattern[1..], character) {
            Some((true, length)) => Step::Fits(length + 1),
            Some((false, _)) => Step::Differs,
            // No closing bracket: it stands for itself.
            None if character == b'[' => Step::Fits(1),
            None => Step::Differs,
        },
        Some(&literal) if literal == character => Step::Fits(1),
        _ => Step::Differs,
    }
}

/// Judges `…]` against a character; also the length of the class with its bracket.
fn class(pattern: &[u8], character: u8) -> Option<(bool, usize)> {
    let negated = matches!(pattern.first(), Some(b'!' | b'^'));
    let start = usize::from(negated);
    let mut at = start;
    let mut found = false;
    loop {
        match *pattern.get(at)? {
            b']' if at > start => return Some((found != negated, at + 1)),
            first => {
                let is_range =
                    pattern.get(at + 1) == Some(&b'-') && pattern.get(at + 2).is_some_and(|&end| end != b']');
                let last = if is_range { pattern[at + 2] } else { first };
                found |= (first..=last).contains(&character);
                at += if is_range { 3 } else { 1 };
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::fits;

    #[test]
    fn patterns_fit_as_in_a_shell() {
        for (pattern, name) in [
            ("*", "anything"),
            ("*.txt", "a.txt"),
            ("a*b*c", "aXbYc"),
            ("?", "x"),
            ("[a-c]x", "bx"),
            ("[!a-c]x", "dx"),
            ("[]]", "]"),
            ("a[", "a["),
            ("", ""),
            ("**", "x"),
            ("[-a]", "-"),
            ("*a*", "banana"),
        ] {
            assert!(fits(pattern.as_bytes(), name.as_bytes()), "{pattern} {name}");
        }
        for (pattern, name) in
            [("*.txt", "a.txt2"), ("?", ""), ("[a-c]", "d"), ("a", "A"), ("", "x"), ("[!a]", "a")]
        {
            assert!(!fits(pattern.as_bytes(), name.as_bytes()), "{pattern} {name}");
        }
    }

    #[test]
    fn a_pattern_made_to_explode_does_not() {
        let pattern = "a*".repeat(1000);
        let name = "a".repeat(4000) + "b";
        assert!(fits(pattern.as_bytes(), name.as_bytes()));
        assert!(!fits((pattern + "c").as_bytes(), name.as_bytes()));
    }
}
