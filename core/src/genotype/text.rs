//! Genotypes as people write them: DARTS's Python text, JSON and TOML, all read and written.

use std::fmt::Write as _;

use serde::{Deserialize, Serialize};

use super::{Cell, Gene, Genotype};
use crate::operation::{Operation, UnknownOperation};

/// How a genotype is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum GenotypeFormat {
    /// `Genotype(normal=[('sep_conv_3x3', 0), …], normal_concat=range(2, 6), …)`
    Darts,
    Json,
    Toml,
}

/// Why a text is not a genotype.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum GenotypeError {
    #[error("{0}")]
    Operation(#[from] UnknownOperation),
    #[error("{cell} cell, gene {gene}: node {node} may read inputs 0 to {last}, not {input}")]
    Input { cell: &'static str, gene: usize, node: usize, last: usize, input: usize },
    #[error("{cell} cell: {genes} genes; every node needs two, so an even number from 2 to 40 is expected")]
    GeneCount { cell: &'static str, genes: usize },
    #[error("{cell}_concat: {index} is no node or input of this cell (0 to {last}), or stands there twice")]
    Concat { cell: &'static str, index: usize, last: usize },
    #[error("{cell}_concat is empty; a cell must put out at least one node")]
    NoConcat { cell: &'static str },
    #[error("line {line}, column {column}: expected {expected}, found {found}")]
    Syntax { line: usize, column: usize, expected: &'static str, found: String },
    #[error("not a genotype in JSON: {0}")]
    Json(String),
    #[error("not a genotype in TOML: {0}")]
    Toml(String),
}

/// The flat form that JSON and TOML share with the golden files.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Plain {
    normal: Vec<Gene>,
    normal_concat: Vec<usize>,
    reduce: Vec<Gene>,
    reduce_concat: Vec<usize>,
}

impl From<Genotype> for Plain {
    fn from(g: Genotype) -> Self {
        Self {
            normal: g.normal.genes,
            normal_concat: g.normal.concat,
            reduce: g.reduction.genes,
            reduce_concat: g.reduction.concat,
        }
    }
}

impl TryFrom<Plain> for Genotype {
    type Error = GenotypeError;

    fn try_from(plain: Plain) -> Result<Self, GenotypeError> {
        let cell = |name, genes: Vec<Gene>, concat: Vec<usize>| {
            check_cell(name, &genes, &concat)?;
            Ok::<_, GenotypeError>(Cell { genes, concat })
        };
        Ok(Self {
            normal: cell("normal", plain.normal, plain.normal_concat)?,
            reduction: cell("reduce", plain.reduce, plain.reduce_concat)?,
        })
    }
}

fn check_cell(cell: &'static str, genes: &[Gene], concat: &[usize]) -> Result<(), GenotypeError> {
    if genes.is_empty() || !genes.len().is_multiple_of(2) || genes.len() > 40 {
        return Err(GenotypeError::GeneCount { cell, genes: genes.len() });
    }
    for (index, gene) in genes.iter().enumerate() {
        let node = Cell::node_of(index);
        if gene.input > node + 1 {
            return Err(GenotypeError::Input { cell, gene: index, node, last: node + 1, input: gene.input });
        }
    }
    let last = genes.len() / 2 + 1;
    for (i, &index) in concat.iter().enumerate() {
        if index > last || concat[..i].contains(&index) {
            return Err(GenotypeError::Concat { cell, index, last });
        }
    }
    if concat.is_empty() {
        return Err(GenotypeError::NoConcat { cell });
    }
    Ok(())
}

impl Genotype {
    /// Reads DARTS text, JSON or TOML, whichever it is.
    pub fn parse(text: &str) -> Result<Self, GenotypeError> {
        let trimmed = text.trim_start();
        if trimmed.starts_with('{') {
            return serde_json::from_str(trimmed).map_err(|e| GenotypeError::Json(e.to_string()));
        }
        let first =
            trimmed.lines().map(str::trim).find(|l| !l.is_empty() && !l.starts_with('#')).unwrap_or("");
        if first.contains('(') || first.is_empty() {
            return Reader::new(text).genotype();
        }
        toml::from_str(text).map_err(|e| GenotypeError::Toml(e.to_string().trim_end().to_owned()))
    }

    /// Writes the genotype with a newline at the end; [`Genotype::parse`] reads it back.
    pub fn format(&self, format: GenotypeFormat) -> String {
        match format {
            GenotypeFormat::Darts => self.darts(),
            GenotypeFormat::Json => {
                let json = serde_json::to_string(self).expect("a genotype is plain data");
                format!("{json}\n")
            }
            GenotypeFormat::Toml => toml::to_string(self).expect("a genotype is plain data"),
        }
    }

    fn darts(&self) -> String {
        let mut out = String::from("Genotype(");
        for (i, (name, cell)) in
            [("normal", &self.normal), ("reduce", &self.reduction)].into_iter().enumerate()
        {
            let genes: Vec<_> =
                cell.genes.iter().map(|g| format!("('{}', {})", g.operation, g.input)).collect();
            let _ = write!(out, "{}{name}=[{}], ", if i == 0 { "" } else { ", " }, genes.join(", "));
            let consecutive = cell.concat.windows(2).all(|w| w[1] == w[0] + 1);
            match (cell.concat.first(), cell.concat.last()) {
                (Some(first), Some(last)) if consecutive => {
                    let _ = write!(out, "{name}_concat=range({first}, {})", last + 1);
                }
                _ => {
                    let _ = write!(out, "{name}_concat={:?}", cell.concat);
                }
            }
        }
        out.push_str(")\n");
        out
    }
}

/// Characters of an unexpected word that a message repeats.
const SHOWN: usize = 24;

/// Reads the one Python expression that DARTS prints; it evaluates nothing.
struct Reader<'a> {
    text: &'a str,
    at: usize,
}

impl<'a> Reader<'a> {
    fn new(text: &'a str) -> Self {
        Self { text, at: 0 }
    }

    fn genotype(mut self) -> Result<Genotype, GenotypeError> {
        // `RelativeNAS = Genotype(…)` as in a genotypes.py is welcome too.
        let mut start = self.start();
        let mut name = self.word("`Genotype(`")?;
        if self.take('=') {
            start = self.start();
            name = self.word("`Genotype(`")?;
        }
        if name != "Genotype" {
            self.at = start;
            return Err(self.expected("`Genotype(`"));
        }
        self.need('(', "`(`")?;
        let (mut normal, mut reduce) = (None, None);
        let (mut normal_concat, mut reduce_concat) = (None, None);
        while !self.take(')') {
            const FIELD: &str = "`normal`, `normal_concat`, `reduce` or `reduce_concat`, each once";
            let start = self.start();
            let field = self.word(FIELD)?;
            self.need('=', "`=`")?;
            match field {
                "normal" if normal.is_none() => normal = Some(self.genes()?),
                "reduce" if reduce.is_none() => reduce = Some(self.genes()?),
                "normal_concat" if normal_concat.is_none() => normal_concat = Some(self.indices()?),
                "reduce_concat" if reduce_concat.is_none() => reduce_concat = Some(self.indices()?),
                _ => {
                    self.at = start;
                    return Err(self.expected(FIELD));
                }
            }
            if !self.take(',') {
                self.need(')', "`,` or `)`")?;
                break;
            }
        }
        self.space();
        if self.at < self.text.len() {
            return Err(self.expected("the end of the genotype"));
        }
        let missing = |reader: &Self, what| reader.expected(what);
        Plain {
            normal: normal.ok_or_else(|| missing(&self, "a `normal` cell"))?,
            normal_concat: normal_concat.ok_or_else(|| missing(&self, "`normal_concat`"))?,
            reduce: reduce.ok_or_else(|| missing(&self, "a `reduce` cell"))?,
            reduce_concat: reduce_concat.ok_or_else(|| missing(&self, "`reduce_concat`"))?,
        }
        .try_into()
    }

    fn genes(&mut self) -> Result<Vec<Gene>, GenotypeError> {
        self.list(|r| {
            let close = if r.take('(') { ')' } else { r.need('[', "`(`").map(|()| ']')? };
            let operation: Operation = r.quoted()?.parse()?;
            r.need(',', "`,`")?;
            let input = r.number()?;
            r.need(close, "a closing bracket")?;
            Ok(Gene { operation, input })
        })
    }

    fn indices(&mut self) -> Result<Vec<usize>, GenotypeError> {
        self.space();
        if self.text[self.at..].starts_with("range") {
            self.at += "range".len();
            self.need('(', "`(`")?;
            let first = self.number()?;
            self.need(',', "`,`")?;
            let end = self.number()?;
            self.need(')', "`)`")?;
            // A cell has few nodes; a huge range is a mistake, not a request for memory.
            return Ok((first..end.min(first.saturating_add(64))).collect());
        }
        self.list(Self::number)
    }

    fn list<T>(
        &mut self,
        mut item: impl FnMut(&mut Self) -> Result<T, GenotypeError>,
    ) -> Result<Vec<T>, GenotypeError> {
        let close = if self.take('(') { ')' } else { self.need('[', "`[`").map(|()| ']')? };
        let mut items = Vec::new();
        while !self.take(close) {
            items.push(item(self)?);
            if !self.take(',') {
                self.need(close, "`,` or the end of the list")?;
                break;
            }
        }
        Ok(items)
    }

    fn quoted(&mut self) -> Result<&'a str, GenotypeError> {
        let quote =
            if self.take('"') { '"' } else { self.need('\'', "an operation in quotes").map(|()| '\'')? };
        let rest = &self.text[self.at..];
        let end = rest.find(quote).ok_or_else(|| self.expected("a closing quote"))?;
        self.at += end + 1;
        Ok(&rest[..end])
    }

    fn number(&mut self) -> Result<usize, GenotypeError> {
        self.space();
        let rest = &self.text[self.at..];
        let digits = rest.find(|c: char| !c.is_ascii_digit()).unwrap_or(rest.len());
        let number = rest[..digits].parse().map_err(|_| self.expected("a whole number"))?;
        self.at += digits;
        Ok(number)
    }

    fn word(&mut self, expected: &'static str) -> Result<&'a str, GenotypeError> {
        self.space();
        let rest = &self.text[self.at..];
        let end = rest.find(|c: char| !c.is_alphanumeric() && c != '_').unwrap_or(rest.len());
        if end == 0 {
            return Err(self.expected(expected));
        }
        self.at += end;
        Ok(&rest[..end])
    }

    fn take(&mut self, wanted: char) -> bool {
        self.space();
        let found = self.text[self.at..].starts_with(wanted);
        if found {
            self.at += wanted.len_utf8();
        }
        found
    }

    fn need(&mut self, wanted: char, expected: &'static str) -> Result<(), GenotypeError> {
        if self.take(wanted) { Ok(()) } else { Err(self.expected(expected)) }
    }

    /// Where the next word begins.
    fn start(&mut self) -> usize {
        self.space();
        self.at
    }

    /// Skips white space and Python comments.
    fn space(&mut self) {
        loop {
            let rest = &self.text[self.at..];
            let trimmed = rest.trim_start();
            self.at += rest.len() - trimmed.len();
            if !trimmed.starts_with('#') {
                return;
            }
            self.at += trimmed.find('\n').unwrap_or(trimmed.len());
        }
    }

    fn expected(&self, expected: &'static str) -> GenotypeError {
        let rest = &self.text[self.at.min(self.text.len())..];
        let found = match rest.split_whitespace().next() {
            Some(word) => format!("`{}`", word.chars().take(SHOWN).collect::<String>()),
            None => "the end".to_owned(),
        };
        let before = &self.text[..self.text.len() - rest.len()];
        let line_start = before.rfind('\n').map_or(0, |newline| newline + 1);
        GenotypeError::Syntax {
            line: before.matches('\n').count() + 1,
            column: before[line_start..].chars().count() + 1,
            expected,
            found,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "Genotype(normal=[('sep_conv_3x3', 0), ('skip_connect', 1)], normal_concat=range(2, 3), \
                        reduce=[('max_pool_3x3', 1), ('dil_conv_5x5', 0)], reduce_concat=[2])\n";

    fn check_error(text: &str, message: &str) {
        assert_eq!(Genotype::parse(text).expect_err(text).to_string(), message);
    }

    #[test]
    fn every_format_is_read_back() {
        let genotype = Genotype::parse(TEXT).expect("valid");
        for format in [GenotypeFormat::Darts, GenotypeFormat::Json, GenotypeFormat::Toml] {
            let written = genotype.format(format);
            assert_eq!(Genotype::parse(&written).as_ref(), Ok(&genotype), "{written}");
        }
    }

    #[test]
    fn python_assignments_comments_and_lists_are_read() {
        let text = format!("# found on Tuesday\nBest = {}", TEXT.replace("range(2, 3)", "[2]"));
        assert_eq!(Genotype::parse(&text), Genotype::parse(TEXT));
    }

    #[test]
    fn wrong_genotypes_are_refused_by_name() {
        check_error(
            &TEXT.replace("max_pool_3x3", "max_pol_3x3"),
            "`max_pol_3x3` is not an operation; did you mean `max_pool_3x3`?",
        );
        check_error(
            &TEXT.replace("('skip_connect', 1)", "('skip_connect', 2)"),
            "normal cell, gene 1: node 0 may read inputs 0 to 1, not 2",
        );
        check_error(
            &TEXT.replace(", ('skip_connect', 1)", ""),
            "normal cell: 1 genes; every node needs two, so an even number from 2 to 40 is expected",
        );
        check_error(
            &TEXT.replace("reduce=[('max", "\n  redux=[('max"),
            "line 2, column 3: expected `normal`, `normal_concat`, `reduce` or `reduce_concat`, each once, \
             found `redux=[('max_pool_3x3',`",
        );
        check_error(
            &TEXT.replace("normal_concat=range(2, 3)", "normal_concat=range(18446744073709551615, 3)"),
            "normal_concat is empty; a cell must put out at least one node",
        );
        check_error("", "line 1, column 1: expected `Genotype(`, found the end");
        check_error(
            &TEXT.replace("reduce_concat=[2]", "reduce_concat=[9]"),
            "reduce_concat: 9 is no node or input of this cell (0 to 2), or stands there twice",
        );
    }
}
