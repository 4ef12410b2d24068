//! The language in which causes and fixes are told.

use std::env;

use wharf_findings::Language;

use crate::args::doctor::Lang;

/// The one that was asked for, else that of the environment: the first of LC_ALL, LC_MESSAGES and LANG that is set and not
/// empty counts (POSIX, 8.2).
pub(crate) fn chosen(asked: Option<Lang>) -> Language {
    match asked {
        Some(Lang::En) => Language::English,
        Some(Lang::Zh) => Language::Chinese,
        None => {
            let locale = ["LC_ALL", "LC_MESSAGES", "LANG"]
                .iter()
                .find_map(|name| env::var(name).ok().filter(|value| !value.is_empty()));
            locale.map_or(Language::English, |locale| Language::of_locale(&locale))
        }
    }
}
