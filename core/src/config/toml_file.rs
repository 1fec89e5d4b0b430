//! Reading the values of a TOML file, each with the line on which it stands.

use std::ops::Range;

use toml::{
    Value,
    de::{DeTable, DeValue},
};

use super::setting::{ConfigError, Origin};

/// Whether a text consists of digits, with or without a sign.
pub(super) fn is_whole_number(text: &str) -> bool {
    let digits = text.strip_prefix(['+', '-']).unwrap_or(text);
    !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit())
}

/// One value in a TOML file, with its key and its line.
pub(super) struct FileEntry {
    pub key: String,
    pub value: Value,
    pub origin: Origin,
}

/// The values in the text of a TOML file; errors call the file `name`.
///
/// # Errors
/// If the text is not TOML.
pub(super) fn entries(name: &str, text: &str) -> Result<Vec<FileEntry>, ConfigError> {
    let line_of = |at: usize| text[..at.min(text.len())].matches('\n').count() + 1;
    let syntax = |e: toml::de::Error| ConfigError::Syntax {
        name: name.to_owned(),
        line: e.span().map_or(1, |s: Range<usize>| line_of(s.start)),
        message: match e.span().and_then(|span| text.get(span)).filter(|found| is_whole_number(found)) {
            Some(number) => format!("{number} is out of range; whole numbers go from 0 to {}", i64::MAX),
            None => e.message().to_owned(),
        },
    };
    let table = DeTable::parse(text).map_err(syntax)?;
    let values: toml::Table = toml::from_str(text).map_err(syntax)?;
    let mut found = Vec::new();
    collect(table.get_ref(), &values, "", &mut |key, value, at| {
        let origin = Origin::File { name: name.to_owned(), line: line_of(at) };
        found.push(FileEntry { key, value: value.clone(), origin });
    });
    Ok(found)
}

/// Collects the values of a table from its spanned form, which has lines, and its plain form, which has
/// values.
fn collect(
    spanned: &DeTable<'_>,
    plain: &toml::Table,
    prefix: &str,
    leaf: &mut impl FnMut(String, &Value, usize),
) {
    for (key, value) in spanned.iter() {
        let name: &str = key.get_ref();
        let path = if prefix.is_empty() { name.to_owned() } else { format!("{prefix}.{name}") };
        match (value.get_ref(), plain.get(name)) {
            (DeValue::Table(inner), Some(Value::Table(values))) => collect(inner, values, &path, leaf),
            (_, Some(value)) => leaf(path, value, key.span().start),
            (_, None) => {}
        }
    }
}
