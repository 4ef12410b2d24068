//! Texts for people, in more than one language.

/// A language that people are spoken to in.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Language {
    /// English: every text has it.
    #[default]
    English,
    /// Chinese, simplified. A text without a translation falls back to English.
    Chinese,
}

impl Language {
    /// The language of a locale's name such as `zh_CN.UTF-8`, as LC_ALL and LANG have it; English for all that is not known.
    #[must_use]
    pub fn of_locale(locale: &str) -> Self {
        let language = locale.split(['_', '.', '@', '-']).next().unwrap_or_default();
        if language.eq_ignore_ascii_case("zh") { Self::Chinese } else { Self::English }
    }
}

/// A text of whole sentences that always exists in English and may exist in other languages.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Text {
    english: &'static str,
    chinese: Option<&'static str>,
}

impl Text {
    /// A text that exists in English only.
    #[must_use]
    pub const fn english(english: &'static str) -> Self {
        Self { english, chinese: None }
    }

    /// A text in every language.
    #[must_use]
    pub const fn of(english: &'static str, chinese: &'static str) -> Self {
        Self { english, chinese: Some(chinese) }
    }

    /// The text in `language`, or in English where it has not been translated.
    #[must_use]
    pub fn in_language(&self, language: Language) -> &'static str {
        match language {
            Language::English => self.english,
            Language::Chinese => self.chinese.unwrap_or(self.english),
        }
    }

    /// Whether it exists in `language`.
    #[must_use]
    pub const fn exists_in(&self, language: Language) -> bool {
        match language {
            Language::English => true,
            Language::Chinese => self.chinese.is_some(),
        }
    }
}

/// What each side can change so that a cause goes away. `None`: that side can do nothing about it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Fix {
    /// What the person at the client can do.
    pub client: Option<Text>,
    /// What the person who runs the server can do.
    pub server: Option<Text>,
    /// What the person who runs the NAT, firewall or balancer in between can do.
    pub middle: Option<Text>,
}

impl Fix {
    /// Nothing that anybody could do; the start of a chain of the methods below.
    pub(crate) const NOBODY: Self = Self { client: None, server: None, middle: None };

    pub(crate) const fn client(mut self, english: &'static str, chinese: &'static str) -> Self {
        self.client = Some(Text::of(english, chinese));
        self
    }

    pub(crate) const fn server(mut self, english: &'static str, chinese: &'static str) -> Self {
        self.server = Some(Text::of(english, chinese));
        self
    }

    pub(crate) const fn middle(mut self, english: &'static str, chinese: &'static str) -> Self {
        self.middle = Some(Text::of(english, chinese));
        self
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_language_follows_the_locale() {
        for (locale, language) in [
            ("zh_CN.UTF-8", Language::Chinese),
            ("zh", Language::Chinese),
            ("zh-Hans", Language::Chinese),
            ("en_GB", Language::English),
            ("C.UTF-8", Language::English),
            ("zhx", Language::English),
            ("", Language::English),
        ] {
            assert_eq!(Language::of_locale(locale), language, "{locale}");
        }
    }

    #[test]
    fn a_text_without_a_translation_falls_back_to_english() {
        let text = Text::english("Open the port.");
        assert_eq!(text.in_language(Language::Chinese), "Open the port.");
        assert!(!text.exists_in(Language::Chinese));
        let text = Text::of("Open the port.", "请开放该端口。");
        assert!(text.exists_in(Language::Chinese));
        assert_eq!(text.in_language(Language::Chinese), "请开放该端口。");
        assert_eq!(text.in_language(Language::English), "Open the port.");
    }
}
