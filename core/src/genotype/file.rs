//! Genotypes in files that hold more than one: logs, and the `genotypes.py` of a repository.

use std::borrow::Cow;

use super::{Genotype, error::GenotypeError, prefixed::without_prefixes};

/// The text of a file in UTF-8, or in UTF-16 with a byte order mark, as Windows saves it.
///
/// # Errors
/// If it is neither.
pub fn decode_text(bytes: &[u8]) -> Result<String, GenotypeError> {
    let utf16 = |of: fn([u8; 2]) -> u16, bytes: &[u8]| {
        let (pairs, rest) = bytes.as_chunks::<2>();
        let decoded = char::decode_utf16(pairs.iter().map(|pair| of(*pair))).collect::<Result<String, _>>();
        decoded.ok().filter(|_| rest.is_empty()).ok_or(GenotypeError::Encoding("damaged UTF-16"))
    };
    match bytes {
        [0xEF, 0xBB, 0xBF, rest @ ..] => utf8(rest),
        [0xFF, 0xFE, rest @ ..] => utf16(u16::from_le_bytes, rest),
        [0xFE, 0xFF, rest @ ..] => utf16(u16::from_be_bytes, rest),
        [_, 0, _, 0, ..] | [0, _, 0, _, ..] => {
            Err(GenotypeError::Encoding("UTF-16 without a byte order mark"))
        }
        _ => utf8(bytes),
    }
}

fn utf8(bytes: &[u8]) -> Result<String, GenotypeError> {
    let text = str::from_utf8(bytes).map_err(|_| GenotypeError::Encoding("neither UTF-8 nor UTF-16"))?;
    Ok(text.to_owned())
}

/// A genotype that was chosen from a text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Chosen {
    pub genotype: Genotype,
    /// The number of genotypes in the text, among which it was chosen.
    pub of: usize,
    /// The line on which the genotype begins, counted from 1.
    pub line: usize,
}

/// A position in a text at which a genotype in Python begins.
struct Place<'a> {
    /// The name to which the genotype is assigned, if the line begins with one.
    name: Option<&'a str>,
    /// The position of the call, in bytes.
    at: usize,
}

impl Genotype {
    /// Reads a genotype from a text in DARTS's Python form, JSON or TOML. Of a log it takes the last
    /// genotype; of several that are assigned to names, as in a `genotypes.py`, the one with the given name.
    ///
    /// # Errors
    /// If there is no genotype, or none of this name, or it cannot be read; also if several have names and no
    /// name was given.
    pub fn choose(text: &str, name: Option<&str>) -> Result<Chosen, GenotypeError> {
        let text = &*without_colours(text);
        let places = places(text);
        if places.is_empty() {
            if name.is_some() {
                return Err(GenotypeError::NoNames);
            }
            return Ok(Chosen { genotype: Self::parse_value(text)?, of: 1, line: 1 });
        }
        let place = pick(text, &places, name)?;
        let genotype = Self::parse_call(text, place.at).or_else(|error| {
            // A log may put its time and level before every line. Errors refer to the text as it is.
            let call = without_prefixes(text, place.at);
            call.and_then(|call| Self::parse_call(&call, 0).ok()).ok_or(error)
        })?;
        Ok(Chosen { genotype, of: places.len(), line: text[..place.at].matches('\n').count() + 1 })
    }
}

/// A text without the sequences by which terminals change colours, which logs are full of.
fn without_colours(text: &str) -> Cow<'_, str> {
    const BEGIN: &str = "\x1b[";
    if !text.contains(BEGIN) {
        return Cow::Borrowed(text);
    }
    let mut parts = text.split(BEGIN);
    let mut plain = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let end = part.trim_start_matches(|c: char| c.is_ascii_digit() || c == ';');
        plain.push_str(end.strip_prefix('m').unwrap_or(end));
    }
    Cow::Owned(plain)
}

fn pick<'p, 'a>(
    text: &'a str,
    places: &'p [Place<'a>],
    wanted: Option<&str>,
) -> Result<&'p Place<'a>, GenotypeError> {
    let of_name = |name: &str| places.iter().rev().find(|place| place.name == Some(name));
    let mut seen = std::collections::BTreeSet::new();
    let named = places.iter().filter_map(|place| place.name);
    let names: Vec<&str> = named.filter(|name| seen.insert(*name)).collect();
    match wanted {
        Some(wanted) => {
            let other_name = aliases(text).filter(|(alias, _)| *alias == wanted).last();
            let found = of_name(wanted).or_else(|| of_name(other_name?.1));
            found.ok_or_else(|| GenotypeError::NoSuchName { name: wanted.to_owned(), names: listed(&names) })
        }
        None if names.len() > 1 => Err(GenotypeError::SeveralNames { names: listed(&names) }),
        // There is only one name, or the text is a log, whose last genotype is the result.
        None => places.last().ok_or(GenotypeError::NoNames),
    }
}

/// The largest number of names in a message.
const MOST_NAMES: usize = 20;

fn listed(names: &[&str]) -> String {
    let shown = names[..names.len().min(MOST_NAMES)].join(", ");
    match names.len().saturating_sub(MOST_NAMES) {
        0 if names.is_empty() => "none".to_owned(),
        0 => shown,
        more => format!("{shown} and {more} more"),
    }
}

/// Every place where `Genotype(` begins outside of comments, whatever modules stand before it.
fn places(text: &str) -> Vec<Place<'_>> {
    const CALL: &str = "Genotype";
    let is_word = |c: char| c.is_alphanumeric() || c == '_';
    let mut places = Vec::new();
    let mut line_start = 0;
    for line in text.split_inclusive('\n') {
        let mut first = true;
        for (column, _) in line.match_indices(CALL) {
            let at = line_start + column;
            let begins = text[at + CALL.len()..].trim_start().starts_with('(');
            if !begins || line[..column].ends_with(is_word) {
                continue;
            }
            // Only before the first genotype of a line can there be a name, a comment or a definition.
            let before = if std::mem::take(&mut first) { &line[..column] } else { "" };
            if before.trim_start().starts_with('#') {
                break;
            }
            if !["class", "def"].contains(&before.trim()) {
                places.push(Place { name: assigned(before), at });
            }
        }
        line_start += line.len();
    }
    places
}

/// The name in `NAME = some.module.`, where that is all that stands before a genotype on its line.
fn assigned(before: &str) -> Option<&str> {
    let (name, module) = before.split_once('=')?;
    let name = name.split(':').next().unwrap_or(name).trim(); // A type annotation may follow the name.
    let is_path = module.trim().chars().all(|c| c.is_alphanumeric() || c == '_' || c == '.');
    (is_identifier(name) && is_path).then_some(name)
}

/// Lines such as `DARTS = DARTS_V2`: another name, and what it stands for.
fn aliases(text: &str) -> impl Iterator<Item = (&str, &str)> {
    text.lines().filter_map(|line| {
        let code = line.split('#').next().unwrap_or(line);
        let (name, meaning) = code.split_once('=')?;
        let (name, meaning) = (name.trim(), meaning.trim());
        (is_identifier(name) && is_identifier(meaning)).then_some((name, meaning))
    })
}

fn is_identifier(text: &str) -> bool {
    text.starts_with(|c: char| c.is_alphabetic() || c == '_')
        && text.chars().all(|c| c.is_alphanumeric() || c == '_')
}
