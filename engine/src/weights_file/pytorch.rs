//! State dicts as `torch.save` writes them: a pickle that says how tensors look into storages, and
//! the storages' bytes, in a zip archive or, before PyTorch 1.6, one after the other.
//!
//! Source: `torch/serialization.py` and `torch/_utils.py`.

use std::{
    collections::{BTreeMap, btree_map::Entry},
    ops::Range,
};

use super::archive::Archive;
use crate::pickle::{self, Pickle, Value};

/// Every checkpoint before PyTorch 1.6 begins with this number, as a pickle of its own.
pub(super) const LEGACY_MAGIC: &[u8] = b"\x80\x02\x8a\x0a\x6c\xfc\x9c\x46\xf9\x20\x6a\xa8\x50\x19.";

/// Names under which training scripts keep the state dict beside other things.
const STATE_DICT_KEYS: [&str; 5] = ["state_dict", "model_state_dict", "model", "network", "net"];

/// Tensors may share a storage; all of them together may be so many times as large as the file.
const SHARED: usize = 4;
/// PyTorch's own tensors have no more.
const MOST_DIMENSIONS: usize = 64;

/// Type of a tensor's elements.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Element {
    F64,
    F32,
    F16,
    BF16,
    I64,
    I32,
    I16,
    I8,
    U8,
    Bool,
}

impl Element {
    /// Bytes of one element.
    pub fn size(self) -> usize {
        match self {
            Self::F64 | Self::I64 => 8,
            Self::F32 | Self::I32 => 4,
            Self::F16 | Self::BF16 | Self::I16 => 2,
            Self::I8 | Self::U8 | Self::Bool => 1,
        }
    }

    fn of_storage(name: &str) -> Option<Self> {
        Some(match name {
            "DoubleStorage" => Self::F64,
            "FloatStorage" => Self::F32,
            "HalfStorage" => Self::F16,
            "BFloat16Storage" => Self::BF16,
            "LongStorage" => Self::I64,
            "IntStorage" => Self::I32,
            "ShortStorage" => Self::I16,
            "CharStorage" => Self::I8,
            "ByteStorage" => Self::U8,
            "BoolStorage" => Self::Bool,
            _ => return None,
        })
    }
}

/// A tensor as plain bytes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Plain {
    pub element: Element,
    pub shape: Vec<usize>,
    /// Row-major, little-endian.
    pub bytes: Vec<u8>,
}

/// Reads the zip archive that PyTorch has written since 1.6.
///
/// # Errors
/// What is wrong, to follow on the file's name.
pub(super) fn read_archive(bytes: &[u8]) -> Result<BTreeMap<String, Plain>, String> {
    let archive = Archive::read(bytes)?;
    if archive.get("byteorder").is_some_and(|order| order != b"little") {
        return Err("it was written on a big-endian machine".into());
    }
    let pickled =
        archive.get("data.pkl").ok_or("the archive has no `data.pkl`: PyTorch has not written it")?;
    let pickle = pickle::read(pickled).map_err(|error| error.to_string())?;
    let storages = |key: &str| archive.get(&format!("data/{key}"));
    read_state_dict(&pickle, &storages, bytes.len())
}

/// Reads the container of PyTorch before 1.6: five pickles, then every storage's length and bytes.
///
/// # Errors
/// What is wrong, to follow on the file's name.
pub(super) fn read_legacy(bytes: &[u8]) -> Result<BTreeMap<String, Plain>, String> {
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
    let elements = storage_elements(&pickle)?;
    let keys = keys.root().items().ok_or("it has no list of storages")?;
    let (mut storages, mut at) = (BTreeMap::new(), bytes.len() - rest.len());
    for key in keys {
        let key = key.text().ok_or("a storage has no name")?.into_owned();
        let range = legacy_storage(bytes, at, elements.get(&key).map_or(1, |element| element.size()))
            .ok_or_else(|| format!("storage `{key}` does not lie in the file: it is truncated"))?;
        at = range.end;
        storages.insert(key, range);
    }
    let storages = |key: &str| storages.get(key).and_then(|range| bytes.get(range.clone()));
    read_state_dict(&pickle, &storages, bytes.len())
}

fn legacy_storage(bytes: &[u8], at: usize, size: usize) -> Option<Range<usize>> {
    let count = u64::from_le_bytes(*bytes.get(at..)?.first_chunk()?);
    let end = (at + 8).checked_add(usize::try_from(count).ok()?.checked_mul(size)?)?;
    (end <= bytes.len()).then_some(at + 8..end)
}

/// Element types of all storages that tensors of the state dict refer to.
fn storage_elements(pickle: &Pickle<'_>) -> Result<BTreeMap<String, Element>, String> {
    let mut elements = BTreeMap::new();
    for value in pickle.values().filter(|value| value.persistent().is_some()) {
        let storage = Storage::read(value)?;
        elements.insert(storage.key, storage.element);
    }
    Ok(elements)
}

/// What a persistent id says: ('storage', class, key, device, elements).
struct Storage {
    key: String,
    element: Element,
    count: usize,
}

impl Storage {
    fn read(value: Value<'_, '_>) -> Result<Self, String> {
        let parts: Vec<_> = value.persistent().and_then(Value::items).into_iter().flatten().collect();
        let [_, class, key, _, count, ..] = parts[..] else {
            return Err("a storage is not described".into());
        };
        let name = class.global().map(|(_, name)| name).ok_or("a storage has no type")?;
        let element = Element::of_storage(name)
            .ok_or_else(|| format!("a tensor has elements of {name}, which is not supported"))?;
        let key = key.text().ok_or("a storage has no name")?.into_owned();
        Ok(Self { key, element, count: count.size().ok_or("a storage has no length")? })
    }
}

type Storages<'s, 'a> = &'s dyn Fn(&str) -> Option<&'a [u8]>;

/// Tensors by name, copied out of their storages; `length` is the file's.
fn read_state_dict(
    pickle: &Pickle<'_>,
    storages: Storages<'_, '_>,
    length: usize,
) -> Result<BTreeMap<String, Plain>, String> {
    let mut tensors = BTreeMap::new();
    let mut left = length.saturating_mul(SHARED);
    for (name, value) in find_state_dict(pickle.root())? {
        let Some(name) = name.text() else { return Err(format!("a tensor is named by {}", name.kind())) };
        let tensor =
            read_tensor(value, storages, left).map_err(|problem| format!("tensor `{name}` {problem}"))?;
        left -= tensor.bytes.len();
        match tensors.entry(name.into_owned()) {
            Entry::Vacant(place) => {
                place.insert(tensor);
            }
            // No dict does; a file could copy one long name a million times.
            Entry::Occupied(place) => return Err(format!("tensor `{}` is there twice", place.key())),
        }
    }
    Ok(tensors)
}

/// The dict of tensors in a checkpoint: the whole of it, or one of its parts.
fn find_state_dict<'p, 'a>(root: Value<'p, 'a>) -> Result<Vec<(Value<'p, 'a>, Value<'p, 'a>)>, String> {
    if let Some(((module, name), _)) = root.call().filter(|_| root.entries().is_none()) {
        return Err(format!("it holds a whole {module}.{name}; save its `state_dict()` instead"));
    }
    let of_tensors = |entries: &Vec<(Value<'p, 'a>, Value<'p, 'a>)>| {
        entries.iter().any(|(_, value)| tensor_arguments(*value).is_some())
    };
    let candidates = std::iter::once(Some(root)).chain(STATE_DICT_KEYS.map(|key| root.get(key)));
    candidates.flatten().filter_map(Value::entries).find(of_tensors).ok_or_else(|| {
        format!("it holds {} without tensors; looked also under {}", root.kind(), STATE_DICT_KEYS.join(", "))
    })
}

/// Storage, offset, shape and strides of what is a tensor or a parameter.
fn tensor_arguments<'p, 'a>(value: Value<'p, 'a>) -> Option<[Value<'p, 'a>; 4]> {
    let (name, mut arguments) = value.call()?;
    if name == ("torch._utils", "_rebuild_parameter") {
        let (inner, mut arguments) = arguments.next()?.call()?;
        let tensor = matches!(inner, ("torch._utils", "_rebuild_tensor_v2" | "_rebuild_tensor"));
        return tensor.then(|| first_four(&mut arguments)).flatten();
    }
    let tensor = matches!(name, ("torch._utils", "_rebuild_tensor_v2" | "_rebuild_tensor"));
    tensor.then(|| first_four(&mut arguments)).flatten()
}

fn first_four<T>(values: &mut impl Iterator<Item = T>) -> Option<[T; 4]> {
    Some([values.next()?, values.next()?, values.next()?, values.next()?])
}

/// A tensor of at most `most` bytes.
fn read_tensor(value: Value<'_, '_>, storages: Storages<'_, '_>, most: usize) -> Result<Plain, String> {
    let Some([storage, offset, shape, strides]) = tensor_arguments(value) else {
        return Err(format!("is {}, expected a tensor", value.kind()));
    };
    let sizes = |value: Value<'_, '_>| {
        let items = value.items().filter(|items| items.len() <= MOST_DIMENSIONS)?;
        items.map(Value::size).collect::<Option<Vec<_>>>()
    };
    let (Some(offset), Some(shape), Some(strides)) = (offset.size(), sizes(shape), sizes(strides)) else {
        return Err(format!("has no shape of up to {MOST_DIMENSIONS} dimensions"));
    };
    let Storage { key, element, count } = Storage::read(storage)?;
    let bytes = storages(&key).ok_or_else(|| format!("lies in storage `{key}`, which is not there"))?;
    let expected = count.checked_mul(element.size());
    if expected.is_none_or(|expected| bytes.len() < expected) {
        return Err(format!("lies in storage `{key}`, which has {} bytes for {count} elements", bytes.len()));
    }
    let wanted = shape.iter().try_fold(element.size(), |bytes, &n| bytes.checked_mul(n));
    if wanted.is_some_and(|wanted| wanted > most) {
        return Err(format!(
            "and those before it are together more than {SHARED} times as large as the file"
        ));
    }
    let bytes = gather(bytes, element.size(), offset, &shape, &strides)
        .ok_or_else(|| format!("of shape {shape:?} reaches beyond storage `{key}` of {count} elements"))?;
    Ok(Plain { element, shape, bytes })
}

/// The elements of a strided view, row-major. A view may not be larger than its storage, so that a
/// stride of 0 cannot make much of little.
fn gather(storage: &[u8], size: usize, offset: usize, shape: &[usize], strides: &[usize]) -> Option<Vec<u8>> {
    let count = shape.iter().try_fold(1_usize, |count, &n| count.checked_mul(n))?;
    if strides.len() != shape.len() || count.checked_mul(size)? > storage.len() {
        return None;
    }
    if count == 0 {
        return Some(Vec::new());
    }
    let mut contiguous = 1;
    let in_order = shape.iter().zip(strides).rev().all(|(&n, &stride)| {
        let expected = contiguous;
        contiguous *= n;
        n == 1 || stride == expected
    });
    if in_order {
        let start = offset.checked_mul(size)?;
        return storage.get(start..start.checked_add(count * size)?).map(<[u8]>::to_vec);
    }
    let mut bytes = Vec::with_capacity(count * size);
    let mut index = vec![0; shape.len()];
    for _ in 0..count {
        let place = index
            .iter()
            .zip(strides)
            .try_fold(offset, |place, (&i, &stride)| place.checked_add(stride.checked_mul(i)?));
        let start = place?.checked_mul(size)?;
        bytes.extend_from_slice(storage.get(start..start.checked_add(size)?)?);
        for (i, &n) in index.iter_mut().zip(shape).rev() {
            *i += 1;
            if *i < n {
                break;
            }
            *i = 0;
        }
    }
    Some(bytes)
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;
    use crate::data::samples::sample;

    fn read_sample(name: &str) -> Vec<u8> {
        fs::read(sample("checkpoints").join(name)).expect("the sample")
    }

    #[test]
    fn both_containers_hold_the_same_tensors() {
        let archive = read_archive(&read_sample("dataparallel_zip.pt")).expect("the sample");
        let legacy = read_legacy(&read_sample("dataparallel_legacy.pt")).expect("the sample");
        assert_eq!(archive, legacy);
        let stem = &archive["module.stem.0.weight"];
        assert_eq!(
            (stem.element, &stem.shape[..], stem.bytes.len()),
            (Element::F32, &[12, 3, 3, 3][..], 1296)
        );
        let batches = &archive["module.stem.1.num_batches_tracked"];
        assert_eq!((batches.element, batches.shape.len(), batches.bytes.len()), (Element::I64, 0, 8));
    }

    #[test]
    fn strided_views_become_row_major() {
        // 2×3 elements of two bytes, transposed, after one element that is not part of it.
        let storage: Vec<u8> = (0..14).collect();
        let transposed = gather(&storage, 2, 1, &[3, 2], &[1, 3]).expect("within");
        assert_eq!(transposed, [2, 3, 8, 9, 4, 5, 10, 11, 6, 7, 12, 13]);
        assert_eq!(gather(&storage, 2, 2, &[3, 2], &[1, 3]), None, "one element too far");
        assert_eq!(gather(&storage, 2, 0, &[1000, 1000], &[0, 0]), None, "larger than its storage");
        assert_eq!(gather(&storage, 2, 0, &[0, usize::MAX, 9], &[0, 1, 1]), Some(vec![]));
    }

    #[test]
    fn a_state_dict_is_found_beside_other_things() {
        let plain = b"\x80\x02}(X\x05\x00\x00\x00epochK\x07X\x0a\x00\x00\x00state_dict}X\x01\x00\x00\x00w\
            ctorch._utils\n_rebuild_parameter\n(ctorch._utils\n_rebuild_tensor_v2\n((X\x07\x00\x00\x00storage\
            ctorch\nHalfStorage\nX\x01\x00\x00\x000X\x03\x00\x00\x00cpuK\x03tQK\x01K\x02\x85K\x01\x85\x89}tR\x88}tRsu.";
        let pickle = pickle::read(plain).expect("a pickle");
        let tensors = read_state_dict(&pickle, &|key| (key == "0").then_some(&[1, 2, 3, 4, 5, 6]), 200)
            .expect("tensors");
        let expected = Plain { element: Element::F16, shape: vec![2], bytes: vec![3, 4, 5, 6] };
        assert_eq!(tensors["w"], expected);
    }

    #[test]
    fn what_is_no_state_dict_is_said() {
        let check = |pickled: &[u8], expected: &str| {
            let pickle = pickle::read(pickled).expect("a pickle");
            assert_eq!(read_state_dict(&pickle, &|_| None, 100).expect_err("no state dict"), expected);
        };
        check(
            b"}.",
            "it holds a dict without tensors; looked also under state_dict, model_state_dict, model, network, net",
        );
        check(
            b"cmodels\nNetwork\n)\x81.",
            "it holds a whole models.Network; save its `state_dict()` instead",
        );
    }

    #[test]
    fn many_tensors_in_one_storage_do_not_fill_the_memory() {
        // One storage of 1000 bytes, of which every name is given all: a file may say so a million times.
        let tensor = b"ctorch._utils\n_rebuild_tensor_v2\n((X\x07\x00\x00\x00storagectorch\nByteStorage\n\
            X\x01\x00\x00\x000X\x03\x00\x00\x00cpuM\xe8\x03tQK\x00M\xe8\x03\x85K\x01\x85\x89}tRq\x00";
        let names = |count: u8| (0..count).flat_map(|n| [b'U', 1, b'a' + n, b'h', 0]).collect::<Vec<u8>>();
        let read = |names: &[u8]| {
            let bytes = [&b"\x80\x02}(U\x01w"[..], tensor, names, b"u."].concat();
            let pickle = pickle::read(&bytes).expect("a pickle");
            read_state_dict(&pickle, &|_| Some(&[7; 1000]), 1000)
        };
        assert_eq!(read(&names(3)).expect("four times the file").len(), 4);
        assert_eq!(
            read(&names(4)).expect_err("five times the file"),
            "tensor `d` and those before it are together more than 4 times as large as the file"
        );
        assert_eq!(read(b"U\x01wh\0").expect_err("a name again"), "tensor `w` is there twice");
    }

    #[test]
    fn a_shape_without_end_is_refused() {
        let dimensions = |count: usize| {
            let ones = [&b"("[..], &b"K\x01".repeat(count), b"t"].concat();
            let bytes = [
                &b"\x80\x02}U\x01wctorch._utils\n_rebuild_tensor_v2\n((U\x07storagectorch\nByteStorage\n\
                U\x010U\x03cpuK\x01tQK\x00"[..],
                &ones,
                &ones,
                b"\x89}tRs.",
            ];
            let bytes = bytes.concat();
            let pickle = pickle::read(&bytes).expect("a pickle");
            read_state_dict(&pickle, &|_| Some(&[7]), 100).map(|tensors| tensors["w"].shape.len())
        };
        assert_eq!(dimensions(64), Ok(64));
        assert_eq!(dimensions(65), Err("tensor `w` has no shape of up to 64 dimensions".to_owned()));
    }

    #[test]
    fn truncation_is_said() {
        let archive = read_sample("dataparallel_zip.pt");
        let error = read_archive(&archive[..archive.len() - 30]).expect_err("truncated");
        assert_eq!(error, "the archive has no directory: it is truncated");
        let legacy = read_sample("dataparallel_legacy.pt");
        let error = read_legacy(&legacy[..legacy.len() - 30]).expect_err("truncated");
        assert!(error.starts_with("storage `") && error.ends_with("it is truncated"), "{error}");
    }

    proptest::proptest! {
        #[test]
        fn damage_never_panics(at in 0_usize..92_000, byte: u8, legacy: bool, cut: bool) {
            let mut bytes = read_sample(if legacy { "dataparallel_legacy.pt" } else { "dataparallel_zip.pt" });
            let at = at % bytes.len();
            bytes[at] = byte;
            if cut {
                bytes.truncate(at);
            }
            let _ = if legacy { read_legacy(&bytes) } else { read_archive(&bytes) };
        }

        #[test]
        fn damage_of_an_archives_directory_never_panics(from_end in 1_usize..20_000, byte: u8) {
            let mut bytes = read_sample("dataparallel_zip.pt");
            let at = bytes.len() - from_end;
            bytes[at] = byte;
            let _ = read_archive(&bytes);
        }
    }
}
