//! The names of IDX files: as published, and as browsers, archives and other programs change them.

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
};

/// What an IDX file contains.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Role {
    TrainImages,
    TrainLabels,
    TestImages,
    TestLabels,
}

impl Role {
    #[cfg(test)]
    pub(super) const ALL: [Self; 4] =
        [Self::TrainImages, Self::TrainLabels, Self::TestImages, Self::TestLabels];

    /// The name in the archives of MNIST.
    pub(super) fn published(self) -> &'static str {
        match self {
            Self::TrainImages => "train-images-idx3-ubyte",
            Self::TrainLabels => "train-labels-idx1-ubyte",
            Self::TestImages => "t10k-images-idx3-ubyte",
            Self::TestLabels => "t10k-labels-idx1-ubyte",
        }
    }
}

/// The files of one data set. EMNIST has several sets in a folder, whose names differ in what precedes
/// `train`.
pub(super) type Set = BTreeMap<Role, PathBuf>;

/// The role that the name of a file tells, and what precedes it, such as `emnist-letters`.
///
/// Dots, underscores and dashes are equivalent, and so are capital and small letters.
fn parse(name: &str) -> Option<(Role, String)> {
    let plain = name.to_ascii_lowercase().replace(['.', '_', ' '], "-");
    let plain = plain.strip_suffix("-gz").unwrap_or(&plain);
    let plain = plain.strip_suffix("-ubyte")?;
    let (rest, images) = match plain.strip_suffix("-images-idx3") {
        Some(rest) => (rest, true),
        None => (plain.strip_suffix("-labels-idx1")?, false),
    };
    let (part, prefix) = match rest.rsplit_once('-') {
        Some((prefix, part)) => (part, prefix),
        None => (rest, ""),
    };
    let role = match (part, images) {
        ("train", true) => Role::TrainImages,
        ("train", false) => Role::TrainLabels,
        ("t10k" | "test", true) => Role::TestImages,
        ("t10k" | "test", false) => Role::TestLabels,
        _ => return None,
    };
    Some((role, prefix.to_owned()))
}

/// The sets whose files lie in a folder, by what precedes their names. A folder that has the name of a file
/// may contain that file, as some archives unpack to.
pub(super) fn sets(folder: &Path) -> BTreeMap<String, Set> {
    let mut sets: BTreeMap<String, Set> = BTreeMap::new();
    // Of two names for one file the published one takes precedence, then the one that is not compressed.
    let rank = |path: &Path, role: Role| {
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        (path.parent() != Some(folder), name != role.published(), name.ends_with("gz"), name)
    };
    let mut take = |path: PathBuf, wanted: Option<Role>| {
        let name = path.file_name().map(|name| name.to_string_lossy().into_owned());
        let Some((role, prefix)) = name.as_deref().and_then(parse) else { return };
        if !path.is_file() || wanted.is_some_and(|wanted| wanted != role) {
            return;
        }
        let set = sets.entry(prefix).or_default();
        if set.get(&role).is_none_or(|other| rank(&path, role) < rank(other, role)) {
            set.insert(role, path);
        }
    };
    for path in entries(folder) {
        let role = path.file_name().and_then(|name| parse(&name.to_string_lossy())).map(|(role, _)| role);
        match role {
            Some(role) if path.is_dir() => entries(&path).into_iter().for_each(|path| take(path, Some(role))),
            Some(_) => take(path, None),
            None => {}
        }
    }
    sets.retain(|_, set| set.contains_key(&Role::TrainImages));
    sets
}

/// The folder and the prefix of the set that is meant by a path at which no file exists, such as
/// `gzip/emnist-letters`.
pub(super) fn chosen(path: &Path) -> Option<(PathBuf, String)> {
    let prefix = path.file_name()?.to_str()?.to_ascii_lowercase().replace(['.', '_', ' '], "-");
    let folder = match path.parent() {
        Some(parent) if parent.as_os_str().is_empty() => PathBuf::from("."),
        parent => parent?.to_owned(),
    };
    sets(&folder).contains_key(&prefix).then_some((folder, prefix))
}

fn entries(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).into_iter().flatten();
    entries.filter_map(|entry| entry.ok().map(|entry| entry.path())).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_read_as_programs_change_them() {
        let check = |name: &str, role: Role, prefix: &str| {
            assert_eq!(parse(name), Some((role, prefix.to_owned())), "{name}");
        };
        for role in Role::ALL {
            let dotted = role.published().replace("-idx", ".idx");
            check(role.published(), role, "");
            check(&dotted, role, "");
            check(&format!("{dotted}.gz"), role, "");
            check(&role.published().replace('-', "_").to_uppercase(), role, "");
        }
        check("emnist-balanced-train-images-idx3-ubyte.gz", Role::TrainImages, "emnist-balanced");
        check("emnist-letters-test-labels-idx1-ubyte", Role::TestLabels, "emnist-letters");
        for other in ["train-images", "train-images-idx1-ubyte", "valid-images-idx3-ubyte", "data_batch_1"] {
            assert_eq!(parse(other), None, "{other}");
        }
    }
}
