//! Checkpoints as `torch.save` writes them: a pickle that describes tensors as views into storages, and the
//! storages' bytes, in a zip archive or, before PyTorch 1.6, one after the other.
//!
//! Source: `torch/serialization.py`.

use std::{
    borrow::Cow,
    collections::{BTreeMap, btree_map::Entry},
    ops::Range,
};

use super::{
    archive::Archive,
    names,
    state_dict::{self, StateDict},
    tensor::{PlainTensor, Storage, TensorView, width_of_storage},
};
use crate::pickle::{self, Pickle, Value};

/// The beginning of every checkpoint before PyTorch 1.6: a number as a pickle of its own, in bytes or in
/// digits.
const LEGACY_MAGIC: &[u8] = b"\x8a\x0a\x6c\xfc\x9c\x46\xf9\x20\x6a\xa8\x50\x19.";
const LEGACY_MAGIC_IN_DIGITS: &[u8] = b"L119547037146038801333356L\n.";

/// Tensors may share a storage, or repeat its elements. All of them together may be this many times as large
/// as the file, plus [`ALWAYS`].
const SHARED: usize = 4;
/// Inflated entries may be this many times as large as the file, plus [`ALWAYS`].
const INFLATED: usize = 64;
/// The inflated pickle may be this many times as large as the file: each of its bytes may take dozens in
/// memory.
const INFLATED_PICKLE: usize = 16;
/// The greatest number of characters of a name in a message.
const LONGEST_NAME: usize = 80;
/// The number of bytes that is accepted for a file of any size.
const ALWAYS: usize = 16 << 20;
const PICKLE_ALWAYS: usize = 1 << 20;

/// Named tensors, and sentences about what was taken and what was left out.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct TorchCheckpoint {
    pub(super) tensors: BTreeMap<String, PlainTensor>,
    pub(super) notes: Vec<String>,
}

/// Whether a file begins like those of PyTorch before 1.6, with any protocol of pickles.
pub(super) fn is_legacy(bytes: &[u8]) -> bool {
    let [0x80, 0..=5, rest @ ..] = bytes else { return bytes.starts_with(LEGACY_MAGIC_IN_DIGITS) };
    // From protocol 4 on, a frame header of eight bytes comes first.
    let unframed = rest.strip_prefix(b"\x95").and_then(|rest| rest.get(8..)).unwrap_or(rest);
    unframed.starts_with(LEGACY_MAGIC)
}

/// Reads the zip archive that PyTorch has written since 1.6.
///
/// # Errors
/// If it is damaged or unsupported; the text says why and continues the name of the file.
pub(super) fn read_archive(bytes: &[u8]) -> Result<TorchCheckpoint, String> {
    let archive = Archive::read(bytes)?;
    let folder = archive.folder_of("data.pkl").ok_or_else(|| of_others(&archive))?.to_owned();
    let mut most = INFLATED_PICKLE * bytes.len() + PICKLE_ALWAYS;
    if archive.has(&format!("{folder}constants.pkl")) {
        return Err(
            "it holds a TorchScript module; `torch.save(torch.jit.load(FILE).state_dict(), \"weights.pt\")` \
                    saves what is needed"
                .into(),
        );
    }
    if archive.content(&format!("{folder}byteorder"), &mut most)?.is_some_and(|order| &*order == b"big") {
        return Err("it was written on a big-endian machine".into());
    }
    let pickled = archive.content(&format!("{folder}data.pkl"), &mut most)?.unwrap_or_default();
    let pickle = pickle::read(&pickled).map_err(|error| error.to_string())?;
    let most = INFLATED * bytes.len() + ALWAYS;
    let mut storages = InArchive { archive: &archive, folder, most, read: BTreeMap::new() };
    read_state_dict(&pickle, &mut storages, bytes.len())
}

/// What an archive is that PyTorch has not written.
fn of_others(archive: &Archive<'_>) -> String {
    let shown = |name: &str| name.chars().take(LONGEST_NAME).collect::<String>();
    if let Some(inside) =
        archive.name_ending_in(&[".pt", ".pth", ".pth.tar", ".ckpt", ".bin", ".safetensors"])
    {
        return format!("it is an archive with `{}` in it; unpack it with `unzip`", shown(inside));
    }
    if archive.name_ending_in(&[".npy"]).is_some() {
        return "it is an archive of NumPy's arrays; `torch.save({name: torch.tensor(a) for name, a in \
                numpy.load(FILE).items()}, \"weights.pt\")` saves them as weights"
            .into();
    }
    "the archive has no `data.pkl`: PyTorch has not written it".into()
}

/// The bytes of storages.
trait Storages {
    /// The bytes of a storage; `None` if none has this key.
    fn bytes(&mut self, key: &str) -> Result<Option<&[u8]>, String>;
}

/// Storages that are entries of an archive; a compressed one is inflated once.
struct InArchive<'s, 'a> {
    archive: &'s Archive<'a>,
    folder: String,
    most: usize,
    read: BTreeMap<String, Cow<'a, [u8]>>,
}

impl Storages for InArchive<'_, '_> {
    fn bytes(&mut self, key: &str) -> Result<Option<&[u8]>, String> {
        if !self.read.contains_key(key) {
            let name = format!("{}data/{key}", self.folder);
            let Some(content) = self.archive.content(&name, &mut self.most)? else { return Ok(None) };
            self.read.insert(key.to_owned(), content);
        }
        Ok(self.read.get(key).map(|bytes| &**bytes))
    }
}

/// Storages that lie in the file one after the other.
struct InFile<'a> {
    file: &'a [u8],
    places: BTreeMap<String, Range<usize>>,
}

impl Storages for InFile<'_> {
    fn bytes(&mut self, key: &str) -> Result<Option<&[u8]>, String> {
        Ok(self.places.get(key).and_then(|place| self.file.get(place.clone())))
    }
}

/// Reads the container of PyTorch before 1.6: five pickles, then every storage's length and bytes.
///
/// # Errors
/// If it is damaged or unsupported; the text says why and continues the name of the file.
pub(super) fn read_legacy(bytes: &[u8]) -> Result<TorchCheckpoint, String> {
    let mut rest = bytes;
    let mut next = || {
        let pickle = pickle::read(rest).map_err(|error| error.to_string())?;
        rest = &rest[pickle.length..];
        Ok::<_, String>(pickle)
    };
    let (_magic, _protocol, system, pickle, keys) = (next()?, next()?, next()?, next()?, next()?);
    if system.root().get("little_endian").and_then(Value::bool) == Some(false) {
        return Err("it was written on a big-endian machine".into());
    }
    let widths = storage_widths(&pickle)?;
    let keys = keys.root().items().ok_or("it has no list of storages")?;
    let (mut places, mut at) = (BTreeMap::new(), bytes.len() - rest.len());
    for key in keys {
        let key = key.text().ok_or("a storage has no name")?.into_owned();
        let range = legacy_storage(bytes, at, widths.get(&key).copied().unwrap_or(1))
            .ok_or_else(|| format!("storage `{key}` does not lie in the file: it is truncated"))?;
        at = range.end;
        places.insert(key, range);
    }
    read_state_dict(&pickle, &mut InFile { file: bytes, places }, bytes.len())
}

fn legacy_storage(bytes: &[u8], at: usize, width: usize) -> Option<Range<usize>> {
    let count = u64::from_le_bytes(*bytes.get(at..)?.first_chunk()?);
    let end = (at + 8).checked_add(usize::try_from(count).ok()?.checked_mul(width)?)?;
    (end <= bytes.len()).then_some(at + 8..end)
}

/// The size of an element, in bytes, in every storage that a tensor refers to.
fn storage_widths(pickle: &Pickle<'_>) -> Result<BTreeMap<String, usize>, String> {
    let mut widths = BTreeMap::new();
    for value in pickle.values().filter(|value| Storage::is_one(*value)) {
        let Storage { class, key, .. } = Storage::read(value)?;
        let width = width_of_storage(&class)
            .ok_or_else(|| format!("a tensor has elements of {class}, which is not known"))?;
        widths.insert(key, width);
    }
    Ok(widths)
}

/// Tensors by name, copied out of their storages; `length` is that of the file in bytes.
fn read_state_dict(
    pickle: &Pickle<'_>,
    storages: &mut dyn Storages,
    length: usize,
) -> Result<TorchCheckpoint, String> {
    let StateDict { entries, mut notes } = state_dict::find(pickle.root())?;
    let (mut tensors, mut beside) = (BTreeMap::new(), 0);
    let mut left = SHARED * length + ALWAYS;
    for (name, value) in entries {
        let Some(name) = name.text() else { return Err(format!("the name of a tensor is {}", name.kind())) };
        if names::is_left_out(&name) {
            continue;
        }
        let Some(view) = TensorView::of(value) else {
            if name.contains('.') {
                return Err(format!("tensor `{name}` is {}, expected a tensor", value.kind()));
            }
            // Some scripts keep an epoch or an accuracy among the weights.
            beside += 1;
            continue;
        };
        let tensor =
            read_tensor(view, storages, left).map_err(|problem| format!("tensor `{name}` {problem}"))?;
        left -= tensor.bytes.len();
        match tensors.entry(name.into_owned()) {
            Entry::Vacant(place) => {
                place.insert(tensor);
            }
            // A dict has no key twice; a damaged file could copy one long name a million times.
            Entry::Occupied(place) => return Err(format!("tensor `{}` is there twice", place.key())),
        }
    }
    if beside > 0 {
        notes.push(format!("left out entries among the weights that are no tensors: {beside}"));
    }
    Ok(TorchCheckpoint { tensors, notes })
}

fn read_tensor(
    view: TensorView<'_, '_>,
    storages: &mut dyn Storages,
    most: usize,
) -> Result<PlainTensor, String> {
    let storage = Storage::read(view.storage)?;
    let bytes = storages
        .bytes(&storage.key)?
        .ok_or_else(|| format!("lies in storage `{}`, which is not there", storage.key))?;
    view.read(&storage, bytes, most)
}

#[cfg(test)]
mod tests;
