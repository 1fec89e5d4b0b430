//! Reading the Python literals that genotypes consist of. No code is evaluated.

use super::error::GenotypeError;

/// How deeply lists may be nested; a genotype needs four levels.
const DEEPEST: usize = 32;
/// The greatest number of values that a `range` may give: more than a cell has nodes, and few enough to hold.
const LONGEST_RANGE: i128 = 64;
/// The number of characters of an unexpected word that a message repeats.
const SHOWN: usize = 24;

/// A value, as it is written in Python, JSON or TOML.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Literal {
    /// A list, tuple or set.
    Sequence(Vec<Literal>),
    Text(String),
    Number(i128),
    /// A dict, or the arguments of a call by name.
    Fields(Vec<Field>),
    /// A call that gives neither a number nor a sequence, such as `Genotype(…)`, by the last part of its
    /// name.
    Call {
        name: String,
        arguments: Vec<Literal>,
        fields: Vec<Field>,
    },
    /// A name such as `None`, or a number that is not an integer.
    Other(String),
}

/// A value with its name.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Field {
    pub name: String,
    pub value: Literal,
    /// The position of the name in bytes; 0 where the text is not Python.
    pub at: usize,
}

impl Literal {
    /// The value as messages show it, shortened.
    pub fn shown(&self) -> String {
        match self {
            Self::Sequence(items) => format!("a list of {}", items.len()),
            Self::Text(text) => format!("`{}`", short(text)),
            Self::Number(number) => number.to_string(),
            Self::Fields(_) => "a dict".to_owned(),
            Self::Call { name, .. } => format!("`{}(…)`", short(name)),
            Self::Other(word) => format!("`{}`", short(word)),
        }
    }
}

pub(super) fn short(text: &str) -> String {
    text.chars().take(SHOWN).collect()
}

/// Reads literals from a text, from left to right.
pub(super) struct Reader<'a> {
    text: &'a str,
    at: usize,
    depth: usize,
}

impl<'a> Reader<'a> {
    pub fn new(text: &'a str, at: usize) -> Self {
        Self { text, at, depth: 0 }
    }

    /// The position of the reader in bytes.
    pub fn place(&self) -> usize {
        self.at
    }

    /// Reads one value, and stops behind it.
    pub fn value(&mut self) -> Result<Literal, GenotypeError> {
        self.depth += 1;
        if self.depth > DEEPEST {
            return Err(self.expected("fewer lists within lists"));
        }
        let value = self.value_here();
        self.depth -= 1;
        value
    }

    fn value_here(&mut self) -> Result<Literal, GenotypeError> {
        self.space();
        let rest = &self.text[self.at..];
        match rest.chars().next() {
            Some('(') => self.bracket(')'),
            Some('[') => self.bracket(']'),
            Some('{') => self.braces(),
            Some('"' | '\'') => self.quoted(),
            Some('-' | '+' | '0'..='9') => self.number(),
            Some(c) if c.is_alphabetic() || c == '_' => self.named(),
            _ => Err(self.expected("a list, a tuple, an operation in quotes or a number")),
        }
    }

    fn bracket(&mut self, close: char) -> Result<Literal, GenotypeError> {
        self.at += 1;
        let mut items = Vec::new();
        let mut commas = false;
        while !self.take(close) {
            items.push(self.value()?);
            if !self.take(',') {
                self.need(close, "`,` or the end of the list")?;
                break;
            }
            commas = true;
        }
        // Parentheses around a single value do not change it.
        match items.pop() {
            Some(only) if close == ')' && !commas && items.is_empty() => Ok(only),
            Some(last) => {
                items.push(last);
                Ok(Literal::Sequence(items))
            }
            None => Ok(Literal::Sequence(items)),
        }
    }

    /// A set or a dict.
    fn braces(&mut self) -> Result<Literal, GenotypeError> {
        self.at += 1;
        let (mut items, mut fields) = (Vec::new(), Vec::new());
        while !self.take('}') {
            let at = self.start();
            let item = self.value()?;
            if self.take(':') {
                let Literal::Text(name) = item else {
                    self.at = at;
                    return Err(self.expected("the name of a field in quotes"));
                };
                let value = self.value()?;
                fields.push(Field { name, value, at });
            } else {
                items.push(item);
            }
            if !self.take(',') {
                self.need('}', "`,` or `}`")?;
                break;
            }
        }
        if fields.is_empty() {
            // Python's sets have no order. In genotypes they hold only numbers, which are sorted.
            items.sort_by_key(|item| if let Literal::Number(number) = item { *number } else { 0 });
            return Ok(Literal::Sequence(items));
        }
        if !items.is_empty() {
            return Err(self.expected("either a dict or a set"));
        }
        Ok(Literal::Fields(fields))
    }

    /// Reads a text. Adjacent texts are joined, as in Python.
    fn quoted(&mut self) -> Result<Literal, GenotypeError> {
        let mut text = String::new();
        loop {
            let rest = &self.text[self.at..];
            let quote = if rest.starts_with("'''") || rest.starts_with("\"\"\"") { 3 } else { 1 };
            let Some(end) = rest.get(quote..).and_then(|inner| inner.find(&rest[..quote])) else {
                return Err(self.expected("a text that ends in a quote"));
            };
            text.push_str(&rest[quote..quote + end]);
            self.at += end + 2 * quote;
            self.space();
            if !self.text[self.at..].starts_with(['"', '\'']) {
                return Ok(Literal::Text(text));
            }
        }
    }

    fn number(&mut self) -> Result<Literal, GenotypeError> {
        let rest = &self.text[self.at..];
        let belongs = |c: char| c.is_ascii_alphanumeric() || "+-._".contains(c);
        let end = rest.find(|c| !belongs(c)).unwrap_or(rest.len());
        let word = &rest[..end];
        let whole = word.trim_start_matches('+').trim_end_matches(['L', 'l']).trim_end_matches(".0");
        let whole = whole.trim_end_matches('.');
        let value = match (whole.parse(), word.parse::<f64>()) {
            (Ok(number), _) => Literal::Number(number),
            (_, Ok(_)) => Literal::Other(word.to_owned()),
            _ => return Err(self.expected("a whole number")),
        };
        self.at += end;
        Ok(value)
    }

    /// A word: the prefix of a text, a call, or a name.
    fn named(&mut self) -> Result<Literal, GenotypeError> {
        let name = self.dotted();
        let rest = &self.text[self.at..];
        let prefix = name.len() <= 2 && name.chars().all(|c| "urbURB".contains(c));
        if prefix && rest.starts_with(['"', '\'']) {
            return self.quoted();
        }
        if !self.take('(') {
            return Ok(Literal::Other(name.to_owned()));
        }
        let (arguments, fields) = self.arguments()?;
        Ok(called(name, arguments, fields))
    }

    /// A name with dots in it, such as `np.int64`.
    pub fn dotted(&mut self) -> &'a str {
        self.space();
        let rest = &self.text[self.at..];
        let end = rest.find(|c: char| !c.is_alphanumeric() && c != '_' && c != '.').unwrap_or(rest.len());
        self.at += end;
        &rest[..end]
    }

    /// Reads the arguments of a call, whose opening parenthesis was read before.
    pub fn arguments(&mut self) -> Result<(Vec<Literal>, Vec<Field>), GenotypeError> {
        let (mut arguments, mut fields) = (Vec::new(), Vec::new());
        while !self.take(')') {
            let at = self.start();
            let name = self.dotted();
            let is_name = name.starts_with(|c: char| c.is_alphabetic() || c == '_');
            if is_name && self.take('=') {
                let value = self.value()?;
                fields.push(Field { name: name.to_owned(), value, at });
            } else {
                self.at = at;
                arguments.push(self.value()?);
            }
            if !self.take(',') {
                self.need(')', "`,` or `)`")?;
                break;
            }
        }
        Ok((arguments, fields))
    }

    pub fn take(&mut self, wanted: char) -> bool {
        self.space();
        let found = self.text[self.at..].starts_with(wanted);
        if found {
            self.at += wanted.len_utf8();
        }
        found
    }

    pub fn need(&mut self, wanted: char, expected: &'static str) -> Result<(), GenotypeError> {
        if self.take(wanted) { Ok(()) } else { Err(self.expected(expected)) }
    }

    /// The position of the next word.
    fn start(&mut self) -> usize {
        self.space();
        self.at
    }

    /// Skips white space, comments, and line ends behind a backslash.
    fn space(&mut self) {
        loop {
            let rest = &self.text[self.at..];
            let trimmed = rest.trim_start_matches(|c: char| c.is_whitespace() || c == '\\');
            self.at += rest.len() - trimmed.len();
            if !trimmed.starts_with('#') {
                return;
            }
            self.at += trimmed.find('\n').unwrap_or(trimmed.len());
        }
    }

    pub fn expected(&self, expected: &'static str) -> GenotypeError {
        expected_at(self.text, self.at, expected)
    }
}

/// An error that names the line, the column and the word at a position in bytes.
pub(super) fn expected_at(text: &str, at: usize, expected: &'static str) -> GenotypeError {
    let rest = &text[at.min(text.len())..];
    let found = match rest.split_whitespace().next() {
        Some(word) => format!("`{}`", short(word)),
        None => "the end".to_owned(),
    };
    let before = &text[..text.len() - rest.len()];
    let line_start = before.rfind('\n').map_or(0, |newline| newline + 1);
    GenotypeError::Syntax {
        line: before.matches('\n').count() + 1,
        column: before[line_start..].chars().count() + 1,
        expected,
        found,
    }
}

/// The value of a call that yields a number or a sequence; otherwise the call itself.
fn called(name: &str, mut arguments: Vec<Literal>, fields: Vec<Field>) -> Literal {
    let last = name.rsplit('.').next().unwrap_or(name);
    let numbers: Vec<_> = arguments
        .iter()
        .filter_map(|argument| if let Literal::Number(number) = argument { Some(*number) } else { None })
        .collect();
    match (last, &numbers[..]) {
        ("range" | "xrange" | "arange", _) if numbers.len() == arguments.len() => match numbers[..] {
            [end] => range(0, end, 1),
            [first, end] => range(first, end, 1),
            [first, end, step] if step != 0 => range(first, end, step),
            _ => Literal::Other(name.to_owned()),
        },
        // These calls only give the type of their first argument: `np.int64(1)`, `list(range(2, 6))`.
        (
            "list" | "tuple" | "set" | "frozenset" | "sorted" | "array" | "asarray" | "tensor" | "int"
            | "int8" | "int16" | "int32" | "int64" | "intp" | "long" | "uint8" | "uint16" | "uint32"
            | "uint64" | "str" | "str_" | "dict" | "OrderedDict",
            _,
        ) if !arguments.is_empty() => arguments.swap_remove(0),
        ("dict" | "OrderedDict", _) if !fields.is_empty() => Literal::Fields(fields),
        ("list" | "tuple" | "set", _) => Literal::Sequence(Vec::new()),
        _ => Literal::Call { name: last.to_owned(), arguments, fields },
    }
}

fn range(first: i128, end: i128, step: i128) -> Literal {
    let mut items = Vec::new();
    let mut next = first;
    // A cell has few nodes, so a huge range is a mistake, and must not take memory.
    while (if step > 0 { next < end } else { next > end }) && (items.len() as i128) < LONGEST_RANGE {
        items.push(Literal::Number(next));
        next = next.saturating_add(step);
    }
    Literal::Sequence(items)
}

impl From<serde_json::Value> for Literal {
    fn from(json: serde_json::Value) -> Self {
        match json {
            serde_json::Value::Array(items) => Self::Sequence(items.into_iter().map(Self::from).collect()),
            serde_json::Value::String(text) => Self::Text(text),
            serde_json::Value::Number(number) => match (number.as_i64(), number.as_f64()) {
                (Some(whole), _) => Self::Number(whole.into()),
                (_, Some(real)) if real.fract() == 0.0 && real.abs() < 1e15 => Self::Number(real as i128),
                _ => Self::Other(number.to_string()),
            },
            serde_json::Value::Object(fields) => {
                let field =
                    |(name, value): (String, serde_json::Value)| Field { name, value: value.into(), at: 0 };
                Self::Fields(fields.into_iter().map(field).collect())
            }
            other => Self::Other(other.to_string()),
        }
    }
}
