//! numpy's arrays within pickles.

use std::borrow::Cow;

use crate::pickle::Value;

/// An array whose elements are bytes or integers, in C order.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Array<'p> {
    pub(super) shape: Vec<usize>,
    /// The element type in numpy's notation, such as `u1` or `i8`.
    kind: String,
    big_endian: bool,
    bytes: Cow<'p, [u8]>,
}

impl<'p> Array<'p> {
    /// Reads an array as pickled by numpy before or since version 2.
    ///
    /// # Errors
    /// If the value is no such array; the text says what is wrong and continues a sentence that begins with
    /// "it".
    pub(super) fn read(value: Value<'p, '_>) -> Result<Self, String> {
        let Some(((module, name), arguments)) = value.call() else {
            return Err(format!("is {}, expected a numpy array", value.kind()));
        };
        let module = module.replace("numpy._core", "numpy.core");
        let parts: Vec<_> = match (module.as_str(), name) {
            // The state is version, shape, element type, whether in Fortran order, and bytes.
            ("numpy.core.multiarray", "_reconstruct") => {
                value.state().and_then(Value::items).into_iter().flatten().skip(1).collect()
            }
            // The arguments are bytes, element type, shape, and order (protocol 5).
            ("numpy.core.numeric", "_frombuffer") => {
                let parts: Vec<_> = arguments.collect();
                match parts[..] {
                    [bytes, kind, shape, order] => vec![shape, kind, order, bytes],
                    _ => Vec::new(),
                }
            }
            _ => return Err(format!("is a {module}.{name}, expected a numpy array")),
        };
        let [shape, kind, order, bytes] = parts[..] else {
            return Err("is a numpy array without its contents".into());
        };
        Self::assemble(shape, kind, order, bytes)
            .unwrap_or_else(|| Err("is a numpy array that cannot be understood".into()))
    }

    fn assemble(
        shape: Value<'p, '_>,
        kind: Value<'p, '_>,
        order: Value<'p, '_>,
        bytes: Value<'p, '_>,
    ) -> Option<Result<Self, String>> {
        let shape: Vec<usize> = shape.items()?.map(Value::size).collect::<Option<_>>()?;
        let fortran = order.bool() == Some(true) || order.text().is_some_and(|o| o == "F");
        if fortran && shape.len() > 1 {
            return Some(Err("is in Fortran order; save it again after numpy.ascontiguousarray".into()));
        }
        let array = Self::of_parts(shape, kind, bytes)?;
        let Some(size) = array.element_size() else {
            return Some(Err(format!("has elements of type {}, expected bytes or integers", array.kind)));
        };
        let wanted = array.shape.iter().try_fold(size, |bytes, &d| bytes.checked_mul(d));
        if wanted != Some(array.bytes.len()) {
            let found = array.bytes.len();
            let wanted = wanted.map_or("more than can be counted".to_owned(), |bytes| bytes.to_string());
            return Some(Err(format!("has {found} bytes, its shape {:?} wants {wanted}", array.shape)));
        }
        Some(Ok(array))
    }

    /// An array of this element type and these bytes, whose number is not yet compared with the shape.
    fn of_parts(shape: Vec<usize>, kind: Value<'p, '_>, bytes: Value<'p, '_>) -> Option<Self> {
        let (("numpy", "dtype"), mut arguments) = kind.call()? else { return None };
        let written = arguments.next()?.text()?.into_owned();
        // The state of an element type begins with version and byte order.
        let byte_order = kind.state().and_then(Value::items).and_then(|mut s| s.nth(1)).and_then(Value::text);
        let big_endian = byte_order.is_some_and(|o| o == ">") || written.starts_with('>');
        let kind = written.trim_start_matches(['|', '<', '>', '=']).to_owned();
        Some(Self { shape, kind, big_endian, bytes: bytes.bytes()? })
    }

    fn element_size(&self) -> Option<usize> {
        match self.kind.as_str() {
            "u1" | "i1" | "b1" => Some(1),
            "u2" | "i2" | "f2" => Some(2),
            "u4" | "i4" | "f4" => Some(4),
            "u8" | "i8" | "f8" => Some(8),
            _ => None,
        }
    }

    /// The elements, if they are unsigned bytes.
    pub(super) fn bytes(&self) -> Option<&[u8]> {
        (self.kind == "u1").then_some(&*self.bytes)
    }

    /// The elements as integers; `None` for one that is not a whole number.
    fn integers(&self) -> impl ExactSizeIterator<Item = Option<i128>> {
        let size = self.element_size().unwrap_or(1);
        self.bytes.chunks_exact(size).map(move |bytes| {
            let fold = |number: u64, &byte: &u8| number << 8 | u64::from(byte);
            let number = match self.big_endian {
                true => bytes.iter().fold(0, fold),
                false => bytes.iter().rev().fold(0, fold),
            };
            let unused = 64 - 8 * size as u32;
            match self.kind.as_bytes().first() {
                Some(b'i') => Some(((number << unused) as i64 >> unused).into()),
                Some(b'f') if size == 4 => whole(f32::from_bits(number as u32).into()),
                Some(b'f') if size == 8 => whole(f64::from_bits(number)),
                Some(b'f') => None,
                _ => Some(number.into()),
            }
        })
    }
}

/// The integer that a float equals, if it is a whole number.
fn whole(number: f64) -> Option<i128> {
    (number.fract() == 0.0 && number.abs() < 1e15).then_some(number as i128)
}

/// A single number as numpy pickles it, such as `numpy.int64(3)`.
fn scalar(value: Value<'_, '_>) -> Option<i128> {
    let ((module, "scalar"), mut arguments) = value.call()? else { return None };
    if !matches!(module, "numpy.core.multiarray" | "numpy._core.multiarray") {
        return None;
    }
    let (kind, bytes) = (arguments.next()?, arguments.next()?);
    let array = Array::of_parts(Vec::new(), kind, bytes)?;
    if array.element_size() != Some(array.bytes.len()) {
        return None;
    }
    array.integers().next()?
}

/// An integer, stored as an int of Python, a scalar of numpy, or a list of one.
fn integer(value: Value<'_, '_>) -> Option<i128> {
    let plain = |value: Value<'_, '_>| {
        let int = value.int().map(i128::from);
        int.or_else(|| value.float().and_then(whole)).or_else(|| scalar(value))
    };
    if let Some(number) = plain(value) {
        return Some(number);
    }
    // A list within the list, or an array of one.
    match value.items() {
        Some(mut items) if items.len() == 1 => items.next().and_then(plain),
        Some(_) => None,
        None => Array::read(value).ok().filter(|array| array.integers().len() == 1)?.integers().next()?,
    }
}

/// The integers in a list, a tuple or an array, such as labels.
///
/// # Errors
/// If an element is not an integer; the text says what is wrong and continues a sentence that begins with
/// "it".
pub(super) fn integers(value: Value<'_, '_>) -> Result<Vec<i128>, String> {
    let wrong = |index: usize, what: String| format!("has {what} at place {index}, expected an int");
    match value.items() {
        Some(items) => {
            let checked = items
                .enumerate()
                .map(|(index, item)| integer(item).ok_or_else(|| wrong(index, kind_of(item))));
            checked.collect()
        }
        None => {
            let array = Array::read(value)?;
            let checked = array.integers().enumerate();
            checked
                .map(|(index, label)| label.ok_or_else(|| wrong(index, "no whole number".into())))
                .collect()
        }
    }
}

/// The kind of an element that is not an integer, in words. An integer too large to be stored has a kind of
/// its own.
fn kind_of(item: Value<'_, '_>) -> String {
    match item.kind() {
        "an int" => "an int beyond all labels".to_owned(),
        kind => kind.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pickle;

    #[test]
    fn protocol_5_keeps_the_bytes_in_a_call() {
        // The result of pickle.dumps(numpy.array([[1, -2], [3, 4]], dtype='<i2'), protocol=5) with numpy 2.
        let bytes = b"\x80\x05\x8c\x13numpy._core.numeric\x94\x8c\x0b_frombuffer\x94\x93\x94(\x96\x08\x00\x00\x00\x00\x00\x00\x00\
            \x01\x00\xfe\xff\x03\x00\x04\x00\x94\x8c\x05numpy\x94\x8c\x05dtype\x94\x93\x94\x8c\x02i2\x94\x89\x88\x87\x94R\x94(K\x03\
            \x8c\x01<\x94NNNJ\xff\xff\xff\xffJ\xff\xff\xff\xffK\x00t\x94bK\x02K\x02\x86\x94\x8c\x01C\x94t\x94R\x94.";
        let pickle = pickle::read(bytes).expect("a pickle");
        let array = Array::read(pickle.root()).expect("an array");
        assert_eq!(array.shape, [2, 2]);
        assert_eq!(array.integers().collect::<Vec<_>>(), [1, -2, 3, 4].map(Some));
        assert_eq!(array.bytes(), None);
    }

    /// What numpy 2 pickles for `numpy.int64(-3)` with protocol 2, without the opening.
    const NUMPY_INT64: &str = "cnumpy._core.multiarray\nscalar\ncnumpy\ndtype\n(U\x02i8I00\nI01\ntR\
        (I3\nU\x01<NNNI-1\nI-1\nI0\ntbU\x08\u{fd}\u{ff}\u{ff}\u{ff}\u{ff}\u{ff}\u{ff}\u{ff}\u{86}R";

    /// The bytes of a pickle that is written here in Latin-1.
    fn latin_1(text: &str) -> Vec<u8> {
        text.chars().map(|c| u8::try_from(u32::from(c)).expect("Latin-1")).collect()
    }

    #[test]
    fn labels_are_ints_however_they_were_stored() {
        let check = |bytes: &[u8], expected: Result<Vec<i128>, &str>| {
            let pickle = pickle::read(bytes).expect("a pickle");
            assert_eq!(integers(pickle.root()), expected.map_err(str::to_owned));
        };
        check(b"(I3\nI-1\nI8\nl.", Ok(vec![3, -1, 8]));
        check(b"(I3\nI8\nt.", Ok(vec![3, 8]));
        check(&latin_1(&format!("(I3\n{NUMPY_INT64}l.")), Ok(vec![3, -3]));
        check(&latin_1(&format!("({NUMPY_INT64}t.").replace("_core", "core")), Ok(vec![-3]));
        check(&latin_1(&format!("({NUMPY_INT64}t.").replace('<', ">")), Ok(vec![-0x0200_0000_0000_0001]));
        // Lists of one, and whole floats, are accepted.
        check(b"((I3\nl(I8\nll.", Ok(vec![3, 8]));
        check(b"(F3.0\nl.", Ok(vec![3]));
        check(b"(I3\nF3.5\nl.", Err("has a float at place 1, expected an int"));
        let huge = b"(I3\nL1180591620717411303424L\nl.";
        check(huge, Err("has an int beyond all labels at place 1, expected an int"));
        check(b"(I3\nVcat\nl.", Err("has a str at place 1, expected an int"));
        check(b"((I3\nI4\nll.", Err("has a list at place 0, expected an int"));
        check(b"N.", Err("is None, expected a numpy array"));
    }

    #[test]
    fn what_is_no_array_is_said() {
        let check = |bytes: &[u8], expected: &str| {
            let pickle = pickle::read(bytes).expect("a pickle");
            assert_eq!(Array::read(pickle.root()).expect_err("no array"), expected);
        };
        check(b"N.", "is None, expected a numpy array");
        check(b"cos\nsystem\n)R.", "is a os.system, expected a numpy array");
        check(b"cnumpy.core.multiarray\n_reconstruct\n)R.", "is a numpy array without its contents");
        // A shape of three times 2⁶², which is more elements than 128 bits can count.
        let largest: &[u8] = b"\x8a\x08\x00\x00\x00\x00\x00\x00\x00\x40";
        let state =
            [&b"(K\x01"[..], largest, largest, largest, b"\x87cnumpy\ndtype\n(C\x02u1tR\x89C\x01.tb."];
        check(
            &[&b"cnumpy.core.multiarray\n_reconstruct\n)R"[..], &state.concat()].concat(),
            "has 1 bytes, its shape [4611686018427387904, 4611686018427387904, 4611686018427387904] wants \
             more than can be counted",
        );
    }
}
