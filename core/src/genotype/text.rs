//! The text forms of genotypes, all of which are read and written: DARTS's Python text, JSON and TOML.

use std::fmt::Write as _;

use super::{
    Genotype,
    error::GenotypeError,
    flat::{FlatGenotype, NORMAL, REDUCE},
    genes::{genes, indices},
    literal::{Field, Literal, Reader, expected_at, short},
    nni,
};

/// The text form in which a genotype is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum GenotypeFormat {
    /// `Genotype(normal=[('sep_conv_3x3', 0), …], normal_concat=range(2, 6), …)`
    Darts,
    Json,
    Toml,
}

impl Genotype {
    /// Reads DARTS's Python text, JSON or TOML, whichever it is. Of a text with several genotypes, such as a
    /// log, it takes the last one.
    ///
    /// # Errors
    /// If the text is no genotype, a cell cannot be represented, or several genotypes have names of their own.
    pub fn parse(text: &str) -> Result<Self, GenotypeError> {
        Self::choose(text, None).map(|chosen| chosen.genotype)
    }

    /// Reads a text that is a single value without a call: JSON, TOML, or a dict of Python.
    pub(super) fn parse_value(text: &str) -> Result<Self, GenotypeError> {
        let trimmed = text.trim();
        if trimmed.starts_with('{') {
            let json = match serde_json::from_str::<serde_json::Value>(trimmed) {
                Ok(json) => Literal::from(json),
                // Python writes its dicts with single quotes, and with tuples in them.
                Err(_) if trimmed.contains(['\'', '(']) => {
                    let mut reader = Reader::new(trimmed, 0);
                    let value = reader.value()?;
                    if reader.place() < trimmed.len() {
                        return Err(reader.expected("the end of the genotype"));
                    }
                    value
                }
                Err(error) => return Err(GenotypeError::Json(error.to_string())),
            };
            return Self::of_fields(json);
        }
        if let Some(line) = yaml_line(text) {
            return Err(GenotypeError::Yaml { line });
        }
        let line =
            trimmed.lines().map(str::trim).find(|l| !l.is_empty() && !l.starts_with('#')).unwrap_or("");
        let is_toml = line.starts_with('[')
            || line.split_once('=').is_some_and(|(key, _)| {
                key.trim().chars().all(|c| c.is_alphanumeric() || "_-.\"'".contains(c))
            });
        if !is_toml {
            let at = text.find(line).unwrap_or(0);
            return Err(expected_at(text, at, "`Genotype(`"));
        }
        toml::from_str(text).map_err(|e| GenotypeError::Toml(e.message().to_owned()))
    }

    /// Reads the call of `Genotype` that begins at this byte, and nothing after it.
    pub(super) fn parse_call(text: &str, at: usize) -> Result<Self, GenotypeError> {
        let mut reader = Reader::new(text, at);
        reader.dotted();
        reader.need('(', "`(`")?;
        let (arguments, fields) = reader.arguments()?;
        Self::of_arguments(arguments, fields, Some(text))
    }

    /// A genotype from named values, or from the one value that contains it, as in `{"genotype":
    /// "Genotype(…)"}`.
    fn of_fields(value: Literal) -> Result<Self, GenotypeError> {
        let Literal::Fields(mut fields) = value else {
            return Err(GenotypeError::Missing { field: NORMAL });
        };
        if fields.iter().any(|field| [NORMAL, REDUCE].contains(&field.name.as_str())) {
            return Self::of_arguments(Vec::new(), fields, None);
        }
        if let Some(cells) = nni::cells(&fields, [NORMAL, REDUCE]) {
            let [(normal, normal_concat), (reduce, reduce_concat)] = cells?;
            return FlatGenotype { normal, normal_concat, reduce, reduce_concat }.try_into();
        }
        let named = |field: &Field| ["genotype", "arch", "architecture"].contains(&field.name.as_str());
        let holder = fields.iter().position(named).or_else(|| the_only_holder(&fields));
        match holder.map(|place| fields.swap_remove(place).value) {
            Some(Literal::Text(text)) => Self::parse(&text),
            Some(Literal::Call { name, arguments, fields }) if name == "Genotype" => {
                Self::of_arguments(arguments, fields, None)
            }
            Some(inner) => Self::of_fields(inner),
            None => Self::of_arguments(Vec::new(), fields, None),
        }
    }

    /// A genotype from values in DARTS's order and named ones in any order. If `text` is given, errors refer
    /// to the position of a name in it.
    fn of_arguments(
        arguments: Vec<Literal>,
        fields: Vec<Field>,
        text: Option<&str>,
    ) -> Result<Self, GenotypeError> {
        const FIELDS: [&str; 4] = ["normal", "normal_concat", "reduce", "reduce_concat"];
        const EXPECTED: &str = "`normal`, `normal_concat`, `reduce` or `reduce_concat`, each once";
        let mut values: [Option<Literal>; 4] = [const { None }; 4];
        if arguments.len() > FIELDS.len() {
            return Err(GenotypeError::Field { field: arguments[FIELDS.len()].shown() });
        }
        for (value, argument) in values.iter_mut().zip(arguments) {
            *value = Some(argument);
        }
        for Field { name, value, at } in fields {
            let place = FIELDS.iter().position(|field| *field == name);
            match place.and_then(|place| values.get_mut(place)).filter(|known| known.is_none()) {
                Some(free) => *free = Some(value),
                None => {
                    return Err(match text {
                        Some(text) => expected_at(text, at, EXPECTED),
                        None => GenotypeError::Field { field: short(&name) },
                    });
                }
            }
        }
        let [normal, normal_concat, reduce, reduce_concat] = values;
        let needed = |value: Option<Literal>, field| value.ok_or(GenotypeError::Missing { field });
        FlatGenotype {
            normal: genes(NORMAL, needed(normal, FIELDS[0])?)?,
            normal_concat: indices(NORMAL, needed(normal_concat, FIELDS[1])?)?,
            reduce: genes(REDUCE, needed(reduce, FIELDS[2])?)?,
            reduce_concat: indices(REDUCE, needed(reduce_concat, FIELDS[3])?)?,
        }
        .try_into()
    }

    /// Writes the genotype with a newline at the end. [`Genotype::parse`] reads it back.
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

/// The index of the only field that is a dict, or a text with a genotype in it.
fn the_only_holder(fields: &[Field]) -> Option<usize> {
    let holds = |field: &Field| match &field.value {
        Literal::Fields(_) => true,
        Literal::Text(text) => text.contains("Genotype("),
        Literal::Call { name, .. } => name == "Genotype",
        _ => false,
    };
    let mut holders = fields.iter().enumerate().filter(|(_, field)| holds(field)).map(|(place, _)| place);
    holders.next().filter(|_| holders.next().is_none())
}

/// The line on which YAML names a part of a genotype, counted from 1.
fn yaml_line(text: &str) -> Option<usize> {
    const NAMED: [&str; 6] = ["normal", "normal_concat", "reduce", "reduce_concat", "genotype", "arch"];
    let names_a_part = |line: &str| {
        let key = line.trim().trim_start_matches("- ").split_once(':').map(|(key, _)| key.trim_end());
        line.contains("!!python/") || key.is_some_and(|key| NAMED.contains(&key.trim_matches(['"', '\''])))
    };
    text.lines().position(names_a_part).map(|line| line + 1)
}

#[cfg(test)]
mod tests;
