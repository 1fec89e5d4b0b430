//! Recognising which data set lies in a folder.

use std::{
    fs, io,
    path::{Path, PathBuf},
};

use super::{
    DataError, DataSet, Options, cifar,
    cifar::Cifar,
    cifar_python,
    encoded::{self, EncodedDataSet},
    idx, idx_names, nearly,
};

/// The layouts that are recognised, in the order in which they are looked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Layout {
    Cifar10Binary,
    Cifar10Python,
    Cifar100Binary,
    Cifar100Python,
    Idx,
    Lmdb,
    ImageFolder,
}

impl Layout {
    const ALL: [Self; 7] = [
        Self::Cifar10Binary,
        Self::Cifar10Python,
        Self::Cifar100Binary,
        Self::Cifar100Python,
        Self::Idx,
        Self::Lmdb,
        Self::ImageFolder,
    ];

    /// The files that are looked for, in words.
    fn description(self) -> &'static str {
        match self {
            Self::Cifar10Binary => "data_batch_1.bin (CIFAR-10, binary)",
            Self::Cifar10Python => "data_batch_1 (CIFAR-10, Python)",
            Self::Cifar100Binary => "train.bin (CIFAR-100, binary)",
            Self::Cifar100Python => "the files train and test (CIFAR-100, Python)",
            Self::Idx => {
                "train-images-idx3-ubyte, also dotted, .gz, or after emnist-… (MNIST and its relatives)"
            }
            Self::Lmdb => {
                "train_datalist.txt and train/data.mdb or train_256/data.mdb (LMDB, as `relativenas pack` writes it)"
            }
            Self::ImageFolder => "the folders train and val, with a folder a class (JPEG, PNG)",
        }
    }

    /// The folders to which official archives, and the programs that download them, unpack.
    fn folders(self) -> &'static [&'static str] {
        match self {
            Self::Cifar10Binary => &["cifar-10-batches-bin"],
            Self::Cifar10Python => &["cifar-10-batches-py"],
            Self::Cifar100Binary => &["cifar-100-binary"],
            Self::Cifar100Python => &["cifar-100-python"],
            Self::Idx => &["MNIST/raw", "FashionMNIST/raw", "KMNIST/raw", "EMNIST/raw", "gzip"],
            Self::Lmdb | Self::ImageFolder => &[],
        }
    }

    /// Whether two official archives hold the same data set, so that either will do.
    fn holds_the_same_as(self, other: Self) -> bool {
        matches!(
            (self, other),
            (Self::Cifar10Binary, Self::Cifar10Python) | (Self::Cifar100Binary, Self::Cifar100Python)
        )
    }

    fn lies_in(self, folder: &Path) -> bool {
        let has = |name: &str| folder.join(name).is_file();
        match self {
            Self::Cifar10Binary => has("data_batch_1.bin") || has("test_batch.bin"),
            Self::Cifar10Python => has("data_batch_1") || has("test_batch"),
            Self::Cifar100Binary => has("train.bin") || has("test.bin"),
            Self::Cifar100Python => has("train") || has("test"),
            Self::Idx => !idx_names::sets(folder).is_empty(),
            // Images that were not packed lie beside environments with a size.
            Self::Lmdb => {
                has("train/data.mdb") || (encoded::lmdb::lies_in(folder) && !folder.join("train").is_dir())
            }
            Self::ImageFolder => folder.join("train").is_dir() && folder.join("val").is_dir(),
        }
    }
}

/// A layout and where it was found.
#[derive(Debug)]
pub(super) struct Found {
    layout: Layout,
    folder: PathBuf,
    /// What precedes the names of the files, if the path says so.
    prefix: Option<String>,
}

impl Found {
    /// Finds the data set in a folder; if there is none, in the folders below it that archives unpack to.
    pub(super) fn below(path: &Path) -> Result<Self, DataError> {
        match fs::metadata(path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                if let Some((folder, prefix)) = idx_names::chosen(path) {
                    return Ok(Self { layout: Layout::Idx, folder, prefix: Some(prefix) });
                }
                return Err(DataError::MissingFolder { path: path.to_owned() });
            }
            Err(source) => return Err(DataError::Read { path: path.to_owned(), reason: source }),
            Ok(metadata) if !metadata.is_dir() => {
                return Err(DataError::NotAFolder { path: path.to_owned() });
            }
            Ok(_) => {}
        }
        let here = Layout::ALL.into_iter().find(|layout| layout.lies_in(path));
        if let Some(layout) = here {
            return Ok(Self { layout, folder: path.to_owned(), prefix: None });
        }
        let mut below: Vec<_> = Layout::ALL
            .into_iter()
            .flat_map(|layout| layout.folders().iter().map(move |folder| (layout, path.join(folder))))
            .filter(|(layout, folder)| layout.lies_in(folder))
            .map(|(layout, folder)| Self { layout, folder, prefix: None })
            .collect();
        below.dedup_by(|second, first| first.layout.holds_the_same_as(second.layout));
        match below.len() {
            0 => Err(DataError::UnknownLayout {
                path: path.to_owned(),
                hint: nearly::hint(path),
                looked_for: Layout::ALL.map(|layout| layout.description().to_owned()).to_vec(),
            }),
            1 => Ok(below.remove(0)),
            _ => Err(DataError::SeveralLayouts {
                path: path.to_owned(),
                found: below.iter().map(|found| format!("`{}`", found.folder.display())).collect(),
            }),
        }
    }

    pub(super) fn read(&self, options: &Options) -> Result<DataSet, DataError> {
        let hundred = Cifar::Hundred(options.cifar_100);
        match self.layout {
            Layout::Cifar10Binary => cifar::read(Cifar::Ten, &self.folder),
            Layout::Cifar10Python => cifar_python::read(Cifar::Ten, &self.folder),
            Layout::Cifar100Binary => cifar::read(hundred, &self.folder),
            Layout::Cifar100Python => cifar_python::read(hundred, &self.folder),
            Layout::Idx => idx::read(&self.folder, self.prefix.as_deref()),
            Layout::Lmdb | Layout::ImageFolder => self.encoded()?.decode(options.side, options.skip_faulty),
        }
    }

    /// Opens photographs of any size, which are decoded as they are needed.
    pub(super) fn encoded(&self) -> Result<EncodedDataSet, DataError> {
        match self.layout {
            Layout::Lmdb => encoded::lmdb::list(&self.folder),
            Layout::ImageFolder => encoded::folder::list(&self.folder),
            _ => Err(DataError::NotPhotographs { path: self.folder.clone() }),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message(path: &Path) -> String {
        Found::below(path).expect_err("nothing is there").to_string()
    }

    #[test]
    fn a_missing_folder_says_how_to_get_the_data() {
        assert_eq!(
            message(Path::new("/nowhere/data")),
            "the data folder `/nowhere/data` does not exist: unpack \
             https://www.cs.toronto.edu/~kriz/cifar-10-binary.tar.gz and set `data.path` to the folder \
             `cifar-10-batches-bin`, or leave `data.path` empty to use the embedded Fashion-MNIST"
        );
    }

    #[test]
    fn an_archive_has_to_be_unpacked() {
        let folder = tempfile::tempdir().expect("a folder");
        let archive = folder.path().join("cifar-10-binary.tar.gz");
        fs::write(&archive, []).expect("written");
        assert_eq!(
            message(&archive),
            format!(
                "`{}` is a file; `data.path` is the folder that holds a data set \
                 (an archive has to be unpacked first)",
                archive.display()
            )
        );
    }

    #[test]
    fn a_folder_without_a_data_set_lists_what_was_looked_for() {
        let folder = tempfile::tempdir().expect("a folder");
        assert_eq!(
            message(folder.path()),
            format!(
                "no data set is known in `{}`; looked there, and in the folders that official archives unpack to, \
                 for data_batch_1.bin (CIFAR-10, binary); data_batch_1 (CIFAR-10, Python); \
                 train.bin (CIFAR-100, binary); the files train and test (CIFAR-100, Python); \
                 train-images-idx3-ubyte, also dotted, .gz, or after emnist-… (MNIST and its relatives); \
                 train_datalist.txt and train/data.mdb or train_256/data.mdb (LMDB, as `relativenas pack` writes \
                 it); \
                 the folders train and val, with a folder a class (JPEG, PNG): \
                 set `data.path` to a folder with one of them, or leave it empty to use the embedded Fashion-MNIST",
                folder.path().display()
            )
        );
    }

    #[test]
    fn two_data_sets_side_by_side_are_a_question() {
        let folder = tempfile::tempdir().expect("a folder");
        let at = |name: &str| folder.path().join(name);
        for name in ["cifar-10-batches-bin", "MNIST/raw"] {
            fs::create_dir_all(at(name)).expect("made");
        }
        fs::write(at("cifar-10-batches-bin/data_batch_1.bin"), []).expect("written");
        fs::write(at("MNIST/raw/train-images-idx3-ubyte"), []).expect("written");
        assert_eq!(
            message(folder.path()),
            format!(
                "`{}` holds more than one data set (`{}`, `{}`): set `data.path` to one of these folders",
                folder.path().display(),
                at("cifar-10-batches-bin").display(),
                at("MNIST/raw").display()
            )
        );
    }

    #[test]
    fn one_data_set_in_two_layouts_is_none() {
        let folder = tempfile::tempdir().expect("a folder");
        for name in ["cifar-10-batches-bin", "cifar-10-batches-py"] {
            std::os::unix::fs::symlink(crate::data::samples::sample(name), folder.path().join(name))
                .expect("linked");
        }
        assert_eq!(Found::below(folder.path()).expect("the sample").layout, Layout::Cifar10Binary);
    }
}
