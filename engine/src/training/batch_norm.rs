//! Checks that batch norm has more than one value for each channel, since one value has no variance.

use relativenas_core::network::NetworkKind;

/// Why batches are too small for a network.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum OneValue {
    #[error(
        "retrain.batch = 1, but the last batch norm of the auxiliary head has one value for each channel and image, \
         and one value has no variance: take batches of 2 or more, or no auxiliary head (--no-auxiliary)"
    )]
    Batch,
    #[error(
        "there is one image to train on, but the last batch norm of the auxiliary head has one value for each channel \
         and image, and one value has no variance: take 2 images or more (data.train_images), or no auxiliary head \
         (--no-auxiliary)"
    )]
    Image,
}

/// Refuses batches of a single image where batch norm would have one value for each channel, which leaves
/// statistics that are not numbers. Every map of the published networks has more pixels, except the last one
/// of CIFAR's auxiliary head. A single image at the end of an epoch does no harm: see
/// [`crate::batches::batches`].
///
/// # Errors
/// If there would be such a batch.
pub fn check_batches(
    kind: NetworkKind,
    auxiliary: bool,
    images: usize,
    batch: usize,
) -> Result<(), OneValue> {
    if !auxiliary || kind != NetworkKind::Cifar {
        return Ok(());
    }
    match (images, batch) {
        (1, _) => Err(OneValue::Image),
        (_, 1) => Err(OneValue::Batch),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_auxiliary_head_of_cifar_needs_two_images() {
        let check = |kind, auxiliary, images, batch| check_batches(kind, auxiliary, images, batch);
        assert_eq!(check(NetworkKind::Cifar, true, 50, 1), Err(OneValue::Batch));
        assert_eq!(check(NetworkKind::Cifar, true, 1, 8), Err(OneValue::Image));
        assert_eq!(check(NetworkKind::Cifar, true, 3, 2), Ok(()), "the third joins the batch before");
        assert_eq!(check(NetworkKind::Cifar, false, 1, 1), Ok(()));
        assert_eq!(check(NetworkKind::Imagenet, true, 1, 1), Ok(()));
    }
}
