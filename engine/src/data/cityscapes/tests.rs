use std::{collections::BTreeMap, fs};

use serde::Deserialize;

use super::*;
use crate::data::samples::{Expected, copy_folder, sample};

#[derive(Deserialize)]
struct ExpectedStreets {
    sets: BTreeMap<String, usize>,
    images: BTreeMap<String, ExpectedStreet>,
}

#[derive(Deserialize)]
struct ExpectedStreet {
    mean_rgb: [f64; 3],
    pixels_by_train_id: BTreeMap<u8, usize>,
}

fn read_all(folder: &Path) -> (Cityscapes, Vec<Fault>) {
    let mut faults = Vec::new();
    let found = read(folder, &mut faults);
    (found, faults)
}

#[test]
fn every_pixel_of_the_sample_has_its_training_id() {
    let expected: ExpectedStreets = Expected::part("cityscapes");
    let (found, faults) = read_all(&sample("transfer/cityscapes"));
    assert_eq!(faults, []);
    assert_eq!((found.train.len(), found.valid.len()), (expected.sets["train"], expected.sets["val"]));
    for street in found.train.iter().chain(&found.valid) {
        let (picture, labels) = street.decode().expect("a street");
        let expected = &expected.images[&street.name];
        Expected::check_mean(&street.name, &picture, expected.mean_rgb);
        let labels = labels.expect("labels");
        let mut pixels = BTreeMap::new();
        labels.ids.iter().for_each(|&id| *pixels.entry(id).or_default() += 1);
        assert_eq!(pixels, expected.pixels_by_train_id, "{}", street.name);
        assert_eq!((labels.width, labels.height), (128, 64));
    }
}

#[test]
fn folders_without_cities_are_read_too() {
    let folder = tempfile::tempdir().expect("a folder");
    copy_folder(&sample("transfer/cityscapes"), folder.path());
    for (part, city) in [("train", "aachen"), ("train", "bochum"), ("val", "frankfurt")] {
        for kind in ["leftImg8bit", "gtFine"] {
            let set = folder.path().join(kind).join(part);
            for file in fault::entries(&set.join(city)) {
                fs::rename(&file, set.join(file.file_name().expect("a name"))).expect("moved");
            }
            fs::remove_dir(set.join(city)).expect("empty");
        }
    }
    let (found, faults) = read_all(folder.path());
    assert_eq!(faults, []);
    assert_eq!((found.train.len(), found.valid.len()), (4, 2));
}

/// Writes a label picture with these values.
fn write_labels(file: &Path, width: u32, height: u32, pixels: &[u8], color: png::ColorType) {
    let mut encoder = png::Encoder::new(fs::File::create(file).expect("created"), width, height);
    encoder.set_color(color);
    encoder.write_header().expect("encoded").write_image_data(pixels).expect("encoded");
}

#[test]
fn label_pictures_that_do_not_fit_are_named() {
    let folder = tempfile::tempdir().expect("a folder");
    copy_folder(&sample("transfer/cityscapes"), folder.path());
    let (found, _) = read_all(folder.path());
    let street = &found.train[0];
    let file = street.labels.clone().expect("labels");
    let said = || {
        let fault = street.decode().expect_err("bad labels");
        assert_eq!(fault.file, file);
        fault.what
    };
    let mut pixels = vec![7; 128 * 64];
    pixels[128 * 3 + 5] = 34;
    write_labels(&file, 128, 64, &pixels, png::ColorType::Grayscale);
    assert_eq!(
        said(),
        "the pixel in row 3, column 5 has label id 34; ids go from 0 to 33, and 255 is ignored"
    );
    write_labels(&file, 64, 128, &[255; 128 * 64], png::ColorType::Grayscale);
    let expected = format!("it has 64×128 pixels, but its picture `{}` has 128×64", street.picture.display());
    assert_eq!(said(), expected);
    write_labels(&file, 128, 64, &[7; 3 * 128 * 64], png::ColorType::Rgb);
    assert_eq!(
        said(),
        "its pixels are Rgb of 8 bits; label pictures have one channel of 8 bits (those with `_color` in their \
         names are for people)"
    );
    let bytes = fs::read(
        sample("transfer/cityscapes").join("gtFine/train/aachen/aachen_000000_000019_gtFine_labelIds.png"),
    );
    fs::write(&file, &bytes.expect("the sample")[..200]).expect("written");
    said();
    fs::remove_file(&file).expect("removed");
    let (found, faults) = read_all(folder.path());
    assert_eq!(found.train.len(), 3);
    assert_eq!(faults.len(), 1);
    assert_eq!(faults[0].file, file);
    assert_eq!(faults[0].what, format!("it is missing: `{}` needs it", street.picture.display()));
}

#[test]
fn labels_without_a_picture_are_named() {
    let folder = tempfile::tempdir().expect("a folder");
    copy_folder(&sample("transfer/cityscapes"), folder.path());
    let (found, _) = read_all(folder.path());
    fs::remove_file(&found.valid[0].picture).expect("removed");
    let (_, faults) = read_all(folder.path());
    assert_eq!(faults.len(), 1);
    assert_eq!(Some(&faults[0].file), found.valid[0].labels.as_ref());
    let expected =
        "there is no picture `leftImg8bit/val/frankfurt/frankfurt_000000_000294_leftImg8bit.png` for it";
    assert_eq!(faults[0].what, expected);
}
