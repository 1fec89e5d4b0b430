//! The sample files that tests read, and copies of them that tests may damage.

use std::{
    fs,
    path::{Path, PathBuf},
};

pub(crate) fn sample(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/samples").join(name)
}

/// A copy of the folder of photographs.
pub(crate) fn copy_of_photographs() -> tempfile::TempDir {
    let copy = tempfile::tempdir().expect("a folder");
    copy_folder(&sample("image-folder"), copy.path());
    copy
}

/// Copies a folder with everything in it, for a test to damage.
pub(crate) fn copy_folder(from: &Path, to: &Path) {
    fs::create_dir_all(to).expect("made");
    for entry in fs::read_dir(from).expect("a folder") {
        let entry = entry.expect("an entry");
        let target = to.join(entry.file_name());
        if entry.file_type().expect("known").is_dir() {
            copy_folder(&entry.path(), &target);
        } else {
            fs::copy(entry.path(), target).expect("copied");
        }
    }
}

/// What a reader must find in the samples of the transfer tasks.
pub(crate) struct Expected;

impl Expected {
    /// The expectations for `voc`, `cityscapes` or `coco`.
    pub(crate) fn part<T: serde::de::DeserializeOwned>(part: &str) -> T {
        let text = fs::read_to_string(sample("transfer/expected.json")).expect("expected.json");
        let mut value: serde_json::Value = serde_json::from_str(&text).expect("JSON");
        serde_json::from_value(value[part].take()).expect("this part")
    }

    /// Compares mean colours. Decoders differ by some hundredths, exchanged channels by much more.
    pub(crate) fn check_mean(name: &str, picture: &super::picture::Picture, expected: [f64; 3]) {
        for (channel, expected) in expected.into_iter().enumerate() {
            let values = picture.rgb.iter().skip(channel).step_by(3);
            let mean = values.map(|&v| f64::from(v)).sum::<f64>() / (picture.width * picture.height) as f64;
            assert!(
                (mean - expected).abs() < 0.3,
                "{name}: channel {channel} has mean {mean} for {expected}"
            );
        }
    }
}
