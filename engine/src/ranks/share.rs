//! How the images of a batch are divided among ranks.

use std::ops::Range;

/// One rank's part of every batch: consecutive images, as many as other ranks have or one more or less.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Share {
    pub rank: usize,
    pub ranks: usize,
    /// The least number of images in a part; ranks for which too few are left have none. Batch norm may need
    /// two.
    pub least: usize,
}

impl Share {
    /// The share of a single rank.
    pub const WHOLE: Self = Self { rank: 0, ranks: 1, least: 1 };

    /// The images of this rank, in a batch of `images`.
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
