//! How images are divided into batches.

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

#[cfg(test)]
mod tests {
    use super::*;

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
