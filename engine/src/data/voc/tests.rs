use std::{collections::BTreeMap, fs};

use serde::Deserialize;

use super::*;
use crate::data::samples::{Expected, copy_folder, sample};

fn devkit() -> PathBuf {
    sample("transfer/VOCdevkit")
}

#[derive(Deserialize)]
struct ExpectedVoc {
    classes: Vec<String>,
    sets: BTreeMap<String, ExpectedSet>,
    images: BTreeMap<String, ExpectedImage>,
}

#[derive(Deserialize)]
struct ExpectedSet {
    images: usize,
}

#[derive(Deserialize)]
struct ExpectedImage {
    width: usize,
    height: usize,
    mean_rgb: [f64; 3],
    objects: Vec<ExpectedObject>,
    objects_in_file: usize,
}

#[derive(Deserialize)]
struct ExpectedObject {
    class: String,
    box_zero_based: CornerBox,
    difficult: u8,
    truncated: u8,
}

#[test]
fn every_object_of_the_sample_is_read_as_it_was_drawn() {
    let expected: ExpectedVoc = Expected::part("voc");
    // The folder of a year, the folder of all years, and the folder around it are the same data set.
    for folder in [sample("transfer"), devkit(), devkit().join("VOC2007")] {
        let mut faults = Vec::new();
        let found = read(&folder, &mut faults);
        assert_eq!(faults, []);
        assert_eq!(found.classes, expected.classes);
        for (set, images) in [("train", &found.train), ("val", &found.valid), ("test", &found.test)] {
            assert_eq!(images.len(), expected.sets[set].images, "{set}");
        }
        for image in found.train.iter().chain(&found.valid).chain(&found.test) {
            let (id, expected) = (&image.id, &expected.images[&image.id]);
            assert_eq!((image.width, image.height), (expected.width, expected.height), "{id}");
            assert_eq!(image.objects.len() + image.left_out, expected.objects_in_file, "{id}");
            assert_eq!(image.objects.len(), expected.objects.len(), "{id}");
            for (object, expected) in image.objects.iter().zip(&expected.objects) {
                assert_eq!(found.classes[object.class], expected.class, "{id}");
                assert_eq!(object.corners, expected.box_zero_based, "{id}");
                let marks = (u8::from(object.difficult), u8::from(object.truncated));
                assert_eq!(marks, (expected.difficult, expected.truncated), "{id}");
            }
            Expected::check_mean(id, &image.decode().expect("a picture"), expected.mean_rgb);
        }
    }
}

/// The faults that are found when a part of an annotation is changed.
fn fault_of(id: &str, old: &str, new: &str) -> Vec<String> {
    let folder = tempfile::tempdir().expect("a folder");
    copy_folder(&devkit(), folder.path());
    let file = folder.path().join(format!("VOC2007/Annotations/{id}.xml"));
    let text = fs::read_to_string(&file).expect("an annotation");
    assert!(text.contains(old), "{text}");
    fs::write(&file, text.replacen(old, new, 1)).expect("written");
    let mut faults = Vec::new();
    read(folder.path(), &mut faults);
    assert!(faults.iter().all(|fault| fault.file == file), "{faults:?}");
    faults.into_iter().map(|fault| fault.what).collect()
}

#[test]
fn a_bad_box_is_named_with_its_object() {
    let check = |old: &str, new: &str, expected: &str| {
        assert_eq!(fault_of("000001", old, new), [expected], "{new}");
    };
    check(
        "<xmin>14</xmin>",
        "<xmin>0</xmin>",
        "object 1 (car): its box (0, 40) to (78, 80) lies outside the picture, whose pixels go from 1 to 128 and 96",
    );
    check(
        "<ymax>88</ymax>",
        "<ymax>97</ymax>",
        "object 2 (person): its box (88, 22) to (112, 97) lies outside the picture, whose pixels go from 1 to 128 \
         and 96",
    );
    check(
        "<xmin>14</xmin>",
        "<xmin>80</xmin>",
        "object 1 (car): its box (80, 40) to (78, 80) is inverted: xmin has to be below xmax, and ymin below ymax",
    );
    check("<xmin>14</xmin>", "<xmin>78</xmin>", "object 1 (car): its box (78, 40) to (78, 80) is empty");
    check("<xmin>14</xmin>", "<xmin>x</xmin>", "object 1 (car): `xmin` is `x`, which is no number");
    check("<xmin>14</xmin>", "<xmin>nan</xmin>", "object 1 (car): `xmin` is `nan`, which is no number");
    check("<xmin>14</xmin>", "", "object 1 (car): it has no `xmin`");
    check("<difficult>0", "<difficult>2", "object 1 (car): `difficult` is `2`; it has to be 0 or 1");
    check("<width>128", "<width>0", "its width is 0; it has to be a whole number of pixels");
}

#[test]
fn an_annotation_that_is_cut_short_says_so() {
    let faults = fault_of("000001", "</annotation>", "");
    assert_eq!(faults.len(), 1);
    assert!(faults[0].starts_with("it is no whole XML file: "), "{faults:?}");
}

#[test]
fn missing_files_and_bad_lists_are_named() {
    let folder = tempfile::tempdir().expect("a folder");
    copy_folder(&devkit(), folder.path());
    let year = folder.path().join("VOC2007");
    fs::remove_file(year.join("Annotations/000001.xml")).expect("removed");
    fs::remove_file(year.join("JPEGImages/000002.jpg")).expect("removed");
    fs::write(year.join("ImageSets/Main/test.txt"), "000009\n\n000009\n000010 -1\n../000011\n")
        .expect("written");
    let mut faults = Vec::new();
    let found = read(folder.path(), &mut faults);
    let mut messages: Vec<_> = faults.iter().map(ToString::to_string).collect();
    messages.sort();
    let at = |file: &str, what: &str| format!("`{}`: {what}", year.join(file).display());
    assert_eq!(
        messages,
        [
            at("Annotations/000001.xml", "it is missing"),
            at("ImageSets/Main/test.txt", "line 3 lists `000009` a second time"),
            at("ImageSets/Main/test.txt", "line 4, `000010 -1`, is more than the name of an image"),
            at("ImageSets/Main/test.txt", "line 5, `../000011`, is no name but a path"),
            at("JPEGImages/000002.jpg", "it is missing, but a list names it"),
        ]
    );
    assert_eq!((found.train.len(), found.test.len()), (3, 1));
}

#[test]
fn classes_are_those_of_the_file_with_labels() {
    for text in ["BACKGROUND,person,car\n", "person\ncar\n"] {
        let folder = tempfile::tempdir().expect("a folder");
        copy_folder(&devkit(), folder.path());
        fs::write(folder.path().join("labels.txt"), text).expect("written");
        let found = read(folder.path(), &mut Vec::new());
        assert_eq!(found.classes, ["person", "car"]);
        let bottles: usize = found.train.iter().map(|image| image.left_out).sum();
        assert!(bottles > 0, "bottles are left out now");
    }
}

#[test]
fn a_picture_of_another_size_than_its_annotation_is_refused() {
    let found = read(&devkit(), &mut Vec::new());
    let mut image = found.train[0].clone();
    image.width += 1;
    let error = image.decode().expect_err("another size").what;
    assert_eq!(error, "it has 128×96 pixels, but its annotation says 129×96");
}
