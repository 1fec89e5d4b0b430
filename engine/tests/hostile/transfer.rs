//! Readers of the transfer tasks' data sets, and of claims: each file of a whole folder is damaged in turn.

use std::{fs, path::Path, time::Duration};

use relativenas_engine::data::{cityscapes, coco, voc};
use relativenas_run::claim::{Claims, Holder, now_in};

use crate::{PHOTOGRAPH_GROWTH, readers::copy_folder, samples, survives, survives_within};

/// The other files of a folder are read too, however small the damaged one is.
const OTHERS: usize = 8 << 20;

/// Damages a file of a sample of the transfer tasks; `read` counts the images that it finds in the folder.
fn damaged_in(sample: &str, victim: &str, growth: usize, read: impl Fn(&Path) -> usize) {
    let folder = tempfile::tempdir().expect("a folder");
    copy_folder(&samples().join("transfer").join(sample), folder.path());
    let path = folder.path().join(victim);
    let bytes = fs::read(&path).expect("a sample");
    assert!(read(folder.path()) > 0, "the sample is whole");
    survives_within(victim, &[bytes], growth, OTHERS, |bytes| {
        fs::write(&path, bytes).expect("written");
        read(folder.path());
    });
}

fn voc_images(folder: &Path) -> usize {
    let found = voc::read(folder, &mut Vec::new());
    found.train.len() + found.valid.len() + found.test.len()
}

#[test]
fn damaged_annotations_of_voc() {
    damaged_in("VOCdevkit", "VOC2007/Annotations/000001.xml", 256, voc_images);
}

#[test]
fn damaged_lists_of_voc() {
    damaged_in("VOCdevkit", "VOC2007/ImageSets/Main/trainval.txt", 256, voc_images);
}

#[test]
fn damaged_labels_of_cityscapes() {
    let labels = "gtFine/train/aachen/aachen_000000_000019_gtFine_labelIds.png";
    damaged_in("cityscapes", labels, PHOTOGRAPH_GROWTH, |folder| {
        let found = cityscapes::read(folder, &mut Vec::new());
        found.train.iter().filter(|street| street.decode().is_ok()).count()
    });
}

#[test]
fn damaged_annotations_of_coco() {
    damaged_in("coco", "annotations/person_keypoints_val2017.json", 256, |folder| {
        let found = coco::read(folder, &mut Vec::new());
        found.train.len() + found.valid.len()
    });
}

#[test]
fn damaged_claims() {
    let folder = tempfile::tempdir().expect("a folder");
    let claims = Claims::at(folder.path().join("claim"));
    let lease = Duration::from_secs(60);
    let taken = claims.take(&Holder::this(Some("job 12_3".to_owned())), lease).expect("writable");
    assert!(taken.is_some(), "nobody else has it");
    let entry = folder.path().join("claim/000001");
    let bytes = fs::read(&entry).expect("an entry");
    let now = now_in(folder.path()).expect("writable");
    survives("claim", &[bytes], 64, |bytes| {
        fs::write(&entry, bytes).expect("written");
        let _ = claims.state(now);
    });
}
