//! How PyTorch's pickles describe tensors: as views into storages.
//!
//! Source: `torch/_utils.py`, `torch/_tensor.py` and `torch/storage.py`.

use crate::pickle::Value;

/// The greatest number of dimensions, which is also that of PyTorch's own tensors.
const MOST_DIMENSIONS: usize = 64;
/// The greatest number of times that a tensor may be wrapped: as a parameter, with attributes, of a class of
/// its own.
const MOST_WRAPPERS: usize = 8;

/// The type of a tensor's elements.
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
    /// The size of one element in bytes.
    pub fn size(self) -> usize {
        match self {
            Self::F64 | Self::I64 => 8,
            Self::F32 | Self::I32 => 4,
            Self::F16 | Self::BF16 | Self::I16 => 2,
            Self::I8 | Self::U8 | Self::Bool => 1,
        }
    }

    /// The type of elements in a class of storages, such as `FloatStorage`.
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
pub struct PlainTensor {
    pub element: Element,
    pub shape: Vec<usize>,
    /// The elements, row-major and little-endian.
    pub bytes: Vec<u8>,
}

/// The size in bytes of an element in a storage of this class. Some types are only skipped, beside the
/// weights.
pub(super) fn width_of_storage(name: &str) -> Option<usize> {
    Element::of_storage(name).map(Element::size).or(match name {
        "ComplexDoubleStorage" => Some(16),
        "ComplexFloatStorage" => Some(8),
        "QInt32Storage" => Some(4),
        "QInt8Storage" | "QUInt8Storage" | "QUInt4x2Storage" | "QUInt2x4Storage" | "UntypedStorage" => {
            Some(1)
        }
        _ => None,
    })
}

/// A storage as described by a persistent id: ('storage', class, key, device, elements), and before 2018 the
/// part of the storage that is meant.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Storage {
    /// The name of the class, such as `FloatStorage`.
    pub(super) class: String,
    pub(super) key: String,
    /// The number of elements in the whole storage.
    count: usize,
    /// The index at which the part begins, and its number of elements.
    part: Option<(usize, usize)>,
}

impl Storage {
    /// Whether a value is a reference to a storage; other references are to classes.
    pub(super) fn is_one(value: Value<'_, '_>) -> bool {
        value.persistent().is_some_and(|id| match id.items() {
            Some(mut parts) => parts.next().and_then(Value::text).as_deref() == Some("storage"),
            None => id.text().is_some_and(|text| text.starts_with("('storage'")),
        })
    }

    pub(super) fn read(value: Value<'_, '_>) -> Result<Self, String> {
        let id = value.persistent().ok_or("a storage is not described")?;
        if let Some(text) = id.text() {
            return Self::parse(&text)
                .ok_or_else(|| "the description of a storage is not a tuple".to_owned());
        }
        let parts: Vec<_> = id.items().into_iter().flatten().take(6).collect();
        let [_, class, key, _, count, rest @ ..] = &parts[..] else {
            return Err("a storage is not described".into());
        };
        let class = class.global().map(|(_, name)| name.to_owned()).ok_or("a storage has no type")?;
        let key = key.text().ok_or("a storage has no name")?.into_owned();
        let part = match rest.first().and_then(|part| part.items()) {
            Some(part) => {
                let sizes: Vec<_> = part.skip(1).take(2).map(Value::size).collect();
                let [Some(offset), Some(count)] = sizes[..] else {
                    return Err("a part of a storage has no place".into());
                };
                Some((offset, count))
            }
            None => None,
        };
        Ok(Self { class, key, count: count.size().ok_or("a storage has no length")?, part })
    }

    /// Parses the tuple as protocol 0 writes it, which is as Python prints it: `('storage', <class
    /// 'torch.FloatStorage'>, '0', 'cpu', 12)`, with `, None` before 1.6.
    fn parse(text: &str) -> Option<Self> {
        let inner = text.strip_prefix("('storage', <class '")?.strip_suffix(')')?;
        let (class, rest) = inner.split_once("'>, '")?;
        let (key, rest) = rest.split_once("', '")?;
        let (_device, rest) = rest.split_once("', ")?;
        let count = rest.trim_end_matches(", None").parse().ok()?;
        let class = class.rsplit_once('.').map_or(class, |(_, name)| name).to_owned();
        Some(Self { class, key: key.to_owned(), count, part: None })
    }

    /// The bytes of the part that tensors refer to, out of those of the whole storage.
    fn within<'s>(&self, bytes: &'s [u8], width: usize) -> Option<&'s [u8]> {
        let whole = bytes.get(..self.count.checked_mul(width)?)?;
        let Some((offset, count)) = self.part else { return Some(whole) };
        let start = offset.checked_mul(width)?;
        whole.get(start..start.checked_add(count.checked_mul(width)?)?)
    }
}

/// A tensor as a pickle describes it.
#[derive(Clone, Copy)]
pub(super) struct TensorView<'p, 'a> {
    pub(super) storage: Value<'p, 'a>,
    offset: Value<'p, 'a>,
    shape: Value<'p, 'a>,
    strides: Value<'p, 'a>,
    /// The element type, where it is not that of the storage.
    element: Option<&'p str>,
}

impl<'p, 'a> TensorView<'p, 'a> {
    /// Reads the description of a tensor, of a parameter, or of one of them with attributes or of a class of
    /// its own.
    pub(super) fn of(value: Value<'p, 'a>) -> Option<Self> {
        let (mut name, arguments) = value.call()?;
        let mut arguments: Vec<_> = arguments.take(7).collect();
        for _ in 0..MOST_WRAPPERS {
            match name {
                ("torch._utils", "_rebuild_tensor" | "_rebuild_tensor_v2" | "_rebuild_tensor_v3") => {
                    let [storage, offset, shape, strides, rest @ ..] = &arguments[..] else { return None };
                    let typed = name.1 == "_rebuild_tensor_v3";
                    let element = rest.get(2).filter(|_| typed).and_then(|element| element.global());
                    let (storage, offset, shape, strides) = (*storage, *offset, *shape, *strides);
                    return Some(Self { storage, offset, shape, strides, element: element.map(|(_, n)| n) });
                }
                // The arguments are function, class, arguments, attributes.
                ("torch._tensor" | "torch.tensor", "_rebuild_from_type" | "_rebuild_from_type_v2") => {
                    let [function, _, inner, ..] = arguments[..] else { return None };
                    name = function.global()?;
                    arguments = inner.items()?.take(7).collect();
                }
                // The arguments are the tensor, whether it is trained, hooks, attributes.
                ("torch._utils", "_rebuild_parameter" | "_rebuild_parameter_with_state") => {
                    let (inner, values) = arguments.first()?.call()?;
                    name = inner;
                    arguments = values.take(7).collect();
                }
                _ => return None,
            }
        }
        None
    }

    /// Copies the tensor, of at most `most` bytes, out of its storage.
    ///
    /// # Errors
    /// If it does not fit the storage or is too large; the text says why and continues the name of the
    /// tensor.
    pub(super) fn read(self, storage: &Storage, bytes: &[u8], most: usize) -> Result<PlainTensor, String> {
        let sizes = |value: Value<'_, '_>| {
            let items = value.items().filter(|items| items.len() <= MOST_DIMENSIONS)?;
            items.map(Value::size).collect::<Option<Vec<_>>>()
        };
        let (Some(offset), Some(shape), Some(strides)) =
            (self.offset.size(), sizes(self.shape), sizes(self.strides))
        else {
            return Err(format!("has no shape of up to {MOST_DIMENSIONS} dimensions"));
        };
        let Storage { class, key, count, .. } = storage;
        let element = match self.element {
            None => Element::of_storage(class)
                .ok_or_else(|| format!("has elements of {class}, which is not supported"))?,
            Some(name) => return Err(format!("has elements of {name}, which is not supported")),
        };
        let wanted = shape.iter().try_fold(element.size(), |bytes, &n| bytes.checked_mul(n));
        if wanted.is_none_or(|wanted| wanted > most) && !shape.contains(&0) {
            return Err(format!(
                "of shape {shape:?} and those before it are larger than a file of this size warrants"
            ));
        }
        let within = storage.within(bytes, element.size()).ok_or_else(|| {
            format!("lies in storage `{key}`, which has {} bytes for {count} elements", bytes.len())
        })?;
        let bytes = gather(within, element.size(), offset, &shape, &strides).ok_or_else(|| {
            format!("of shape {shape:?} reaches beyond storage `{key}` of {count} elements")
        })?;
        Ok(PlainTensor { element, shape, bytes })
    }
}

/// The elements of a strided view, row-major. A stride of 0 repeats elements, whose number the caller has
/// limited.
fn gather(storage: &[u8], size: usize, offset: usize, shape: &[usize], strides: &[usize]) -> Option<Vec<u8>> {
    let count = shape.iter().try_fold(1_usize, |count, &n| count.checked_mul(n))?;
    if strides.len() != shape.len() {
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
    // The last element lies furthest, so a view that does not fit is refused before anything is allocated.
    let furthest = shape
        .iter()
        .zip(strides)
        .try_fold(offset, |place, (&n, &stride)| place.checked_add(stride.checked_mul(n - 1)?));
    (furthest?.checked_add(1)?.checked_mul(size)? <= storage.len()).then_some(())?;
    let mut bytes = Vec::with_capacity(count.checked_mul(size)?);
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
    use super::*;

    #[test]
    fn strided_views_become_row_major() {
        // 2×3 elements of two bytes, transposed, after one element that is not part of the view.
        let storage: Vec<u8> = (0..14).collect();
        let transposed = gather(&storage, 2, 1, &[3, 2], &[1, 3]).expect("within");
        assert_eq!(transposed, [2, 3, 8, 9, 4, 5, 10, 11, 6, 7, 12, 13]);
        assert_eq!(gather(&storage, 2, 2, &[3, 2], &[1, 3]), None, "one element too far");
        assert_eq!(gather(&storage, 2, 6, &[2, 2], &[0, 0]), Some(vec![12, 13, 12, 13, 12, 13, 12, 13]));
        assert_eq!(gather(&storage, 2, 7, &[2, 2], &[0, 0]), None, "beyond the end");
        assert_eq!(gather(&storage, 2, 0, &[0, usize::MAX, 9], &[0, 1, 1]), Some(vec![]));
    }

    #[test]
    fn storages_as_protocol_0_prints_them() {
        let check = |text: &str, expected: Option<(&str, usize)>| {
            let found = Storage::parse(text).map(|storage| (storage.class, storage.key, storage.count));
            let expected = expected.map(|(key, count)| ("FloatStorage".to_owned(), key.to_owned(), count));
            assert_eq!(found, expected, "{text}");
        };
        check("('storage', <class 'torch.FloatStorage'>, '0', 'cpu', 12)", Some(("0", 12)));
        check("('storage', <class 'torch.FloatStorage'>, '94', 'cuda:1', 3, None)", Some(("94", 3)));
        check("('storage', <class 'torch.FloatStorage'>, '94', 'cuda:1', x, None)", None);
        check("('storage', 7)", None);
    }

    #[test]
    fn a_part_of_a_storage_is_what_tensors_look_into() {
        let storage = |part| Storage { class: "ByteStorage".into(), key: "0".into(), count: 6, part };
        let bytes = [0, 1, 2, 3, 4, 5, 6, 7];
        assert_eq!(storage(None).within(&bytes, 1), Some(&bytes[..6]));
        assert_eq!(storage(Some((2, 3))).within(&bytes, 1), Some(&bytes[2..5]));
        assert_eq!(storage(Some((4, 3))).within(&bytes, 1), None);
        assert_eq!(storage(None).within(&bytes, 2), None);
    }
}
