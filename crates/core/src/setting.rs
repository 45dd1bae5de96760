//! Settings whose values are words of a fixed list, as files and connectors name them.

/// One setting with a fixed list of words.
pub trait Setting: Copy + PartialEq + Sized + 'static {
    /// All of them, in the order of their declaration.
    const ALL: &'static [Self];

    /// Their words, in the same order.
    const WORDS: &'static [&'static str];

    /// The setting that a word names.
    fn named(word: &str) -> Option<Self>;

    /// The word of this setting.
    fn word(self) -> &'static str;
}

/// Makes an enum whose variants are words of a fixed list.
#[macro_export]
macro_rules! setting {
    ($(#[$about:meta])* $name:ident { $($(#[$doc:meta])* $variant:ident = $word:literal,)+ }) => {
        $(#[$about])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
        pub enum $name {
            $($(#[$doc])* #[serde(rename = $word)] $variant,)+
        }

        impl $crate::setting::Setting for $name {
            const ALL: &'static [Self] = &[$(Self::$variant,)+];
            const WORDS: &'static [&'static str] = &[$($word,)+];

            fn named(word: &str) -> Option<Self> {
                match word {
                    $($word => Some(Self::$variant),)+
                    _ => None,
                }
            }

            fn word(self) -> &'static str {
                match self {
                    $(Self::$variant => $word,)+
                }
            }
        }
    };
}
