use super::*;
use crate::data::{open, samples::sample};

fn source() -> PathBuf {
    sample("image-folder")
}

fn go_on(_: PackProgress) -> ControlFlow<()> {
    ControlFlow::Continue(())
}

fn packed(folder: &Path, options: PackOptions) -> PathBuf {
    let target = folder.join("packed");
    pack(&source(), &target, options, &mut go_on).expect("packed");
    target
}

#[test]
fn what_is_packed_is_what_was_in_the_folder() {
    let folder = tempfile::tempdir().expect("a folder");
    let target = packed(folder.path(), PackOptions::default());
    let (packed, original) =
        (open(Some(&target)).expect("packed"), open(Some(&source())).expect("the sample"));
    assert_eq!(packed.fingerprint(), original.fingerprint());
    assert_eq!(packed.classes, original.classes);
    verify(&source(), &target, PackOptions::default(), &mut go_on).expect("verified");
    let mut left: Vec<_> = fs::read_dir(&target)
        .expect("readable")
        .map(|entry| entry.expect("an entry").file_name().into_string().expect("a name"))
        .collect();
    left.sort_unstable();
    assert_eq!(left, ["classes.txt", "train", "train_datalist.txt", "val", "val_datalist.txt"]);
    assert_eq!(fs::read_dir(folder.path()).expect("readable").count(), 1, "nothing is left beside it");
}

#[test]
fn records_are_those_of_the_published_packer() {
    let folder = tempfile::tempdir().expect("a folder");
    let target = packed(folder.path(), PackOptions::default());
    let ours = crate::data::lmdb::Environment::open(&target.join("train")).expect("packed");
    let published = crate::data::lmdb::Environment::open(&sample("lmdb/train")).expect("the sample");
    assert_eq!(ours.entries, published.entries);
    for key in fs::read_to_string(sample("lmdb/train_datalist.txt")).expect("the list").lines() {
        let value =
            |environment: &crate::data::lmdb::Environment| environment.get(key.as_bytes()).expect("readable");
        assert!(value(&ours).is_some() && value(&ours) == value(&published), "{key}");
    }
}

#[test]
fn an_interrupted_packing_goes_on_to_the_same_bytes() {
    let whole = tempfile::tempdir().expect("a folder");
    let whole = packed(whole.path(), PackOptions::default()).join("val/data.mdb");
    let whole = fs::read(whole).ok();

    let folder = tempfile::tempdir().expect("a folder");
    let target = folder.path().join("packed");
    let stopped = pack(&source(), &target, PackOptions::default(), &mut |_| ControlFlow::Break(()));
    assert_eq!(
        stopped.expect_err("interrupted").to_string(),
        "interrupted after 24 of 40 images: the same command continues there"
    );
    assert!(!target.exists());
    // A crash in the middle of a line, and of a value.
    let journal = folder.path().join("packed.partial/train.journal");
    let text = fs::read_to_string(&journal).expect("a journal");
    fs::write(&journal, &text[..text.len() - 5]).expect("cut");

    let mut reports = Vec::new();
    let mut report = |progress: PackProgress| {
        reports.push(progress.done);
        ControlFlow::Continue(())
    };
    pack(&source(), &target, PackOptions::default(), &mut report).expect("packed");
    // 23 images were kept and one was written again, then the validation images were.
    assert_eq!(reports, [24, 40]);
    verify(&source(), &target, PackOptions::default(), &mut go_on).expect("verified");
    assert!(whole.is_some() && fs::read(target.join("val/data.mdb")).ok() == whole);
}

#[test]
fn other_options_start_again() {
    let folder = tempfile::tempdir().expect("a folder");
    let target = folder.path().join("packed");
    let small = PackOptions { shorter_side: Some(16), ..PackOptions::default() };
    pack(&source(), &target, small, &mut |_| ControlFlow::Break(())).expect_err("interrupted");
    pack(&source(), &target, PackOptions::default(), &mut go_on).expect("packed");
    verify(&source(), &target, PackOptions::default(), &mut go_on).expect("verified");
}

#[test]
fn shrunken_images_have_the_side_that_was_asked_for() {
    let folder = tempfile::tempdir().expect("a folder");
    let options = PackOptions { shorter_side: Some(16), ..PackOptions::default() };
    let target = packed(folder.path(), options);
    let images = crate::data::open_encoded(&target).expect("packed").train;
    let (picture, label) = images.decode(4).expect("an image");
    assert_eq!((picture.width, picture.height, label), (16, 16, 1));
    verify(&source(), &target, options, &mut go_on).expect("verified");
    assert_eq!(
        verify(&source(), &target, PackOptions::default(), &mut go_on).expect_err("shrunken").to_string(),
        format!(
            "image `{}/train/airplane/0000.jpg` was packed, but reads back differently (other bytes): \
             pack again to another disk",
            target.display()
        )
    );
}

#[test]
fn a_wide_picture_keeps_its_shape() {
    let picture = Picture { width: 90, height: 40, rgb: vec![120; 3 * 90 * 40] };
    let small = Picture::decode(&shrink(&picture, 20).expect("shrunken")).expect("a JPEG");
    assert_eq!((small.width, small.height), (45, 20));
    assert!(small.rgb.iter().all(|&c| c.abs_diff(120) <= 2));
}

#[test]
fn what_is_there_is_never_overwritten() {
    let folder = tempfile::tempdir().expect("a folder");
    let error = pack(&source(), folder.path(), PackOptions::default(), &mut go_on).expect_err("it is there");
    assert_eq!(
        error.to_string(),
        format!("`{}` is already there: remove it, or pack to another folder", folder.path().display())
    );
}

#[test]
fn progress_says_the_rate_and_the_time_left() {
    let progress = |seconds| PackProgress {
        done: 256,
        total: 1000,
        images_per_second: 123.4,
        left: Some(Duration::from_secs(seconds)),
    };
    assert_eq!(progress(6).to_string(), "256 of 1000 images, 123 a second, 6 s left");
    assert_eq!(progress(61).to_string(), "256 of 1000 images, 123 a second, 2 min left");
}

#[test]
fn faulty_images_are_left_out_up_to_the_number_that_is_allowed() {
    let source = crate::data::samples::copy_of_photographs();
    let folder = tempfile::tempdir().expect("a folder");
    let target = folder.path().join("packed");
    let faulty = source.path().join("train/cat/0003.jpg");
    fs::write(&faulty, b"nothing").expect("written");
    let skipping = |skip_faulty| PackOptions { skip_faulty, ..PackOptions::default() };
    pack(source.path(), &target, skipping(0), &mut go_on).expect_err("none is allowed");
    let notes = pack(source.path(), &target, skipping(1), &mut go_on).expect("one is allowed");
    assert!(
        notes.iter().any(|note| note.starts_with("left out: ") && note.contains("0003.jpg")),
        "{notes:?}"
    );
    verify(source.path(), &target, skipping(1), &mut go_on).expect("the others read back");
    let whole = open(Some(&self::source())).expect("the sample");
    let packed = open(Some(&target)).expect("packed");
    assert_eq!((packed.train.len(), packed.test.len()), (whole.train.len() - 1, whole.test.len()));
}

#[test]
fn a_class_that_would_lose_all_its_images_is_refused_before_anything_is_packed() {
    let source = crate::data::samples::copy_of_photographs();
    let folder = tempfile::tempdir().expect("a folder");
    let target = folder.path().join("packed");
    let mut count = 0;
    for image in fs::read_dir(source.path().join("val/cat")).expect("a class") {
        fs::write(image.expect("an image").path(), b"nothing").expect("written");
        count += 1;
    }
    let options = PackOptions { skip_faulty: count, ..PackOptions::default() };
    let error = pack(source.path(), &target, options, &mut go_on).expect_err("no cat is left").to_string();
    assert!(error.contains("only in training: cat"), "{error}");
    assert_eq!(fs::read_dir(folder.path()).expect("readable").count(), 0);
}
