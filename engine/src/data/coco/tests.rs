use std::{collections::BTreeMap, fs};

use serde::Deserialize;
use serde_json::{Value, json};

use super::*;
use crate::data::samples::{Expected, copy_folder, sample};

#[derive(Deserialize)]
struct ExpectedCoco {
    sets: BTreeMap<String, ExpectedSet>,
}

#[derive(Deserialize)]
struct ExpectedSet {
    images: usize,
    annotations: usize,
    crowd: usize,
    people_without_joints: usize,
    people_used: usize,
    people: Vec<ExpectedPerson>,
    mean_rgb: BTreeMap<String, [f64; 3]>,
}

#[derive(Deserialize)]
struct ExpectedPerson {
    id: u64,
    image: u64,
    joints: usize,
    centre: [f64; 2],
    scale: [f64; 2],
}

fn read_all(folder: &Path) -> (Coco, Vec<Fault>) {
    let mut faults = Vec::new();
    let found = read(folder, &mut faults);
    (found, faults)
}

#[test]
fn everybody_in_the_sample_is_read_as_they_were_drawn() {
    let expected: ExpectedCoco = Expected::part("coco");
    let (found, faults) = read_all(&sample("transfer/coco"));
    assert_eq!(faults, []);
    for (set, images) in [("train", &found.train), ("val", &found.valid)] {
        let expected = &expected.sets[set];
        let people: Vec<_> =
            images.iter().flat_map(|image| image.people.iter().map(|p| (image.id, p))).collect();
        assert_eq!((images.len(), people.len()), (expected.images, expected.annotations), "{set}");
        assert_eq!(people.iter().filter(|(_, p)| p.crowd).count(), expected.crowd);
        let without = people.iter().filter(|(_, p)| !p.crowd && p.labelled() == 0).count();
        assert_eq!(without, expected.people_without_joints);
        let used: Vec<_> = people.iter().filter(|(_, person)| person.is_used()).collect();
        assert_eq!(used.len(), expected.people_used);
        for person in &expected.people {
            let (image, found) = used.iter().find(|(_, found)| found.id == person.id).expect("a person");
            assert_eq!((*image, found.labelled()), (person.image, person.joints), "{}", person.id);
            let crop = found.crop.expect("a crop");
            for axis in 0..2 {
                assert!((crop.centre[axis] - person.centre[axis]).abs() < 1e-6, "{}", person.id);
                assert!((crop.scale[axis] - person.scale[axis]).abs() < 1e-6, "{}", person.id);
            }
        }
        for image in images {
            let name = format!("{:012}", image.id);
            Expected::check_mean(&name, &image.decode().expect("a picture"), expected.mean_rgb[&name]);
        }
    }
}

/// The faults that are found when the file of training annotations is changed.
fn fault_of(change: impl FnOnce(&mut Value)) -> String {
    let folder = tempfile::tempdir().expect("a folder");
    copy_folder(&sample("transfer/coco"), folder.path());
    let file = annotations(folder.path(), "train");
    let mut value: Value = serde_json::from_slice(&fs::read(&file).expect("read")).expect("JSON");
    change(&mut value);
    fs::write(&file, value.to_string()).expect("written");
    let (_, faults) = read_all(folder.path());
    assert_eq!(faults.len(), 1, "{faults:?}");
    assert_eq!(faults[0].file, file);
    faults[0].what.clone()
}

fn person(value: &mut Value, id: u64) -> &mut Value {
    let people = value["annotations"].as_array_mut().expect("annotations");
    people.iter_mut().find(|person| person["id"] == id).expect("a person")
}

#[test]
fn a_bad_annotation_is_named() {
    let of = |key: &'static str, wrong: Value| fault_of(|file| person(file, 1001)[key] = wrong);
    let at = |what: &str| format!("annotation 1001 (a person in image 9): {what}");
    assert_eq!(
        of("keypoints", json!([1, 2, 2])),
        at("`keypoints` holds 3 numbers; 17 joints are 51 (x, y and visibility each)")
    );
    assert_eq!(of("num_keypoints", json!(3)), at("`num_keypoints` is 3, but 17 joints are labelled"));
    assert_eq!(of("iscrowd", json!(2)), at("`iscrowd` is 2; it has to be 0 or 1"));
    assert_eq!(of("bbox", json!([5, 5, 0, 20])), at("its box (x 5, y 5, width 0, height 20) is empty"));
    assert_eq!(of("bbox", json!([5, 5, -3, 20])), at("its box (x 5, y 5, width -3, height 20) is inverted"));
    assert!(of("bbox", json!([5, 5, 900, 20])).contains("lies outside the picture of 160×120 pixels"));
    assert_eq!(of("image_id", json!(77)), "annotation 1001: there is no image 77");
    assert_eq!(
        fault_of(|file| person(file, 1001)["keypoints"][5] = json!(3)),
        at("the visibility of joint 1 (left_eye) is 3; it has to be 0, 1 or 2")
    );
    assert_eq!(fault_of(|file| person(file, 1001)["id"] = json!(1002)), "annotation 1002 is there twice");
}

#[test]
fn a_list_of_joints_of_another_length_or_order_is_named() {
    let said = |change: fn(&mut Vec<Value>)| {
        fault_of(|file| change(file["categories"][0]["keypoints"].as_array_mut().expect("names")))
    };
    assert_eq!(said(|names| drop(names.pop())), "the category `person` has 16 joints; it has to have 17");
    assert_eq!(
        said(|names| names.swap(1, 2)),
        "joint 1 of the category `person` is `right_eye`, not `left_eye`"
    );
}

#[test]
fn a_file_that_is_cut_short_says_where() {
    let folder = tempfile::tempdir().expect("a folder");
    copy_folder(&sample("transfer/coco"), folder.path());
    let file = annotations(folder.path(), "val");
    let bytes = fs::read(&file).expect("read");
    fs::write(&file, &bytes[..bytes.len() / 2]).expect("written");
    let (found, faults) = read_all(folder.path());
    assert_eq!((found.train.len(), found.valid.len(), faults.len()), (4, 0, 1));
    assert_eq!(faults[0].file, file);
    assert!(faults[0].what.starts_with("it is cut short: EOF while parsing"), "{faults:?}");
}

#[test]
fn pictures_may_lie_in_a_folder_of_images_and_are_missed_by_name() {
    let folder = tempfile::tempdir().expect("a folder");
    copy_folder(&sample("transfer/coco"), folder.path());
    fs::create_dir(folder.path().join("images")).expect("made");
    let moved = folder.path().join("images/train2017");
    fs::rename(folder.path().join("train2017"), &moved).expect("moved");
    assert_eq!(read_all(folder.path()).1, []);
    fs::remove_file(moved.join("000000000034.jpg")).expect("removed");
    let (_, faults) = read_all(folder.path());
    let wanted = folder.path().join("train2017/000000000034.jpg");
    // The faults are of the picture, and of the person in it.
    assert_eq!(faults[0].what, format!("image 34: `{}` is missing", wanted.display()));
    assert_eq!(faults[1].what, "annotation 1006: there is no image 34");
}
