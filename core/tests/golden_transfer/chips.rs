use relativenas_core::tasks::{
    chips::{Chips, chips, stride},
    label_ids::{IDS, train_id},
};
use serde::Deserialize;

use super::golden;

#[derive(Deserialize)]
struct Figures {
    chip: usize,
    images: Vec<Image>,
}

#[derive(Deserialize)]
struct Image {
    height: usize,
    width: usize,
    padded: [usize; 2],
    offset: [usize; 2],
    stride: usize,
    chips: Vec<[usize; 2]>,
}

#[test]
fn golden_chips() {
    let figures: Figures = golden("segmentation.json", "chips");
    assert!(!figures.images.is_empty());
    for image in figures.images {
        let Image { height, width, padded, offset, .. } = image;
        let expected = Chips { padded, offset, places: image.chips };
        assert_eq!(chips([height, width], figures.chip), expected, "{height} × {width}");
        assert_eq!(stride(figures.chip), image.stride);
    }
}

#[test]
fn golden_training_ids() {
    let expected: Vec<(u8, u8, String)> = golden("segmentation.json", "train_ids");
    assert_eq!(expected.len(), IDS.len());
    for (id, train, name) in expected {
        assert_eq!((IDS[usize::from(id)].0, train_id(id)), (name.as_str(), Some(train)));
    }
}
