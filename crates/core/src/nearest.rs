//! The name that somebody probably meant.

/// The candidate that differs from `word` by the fewest typing mistakes, if it is near enough to be meant: one mistake
/// in three letters.
pub fn nearest<'a>(word: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    // Nobody mistypes a name this long, and the comparison takes time with the square of it.
    const LETTERS_MAX: usize = 128;
    if word.chars().count() > LETTERS_MAX {
        return None;
    }
    let word = word.to_lowercase();
    let allowed = word.chars().count().div_ceil(3);
    let mistakes = |candidate: &str| strsim::osa_distance(&word, &candidate.to_lowercase());
    candidates
        .into_iter()
        .map(|candidate| (mistakes(candidate), candidate))
        .filter(|&(mistakes, _)| mistakes <= allowed)
        .min_by_key(|&(mistakes, _)| mistakes)
        .map(|(_, candidate)| candidate)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_nearest_name_is_found_and_a_stranger_is_not() {
        let levels = ["error", "warn", "info", "debug", "trace"];
        assert_eq!(nearest("debgu", levels), Some("debug"));
        assert_eq!(nearest("WARN", levels), Some("warn"));
        assert_eq!(nearest("inf", levels), Some("info"));
        assert_eq!(nearest("verbose", levels), None);
        assert_eq!(nearest("", levels), None);
    }

    #[test]
    fn a_name_that_nobody_would_mistype_is_not_compared() {
        let (long, longer) = ("x".repeat(128), "x".repeat(129));
        assert_eq!(nearest(&long, [&*longer]), Some(&*longer));
        assert_eq!(nearest(&longer, [&*long]), None);
        assert_eq!(nearest(&"x".repeat(1 << 20), [&*long]), None);
    }
}
