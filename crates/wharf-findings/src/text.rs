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

/// A text of whole sentences that always exists in English and may exist in other languages.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Text {
    english: &'static str,
    translations: &'static [(Language, &'static str)],
}

impl Text {
    /// A text that exists in English only.
    #[must_use]
    pub const fn english(english: &'static str) -> Self {
        Self { english, translations: &[] }
    }

    /// The same text with its translations; they replace those it had.
    #[must_use]
    pub const fn translated(mut self, translations: &'static [(Language, &'static str)]) -> Self {
        self.translations = translations;
        self
    }

    /// The text in `language`, or in English where it has not been translated.
    #[must_use]
    pub fn in_language(&self, language: Language) -> &'static str {
        self.translations
            .iter()
            .find_map(|&(translated, text)| (translated == language).then_some(text))
            .unwrap_or(self.english)
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

    pub(crate) const fn client(mut self, english: &'static str) -> Self {
        self.client = Some(Text::english(english));
        self
    }

    pub(crate) const fn server(mut self, english: &'static str) -> Self {
        self.server = Some(Text::english(english));
        self
    }

    pub(crate) const fn middle(mut self, english: &'static str) -> Self {
        self.middle = Some(Text::english(english));
        self
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_without_a_translation_falls_back_to_english() {
        let text = Text::english("Open the port.");
        assert_eq!(text.in_language(Language::Chinese), "Open the port.");
        let text = text.translated(&[(Language::Chinese, "请开放该端口。")]);
        assert_eq!(text.in_language(Language::Chinese), "请开放该端口。");
        assert_eq!(text.in_language(Language::English), "Open the port.");
    }
}
