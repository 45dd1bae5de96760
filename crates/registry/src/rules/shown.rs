//! How much of what overlaps is shown.

/// Overlaps that are reported in one run. More are found once these are gone.
pub(super) const REPORTED_MAX: usize = 100;
/// Characters of a name in a message.
const SHOWN_MAX: usize = 80;

/// A name for a message.
pub(super) fn shown(name: &[u8]) -> String {
    let text = String::from_utf8_lossy(name);
    match text.char_indices().nth(SHOWN_MAX) {
        Some((at, _)) => format!("{}…", &text[..at]),
        None => text.into_owned(),
    }
}
