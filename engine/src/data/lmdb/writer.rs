//! Writes an LMDB environment once, front to back: values first, then the tree over their keys.
//!
//! Every value has pages of its own, so that what was written never moves and an interrupted file can be
//! continued where it ends. The tree needs all keys and comes last; the page that makes it valid is written
//! after it.

use std::{
    fs::{File, OpenOptions},
    io::{self, BufWriter, Write as _},
    os::unix::fs::FileExt as _,
    path::Path,
};

use super::{
    BIG, BRANCH, LEAF, MAGIC, META, META_LAST_PAGE, META_LENGTH, META_MAIN, META_TRANSACTION, NO_PAGE,
    NODE_HEADER, OVERFLOW, PAGE_HEADER, VERSION,
};

const PAGE: usize = 4096;
/// The first page behind the two meta pages.
const FIRST_PAGE: u64 = 2;
/// The greatest length of a key in bytes that LMDB accepts.
pub(in crate::data) const LONGEST_KEY: usize = 511;
/// A flag that LMDB sets in every environment, because the keys of the list of free pages are numbers.
const INTEGER_KEYS: u16 = 8;
const BUFFER: usize = 1 << 20;

/// The key of a value, and where the value lies.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::data) struct Entry {
    pub(in crate::data) key: String,
    pub(in crate::data) page: u64,
    pub(in crate::data) length: u32,
}

impl Entry {
    /// The number of the page after this value's pages.
    fn end(&self) -> u64 {
        self.page + pages(self.length as usize)
    }
}

/// An environment that is being written.
#[derive(Debug)]
pub(in crate::data) struct Writer {
    file: BufWriter<File>,
    entries: Vec<Entry>,
}

impl Writer {
    /// Opens a file to continue after `entries`, of which it may hold only the first ones; without entries,
    /// starts a new file. Returns the writer and the number of entries that the file holds.
    pub(in crate::data) fn open(path: &Path, mut entries: Vec<Entry>) -> io::Result<(Self, usize)> {
        let file = OpenOptions::new().write(true).create(true).truncate(false).open(path)?;
        let whole_pages = file.metadata()?.len() / PAGE as u64;
        let held = entries.iter().take_while(|entry| entry.end() <= whole_pages).count();
        entries.truncate(held);
        let mut writer = Self { file: BufWriter::with_capacity(BUFFER, file), entries };
        let end = writer.next_page() * PAGE as u64;
        writer.file.get_ref().set_len(end)?;
        io::Seek::seek(&mut writer.file, io::SeekFrom::Start(end))?;
        Ok((writer, held))
    }

    /// Appends a value. Keys may come in any order, each once, and have at most [`LONGEST_KEY`] bytes.
    pub(in crate::data) fn append(&mut self, key: &str, value: &[u8]) -> io::Result<&Entry> {
        let too_long = || io::Error::new(io::ErrorKind::InvalidInput, "longer than LMDB stores");
        if key.len() > LONGEST_KEY {
            return Err(too_long());
        }
        let length = u32::try_from(value.len()).map_err(|_| too_long())?;
        let page = self.next_page();
        let mut header = page_header(page, OVERFLOW);
        header[12..].copy_from_slice(&(pages(value.len()) as u32).to_le_bytes());
        self.file.write_all(&header)?;
        self.file.write_all(value)?;
        let padding = pages(value.len()) as usize * PAGE - PAGE_HEADER - value.len();
        self.file.write_all(&[0; PAGE][..padding])?;
        self.entries.push(Entry { key: key.to_owned(), page, length });
        Ok(&self.entries[self.entries.len() - 1])
    }

    /// Writes everything that was appended to the disk.
    pub(in crate::data) fn sync(&mut self) -> io::Result<()> {
        self.file.flush()?;
        self.file.get_ref().sync_data()
    }

    /// Writes the tree and the pages that point to it.
    pub(in crate::data) fn finish(mut self) -> io::Result<()> {
        let overflow_pages = self.next_page() - FIRST_PAGE;
        self.entries.sort_unstable_by(|a, b| a.key.as_bytes().cmp(b.key.as_bytes()));
        let tree = Tree::build(&self.entries, overflow_pages + FIRST_PAGE);
        self.file.write_all(&tree.bytes)?;
        self.file.flush()?;
        let file = self.file.get_ref();
        // The tree has to be on the disk before a page says that it is valid.
        file.sync_all()?;
        file.write_all_at(&meta_page(0, &Tree::default(), 0, FIRST_PAGE - 1), 0)?;
        let last_page = overflow_pages + FIRST_PAGE + tree.pages() - 1;
        file.write_all_at(&meta_page(1, &tree, overflow_pages, last_page), PAGE as u64)?;
        file.sync_all()
    }

    fn next_page(&self) -> u64 {
        self.entries.last().map_or(FIRST_PAGE, Entry::end)
    }
}

/// The number of pages that a value takes with its header.
fn pages(length: usize) -> u64 {
    (PAGE_HEADER + length).div_ceil(PAGE) as u64
}

fn page_header(number: u64, flags: u16) -> [u8; PAGE_HEADER] {
    let mut header = [0; PAGE_HEADER];
    header[..8].copy_from_slice(&number.to_le_bytes());
    header[10..12].copy_from_slice(&flags.to_le_bytes());
    header
}

/// The pages of a tree, level by level from the leaves.
#[derive(Debug, Default)]
struct Tree {
    bytes: Vec<u8>,
    depth: u16,
    branches: u64,
    leaves: u64,
    entries: u64,
    root: Option<u64>,
}

impl Tree {
    /// Builds a tree over sorted entries, whose first page gets the number `first_page`.
    fn build(entries: &[Entry], first_page: u64) -> Self {
        let mut tree = Self { entries: entries.len() as u64, ..Self::default() };
        let mut level = tree.add_level(entries.iter().map(Node::leaf).collect(), LEAF, first_page);
        tree.leaves = level.len() as u64;
        while level.len() > 1 {
            let branches = level.iter().map(|&(key, page)| Node::branch(key, page)).collect();
            level = tree.add_level(branches, BRANCH, first_page);
            tree.branches += level.len() as u64;
        }
        tree.root = level.first().map(|&(_, page)| page);
        tree
    }

    /// Adds the pages of one level, and returns the first key and the number of each page.
    fn add_level<'a>(&mut self, nodes: Vec<Node<'a>>, flags: u16, first_page: u64) -> Vec<(&'a str, u64)> {
        let mut parents = Vec::new();
        for nodes in fill_pages(nodes) {
            let number = first_page + self.pages();
            parents.push((nodes[0].key, number));
            self.bytes.extend(tree_page(number, flags, &nodes));
        }
        self.depth += u16::from(!parents.is_empty());
        parents
    }

    fn pages(&self) -> u64 {
        (self.bytes.len() / PAGE) as u64
    }
}

struct Node<'a> {
    key: &'a str,
    bytes: Vec<u8>,
}

impl<'a> Node<'a> {
    fn leaf(entry: &'a Entry) -> Self {
        let header = node_header(entry.length.into(), BIG, entry.key.len());
        Self { key: &entry.key, bytes: [&header, entry.key.as_bytes(), &entry.page.to_le_bytes()].concat() }
    }

    fn branch(key: &'a str, page: u64) -> Self {
        let header = node_header(page & 0xffff_ffff, (page >> 32) as u16, key.len());
        Self { key, bytes: [&header, key.as_bytes()].concat() }
    }

    /// Bytes that the node takes in a page: nodes begin at even offsets, and each has a pointer.
    fn size(&self) -> usize {
        self.bytes.len().next_multiple_of(2) + 2
    }
}

fn node_header(number: u64, flags: u16, key: usize) -> [u8; NODE_HEADER] {
    let mut header = [0; NODE_HEADER];
    header[..4].copy_from_slice(&(number as u32).to_le_bytes());
    header[4..6].copy_from_slice(&flags.to_le_bytes());
    header[6..].copy_from_slice(&(key as u16).to_le_bytes());
    header
}

/// Puts as many nodes on each page as fit, but never a single one on the last of several: LMDB takes a branch
/// with one child for damage.
fn fill_pages(nodes: Vec<Node<'_>>) -> Vec<Vec<Node<'_>>> {
    let mut pages: Vec<Vec<Node<'_>>> = Vec::new();
    let mut free = 0;
    for node in nodes {
        if node.size() > free || pages.is_empty() {
            pages.push(Vec::new());
            free = PAGE - PAGE_HEADER;
        }
        free -= node.size();
        if let Some(page) = pages.last_mut() {
            page.push(node);
        }
    }
    if let [.., before, last] = &mut pages[..]
        && last.len() == 1
    {
        last.splice(0..0, before.pop());
    }
    pages
}

fn tree_page(number: u64, flags: u16, nodes: &[Node<'_>]) -> Vec<u8> {
    let mut page = page_header(number, flags).to_vec();
    page.resize(PAGE, 0);
    let mut upper = PAGE;
    for (index, node) in nodes.iter().enumerate() {
        upper -= node.bytes.len().next_multiple_of(2);
        page[upper..][..node.bytes.len()].copy_from_slice(&node.bytes);
        page[PAGE_HEADER + 2 * index..][..2].copy_from_slice(&(upper as u16).to_le_bytes());
    }
    let lower = PAGE_HEADER + 2 * nodes.len();
    page[12..14].copy_from_slice(&(lower as u16).to_le_bytes());
    page[14..16].copy_from_slice(&(upper as u16).to_le_bytes());
    page
}

/// A meta page; its number is also that of the transaction that wrote it.
fn meta_page(number: u64, tree: &Tree, overflow_pages: u64, last_page: u64) -> Vec<u8> {
    let mut meta = [0; META_LENGTH];
    let mut put = |at: usize, bytes: &[u8]| meta[at..at + bytes.len()].copy_from_slice(bytes);
    put(0, &MAGIC.to_le_bytes());
    put(4, &VERSION.to_le_bytes());
    put(16, &((last_page + 1) * PAGE as u64).to_le_bytes());
    // The list of free pages is empty; its padding holds the page size.
    put(24, &(PAGE as u32).to_le_bytes());
    put(28, &INTEGER_KEYS.to_le_bytes());
    put(META_MAIN - 8, &NO_PAGE.to_le_bytes());
    put(META_MAIN + 6, &tree.depth.to_le_bytes());
    let numbers = [tree.branches, tree.leaves, overflow_pages, tree.entries, tree.root.unwrap_or(NO_PAGE)];
    for (index, number) in numbers.into_iter().enumerate() {
        put(META_MAIN + 8 + 8 * index, &number.to_le_bytes());
    }
    put(META_LAST_PAGE, &last_page.to_le_bytes());
    put(META_TRANSACTION, &number.to_le_bytes());
    let mut page = page_header(number, META).to_vec();
    page.extend(meta);
    page.resize(PAGE, 0);
    page
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;
    use crate::data::lmdb::Environment;

    /// Keys of very different lengths, not in order, with values around the size of a page.
    fn pairs(count: usize) -> Vec<(String, Vec<u8>)> {
        let pair = |i: usize| {
            let key = format!("{}/{}", i * 7919 % 1009, "x".repeat(1 + i * 31 % 480));
            (format!("{i}-{key}"), vec![i as u8; [1, 4079, 4080, 4081, 9000][i % 5]])
        };
        (0..count).map(pair).collect()
    }

    fn write(folder: &Path, pairs: &[(String, Vec<u8>)]) {
        let (mut writer, _) = Writer::open(&folder.join("data.mdb"), Vec::new()).expect("opened");
        for (key, value) in pairs {
            writer.append(key, value).expect("appended");
        }
        writer.finish().expect("finished");
    }

    #[test]
    fn what_is_written_is_read() {
        for count in [0, 1, 2, 50, 3000] {
            let folder = tempfile::tempdir().expect("a folder");
            write(folder.path(), &pairs(count));
            let environment = Environment::open(folder.path()).expect("an environment");
            assert_eq!(environment.entries, count as u64);
            for (key, value) in pairs(count) {
                assert_eq!(environment.get(key.as_bytes()).expect("readable"), Some(value), "{count}: {key}");
            }
            assert_eq!(environment.get(b"0/").expect("readable"), None);
        }
    }

    #[test]
    fn the_c_library_reads_the_same() {
        let folder = tempfile::tempdir().expect("a folder");
        write(folder.path(), &pairs(3000));
        let mut expected = pairs(3000);
        expected.sort_unstable();
        // SAFETY: no other process has the file open, and it does not change while it is mapped.
        assert!(unsafe { read_with_c(folder.path(), &expected) } == expected);
    }

    /// Returns every pair that a cursor visits, after looking up each expected key.
    unsafe fn read_with_c(folder: &Path, expected: &[(String, Vec<u8>)]) -> Vec<(String, Vec<u8>)> {
        use std::{ffi::CString, ptr::null_mut, slice};

        use lmdb_master_sys as c;

        let value = |bytes: &[u8]| c::MDB_val { mv_size: bytes.len(), mv_data: bytes.as_ptr() as *mut _ };
        let bytes = |value: &c::MDB_val| {
            // SAFETY: LMDB's values point into its map, which outlives this function's transaction.
            unsafe { slice::from_raw_parts(value.mv_data.cast::<u8>(), value.mv_size) }.to_vec()
        };
        let path = CString::new(folder.to_str().expect("a path")).expect("a path");
        let (mut env, mut txn, mut cursor, mut dbi) = (null_mut(), null_mut(), null_mut(), 0);
        let mut found = Vec::new();
        // SAFETY: the calls follow the order that lmdb.h asks for, with pointers that live until the end.
        unsafe {
            assert_eq!(c::mdb_env_create(&mut env), 0);
            assert_eq!(c::mdb_env_open(env, path.as_ptr(), c::MDB_RDONLY | c::MDB_NOLOCK, 0), 0);
            assert_eq!(c::mdb_txn_begin(env, null_mut(), c::MDB_RDONLY, &mut txn), 0);
            assert_eq!(c::mdb_dbi_open(txn, std::ptr::null(), 0, &mut dbi), 0);
            for (key, content) in expected {
                let (mut key, mut data) = (value(key.as_bytes()), value(&[]));
                assert_eq!(c::mdb_get(txn, dbi, &mut key, &mut data), 0);
                assert!(bytes(&data) == *content);
            }
            assert_eq!(c::mdb_cursor_open(txn, dbi, &mut cursor), 0);
            let (mut key, mut data) = (value(&[]), value(&[]));
            while c::mdb_cursor_get(cursor, &mut key, &mut data, c::MDB_NEXT) == 0 {
                found.push((String::from_utf8(bytes(&key)).expect("a key"), bytes(&data)));
            }
            c::mdb_cursor_close(cursor);
            c::mdb_txn_abort(txn);
            c::mdb_env_close(env);
        }
        found
    }

    #[test]
    fn a_file_that_was_cut_short_is_continued_to_the_same_bytes() {
        let (whole, cut) = (tempfile::tempdir().expect("a folder"), tempfile::tempdir().expect("a folder"));
        write(whole.path(), &pairs(40));
        let path = cut.path().join("data.mdb");
        let (mut writer, _) = Writer::open(&path, Vec::new()).expect("opened");
        for (key, value) in &pairs(30) {
            writer.append(key, value).expect("appended");
        }
        let entries = writer.entries.clone();
        drop(writer);
        let last_of_20 = entries[19].end() * PAGE as u64;
        OpenOptions::new().write(true).open(&path).and_then(|f| f.set_len(last_of_20 + 9)).expect("cut");
        let (mut writer, held) = Writer::open(&path, entries).expect("opened");
        assert_eq!(held, 20);
        for (key, value) in &pairs(40)[held..] {
            writer.append(key, value).expect("appended");
        }
        writer.finish().expect("finished");
        assert!(fs::read(path).expect("a file") == fs::read(whole.path().join("data.mdb")).expect("a file"));
    }
}
