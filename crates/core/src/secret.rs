//! Values that may be secret.

use std::fmt;

/// Replacement for a secret in a text.
const HIDDEN: &str = "<secret>";

/// A text that may be secret: it has no `Display`, no `Serialize`, and its `Debug` hides it.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Secret(String);

impl Secret {
    /// The text itself, for the one place that needs it: a request, a handshake, a client's settings.
    pub fn expose(&self) -> &str {
        &self.0
    }

    /// `text` with every occurrence of the secret replaced, because servers repeat requests in their error messages.
    pub fn conceal(&self, text: &str) -> String {
        if self.0.is_empty() || !text.contains(&self.0) {
            return text.to_owned();
        }
        text.replace(&self.0, HIDDEN)
    }
}

impl From<String> for Secret {
    fn from(text: String) -> Self {
        Self(text)
    }
}

impl From<&str> for Secret {
    fn from(text: &str) -> Self {
        Self(text.to_owned())
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(HIDDEN)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn p12_a_secret_is_hidden_in_debug_output_and_in_texts_that_repeat_it() {
        let secret = Secret::from("hunter2");
        assert_eq!(secret.expose(), "hunter2");
        assert_eq!(Secret::from("hunter2".to_owned()), secret);
        assert_eq!(format!("{secret:?}"), "<secret>");
        let repeated = "unknown command 'AUTH', with args beginning with: 'hunter2'";
        assert_eq!(
            secret.conceal(repeated),
            "unknown command 'AUTH', with args beginning with: '<secret>'"
        );
        assert_eq!(secret.conceal("no answer"), "no answer");
        assert_eq!(Secret::default().conceal("no answer"), "no answer");
    }
}
