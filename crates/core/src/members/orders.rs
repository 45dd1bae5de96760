//! Which numbers from 1 on have been seen, one bit each.

/// Numbers above this are not remembered: a record that claims one would take megabytes.
const ORDER_MAX: u64 = 16 << 20;

/// Numbers that were seen; each counts once, in whatever order they come.
#[derive(Debug, Default)]
pub(super) struct Orders {
    words: Vec<u64>,
    seen: u64,
}

impl Orders {
    /// Notes `order`; returns by how many words that made it larger.
    pub(super) fn insert(&mut self, order: u64) -> usize {
        if order == 0 || order > ORDER_MAX {
            return 0;
        }
        let (at, bit) = (((order - 1) / 64) as usize, 1 << ((order - 1) % 64));
        let before = self.words.len();
        if before <= at {
            self.words.resize(at + 1, 0);
        }
        if let Some(word) = self.words.get_mut(at)
            && *word & bit == 0
        {
            *word |= bit;
            self.seen += 1;
        }
        self.words.len() - before
    }

    /// How many there are.
    pub(super) fn seen(&self) -> u64 {
        self.seen
    }

    /// How much memory they take.
    pub(super) fn words(&self) -> usize {
        self.words.len()
    }

    /// Whether every number from 1 to `count` was seen.
    pub(super) fn holds(&self, count: u64) -> bool {
        let (whole, rest) = ((count / 64) as usize, count % 64);
        let full = self.words.iter().take(whole).all(|word| *word == u64::MAX);
        let mask = (1 << rest) - 1;
        let tail = self.words.get(whole).copied().unwrap_or_default();
        self.words.len() >= whole && full && tail & mask == mask
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_counts_once_and_one_that_is_too_high_not_at_all() {
        let mut orders = Orders::default();
        let words_max = (ORDER_MAX / 64) as usize;
        for (order, larger, seen) in [
            (1, 1, 1),
            (64, 0, 2),
            (65, 1, 3),
            (65, 0, 3),
            (0, 0, 3),
            (ORDER_MAX + 1, 0, 3),
            (ORDER_MAX, words_max - 2, 4),
        ] {
            assert_eq!(orders.insert(order), larger, "{order}");
            assert_eq!(orders.seen(), seen, "{order}");
        }
        assert_eq!(orders.words(), words_max);
    }
}
