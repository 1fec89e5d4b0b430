//! How images are divided into batches, and a batch among threads.

use std::ops::Range;

/// Start and length of every batch, in order.
///
/// The last batch has the images that are left. If that is a single image, it joins the batch before, which
/// then has one more than `size`: batch norm over one value a channel has no variance (PyTorch refuses such a
/// batch), and its statistics would not be numbers. Where `size` is 1, every batch has one image.
pub fn batches(images: usize, size: usize) -> impl ExactSizeIterator<Item = (usize, usize)> + Clone {
    let (size, count) = (size.max(1), batch_count(images, size));
    (0..count).map(move |number| {
        let start = number * size;
        (start, if number + 1 == count { images - start } else { size })
    })
}

/// The number of batches that [`batches`] gives.
pub fn batch_count(images: usize, size: usize) -> usize {
    let size = size.max(1);
    let one_is_left = size > 1 && images > size && images % size == 1;
    images.div_ceil(size) - usize::from(one_is_left)
}

/// How many of `threads` threads work on a batch: as few as keep the largest share as short as all of them would.
/// One more would make no step shorter, and would have to be waited for wherever all of them meet.
pub fn members(images: usize, threads: usize) -> usize {
    let largest = images.div_ceil(threads.max(1));
    if largest == 0 { 1 } else { images.div_ceil(largest) }
}

/// Divides a batch: the range of images of each of its [`members`]. No share is longer than another by more than one
/// image.
pub fn shares(images: usize, threads: usize) -> Vec<Range<usize>> {
    let members = members(images, threads);
    let start = |member: usize| member * images / members;
    (0..members).map(|member| start(member)..start(member + 1)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shares_follow_each_other_and_none_is_empty() {
        assert_eq!(shares(7, 3), [0..2, 2..4, 4..7]);
        assert_eq!(shares(2, 8), [0..1, 1..2]);
        assert_eq!(shares(6, 2), [0..3, 3..6]);
        assert_eq!(shares(0, 3).iter().map(Range::len).collect::<Vec<_>>(), [0]);
    }

    #[test]
    fn threads_that_make_no_step_shorter_have_no_share() {
        let of = |images, threads: &[usize]| threads.iter().map(|&t| members(images, t)).collect::<Vec<_>>();
        assert_eq!(of(64, &[0, 1, 2, 9, 12, 15, 16, 40, 64, 100]), [1, 1, 2, 8, 11, 13, 16, 32, 64, 64]);
        for (images, threads) in (1..=256).flat_map(|images| (1..=16).map(move |threads| (images, threads))) {
            let lengths: Vec<_> = shares(images, threads).into_iter().map(|share| share.len()).collect();
            assert!(lengths.len() <= threads && lengths.iter().sum::<usize>() == images);
            let (least, most) = (lengths.iter().min(), lengths.iter().max());
            assert_eq!(
                most,
                Some(&images.div_ceil(threads)),
                "{images} images, {threads} threads: {lengths:?}"
            );
            assert!(most.is_some_and(|most| least.is_some_and(|least| most - least <= 1)), "{lengths:?}");
        }
    }

    /// How much longer the largest share is than the mean.
    fn imbalance(images: usize, threads: usize) -> f64 {
        let shares = shares(images, threads);
        let most = shares.iter().map(Range::len).max().unwrap_or(0);
        (most * shares.len()) as f64 / images as f64 - 1.0
    }

    #[test]
    fn the_shares_of_usual_batches_are_even() {
        for threads in 1..=16 {
            // The published batches of a search, a training and its evaluation; and a small one, of which seven or ten
            // threads cannot have as much as each other.
            for (images, most) in [(256, 0.06), (128, 0.06), (96, 0.05), (64, 0.1)] {
                let found = imbalance(images, threads);
                assert!(found < most, "{images} images, {threads} threads: {found}");
            }
        }
    }

    #[test]
    fn one_image_that_is_left_joins_the_batch_before() {
        let lengths = |images, size| batches(images, size).map(|(_, length)| length).collect::<Vec<_>>();
        assert_eq!(lengths(9, 4), [4, 5]);
        assert_eq!(lengths(3, 2), [3]);
        assert_eq!(lengths(10, 4), [4, 4, 2]);
        assert_eq!(lengths(8, 4), [4, 4]);
        assert_eq!(lengths(1, 4), [1], "there is none before");
        assert_eq!(lengths(3, 1), [1, 1, 1], "as was asked for");
        assert_eq!(lengths(0, 4), [0; 0]);
    }

    proptest::proptest! {
        #[test]
        fn every_image_is_in_one_batch(images in 0_usize..200, size in 1_usize..40) {
            let mut next = 0;
            for (start, length) in batches(images, size) {
                proptest::prop_assert_eq!(start, next);
                proptest::prop_assert!(length > 1 || size == 1 || images == 1);
                next += length;
            }
            proptest::prop_assert_eq!(next, images);
            proptest::prop_assert_eq!(batches(images, size).len(), batch_count(images, size));
        }
    }
}
