//! Which images of a batch fall to whom.

use std::ops::Range;

/// One rank's part of every batch: neighbouring images, as many as others have or one more or less.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Share {
    pub rank: usize,
    pub ranks: usize,
    /// Nobody has fewer images, save those who have none because there are so few: batch norm may need two.
    pub least: usize,
}

impl Share {
    /// Of a rank that is alone.
    pub const WHOLE: Self = Self { rank: 0, ranks: 1, least: 1 };

    /// This rank's images of a batch of so many.
    pub fn of(self, images: usize) -> Range<usize> {
        let at_work = (images / self.least.max(1)).clamp(1, self.ranks.max(1));
        let start = |rank: usize| rank.min(at_work) * images / at_work;
        start(self.rank)..start(self.rank + 1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    proptest::proptest! {
        #[test]
        fn shares_are_the_whole_in_order_and_nearly_equal(
            images in 1_usize..300, ranks in 1_usize..70, least in 1_usize..3,
        ) {
            let shares: Vec<_> = (0..ranks).map(|rank| Share { rank, ranks, least }.of(images)).collect();
            let all: Vec<_> = shares.iter().cloned().flatten().collect();
            proptest::prop_assert_eq!(all, (0..images).collect::<Vec<_>>());
            let lengths: Vec<_> = shares.iter().map(ExactSizeIterator::len).filter(|&n| n > 0).collect();
            let (few, many) = (lengths.iter().min().unwrap(), lengths.iter().max().unwrap());
            proptest::prop_assert!(many - few <= 1);
            proptest::prop_assert!(*few >= least.min(images));
            proptest::prop_assert!(lengths.len() == ranks || lengths.len() == (images / least).max(1));
        }
    }
}
