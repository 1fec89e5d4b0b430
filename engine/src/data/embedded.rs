//! The data set inside the program: enough of Fashion-MNIST for a first search without a download.
//!
//! `assets/fashion-mnist/ORIGIN.md` says where it comes from.

use std::path::Path;

use super::{DataError, DataSet, Images, idx};

macro_rules! asset {
    ($name:literal) => {
        (
            concat!("assets/fashion-mnist/", $name),
            include_bytes!(concat!("../../../assets/fashion-mnist/", $name)),
        )
    };
}

/// Reads the 6000 training and 1000 test images of Fashion-MNIST that the program contains.
pub(super) fn read() -> Result<DataSet, DataError> {
    let train = decode(asset!("train-images-idx3-ubyte.gz"), asset!("train-labels-idx1-ubyte.gz"))?;
    let test = decode(asset!("t10k-images-idx3-ubyte.gz"), asset!("t10k-labels-idx1-ubyte.gz"))?;
    let name = "Fashion-MNIST (6000 images)".into();
    Ok(DataSet::with_own_statistics(name, idx::fashion_classes(), train, test))
}

fn decode(images: (&str, &[u8]), labels: (&str, &[u8])) -> Result<Images, DataError> {
    let inflate = |(name, bytes): (&str, &[u8])| idx::inflate(bytes, Path::new(name));
    idx::decode(&inflate(images)?, Path::new(images.0), &inflate(labels)?, Path::new(labels.0))
}

#[cfg(test)]
mod tests {
    use crate::data::open;

    #[test]
    fn the_embedded_data_set_is_whole() {
        let data = open(None).expect("it is in the program");
        assert_eq!((data.train.len(), data.test.len(), data.train.side), (6000, 1000, 32));
        // The first labels of the published files.
        assert_eq!(data.train.labels[..10], [9, 0, 0, 3, 0, 2, 7, 2, 5, 5]);
        assert_eq!(data.test.labels[..10], [9, 2, 1, 1, 6, 1, 4, 6, 5, 7]);
        let mut classes = data.train.labels.clone();
        classes.sort_unstable();
        classes.dedup();
        assert_eq!(classes.len(), data.classes.len());
        // The mean is 0.286 over the 28×28 pixels, and black in the margin around them.
        assert!((data.mean[0] - 0.286 * (28.0 * 28.0) / (32.0 * 32.0)).abs() < 0.002, "{:?}", data.mean);
    }

    #[test]
    fn an_empty_path_means_the_embedded_data_set() {
        let data = open(Some("".as_ref())).expect("it is in the program");
        assert_eq!(data.train.len(), 6000);
    }
}
