//! Dividing training images between training and validation.

use relativenas_core::randomness::{Purpose, Streams};

use super::DataError;

/// Two disjoint sets of indices into the training images, in the order in which they were drawn.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Split {
    pub train: Vec<usize>,
    pub valid: Vec<usize>,
}

impl Split {
    /// A fingerprint of both sets: 64 hexadecimal digits.
    pub fn fingerprint(&self) -> String {
        let mut hasher = blake3::Hasher::new();
        for half in [&self.train, &self.valid] {
            hasher.update(&(half.len() as u64).to_le_bytes());
            for &index in half {
                hasher.update(&(index as u64).to_le_bytes());
            }
        }
        hasher.finalize().to_hex().to_string()
    }
}

/// Divides `count` training images at random into two halves and takes the first `train_images` of one and
/// the first `valid_images` of the other; 0 takes the whole half.
///
/// A smaller part is the beginning of a larger one with the same seed, and no setting moves an image to the
/// other half.
///
/// # Errors
/// If a half has fewer images than asked for, or none.
pub fn split(
    count: usize,
    train_images: usize,
    valid_images: usize,
    streams: &Streams,
) -> Result<Split, DataError> {
    let mut train = streams.stream(Purpose::Split, 0, 0).order(count);
    let mut valid = train.split_off(count / 2);
    shorten(&mut train, train_images, count, "data.train_images", "training half")?;
    shorten(&mut valid, valid_images, count, "data.valid_images", "validation half")?;
    Ok(Split { train, valid })
}

/// Sets a random share of `count` training images apart for validation, and trains on the others. Of both it
/// takes the first ones, as many as asked for; 0 takes all.
///
/// # Errors
/// If there are fewer images than asked for, or none to train on.
pub fn hold_out(
    count: usize,
    share: f64,
    train_images: usize,
    valid_images: usize,
    streams: &Streams,
) -> Result<Split, DataError> {
    let mut train = streams.stream(Purpose::Split, 0, 0).order(count);
    let apart = ((share * count as f64).round() as usize).min(count);
    let mut valid = train.split_off(count - apart);
    shorten(&mut train, train_images, count, "data.train_images", "training part")?;
    if apart > 0 {
        shorten(&mut valid, valid_images, count, "data.valid_images", "validation part")?;
    }
    Ok(Split { train, valid })
}

fn shorten(
    indices: &mut Vec<usize>,
    asked: usize,
    total: usize,
    setting: &'static str,
    part: &'static str,
) -> Result<(), DataError> {
    let available = indices.len();
    if asked > available || available == 0 {
        return Err(DataError::TooFewImages { setting, asked, part, total, available });
    }
    if asked > 0 {
        indices.truncate(asked);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_whole_halves_hold_every_image_once() {
        for count in [2, 7, 50_000] {
            let Split { train, valid } = split(count, 0, 0, &Streams::new(1)).expect("enough images");
            assert_eq!((train.len(), valid.len()), (count / 2, count - count / 2));
            let mut all = [train, valid].concat();
            all.sort_unstable();
            assert_eq!(all, (0..count).collect::<Vec<_>>());
        }
    }

    #[test]
    fn a_smaller_part_is_the_beginning_of_a_larger_one() {
        let whole = split(1000, 0, 0, &Streams::new(3)).expect("enough images");
        let part = split(1000, 100, 7, &Streams::new(3)).expect("enough images");
        assert_eq!(part.train, whole.train[..100]);
        assert_eq!(part.valid, whole.valid[..7]);
        assert_ne!(part.fingerprint(), whole.fingerprint());
    }

    #[test]
    fn a_share_is_kept_apart_and_may_be_nothing() {
        let hold = |share, train| hold_out(50, share, train, 0, &Streams::new(1)).expect("enough images");
        let Split { train, valid } = hold(0.1, 0);
        assert_eq!((train.len(), valid.len()), (45, 5));
        assert!(valid.iter().all(|image| !train.contains(image)));
        assert_eq!(hold(0.1, 20), Split { train: train[..20].to_vec(), valid });
        assert!(hold(0.0, 0).valid.is_empty());
        let error = hold_out(50, 0.1, 46, 0, &Streams::new(1)).expect_err("too many").to_string();
        assert!(error.starts_with("data.train_images = 46, but the training part of the 50"), "{error}");
    }

    #[test]
    fn the_seed_decides() {
        let of = |seed| split(1000, 0, 0, &Streams::new(seed)).expect("enough images").fingerprint();
        assert_eq!(of(3), of(3));
        assert_ne!(of(3), of(4));
    }

    #[test]
    fn asking_for_too_many_names_the_setting_and_the_numbers() {
        let check = |count, train, valid, expected: &str| {
            let error = split(count, train, valid, &Streams::new(0)).expect_err("too many");
            assert_eq!(error.to_string(), expected);
        };
        check(
            50_000,
            30_000,
            0,
            "data.train_images = 30000, but the training half of the 50000 training images has 25000: \
             ask for at most 25000, or for 0, which is all of them",
        );
        check(
            21,
            10,
            12,
            "data.valid_images = 12, but the validation half of the 21 training images has 11: \
             ask for at most 11, or for 0, which is all of them",
        );
    }
}
