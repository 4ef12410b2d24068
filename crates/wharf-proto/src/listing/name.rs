//! Which names may be written to a listing, and which may be taken from one.

/// Why a name from a listing must not be used as the name of a file in a folder of ours (threat 25).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, thiserror::Error)]
pub enum UnsafeName {
    /// No name at all.
    #[error("it is empty")]
    Empty,
    /// `.` or `..`: the folder itself, or the one above.
    #[error("it is the name of the folder itself or of the one above")]
    DotOrDotDot,
    /// It has a `/`, or a `\` in a listing of a server that parts paths with it: it would be a path.
    #[error("it holds a path separator")]
    Separator,
    /// It has a CR, LF or NUL, with which no command can name it.
    #[error("it holds a carriage return, line feed or NUL")]
    ControlByte,
}

/// Says why `name` cannot be the name of a file in a folder of ours, whatever the system.
///
/// A `\` is an ordinary byte of a name where `/` alone parts paths. Whoever writes files on a system where it does more,
/// or where a `:` does, refuses it there.
///
/// # Errors
/// The first reason that applies. Nothing is ever taken out of a name to make it safe: a changed name could be that of
/// another file.
pub fn check_name(name: &[u8]) -> Result<(), UnsafeName> {
    match name {
        [] => return Err(UnsafeName::Empty),
        b"." | b".." => return Err(UnsafeName::DotOrDotDot),
        _ => {}
    }
    for byte in name {
        match byte {
            b'/' => return Err(UnsafeName::Separator),
            0 | b'\r' | b'\n' => return Err(UnsafeName::ControlByte),
            _ => {}
        }
    }
    Ok(())
}

/// Whether [`check_name`] finds nothing.
#[must_use]
pub fn is_safe_name(name: &[u8]) -> bool {
    check_name(name).is_ok()
}

/// A name that no line of a listing can say: it is empty or has a CR, LF or NUL. The line is left out, for a changed
/// name would be the name of another file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, thiserror::Error)]
#[error("no line of a listing can hold that name")]
pub struct UnlistableName;

pub(super) fn check_listable(name: &[u8]) -> Result<(), UnlistableName> {
    if name.is_empty() || !fits_line(name) { Err(UnlistableName) } else { Ok(()) }
}

/// Whether no byte of `text` would end the line or be forbidden in it.
pub(super) fn fits_line(text: &[u8]) -> bool {
    memchr::memchr3(b'\r', b'\n', 0, text).is_none()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_that_lead_elsewhere() {
        for (name, reason) in [
            (&b""[..], UnsafeName::Empty),
            (b".", UnsafeName::DotOrDotDot),
            (b"..", UnsafeName::DotOrDotDot),
            (b"../x", UnsafeName::Separator),
            (b"/x", UnsafeName::Separator),
            (b"a/b", UnsafeName::Separator),
            (b"a\0b", UnsafeName::ControlByte),
            (b"a\rb", UnsafeName::ControlByte),
        ] {
            assert_eq!(check_name(name), Err(reason), "{name:?}");
        }
        for name in
            [&b"x"[..], b"...", b" ", b".x", b"caf\xE9", b"a -> b", b"|cmd", b"-rf", b"C:\\x", b"..\\x"]
        {
            assert!(is_safe_name(name), "{name:?}");
        }
    }
}
