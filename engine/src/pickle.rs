//! Reads Python's pickles as data, and executes nothing.
//!
//! [`read`] runs the pickle's opcodes over a flat list of nodes. What Python would import stays a name
//! ([`Value::global`]), what it would call stays a record of the call ([`Value::call`]); the caller picks out
//! the few shapes that it supports. Bytes and texts are borrowed from the input and every opcode adds at most
//! three small nodes, so memory stays proportional to the input; nodes refer to each other by number, so deep
//! nesting and cycles do not deepen the stack.
//!
//! Source: the opcode list of CPython's `Lib/pickletools.py`. Extension codes and out-of-band buffers, which
//! do not occur in files, are not supported.

mod machine;

use std::borrow::Cow;

pub use machine::{PickleError, read};

/// The number of a node.
type Id = u32;

#[derive(Debug)]
enum Node<'a> {
    None,
    Bool(bool),
    Int(i64),
    /// An integer beyond 64 bits, as little-endian two's complement.
    Long(&'a [u8]),
    Float(f64),
    Bytes(Cow<'a, [u8]>),
    Text(Cow<'a, str>),
    /// A list, tuple or set.
    Sequence(Vec<Id>),
    Dict(Vec<(Id, Id)>),
    Global(Box<Global<'a>>),
    Object(Box<Object>),
    /// A reference to something that the writer stored elsewhere, by its key.
    Persistent(Id),
}

/// A module and a name in it that Python would import.
#[derive(Debug)]
struct Global<'a> {
    module: Cow<'a, str>,
    name: Cow<'a, str>,
}

/// A call that was not made, and what was then put into its result.
#[derive(Debug)]
struct Object {
    callable: Id,
    arguments: Id,
    state: Option<Id>,
    items: Vec<Id>,
    entries: Vec<(Id, Id)>,
}

/// One pickle.
#[derive(Debug)]
pub struct Pickle<'a> {
    nodes: Vec<Node<'a>>,
    root: Id,
    /// The number of bytes that the pickle takes; another pickle may follow.
    pub length: usize,
}

impl<'a> Pickle<'a> {
    /// The object that the pickle describes.
    pub fn root(&self) -> Value<'_, 'a> {
        Value { pickle: self, id: self.root }
    }

    /// Every object in the pickle, in the order in which they were written.
    pub fn values(&self) -> impl Iterator<Item = Value<'_, 'a>> {
        (0..self.nodes.len() as Id).map(|id| self.value(id))
    }

    fn value(&self, id: Id) -> Value<'_, 'a> {
        Value { pickle: self, id }
    }
}

/// One object in a pickle. Every accessor returns `None` for objects of another type.
#[derive(Clone, Copy)]
pub struct Value<'p, 'a> {
    pickle: &'p Pickle<'a>,
    id: Id,
}

impl<'p, 'a> Value<'p, 'a> {
    fn node(self) -> &'p Node<'a> {
        &self.pickle.nodes[self.id as usize]
    }

    fn values(self, ids: &'p [Id]) -> impl ExactSizeIterator<Item = Self> {
        ids.iter().map(move |&id| self.pickle.value(id))
    }

    /// The kind of this object, for messages.
    pub fn kind(self) -> &'static str {
        match self.node() {
            Node::None => "None",
            Node::Bool(_) => "a bool",
            Node::Int(_) | Node::Long(_) => "an int",
            Node::Float(_) => "a float",
            Node::Bytes(_) => "bytes",
            Node::Text(_) => "a str",
            Node::Sequence(_) => "a list",
            Node::Dict(_) => "a dict",
            Node::Global(_) => "a class or function",
            Node::Object(_) => "an object",
            Node::Persistent(_) => "a reference",
        }
    }

    pub fn bool(self) -> Option<bool> {
        if let Node::Bool(value) = self.node() { Some(*value) } else { None }
    }

    pub fn int(self) -> Option<i64> {
        if let Node::Int(value) = self.node() { Some(*value) } else { None }
    }

    /// A non-negative int, such as a count or a length.
    pub fn size(self) -> Option<usize> {
        self.int().and_then(|value| value.try_into().ok())
    }

    /// An int beyond 64 bits, as little-endian two's complement.
    pub fn long(self) -> Option<&'a [u8]> {
        if let Node::Long(bytes) = self.node() { Some(bytes) } else { None }
    }

    pub fn float(self) -> Option<f64> {
        if let Node::Float(value) = self.node() { Some(*value) } else { None }
    }

    /// The content of `bytes`, of a Python 2 `str`, or of the call with which Python 3 writes `bytes` for
    /// Python 2: `_codecs.encode(text, 'latin1')`.
    pub fn bytes(self) -> Option<Cow<'p, [u8]>> {
        if let Node::Bytes(bytes) = self.node() {
            return Some(Cow::Borrowed(bytes));
        }
        let bytes: Option<Vec<u8>> =
            self.latin_1()?.chars().map(|c| u8::try_from(u32::from(c)).ok()).collect();
        bytes.map(Cow::Owned)
    }

    /// The text of `_codecs.encode(text, 'latin1')`.
    fn latin_1(self) -> Option<&'p str> {
        let (("_codecs", "encode"), mut arguments) = self.call()? else { return None };
        // Only plain texts are accepted: a call on the result of another call could go in circles.
        let (text, codec) = (arguments.next()?.plain_text()?, arguments.next()?.plain_text()?);
        matches!(codec, "latin1" | "latin-1").then_some(text)
    }

    fn plain_text(self) -> Option<&'p str> {
        if let Node::Text(text) = self.node() { Some(text) } else { None }
    }

    /// A text, or bytes that are UTF-8.
    pub fn text(self) -> Option<Cow<'p, str>> {
        if let Some(text) = self.plain_text() {
            return Some(Cow::Borrowed(text));
        }
        match self.bytes()? {
            Cow::Borrowed(bytes) => str::from_utf8(bytes).ok().map(Cow::Borrowed),
            Cow::Owned(bytes) => String::from_utf8(bytes).ok().map(Cow::Owned),
        }
    }

    /// The items of a list, tuple or set.
    pub fn items(self) -> Option<impl ExactSizeIterator<Item = Self>> {
        if let Node::Sequence(ids) = self.node() { Some(self.values(ids)) } else { None }
    }

    /// The pairs of a dict, an `OrderedDict` or an object of another dict class, in order.
    pub fn entries(self) -> Option<Vec<(Self, Self)>> {
        let of = |pairs: &'p [(Id, Id)]| {
            pairs.iter().map(move |&(k, v)| (self.pickle.value(k), self.pickle.value(v)))
        };
        match self.node() {
            Node::Dict(pairs) => Some(of(pairs).collect()),
            Node::Object(object) => {
                let (("collections", "OrderedDict"), mut arguments) = self.call()? else {
                    // For other classes, only what was added as to a dict.
                    return (!object.entries.is_empty()).then(|| of(&object.entries).collect());
                };
                // Python 2 passes the pairs to the constructor, Python 3 sets them afterwards.
                let given = arguments.next().and_then(Self::items).into_iter().flatten();
                let mut pairs = Vec::new();
                for pair in given {
                    let mut pair = pair.items()?;
                    pairs.push((pair.next()?, pair.next()?));
                }
                pairs.extend(of(&object.entries));
                Some(pairs)
            }
            _ => None,
        }
    }

    /// The value of a dict under a text.
    pub fn get(self, key: &str) -> Option<Self> {
        let pairs = self.entries()?;
        pairs.into_iter().rev().find(|(k, _)| k.is_text(key)).map(|(_, value)| value)
    }

    /// Whether this is the expected text, or bytes with that content. Nothing is copied: a dict may have one
    /// long text under a million keys.
    fn is_text(self, expected: &str) -> bool {
        match self.node() {
            Node::Text(text) => text == expected,
            Node::Bytes(bytes) => &**bytes == expected.as_bytes(),
            _ => self.latin_1().is_some_and(|text| text.chars().eq(expected.bytes().map(char::from))),
        }
    }

    /// Whether this is a dict, list, tuple or set, so that [`Self::entries`] or [`Self::items`] returns its
    /// content.
    pub fn is_container(self) -> bool {
        matches!(self.node(), Node::Sequence(_) | Node::Dict(_))
    }

    /// Module and name of a class or function.
    pub fn global(self) -> Option<(&'p str, &'p str)> {
        if let Node::Global(global) = self.node() { Some((&global.module, &global.name)) } else { None }
    }

    /// The module and name of what would have been called, and its arguments.
    pub fn call(self) -> Option<((&'p str, &'p str), impl ExactSizeIterator<Item = Self>)> {
        let Node::Object(object) = self.node() else { return None };
        let arguments = self.pickle.value(object.arguments).items()?;
        Some((self.pickle.value(object.callable).global()?, arguments))
    }

    /// What would have been called, of any kind, and its arguments.
    pub fn callable(self) -> Option<(Self, Self)> {
        let Node::Object(object) = self.node() else { return None };
        Some((self.pickle.value(object.callable), self.pickle.value(object.arguments)))
    }

    /// A number that identifies this object within its pickle.
    pub fn identity(self) -> u32 {
        self.id
    }

    /// The state that would have been passed to an object's `__setstate__`.
    pub fn state(self) -> Option<Self> {
        let Node::Object(object) = self.node() else { return None };
        object.state.map(|id| self.pickle.value(id))
    }

    /// The key of something that the writer stored elsewhere.
    pub fn persistent(self) -> Option<Self> {
        if let Node::Persistent(id) = self.node() { Some(self.pickle.value(*id)) } else { None }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Pickles that CPython 3.11 wrote of `{'a': [1, -2, 3.5], b'b': (None, True, 'é'), 'n': 2**70}`.
    fn written_by_python() -> [(u8, Vec<u8>); 4] {
        [
            (0, b"(dp0\nVa\np1\n(lp2\nI1\naI-2\naF3.5\nasc_codecs\nencode\np3\n(Vb\np4\nVlatin1\np5\ntp6\nRp7\n(NI01\nV\xe9\np8\ntp9\nsVn\np10\nL1180591620717411303424L\ns.".to_vec()),
            (2, b"\x80\x02}q\x00(X\x01\x00\x00\x00aq\x01]q\x02(K\x01J\xfe\xff\xff\xffG@\x0c\x00\x00\x00\x00\x00\x00ec_codecs\nencode\nq\x03X\x01\x00\x00\x00bq\x04X\x06\x00\x00\x00latin1q\x05\x86q\x06Rq\x07N\x88X\x02\x00\x00\x00\xc3\xa9q\x08\x87q\tX\x01\x00\x00\x00nq\n\x8a\t\x00\x00\x00\x00\x00\x00\x00\x00@u.".to_vec()),
            (3, b"\x80\x03}q\x00(X\x01\x00\x00\x00aq\x01]q\x02(K\x01J\xfe\xff\xff\xffG@\x0c\x00\x00\x00\x00\x00\x00eC\x01bq\x03N\x88X\x02\x00\x00\x00\xc3\xa9q\x04\x87q\x05X\x01\x00\x00\x00nq\x06\x8a\t\x00\x00\x00\x00\x00\x00\x00\x00@u.".to_vec()),
            (5, b"\x80\x05\x959\x00\x00\x00\x00\x00\x00\x00}\x94(\x8c\x01a\x94]\x94(K\x01J\xfe\xff\xff\xffG@\x0c\x00\x00\x00\x00\x00\x00eC\x01b\x94N\x88\x8c\x02\xc3\xa9\x94\x87\x94\x8c\x01n\x94\x8a\t\x00\x00\x00\x00\x00\x00\x00\x00@u.".to_vec()),
        ]
    }

    #[test]
    fn every_protocol_says_the_same() {
        for (protocol, bytes) in written_by_python() {
            let pickle = read(&bytes).unwrap_or_else(|error| panic!("protocol {protocol}: {error}"));
            assert_eq!(pickle.length, bytes.len(), "protocol {protocol}");
            let root = pickle.root();
            let list: Vec<_> = root.get("a").and_then(Value::items).expect("a list").collect();
            assert_eq!((list[0].int(), list[1].int(), list[2].float()), (Some(1), Some(-2), Some(3.5)));
            let tuple: Vec<_> = root.get("b").and_then(Value::items).expect("a tuple").collect();
            assert_eq!((tuple[0].kind(), tuple[1].bool()), ("None", Some(true)));
            assert_eq!(tuple[2].text().as_deref(), Some("é"), "protocol {protocol}");
            assert_eq!(root.get("n").expect("a number").kind(), "an int");
            assert!(root.get("missing").is_none());
        }
    }

    #[test]
    fn nothing_is_executed() {
        // What `pickle.loads` would pass to os.system stays a record.
        let pickle = read(b"cos\nsystem\n(S'echo harm'\ntR.").expect("well formed");
        let (name, mut arguments) = pickle.root().call().expect("a call");
        assert_eq!(name, ("os", "system"));
        assert_eq!(arguments.next().and_then(Value::text).as_deref(), Some("echo harm"));
    }

    #[test]
    fn deep_nesting_and_cycles_cost_no_stack() {
        let deep = [&b"N"[..], &vec![0x85; 1_000_000], b"."].concat();
        assert_eq!(read(&deep).expect("well formed").root().kind(), "a list");
        let pickle = read(b"]q\x00h\x00a.").expect("well formed");
        let inner = pickle.root().items().and_then(|mut items| items.next()).expect("an item");
        assert_eq!(inner.items().expect("itself").len(), 1);
        // A codec that is called on the result of its own call.
        let pickle =
            read(b"]q\x00c_codecs\nencode\nh\x00Rq\x01h\x00h\x01ah\x00X\x06\x00\x00\x00latin1a0h\x01.");
        assert!(pickle.expect("well formed").root().text().is_none());
    }

    #[test]
    fn what_is_malformed_is_named_with_its_place() {
        let check = |bytes: &[u8], expected: &str| {
            assert_eq!(read(bytes).expect_err("malformed").to_string(), expected);
        };
        check(b"", "the pickle ends in the middle, after 0 bytes");
        check(b"\x80\x02X\xff\xff\xff\x7fab", "the pickle ends in the middle, after 9 bytes");
        check(b"\x80\x09N.", "byte 0 of the pickle: protocol 9 is not known");
        check(b"N\xffN.", "byte 1 of the pickle: opcode 0xff is not known");
        check(b"e.", "byte 0 of the pickle: no mark was set");
        check(b"\x86.", "byte 0 of the pickle: the stack is empty");
        check(b"h\x05.", "byte 0 of the pickle: nothing was memorised under 5");
        check(b"NNa.", "byte 2 of the pickle: None takes no items");
    }

    proptest::proptest! {
        #[test]
        fn damage_never_panics(which in 0_usize..4, at in 0_usize..200, byte: u8, cut in 0_usize..200) {
            let mut bytes = written_by_python()[which].1.clone();
            let at = at % bytes.len();
            bytes[at] = byte;
            bytes.truncate(cut.max(1));
            if let Ok(pickle) = read(&bytes) {
                let root = pickle.root();
                let _ = (root.text(), root.get("a").and_then(Value::bytes), root.get("b").map(Value::kind));
            }
        }
    }
}
