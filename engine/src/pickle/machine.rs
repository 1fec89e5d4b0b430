//! The stack machine that pickles are programs for.

use std::{borrow::Cow, collections::HashMap};

use super::{Global, Id, Node, Object, Pickle};

/// The greatest number of objects that is accepted, a hundred times as many as in CIFAR-100. An object of one
/// byte takes dozens of bytes of memory.
const MOST_OBJECTS: usize = 1 << 24;

/// Why bytes are not a pickle.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PickleError {
    #[error("the pickle ends in the middle, after {0} bytes")]
    Truncated(usize),
    #[error("byte {at} of the pickle: {problem}")]
    Malformed { at: usize, problem: String },
}

/// Reads the pickle at the beginning of `bytes`.
///
/// # Errors
/// If the bytes end before the pickle does, or contain something that no pickler writes.
pub fn read(bytes: &[u8]) -> Result<Pickle<'_>, PickleError> {
    let mut machine = Machine { bytes, ..Machine::default() };
    loop {
        let at = machine.position;
        match machine.step().map_err(|problem| problem.at(at, bytes.len()))? {
            Some(root) => return Ok(Pickle { nodes: machine.nodes, root, length: machine.position }),
            None => continue,
        }
    }
}

/// Why an opcode could not be carried out.
enum Problem {
    EndOfBytes,
    Other(String),
}

impl Problem {
    fn at(self, at: usize, length: usize) -> PickleError {
        match self {
            Self::EndOfBytes => PickleError::Truncated(length),
            Self::Other(problem) => PickleError::Malformed { at, problem },
        }
    }
}

impl From<&str> for Problem {
    fn from(problem: &str) -> Self {
        Self::Other(problem.to_owned())
    }
}

type Parsed<T> = Result<T, Problem>;

#[derive(Default)]
struct Machine<'a> {
    bytes: &'a [u8],
    position: usize,
    nodes: Vec<Node<'a>>,
    stack: Vec<Id>,
    /// The heights of the stack at the marks that are still open.
    marks: Vec<usize>,
    memo: HashMap<u64, Id>,
}

impl<'a> Machine<'a> {
    /// Carries out one opcode; returns the root if it was the last.
    fn step(&mut self) -> Parsed<Option<Id>> {
        let opcode = self.byte()?;
        match opcode {
            b'.' => return self.pop().map(Some),
            0x80 => {
                let protocol = self.byte()?;
                if protocol > 5 {
                    return Err(Problem::Other(format!("protocol {protocol} is not known")));
                }
            }
            // A frame only announces how many bytes may be read ahead.
            0x95 => drop(self.take(8)?),
            b'(' => self.marks.push(self.stack.len()),
            b'0' => drop(self.pop()?),
            b'1' => drop(self.pop_to_mark()?),
            b'2' => {
                let top = self.top()?;
                self.stack.push(top);
            }
            b'p' | b'q' | b'r' | 0x94 => self.memorise(opcode)?,
            b'g' | b'h' | b'j' => self.recall(opcode)?,
            b'a' | b'e' | b's' | b'u' | 0x90 | b'b' => self.mutate(opcode)?,
            _ => {
                let node = match self.scalar(opcode)? {
                    Some(node) => node,
                    None => self.compound(opcode)?,
                };
                self.push(node)?;
            }
        }
        Ok(None)
    }

    /// The node of an opcode that takes nothing from the stack.
    fn scalar(&mut self, opcode: u8) -> Parsed<Option<Node<'a>>> {
        Ok(Some(match opcode {
            b'N' => Node::None,
            0x88 => Node::Bool(true),
            0x89 => Node::Bool(false),
            b'K' => Node::Int(self.byte()?.into()),
            b'M' => Node::Int(self.unsigned(2)? as i64),
            b'J' => Node::Int((self.unsigned(4)? as u32 as i32).into()),
            b'I' => match self.line()? {
                "00" => Node::Bool(false),
                "01" => Node::Bool(true),
                digits => decimal(digits)?,
            },
            b'L' => decimal(self.line()?.trim_end_matches('L'))?,
            0x8a => {
                let length = self.byte()?.into();
                long(self.take(length)?)
            }
            0x8b => long(self.sized(4)?),
            b'F' => Node::Float(self.line()?.parse().map_err(|_| "a float was expected")?),
            b'G' => Node::Float(f64::from_bits((self.unsigned(8)?).swap_bytes())),
            b'S' => Node::Bytes(Cow::Owned(unquote(self.line()?)?)),
            b'U' | b'C' => Node::Bytes(Cow::Borrowed(self.sized(1)?)),
            b'T' | b'B' => Node::Bytes(Cow::Borrowed(self.sized(4)?)),
            0x8e | 0x96 => Node::Bytes(Cow::Borrowed(self.sized(8)?)),
            b'V' => Node::Text(Cow::Owned(raw_unicode(self.line_bytes()?)?)),
            0x8c => Node::Text(self.text(1)?),
            b'X' => Node::Text(self.text(4)?),
            0x8d => Node::Text(self.text(8)?),
            b']' | b')' | 0x8f => Node::Sequence(Vec::new()),
            b'}' => Node::Dict(Vec::new()),
            b'c' => global(self.line()?.into(), self.line()?.into()),
            _ => return Ok(None),
        }))
    }

    /// The node of an opcode that takes its parts from the stack.
    fn compound(&mut self, opcode: u8) -> Parsed<Node<'a>> {
        Ok(match opcode {
            b'l' | b't' | 0x91 => Node::Sequence(self.pop_to_mark()?),
            0x85..=0x87 => {
                let mut items = vec![0; usize::from(opcode - 0x84)];
                for item in items.iter_mut().rev() {
                    *item = self.pop()?;
                }
                Node::Sequence(items)
            }
            b'd' => Node::Dict(pairs(self.pop_to_mark()?)?),
            0x93 => {
                let (name, module) = (self.pop()?, self.pop()?);
                global(self.name(module)?, self.name(name)?)
            }
            b'R' | 0x81 => {
                let (arguments, callable) = (self.pop()?, self.pop()?);
                object(callable, arguments)
            }
            0x92 => {
                // Keyword arguments occur only for classes that are not used here.
                let (_keywords, arguments, callable) = (self.pop()?, self.pop()?, self.pop()?);
                object(callable, arguments)
            }
            b'o' => {
                let mut parts = self.pop_to_mark()?;
                if parts.is_empty() {
                    return Err("an object without a class".into());
                }
                let callable = parts.remove(0);
                let arguments = self.add(Node::Sequence(parts))?;
                object(callable, arguments)
            }
            b'i' => {
                let class = global(self.line()?.into(), self.line()?.into());
                let parts = self.pop_to_mark()?;
                let (callable, arguments) = (self.add(class)?, self.add(Node::Sequence(parts))?);
                object(callable, arguments)
            }
            b'P' => {
                let key = Node::Text(self.line()?.into());
                Node::Persistent(self.add(key)?)
            }
            b'Q' => Node::Persistent(self.pop()?),
            _ => return Err(Problem::Other(format!("opcode {opcode:#04x} is not known"))),
        })
    }

    /// Carries out an opcode that adds something to what lies below it on the stack.
    fn mutate(&mut self, opcode: u8) -> Parsed<()> {
        let parts = match opcode {
            b'a' | b'b' => vec![self.pop()?],
            b's' => {
                let (value, key) = (self.pop()?, self.pop()?);
                vec![key, value]
            }
            _ => self.pop_to_mark()?,
        };
        let target = self.top()?;
        match (opcode, &mut self.nodes[target as usize]) {
            (b'b', Node::Object(object)) => object.state = parts.first().copied(),
            // Attributes of something that is no object of a class are not used.
            (b'b', _) => {}
            (b's' | b'u', Node::Dict(dict)) => dict.extend(pairs(parts)?),
            (b's' | b'u', Node::Object(object)) => object.entries.extend(pairs(parts)?),
            (b'a' | b'e' | 0x90, Node::Sequence(items)) => items.extend(parts),
            (b'a' | b'e' | 0x90, Node::Object(object)) => object.items.extend(parts),
            _ => {
                let pickle =
                    Pickle { nodes: std::mem::take(&mut self.nodes), root: target, length: self.position };
                return Err(Problem::Other(format!("{} takes no items", pickle.root().kind())));
            }
        }
        Ok(())
    }

    fn memorise(&mut self, opcode: u8) -> Parsed<()> {
        let key = match opcode {
            b'p' => self.number()?,
            b'q' => self.unsigned(1)?,
            b'r' => self.unsigned(4)?,
            _ => self.memo.len() as u64,
        };
        let top = self.top()?;
        self.memo.insert(key, top);
        Ok(())
    }

    fn recall(&mut self, opcode: u8) -> Parsed<()> {
        let key = match opcode {
            b'g' => self.number()?,
            b'h' => self.unsigned(1)?,
            _ => self.unsigned(4)?,
        };
        let id = self.memo.get(&key).ok_or(Problem::Other(format!("nothing was memorised under {key}")))?;
        self.stack.push(*id);
        Ok(())
    }

    fn push(&mut self, node: Node<'a>) -> Parsed<()> {
        let id = self.add(node)?;
        self.stack.push(id);
        Ok(())
    }

    fn add(&mut self, node: Node<'a>) -> Parsed<Id> {
        if self.nodes.len() >= MOST_OBJECTS {
            return Err(Problem::Other(format!("it has more than {MOST_OBJECTS} objects")));
        }
        self.nodes.push(node);
        Ok(self.nodes.len() as Id - 1)
    }

    fn top(&self) -> Parsed<Id> {
        self.stack.last().copied().ok_or("the stack is empty".into())
    }

    fn pop(&mut self) -> Parsed<Id> {
        // What lies below an open mark belongs to another list.
        if self.marks.last().is_some_and(|&height| height >= self.stack.len()) {
            return Err("the stack is empty".into());
        }
        self.stack.pop().ok_or("the stack is empty".into())
    }

    fn pop_to_mark(&mut self) -> Parsed<Vec<Id>> {
        let height = self.marks.pop().ok_or("no mark was set")?;
        Ok(self.stack.split_off(height))
    }

    /// The text of a node that names a module or a class.
    fn name(&self, id: Id) -> Parsed<Cow<'a, str>> {
        match &self.nodes[id as usize] {
            // The text is shared, never copied: a name in the memo may be long and be used often.
            Node::Text(Cow::Borrowed(text)) => Ok(Cow::Borrowed(text)),
            _ => Err("the name of a class is not a text".into()),
        }
    }

    fn take(&mut self, length: usize) -> Parsed<&'a [u8]> {
        let rest = &self.bytes[self.position..];
        let taken = rest.get(..length).ok_or(Problem::EndOfBytes)?;
        self.position += length;
        Ok(taken)
    }

    fn byte(&mut self) -> Parsed<u8> {
        Ok(self.take(1)?[0])
    }

    /// A little-endian number of up to eight bytes.
    fn unsigned(&mut self, length: usize) -> Parsed<u64> {
        Ok(self.take(length)?.iter().rev().fold(0, |number, &byte| number << 8 | u64::from(byte)))
    }

    /// As many bytes as the number before them announces.
    fn sized(&mut self, length: usize) -> Parsed<&'a [u8]> {
        let length = self.unsigned(length)?;
        self.take(length.try_into().map_err(|_| Problem::EndOfBytes)?)
    }

    fn text(&mut self, length: usize) -> Parsed<Cow<'a, str>> {
        let bytes = self.sized(length)?;
        str::from_utf8(bytes).map(Cow::Borrowed).map_err(|_| "a text is not UTF-8".into())
    }

    fn line_bytes(&mut self) -> Parsed<&'a [u8]> {
        let rest = &self.bytes[self.position..];
        let length = rest.iter().position(|&byte| byte == b'\n').ok_or(Problem::EndOfBytes)?;
        self.position += length + 1;
        Ok(&rest[..length])
    }

    fn line(&mut self) -> Parsed<&'a str> {
        str::from_utf8(self.line_bytes()?).map_err(|_| "a line is not UTF-8".into())
    }

    fn number(&mut self) -> Parsed<u64> {
        self.line()?.parse().map_err(|_| "a number was expected".into())
    }
}

fn global<'a>(module: Cow<'a, str>, name: Cow<'a, str>) -> Node<'a> {
    Node::Global(Box::new(Global { module, name }))
}

fn object<'a>(callable: Id, arguments: Id) -> Node<'a> {
    let (state, items, entries) = (None, Vec::new(), Vec::new());
    Node::Object(Box::new(Object { callable, arguments, state, items, entries }))
}

fn pairs(ids: Vec<Id>) -> Parsed<Vec<(Id, Id)>> {
    let (pairs, rest) = ids.as_chunks::<2>();
    if rest.is_empty() {
        Ok(pairs.iter().map(|&[k, v]| (k, v)).collect())
    } else {
        Err("a key without a value".into())
    }
}

fn decimal<'a>(digits: &str) -> Parsed<Node<'a>> {
    let valid = digits.trim_start_matches('-').bytes().all(|b| b.is_ascii_digit());
    match digits.parse() {
        Ok(number) => Ok(Node::Int(number)),
        // Protocol 0 writes numbers beyond 64 bits in decimal; their value is not needed here.
        Err(_) if valid && digits.len() > 18 => Ok(Node::Long(&[])),
        Err(_) => Err("a number was expected".into()),
    }
}

/// A little-endian two's complement number of any length.
fn long(bytes: &[u8]) -> Node<'_> {
    if bytes.len() > 8 {
        return Node::Long(bytes);
    }
    let negative = bytes.last().is_some_and(|&last| last >= 0x80);
    let mut extended = [if negative { 0xff } else { 0 }; 8];
    extended[..bytes.len()].copy_from_slice(bytes);
    Node::Int(i64::from_le_bytes(extended))
}

/// A Python string literal in quotes, as protocol 0 writes `str` of Python 2.
fn unquote(literal: &str) -> Parsed<Vec<u8>> {
    let inner = ['\'', '"']
        .iter()
        .find_map(|&quote| literal.strip_prefix(quote)?.strip_suffix(quote))
        .ok_or("a string without quotes")?;
    let mut bytes = Vec::with_capacity(inner.len());
    let mut rest = inner.bytes();
    while let Some(byte) = rest.next() {
        if byte != b'\\' {
            bytes.push(byte);
            continue;
        }
        bytes.push(match rest.next().ok_or("a backslash at the end of a string")? {
            b'n' => b'\n',
            b'r' => b'\r',
            b't' => b'\t',
            b'x' => {
                let digits = [rest.next().unwrap_or(0), rest.next().unwrap_or(0)];
                let digits = str::from_utf8(&digits).map_err(|_| "hexadecimal digits were expected")?;
                u8::from_str_radix(digits, 16).map_err(|_| "hexadecimal digits were expected")?
            }
            other => other,
        });
    }
    Ok(bytes)
}

/// Latin-1 with `\uXXXX` and `\UXXXXXXXX`, as protocols 0 and 1 write texts.
fn raw_unicode(bytes: &[u8]) -> Parsed<String> {
    let mut text = String::with_capacity(bytes.len());
    let mut rest = bytes;
    while let Some((&byte, after)) = rest.split_first() {
        rest = after;
        let digits = match (byte, after.first()) {
            (b'\\', Some(b'u')) => 4,
            (b'\\', Some(b'U')) => 8,
            _ => {
                text.push(byte.into());
                continue;
            }
        };
        let hexadecimal = after.get(1..=digits).and_then(|d| str::from_utf8(d).ok());
        let character = hexadecimal.and_then(|d| u32::from_str_radix(d, 16).ok()).and_then(char::from_u32);
        text.push(character.ok_or("a backslash is followed by no valid character code")?);
        rest = &after[digits + 1..];
    }
    Ok(text)
}
