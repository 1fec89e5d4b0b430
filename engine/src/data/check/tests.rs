use std::{fs, path::PathBuf};

use super::*;
use crate::data::samples::{copy_folder, sample};

fn summary(name: &str) -> (String, &'static str, usize, [usize; 3], usize) {
    let found = check(&sample(name)).expect("a data set");
    let images = [found.train_images, found.valid_images, found.test_images];
    (found.kind, found.task, found.classes, images, found.faults.len())
}

#[test]
fn every_kind_of_data_set_is_understood() {
    let check = |name: &str, kind: &str, task: &'static str, classes: usize, images: [usize; 3]| {
        assert_eq!(summary(name), (kind.to_owned(), task, classes, images, 0), "{name}");
    };
    check("transfer/VOCdevkit", "voc", "detection", 3, [5, 3, 4]);
    check("transfer/cityscapes", "cityscapes", "segmentation", 19, [4, 2, 0]);
    check("transfer/coco", "coco", "keypoints", 1, [4, 3, 0]);
    check("cifar-10-batches-bin", "CIFAR-10", "classification", 10, [20, 0, 20]);
    let (kind, task, _, images, faults) = summary("image-folder");
    assert_eq!((kind.as_str(), task, images, faults), ("images", "classification", [24, 16, 0], 0));
}

#[test]
fn objects_people_and_pixels_are_counted() {
    let voc = check(&sample("transfer/VOCdevkit")).expect("a data set");
    assert_eq!((voc.counts["bottle"], voc.counts["car (difficult)"]), (7, 1));
    assert_eq!(voc.sizes, Some(Sizes { least: [90, 80], greatest: [140, 130] }));
    let coco = check(&sample("transfer/coco")).expect("a data set");
    assert_eq!((coco.counts["people"], coco.counts["crowds, not used"]), (8, 1));
    let streets = check(&sample("transfer/cityscapes")).expect("a data set");
    assert_eq!(streets.counts["pixels of road"], 6978 + 3313);
}

#[test]
fn all_faults_are_told_at_once_and_pictures_are_opened() {
    let folder = tempfile::tempdir().expect("a folder");
    copy_folder(&sample("transfer/VOCdevkit"), folder.path());
    let year = folder.path().join("VOC2007");
    fs::remove_file(year.join("Annotations/000003.xml")).expect("removed");
    let picture = year.join("JPEGImages/000005.jpg");
    let bytes = fs::read(&picture).expect("read");
    fs::write(&picture, &bytes[..bytes.len() / 2]).expect("written");
    let found = check(folder.path()).expect("a data set");
    let files: Vec<_> = found.faults.iter().map(|fault| fault.file.clone()).collect();
    assert_eq!(files, [year.join("Annotations/000003.xml"), picture]);
    assert_eq!(found.train_images, 4);
}

#[test]
fn a_damaged_set_of_labelled_images_has_its_fault_told() {
    let folder = tempfile::tempdir().expect("a folder");
    copy_folder(&sample("cifar-10-batches-bin"), folder.path());
    fs::write(folder.path().join("data_batch_1.bin"), [1, 2, 3]).expect("written");
    let found = check(folder.path()).expect("a data set");
    assert_eq!(found.faults.len(), 1);
    assert!(found.faults[0].what.contains("data_batch_1.bin"), "{:?}", found.faults);
}

#[test]
fn each_of_many_faults_of_a_folder_of_photographs_is_one() {
    let folder = tempfile::tempdir().expect("a folder");
    copy_folder(&sample("image-folder"), folder.path());
    let train = folder.path().join("train");
    let stray: Vec<_> = (0..15).map(|number| train.join(format!("stray-{number:02}.jpg"))).collect();
    stray.iter().for_each(|path| fs::write(path, [0xff, 0xd8]).expect("written"));
    let found = check(folder.path()).expect("a data set");
    let told = |path: &PathBuf| {
        let name = path.display().to_string();
        found.faults.iter().filter(|fault| fault.what.contains(&name)).count()
    };
    assert_eq!(
        (found.faults.len(), stray.iter().map(told).collect()),
        (15, vec![1; 15]),
        "{:?}",
        found.faults
    );
}
