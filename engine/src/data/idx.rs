//! The layout of MNIST and related data sets: grey images in IDX files, raw or compressed with gzip.
//!
//! Source of the layout: <https://yann.lecun.org/exdb/mnist/>. Images become three equal channels, and are
//! padded with black to 32×32 pixels, the size that the search networks are made for.

use std::{
    io::Read as _,
    path::{Path, PathBuf},
};

use flate2::read::MultiGzDecoder;

use super::{
    DataError, DataSet, Images,
    idx_names::{self, Role, Set},
};

/// Smaller images are padded to this side, in pixels.
const SMALLEST_SIDE: usize = 32;
/// The smallest side in pixels that is accepted. Images of a pixel or two come from a damaged header: once
/// padded, they would take thousands of times the size of the file.
const SMALLEST_IMAGE: usize = 8;
/// The largest size in bytes that a file may have once decompressed: 60000 images of 128×128 pixels. Gzip can
/// hold a thousand times its own size.
const LARGEST: u64 = 60_000 * 128 * 128 + 16;

/// The ten class names of Fashion-MNIST.
const FASHION_CLASSES: [&str; 10] = [
    "T-shirt/top",
    "Trouser",
    "Pullover",
    "Dress",
    "Coat",
    "Sandal",
    "Shirt",
    "Sneaker",
    "Bag",
    "Ankle boot",
];

/// The class names of Fashion-MNIST, as owned strings.
pub(super) fn fashion_classes() -> Vec<String> {
    FASHION_CLASSES.map(str::to_owned).to_vec()
}

/// Reads the training and test files of the set whose names begin with `prefix`. Each may be raw or
/// compressed, whatever its ending.
pub(super) fn read(folder: &Path, prefix: Option<&str>) -> Result<DataSet, DataError> {
    let mut sets = idx_names::sets(folder);
    let set = match prefix {
        Some(prefix) => sets.remove(prefix).unwrap_or_default(),
        None if sets.len() > 1 => {
            let prefixes = sets.into_keys().collect();
            return Err(DataError::SeveralIdxSets { path: folder.to_owned(), prefixes });
        }
        None => sets.into_values().next().unwrap_or_default(),
    };
    let train = read_part(folder, &set, Role::TrainImages, Role::TrainLabels)?;
    let test = read_part(folder, &set, Role::TestImages, Role::TestLabels)?;
    if test.side != train.side {
        return Err(DataError::Malformed {
            path: folder.to_owned(),
            problem: format!("training images have side {}, test images {}", train.side, test.side),
        });
    }
    let (name, classes) = name_and_classes(folder, &set, &train, &test);
    Ok(DataSet::with_own_statistics(name, classes, train, test))
}

fn read_part(folder: &Path, set: &Set, images: Role, labels: Role) -> Result<Images, DataError> {
    let (images_path, images) = read_file(folder, set, images)?;
    let (labels_path, labels) = read_file(folder, set, labels)?;
    decode(&images, &images_path, &labels, &labels_path)
}

/// Reads a file, and decompresses it if its content is compressed. The ending is not relied on: browsers
/// decompress `.gz` files and keep the name, and archives drop the ending.
fn read_file(folder: &Path, set: &Set, role: Role) -> Result<(PathBuf, Vec<u8>), DataError> {
    let Some(path) = set.get(&role).cloned() else {
        let train = set.get(&Role::TrainImages).and_then(|path| path.file_name());
        let beside = train.map(|name| name.to_string_lossy().into_owned());
        return Err(DataError::MissingFile {
            path: folder
                .join(beside.as_deref().map_or(role.published().to_owned(), |name| sibling(name, role))),
            layout: "the MNIST layout",
            beside: beside.unwrap_or_else(|| Role::TrainImages.published().to_owned()),
        });
    };
    let bytes = super::read_file(&path)?;
    match bytes.as_slice() {
        [0x1f, 0x8b, ..] => Ok((path.clone(), inflate(&bytes, &path)?)),
        [b'P', b'K', 3, 4, ..] => {
            Err(DataError::Malformed { path, problem: "it is a zip archive; unpack it".into() })
        }
        _ => Ok((path, bytes)),
    }
}

/// The expected name of the file with another role, beside a file of training images with this name.
fn sibling(train_images: &str, role: Role) -> String {
    let labels = |name: &str| name.replacen("images", "labels", 1).replacen("idx3", "idx1", 1);
    let test = if train_images.starts_with("train") { "t10k" } else { "test" };
    match role {
        Role::TrainImages => train_images.to_owned(),
        Role::TrainLabels => labels(train_images),
        Role::TestImages => train_images.replacen("train", test, 1),
        Role::TestLabels => labels(&train_images.replacen("train", test, 1)),
    }
}

pub(super) fn inflate(compressed: &[u8], path: &Path) -> Result<Vec<u8>, DataError> {
    let mut bytes = Vec::new();
    MultiGzDecoder::new(compressed)
        .take(LARGEST)
        .read_to_end(&mut bytes)
        .map_err(|source| DataError::Read { path: path.to_owned(), reason: source })?;
    Ok(bytes)
}

/// Images and labels from two decompressed files.
pub(super) fn decode(
    images: &[u8],
    images_path: &Path,
    labels: &[u8],
    labels_path: &Path,
) -> Result<Images, DataError> {
    let ([count, height, width], pixels) = header::<3>(images, images_path)?;
    let ([labelled], labels) = header::<1>(labels, labels_path)?;
    if labelled != count {
        return Err(DataError::Malformed {
            path: labels_path.to_owned(),
            problem: format!("it has {labelled} labels, `{}` has {count} images", images_path.display()),
        });
    }
    if height != width || height < SMALLEST_IMAGE || count == 0 {
        return Err(DataError::Malformed {
            path: images_path.to_owned(),
            problem: format!(
                "it has {count} images of {height}×{width}, expected square ones of \
                 {SMALLEST_IMAGE}×{SMALLEST_IMAGE} or more"
            ),
        });
    }
    Ok(Images {
        pixels: grey_to_rgb(pixels, height),
        labels: labels.iter().map(|&label| label.into()).collect(),
        side: height.max(SMALLEST_SIDE),
    })
}

/// The dimensions in the header of an IDX file of bytes, and exactly as many values.
fn header<'a, const D: usize>(bytes: &'a [u8], path: &Path) -> Result<([usize; D], &'a [u8]), DataError> {
    let magic = [0, 0, 8, D as u8];
    if !bytes.starts_with(&magic) {
        return Err(DataError::Malformed {
            path: path.to_owned(),
            problem: format!("an IDX file of bytes in {D} dimensions begins with {magic:?}"),
        });
    }
    let truncated = |expected: u128| DataError::Truncated {
        path: path.to_owned(),
        found: bytes.len() as u64,
        expected: expected.to_string(),
    };
    let start = 4 + 4 * D;
    if bytes.len() < start {
        return Err(truncated(start as u128));
    }
    let dimensions: [usize; D] = std::array::from_fn(|d| {
        let [a, b, c, e] = [0, 1, 2, 3].map(|byte| bytes[4 + 4 * d + byte]);
        u32::from_be_bytes([a, b, c, e]) as usize
    });
    let expected = start as u128 + dimensions.iter().map(|&d| d as u128).product::<u128>();
    match expected.cmp(&(bytes.len() as u128)) {
        std::cmp::Ordering::Greater => Err(truncated(expected)),
        std::cmp::Ordering::Less => Err(DataError::Malformed {
            path: path.to_owned(),
            problem: format!("it has {} bytes, its header announces {expected}", bytes.len()),
        }),
        std::cmp::Ordering::Equal => Ok((dimensions, &bytes[start..])),
    }
}

/// Turns grey images into three equal channels, padded with black on all sides.
fn grey_to_rgb(grey: &[u8], side: usize) -> Vec<u8> {
    let padded = side.max(SMALLEST_SIDE);
    let margin = (padded - side) / 2;
    let plane = padded * padded;
    let count = grey.len() / (side * side);
    let mut pixels = vec![0; count * 3 * plane];
    for (image, target) in grey.chunks_exact(side * side).zip(pixels.chunks_exact_mut(3 * plane)) {
        for channel in target.chunks_exact_mut(plane) {
            for (row, line) in image.chunks_exact(side).enumerate() {
                channel[(row + margin) * padded + margin..][..side].copy_from_slice(line);
            }
        }
    }
    pixels
}

/// The name and the classes of the data set, as far as the names of folder and files tell; else numbered
/// classes.
fn name_and_classes(folder: &Path, set: &Set, train: &Images, test: &Images) -> (String, Vec<String>) {
    let file = set.get(&Role::TrainImages).and_then(|path| path.file_name()).unwrap_or_default();
    let path = folder.join(file).to_string_lossy().to_lowercase();
    if path.contains("fashion") {
        return ("Fashion-MNIST".into(), fashion_classes());
    }
    let classes = train.labels.iter().chain(&test.labels).max().map_or(0, |&last| usize::from(last) + 1);
    let names = [("emnist", "EMNIST"), ("kmnist", "KMNIST"), ("mnist", "MNIST")];
    let name = names.into_iter().find(|(part, _)| path.contains(part)).map_or("IDX images", |(_, name)| name);
    (name.into(), (0..classes).map(|class| class.to_string()).collect())
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;
    use crate::data::{open, samples::sample};

    #[test]
    fn grey_images_become_three_channels_with_a_black_margin() {
        let data = open(Some(&sample("idx"))).expect("the sample");
        assert_eq!((data.train.len(), data.test.len(), data.train.side), (12, 12, 32));
        let raw = unpacked(Role::TrainImages);
        let image = data.train.image(3);
        for channel in image.chunks_exact(32 * 32) {
            assert_eq!(&channel[(2 + 14) * 32 + 2..][..28], &raw[16 + 3 * 784 + 14 * 28..][..28]);
            assert!(channel[..64].iter().all(|&pixel| pixel == 0));
        }
        assert_eq!(data.train.labels, (0..12).map(|i| i % 10).collect::<Vec<_>>());
    }

    fn packed(role: Role) -> Vec<u8> {
        fs::read(sample("idx").join(format!("{}.gz", role.published()))).expect("the sample")
    }

    fn unpacked(role: Role) -> Vec<u8> {
        inflate(&packed(role), Path::new(role.published())).expect("the sample")
    }

    /// A folder with the sample under other names, compressed or not.
    fn renamed(files: impl IntoIterator<Item = (String, Vec<u8>)>) -> tempfile::TempDir {
        let folder = tempfile::tempdir().expect("a folder");
        for (name, bytes) in files {
            let path = folder.path().join(name);
            fs::create_dir_all(path.parent().expect("below the folder")).expect("made");
            fs::write(path, bytes).expect("written");
        }
        folder
    }

    #[test]
    fn files_are_read_whatever_programs_made_of_their_names() {
        let sample = open(Some(&sample("idx"))).expect("the sample").fingerprint();
        let check = |what: &str, name: &dyn Fn(Role) -> String, bytes: &dyn Fn(Role) -> Vec<u8>| {
            let folder = renamed(Role::ALL.map(|role| (name(role), bytes(role))));
            let data = open(Some(folder.path())).unwrap_or_else(|error| panic!("{what}: {error}"));
            assert_eq!(data.fingerprint(), sample, "{what}");
        };
        let published = |role: Role| role.published().to_owned();
        let dotted = |role: Role| role.published().replace("-idx", ".idx");
        let emnist = |role: Role| format!("emnist-digits-{}", role.published().replace("t10k", "test"));
        check("unpacked", &published, &unpacked);
        check("packed, without .gz", &published, &packed);
        check("unpacked, with .gz", &|role| format!("{}.gz", role.published()), &unpacked);
        check("dotted", &dotted, &unpacked);
        check("dotted and packed", &|role| format!("{}.gz", dotted(role)), &packed);
        check("EMNIST", &|role| format!("{}.gz", emnist(role)), &packed);
        check(
            "EMNIST, unpacked below its archive's folder",
            &|role| format!("gzip/{}", emnist(role)),
            &unpacked,
        );
        check("folders of the same names", &|role| format!("{0}/{0}", role.published()), &unpacked);
    }

    #[test]
    fn several_sets_in_a_folder_are_a_question_that_a_path_answers() {
        let emnist = |set: &str, role: Role| {
            (format!("emnist-{set}-{}.gz", role.published().replace("t10k", "test")), packed(role))
        };
        let folder =
            renamed(["letters", "digits"].iter().flat_map(|set| Role::ALL.map(|role| emnist(set, role))));
        let at = folder.path().display();
        assert_eq!(
            open(Some(folder.path())).expect_err("two sets").to_string(),
            format!(
                "`{at}` holds more than one set of IDX files (emnist-digits, emnist-letters): move all others away, \
                 or set `data.path` to `{at}/emnist-digits`"
            )
        );
        let data = open(Some(&folder.path().join("emnist-letters"))).expect("one of them");
        assert_eq!((data.name.as_str(), data.train.len()), ("EMNIST", 12));
    }

    #[test]
    fn what_is_missing_is_named_as_its_siblings_are() {
        let present = [("emnist-digits-train-images-idx3-ubyte.gz".to_owned(), packed(Role::TrainImages))];
        let folder = renamed(present);
        let error = open(Some(folder.path())).expect_err("labels are missing").to_string();
        let at = folder.path().display();
        assert!(
            error.starts_with(&format!("`{at}/emnist-digits-train-labels-idx1-ubyte.gz` is missing")),
            "{error}"
        );
    }

    #[test]
    fn what_an_idx_file_lacks_is_named() {
        let (path, other) = (Path::new("images"), Path::new("labels"));
        let check = |images: &[u8], labels: &[u8], expected: &str| {
            let error = decode(images, path, labels, other).expect_err("malformed");
            assert_eq!(error.to_string(), expected);
        };
        let image = [&[0, 0, 8, 3, 0, 0, 0, 1, 0, 0, 0, 2, 0, 0, 0, 2][..], &[9; 4]].concat();
        let label = [0, 0, 8, 1, 0, 0, 0, 1, 7];
        check(
            &image[..18],
            &label,
            "`images` is truncated: it has 18 bytes, expected 20; download or copy it again",
        );
        check(
            &image[..9],
            &label,
            "`images` is truncated: it has 9 bytes, expected 16; download or copy it again",
        );
        check(
            &label,
            &label,
            "`images` is not what its name promises: an IDX file of bytes in 3 dimensions begins with [0, 0, 8, 3]",
        );
        check(
            &image,
            &[0, 0, 8, 1, 0, 0, 0, 2, 7, 7],
            "`labels` is not what its name promises: it has 2 labels, `images` has 1 images",
        );
        check(
            &[&image[..], &[1]].concat(),
            &label,
            "`images` is not what its name promises: it has 21 bytes, its header announces 20",
        );
        check(
            &image,
            &label,
            "`images` is not what its name promises: it has 1 images of 2×2, expected square ones of 8×8 or more",
        );
        // A header that promises 2⁹⁶ bytes is compared with the file; nothing is allocated for it.
        check(
            &[&[0, 0, 8, 3][..], &[255; 12]].concat(),
            &label,
            "`images` is truncated: it has 16 bytes, expected 79228162458924105385300197391; \
             download or copy it again",
        );
    }

    proptest::proptest! {
        #[test]
        fn damage_never_panics(at in 0_usize..150, byte: u8, cut in 0_usize..150, images: bool) {
            let mut image = [&[0, 0, 8, 3, 0, 0, 0, 2, 0, 0, 0, 8, 0, 0, 0, 8][..], &[9; 128]].concat();
            let mut label = vec![0, 0, 8, 1, 0, 0, 0, 2, 7, 8];
            let damaged = if images { &mut image } else { &mut label };
            let at = at % damaged.len();
            damaged[at] = byte;
            damaged.truncate(cut);
            if let Ok(read) = decode(&image, Path::new("images"), &label, Path::new("labels")) {
                proptest::prop_assert_eq!(read.pixels.len(), read.len() * read.stride());
            }
        }
    }
}
