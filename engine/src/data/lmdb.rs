//! LMDB environments, read without the C library.
//!
//! The C library maps the file, so a truncated copy ends the process with a signal instead of an error; it
//! needs a lock file beside the data, which cannot be made in a shared, read-only folder; and it refuses to
//! open a file twice. The format is small: the file consists of pages of one size, two of which say where the
//! newest tree is; the leaves of the tree hold keys and values; a large value has pages of its own. Every
//! offset is checked against what it points into.
//!
//! Source: `MDB_page`, `MDB_node`, `MDB_meta` and `MDB_db` in `mdb.c` of LMDB 0.9, 64 bits, little-endian.

pub(super) mod writer;

use std::{
    fs::File,
    io,
    os::unix::fs::FileExt as _,
    path::{Path, PathBuf},
};

use super::DataError;

const MAGIC: u32 = 0xbeef_c0de;
const VERSION: u32 = 1;
/// Bytes of a page before its content.
const PAGE_HEADER: usize = 16;
/// Bytes of a node before its key.
const NODE_HEADER: usize = 8;
const BRANCH: u16 = 1;
const LEAF: u16 = 2;
const OVERFLOW: u16 = 4;
const META: u16 = 8;
/// Flag of a node whose value lies on pages of its own.
const BIG: u16 = 1;
/// Offsets in a meta page, behind its header.
const META_MAIN: usize = 24 + 48;
const META_LAST_PAGE: usize = 24 + 2 * 48;
const META_TRANSACTION: usize = META_LAST_PAGE + 8;
const META_LENGTH: usize = META_TRANSACTION + 8;
/// The page number in place of the root of an empty tree.
const NO_PAGE: u64 = u64::MAX;

/// The greatest depth of a tree: LMDB's own cursors have room for as many pages.
const DEEPEST: usize = 32;

/// The main database of an environment, as of its last committed transaction.
#[derive(Debug)]
pub(super) struct Environment {
    path: PathBuf,
    file: File,
    page_size: usize,
    last_page: u64,
    root: u64,
    /// The number of keys in the database.
    pub(super) entries: u64,
}

/// A page and the fields of its header.
struct Page {
    bytes: Vec<u8>,
    flags: u16,
    nodes: usize,
}

impl Environment {
    /// Opens `data.mdb` in a folder.
    pub(super) fn open(folder: &Path) -> Result<Self, DataError> {
        let path = folder.join("data.mdb");
        let io = |source| DataError::Read { path: path.clone(), reason: source };
        let file = File::open(&path).map_err(io)?;
        let length = file.metadata().map_err(io)?.len();
        let malformed = |problem: String| DataError::Malformed { path: path.clone(), problem };

        let first = Meta::read(&file, 0).map_err(io)?.map_err(malformed)?;
        // Transactions write the two pages in turn; after a crash one of them may be torn, and the other is
        // valid.
        let second = Meta::read(&file, first.page_size as u64).ok().and_then(Result::ok);
        let newest = second.filter(|second| second.transaction > first.transaction).unwrap_or(first);
        let expected = (u128::from(newest.last_page) + 1) * newest.page_size as u128;
        if u128::from(length) < expected {
            let expected = expected.to_string();
            return Err(DataError::Truncated { path, found: length, expected });
        }
        let Meta { page_size, last_page, root, entries, .. } = newest;
        Ok(Self { path, file, page_size, last_page, root, entries })
    }

    /// The value of a key.
    pub(super) fn get(&self, key: &[u8]) -> Result<Option<Vec<u8>>, DataError> {
        self.find(key).map_err(|problem| match problem {
            Problem::Io(source) => DataError::Read { path: self.path.clone(), reason: source },
            Problem::Other(problem) => DataError::Malformed {
                path: self.path.clone(),
                problem: format!("on the way to `{}`: {problem}", String::from_utf8_lossy(key)),
            },
        })
    }

    fn find(&self, key: &[u8]) -> Result<Option<Vec<u8>>, Problem> {
        let mut number = self.root;
        if number == NO_PAGE {
            return Ok(None);
        }
        for _ in 0..DEEPEST {
            let page = self.page(number)?;
            match page.flags & (BRANCH | LEAF) {
                BRANCH => number = page.child(key)?,
                LEAF => {
                    return match page.leaf(key)? {
                        None => Ok(None),
                        Some(Found::Here(value)) => Ok(Some(value.to_vec())),
                        Some(Found::Elsewhere { page, length }) => self.large(page, length).map(Some),
                    };
                }
                _ => return Err(format!("page {number} is neither branch nor leaf").into()),
            }
        }
        Err(format!("the tree is deeper than {DEEPEST} pages").into())
    }

    fn page(&self, number: u64) -> Result<Page, Problem> {
        if number > self.last_page {
            return Err(format!("page {number} lies beyond the last, {}", self.last_page).into());
        }
        let mut bytes = vec![0; self.page_size];
        self.file.read_exact_at(&mut bytes, number * self.page_size as u64)?;
        if u64_at(&bytes, 0) != Some(number) {
            return Err(format!("page {number} has another page's number").into());
        }
        let (flags, lower) = (u16_at(&bytes, 10).unwrap_or(0), u16_at(&bytes, 12).unwrap_or(0));
        let nodes = usize::from(lower).saturating_sub(PAGE_HEADER) / 2;
        Ok(Page { bytes, flags, nodes })
    }

    /// A value that has pages of its own.
    fn large(&self, page: u64, length: usize) -> Result<Vec<u8>, Problem> {
        let start = u128::from(page) * self.page_size as u128 + PAGE_HEADER as u128;
        let end = (u128::from(self.last_page) + 1) * self.page_size as u128;
        if start + length as u128 > end {
            return Err(format!("a value of {length} bytes on page {page} does not fit the file").into());
        }
        let mut value = vec![0; length];
        self.file.read_exact_at(&mut value, start as u64)?;
        Ok(value)
    }
}

/// The fields of a meta page.
struct Meta {
    page_size: usize,
    last_page: u64,
    root: u64,
    entries: u64,
    transaction: u64,
}

impl Meta {
    fn read(file: &File, offset: u64) -> io::Result<Result<Self, String>> {
        let mut page = [0; PAGE_HEADER + META_LENGTH];
        match file.read_exact_at(&mut page, offset) {
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => {
                return Ok(Err("it is too short to be an LMDB environment".into()));
            }
            other => other?,
        }
        Ok(Self::parse(&page[PAGE_HEADER..]).ok_or("it is no LMDB environment (version 0.9, 64 bits)".into()))
    }

    fn parse(meta: &[u8]) -> Option<Self> {
        if (u32_at(meta, 0)?, u32_at(meta, 4)?) != (MAGIC, VERSION) {
            return None;
        }
        // The page size is stored where the list of free pages has padding.
        let page_size = u32_at(meta, 24)? as usize;
        Some(Self {
            page_size: Some(page_size)
                .filter(|size| size.is_power_of_two() && (256..=65_536).contains(size))?,
            entries: u64_at(meta, META_MAIN + 32)?,
            root: u64_at(meta, META_MAIN + 40)?,
            last_page: u64_at(meta, META_LAST_PAGE)?,
            transaction: u64_at(meta, META_TRANSACTION)?,
        })
    }
}

enum Found<'a> {
    Here(&'a [u8]),
    Elsewhere { page: u64, length: usize },
}

impl Page {
    fn node(&self, index: usize) -> Result<&[u8], Problem> {
        let offset = u16_at(&self.bytes, PAGE_HEADER + 2 * index).map(usize::from);
        offset
            .and_then(|offset| self.bytes.get(offset..))
            .ok_or_else(|| "a node lies outside of its page".into())
    }

    fn key(&self, index: usize) -> Result<&[u8], Problem> {
        let node = self.node(index)?;
        let length = u16_at(node, 6).map(usize::from).ok_or("a node is cut off")?;
        node.get(NODE_HEADER..NODE_HEADER + length).ok_or_else(|| "a key lies outside of its page".into())
    }

    /// The number of nodes, from `first` on, whose keys are not greater than this one; found by bisection.
    fn up_to(&self, key: &[u8], first: usize) -> Result<usize, Problem> {
        let (mut low, mut high) = (first, self.nodes);
        while low < high {
            let middle = low.midpoint(high);
            if self.key(middle)? <= key { low = middle + 1 } else { high = middle }
        }
        Ok(low)
    }

    /// The page that holds a key, below this branch. The first node of a branch stands for all smaller keys.
    fn child(&self, key: &[u8]) -> Result<u64, Problem> {
        let node = self.node(self.up_to(key, 1)? - 1)?;
        let part = |at| u16_at(node, at).map(u64::from).ok_or("a node is cut off");
        Ok(part(0)? | part(2)? << 16 | part(4)? << 32)
    }

    fn leaf(&self, key: &[u8]) -> Result<Option<Found<'_>>, Problem> {
        let Some(index) = self.up_to(key, 0)?.checked_sub(1) else { return Ok(None) };
        let found = self.key(index)?;
        if found != key {
            return Ok(None);
        }
        let node = self.node(index)?;
        let (length, flags) = (u32_at(node, 0), u16_at(node, 4));
        let (Some(length), Some(flags)) = (length, flags) else { return Err("a node is cut off".into()) };
        let content = &node[NODE_HEADER + found.len()..];
        let (outside, length) = ("a value lies outside of its page", length as usize);
        match flags {
            0 => Ok(Some(Found::Here(content.get(..length).ok_or(outside)?))),
            BIG => Ok(Some(Found::Elsewhere { page: u64_at(content, 0).ok_or(outside)?, length })),
            _ => Err("a key holds several values".into()),
        }
    }
}

/// Why a page could not be read.
enum Problem {
    Io(io::Error),
    Other(String),
}

impl From<io::Error> for Problem {
    fn from(error: io::Error) -> Self {
        Self::Io(error)
    }
}

impl From<String> for Problem {
    fn from(problem: String) -> Self {
        Self::Other(problem)
    }
}

impl From<&str> for Problem {
    fn from(problem: &str) -> Self {
        Self::Other(problem.to_owned())
    }
}

fn u16_at(bytes: &[u8], at: usize) -> Option<u16> {
    Some(u16::from_le_bytes(*bytes.get(at..)?.first_chunk()?))
}

fn u32_at(bytes: &[u8], at: usize) -> Option<u32> {
    Some(u32::from_le_bytes(*bytes.get(at..)?.first_chunk()?))
}

fn u64_at(bytes: &[u8], at: usize) -> Option<u64> {
    Some(u64::from_le_bytes(*bytes.get(at..)?.first_chunk()?))
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;
    use crate::data::samples::sample;

    #[test]
    fn every_key_of_the_list_is_found_and_no_other() {
        let environment = Environment::open(&sample("lmdb/train")).expect("the sample");
        let list = fs::read_to_string(sample("lmdb/train_datalist.txt")).expect("the list");
        assert_eq!(environment.entries, 24);
        assert_eq!(list.lines().count(), 24);
        for key in list.lines() {
            let value = environment.get(key.as_bytes()).expect("readable").expect("there");
            let file = fs::read(sample("image-folder/train").join(key)).expect("the image");
            assert_eq!(value[3..value.len() - 2], file, "{key}");
        }
        for key in ["", "airplane", "airplane/0000.jpgx", "zebra/0.jpg"] {
            assert!(environment.get(key.as_bytes()).expect("readable").is_none(), "{key}");
        }
    }

    #[test]
    fn a_truncated_environment_is_named_with_its_size() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("data.mdb");
        let bytes = fs::read(sample("lmdb/train/data.mdb")).expect("the sample");
        let check = |length: usize, expected: &str| {
            fs::write(&path, &bytes[..length]).expect("written");
            let error = Environment::open(folder.path()).expect_err("truncated").to_string();
            assert_eq!(error, expected.replace("FILE", &path.display().to_string()));
        };
        check(30_000, "`FILE` is truncated: it has 30000 bytes, expected 40960; download or copy it again");
        check(100, "`FILE` is not what its name promises: it is too short to be an LMDB environment");
    }

    #[test]
    fn what_is_no_environment_is_said() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("data.mdb");
        fs::write(&path, [0; 9000]).expect("written");
        assert_eq!(
            Environment::open(folder.path()).expect_err("no environment").to_string(),
            format!(
                "`{}` is not what its name promises: it is no LMDB environment (version 0.9, 64 bits)",
                path.display()
            )
        );
    }

    proptest::proptest! {
        #[test]
        fn damage_never_panics(page in 0_usize..10, at in 0_usize..160, from_end: bool, byte: u8) {
            let folder = tempfile::tempdir().expect("a folder");
            let mut bytes = fs::read(sample("lmdb/train/data.mdb")).expect("the sample");
            let at = page * 4096 + if from_end { 4095 - at } else { at };
            bytes[at] = byte;
            fs::write(folder.path().join("data.mdb"), bytes).expect("written");
            if let Ok(environment) = Environment::open(folder.path()) {
                for key in ["airplane/0000.jpg", "horse/0017.jpg", "zebra"] {
                    let _ = environment.get(key.as_bytes());
                }
            }
        }
    }
}
