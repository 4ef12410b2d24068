//! What a section of wharf.toml is: its keys, their explanations and their defaults, written down once.
//!
//! [`section!`] makes the type that is read and the table that the documentation and the search for unknown keys use
//! from the same lines, so that neither can miss a key.

/// A table of wharf.toml, and what its keys mean.
pub(crate) trait Section {
    /// In the order in which they are told.
    const KEYS: &'static [Key];
}

/// One key.
#[derive(Debug)]
pub(crate) struct Key {
    /// As it is written.
    pub(crate) name: &'static str,
    /// What it does; a line for each line of the source.
    pub(crate) about: &'static [&'static str],
    /// A value as it might be written, in TOML.
    pub(crate) example: &'static str,
    /// The flag of `wharf serve` that overrides it.
    pub(crate) flag: Option<&'static str>,
    /// Whether its table makes no sense without it.
    pub(crate) is_required: bool,
    /// The keys inside it, where it is a table or a list of tables.
    pub(crate) inside: &'static [Key],
}

/// The keys that a value of this type has inside.
pub(crate) trait Inside {
    /// None, for a plain value.
    const INSIDE: &'static [Key] = &[];
}

impl<T: Inside> Inside for Vec<T> {
    const INSIDE: &'static [Key] = T::INSIDE;
}

impl<T: Inside> Inside for Option<T> {
    const INSIDE: &'static [Key] = T::INSIDE;
}

/// Plain values.
macro_rules! plain {
    ($($value:ty),* $(,)?) => { $(impl $crate::config::section::Inside for $value {})* };
}
pub(crate) use plain;

plain!(bool, String, std::path::PathBuf, std::net::SocketAddr, u32);

/// Makes a section's type, its defaults and the table of its keys.
///
/// Behind each key stand its type, its default, an example in TOML and, where there is one, its flag. A key whose default
/// is `None` stands for something that is not there at all; one with `=> required` has to be written in its table.
macro_rules! section {
    ($(#[doc = $about:literal])* $name:ident {
        $($(#[doc = $doc:literal])* $key:ident: $kind:ty = $default:expr, $example:literal $(, $flag:literal)? $(=> $required:ident)?;)*
    }) => {
        $(#[doc = $about])*
        #[derive(Clone, Debug, PartialEq, serde::Deserialize, serde::Serialize)]
        #[serde(deny_unknown_fields, default, expecting = "a table")]
        pub(crate) struct $name {
            $($(#[doc = $doc])* pub(crate) $key: $kind,)*
        }

        impl Default for $name {
            fn default() -> Self {
                Self { $($key: $default,)* }
            }
        }

        impl $crate::config::section::Section for $name {
            const KEYS: &'static [$crate::config::section::Key] = &[$($crate::config::section::Key {
                name: stringify!($key),
                about: &[$($doc),*],
                example: $example,
                flag: $crate::config::section::flag(&[$($flag)?]),
                is_required: $crate::config::section::is_required(&[$(stringify!($required))?]),
                inside: <$kind as $crate::config::section::Inside>::INSIDE,
            },)*];
        }

        impl $crate::config::section::Inside for $name {
            const INSIDE: &'static [$crate::config::section::Key] = <Self as $crate::config::section::Section>::KEYS;
        }
    };
}
pub(crate) use section;

pub(crate) const fn flag(flags: &[&'static str]) -> Option<&'static str> {
    match flags {
        [flag] => Some(flag),
        _ => None,
    }
}

pub(crate) const fn is_required(words: &[&str]) -> bool {
    !words.is_empty()
}
