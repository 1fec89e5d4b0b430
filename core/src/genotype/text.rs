//! The text forms of genotypes, all of which are read and written: DARTS's Python text, JSON and TOML.

use std::fmt::Write as _;

use serde::{Deserialize, Serialize};

use super::{
    Cell, Gene, Genotype,
    error::GenotypeError,
    literal::{Field, Reader, Value, expected_at, short},
    nni,
};
use crate::operation::Operation;

/// How a genotype is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum GenotypeFormat {
    /// `Genotype(normal=[('sep_conv_3x3', 0), …], normal_concat=range(2, 6), …)`
    Darts,
    Json,
    Toml,
}

/// What the two cells are called in every text form.
const NORMAL: &str = "normal";
const REDUCE: &str = "reduce";

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
            normal: cell(NORMAL, plain.normal, plain.normal_concat)?,
            reduction: cell(REDUCE, plain.reduce, plain.reduce_concat)?,
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
        if cell == REDUCE && index < 2 {
            return Err(GenotypeError::Resolution { cell, index });
        }
    }
    if concat.is_empty() {
        return Err(GenotypeError::NoConcat { cell });
    }
    Ok(())
}

impl Genotype {
    /// Reads DARTS text, JSON or TOML, whichever it is; of a text that holds several genotypes, as a log does, the
    /// last one.
    ///
    /// # Errors
    /// If the text is no genotype, a cell cannot be represented, or several genotypes have names of their own.
    pub fn parse(text: &str) -> Result<Self, GenotypeError> {
        Self::choose(text, None).map(|chosen| chosen.genotype)
    }

    /// Reads a text that is one value without a call: JSON, TOML, or a dict of Python.
    pub(super) fn parse_value(text: &str) -> Result<Self, GenotypeError> {
        let trimmed = text.trim();
        if trimmed.starts_with('{') {
            let json = match serde_json::from_str::<serde_json::Value>(trimmed) {
                Ok(json) => Value::from(json),
                // Python writes its dicts with single quotes, and tuples in them.
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

    /// A genotype of named values, or of what one of them holds, as `{"genotype": "Genotype(…)"}`.
    fn of_fields(value: Value) -> Result<Self, GenotypeError> {
        let Value::Fields(mut fields) = value else {
            return Err(GenotypeError::Missing { field: NORMAL });
        };
        if fields.iter().any(|field| [NORMAL, REDUCE].contains(&field.name.as_str())) {
            return Self::of_arguments(Vec::new(), fields, None);
        }
        if let Some(cells) = nni::cells(&fields, [NORMAL, REDUCE]) {
            let [(normal, normal_concat), (reduce, reduce_concat)] = cells?;
            return Plain { normal, normal_concat, reduce, reduce_concat }.try_into();
        }
        let named = |field: &Field| ["genotype", "arch", "architecture"].contains(&field.name.as_str());
        let holder = fields.iter().position(named).or_else(|| the_only_holder(&fields));
        match holder.map(|place| fields.swap_remove(place).value) {
            Some(Value::Text(text)) => Self::parse(&text),
            Some(Value::Call { name, arguments, fields }) if name == "Genotype" => {
                Self::of_arguments(arguments, fields, None)
            }
            Some(inner) => Self::of_fields(inner),
            None => Self::of_arguments(Vec::new(), fields, None),
        }
    }

    /// A genotype of values in DARTS's order, and of named ones in any. Where there is a text, errors say where in it
    /// a name stands.
    fn of_arguments(
        arguments: Vec<Value>,
        fields: Vec<Field>,
        text: Option<&str>,
    ) -> Result<Self, GenotypeError> {
        const FIELDS: [&str; 4] = ["normal", "normal_concat", "reduce", "reduce_concat"];
        const EXPECTED: &str = "`normal`, `normal_concat`, `reduce` or `reduce_concat`, each once";
        let mut values: [Option<Value>; 4] = [const { None }; 4];
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
        let needed = |value: Option<Value>, field| value.ok_or(GenotypeError::Missing { field });
        Plain {
            normal: genes(NORMAL, needed(normal, FIELDS[0])?)?,
            normal_concat: indices(NORMAL, needed(normal_concat, FIELDS[1])?)?,
            reduce: genes(REDUCE, needed(reduce, FIELDS[2])?)?,
            reduce_concat: indices(REDUCE, needed(reduce_concat, FIELDS[3])?)?,
        }
        .try_into()
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

/// The place of the one field that is a dict, or a text with a genotype in it.
fn the_only_holder(fields: &[Field]) -> Option<usize> {
    let holds = |field: &Field| match &field.value {
        Value::Fields(_) => true,
        Value::Text(text) => text.contains("Genotype("),
        Value::Call { name, .. } => name == "Genotype",
        _ => false,
    };
    let mut holders = fields.iter().enumerate().filter(|(_, field)| holds(field)).map(|(place, _)| place);
    holders.next().filter(|_| holders.next().is_none())
}

/// The line on which YAML names a part of a genotype, from 1.
fn yaml_line(text: &str) -> Option<usize> {
    const NAMED: [&str; 6] = ["normal", "normal_concat", "reduce", "reduce_concat", "genotype", "arch"];
    let names_a_part = |line: &str| {
        let key = line.trim().trim_start_matches("- ").split_once(':').map(|(key, _)| key.trim_end());
        line.contains("!!python/") || key.is_some_and(|key| NAMED.contains(&key.trim_matches(['"', '\''])))
    };
    text.lines().position(names_a_part).map(|line| line + 1)
}

/// The genes of a cell, from a flat list or from a list with an inner list for each node.
fn genes(cell: &'static str, value: Value) -> Result<Vec<Gene>, GenotypeError> {
    let Value::Sequence(items) = value else {
        return Err(GenotypeError::Gene { cell, found: value.shown() });
    };
    let is_gene = |item: &Value| matches!(item, Value::Sequence(parts) if !parts.iter().any(is_sequence));
    if items.is_empty() || items.iter().any(is_gene) {
        return flat_genes(cell, &items);
    }
    let mut all = Vec::new();
    for (node, item) in items.into_iter().enumerate() {
        let Value::Sequence(genes) = item else {
            return Err(GenotypeError::Gene { cell, found: item.shown() });
        };
        if genes.len() != 2 {
            return Err(GenotypeError::NodeGenes { cell, node, genes: genes.len() });
        }
        all.extend(genes);
    }
    flat_genes(cell, &all)
}

fn is_sequence(value: &Value) -> bool {
    matches!(value, Value::Sequence(_))
}

fn flat_genes(cell: &'static str, items: &[Value]) -> Result<Vec<Gene>, GenotypeError> {
    let mut genes = Vec::with_capacity(items.len());
    // For genes with two numbers, what follows the operation.
    let mut pairs = Vec::new();
    for item in items {
        let wrong = || GenotypeError::Gene { cell, found: item.shown() };
        let Value::Sequence(parts) = item else {
            return Err(wrong());
        };
        match &parts[..] {
            [Value::Text(operation), Value::Number(input)]
            | [Value::Number(input), Value::Text(operation)] => {
                genes.push(Gene { operation: operation.parse()?, input: index(*input).ok_or_else(wrong)? });
            }
            [Value::Text(operation), Value::Number(first), Value::Number(second)] => {
                let pair = (index(*first).ok_or_else(wrong)?, index(*second).ok_or_else(wrong)?);
                pairs.push((operation.parse()?, pair));
            }
            [] | [_] => return Err(wrong()),
            parts => {
                let misfit = parts.iter().find(|part| !matches!(part, Value::Text(_) | Value::Number(_)));
                let found = misfit.map_or_else(|| item.shown(), Value::shown);
                return Err(GenotypeError::Gene { cell, found });
            }
        }
    }
    match (genes.is_empty(), pairs.is_empty()) {
        (_, true) => Ok(genes),
        (true, false) => by_node(cell, &pairs),
        (false, false) => Err(GenotypeError::NodeOrInput { cell }),
    }
}

/// Genes that name their node as well as their input, in whichever order fits a cell.
fn by_node(cell: &'static str, genes: &[(Operation, (usize, usize))]) -> Result<Vec<Gene>, GenotypeError> {
    let swapped = |&(operation, (first, second)): &(Operation, (usize, usize))| (operation, (second, first));
    let readings = [genes.to_vec(), genes.iter().map(swapped).collect()];
    let mut fitting = readings.into_iter().filter_map(|reading| {
        // Nodes are counted from 0, or behind the two inputs.
        [0, 2].into_iter().find_map(|first| in_node_order(&reading, first))
    });
    match (fitting.next(), fitting.next()) {
        (Some(only), None) => Ok(only),
        (Some(one), Some(other)) if one == other => Ok(one),
        _ => Err(GenotypeError::NodeOrInput { cell }),
    }
}

/// Genes with their node first, sorted by it, if every node from `first` on has two that read earlier inputs.
fn in_node_order(genes: &[(Operation, (usize, usize))], first: usize) -> Option<Vec<Gene>> {
    let mut sorted = genes.to_vec();
    sorted.sort_by_key(|(_, (node, _))| *node);
    let fits = |(index, (_, (node, input))): (usize, &(Operation, (usize, usize)))| {
        *node == first + Cell::node_of(index) && *input <= Cell::node_of(index) + 1
    };
    let all = sorted.len().is_multiple_of(2) && sorted.iter().enumerate().all(fits);
    all.then(|| sorted.into_iter().map(|(operation, (_, input))| Gene { operation, input }).collect())
}

fn index(number: i128) -> Option<usize> {
    usize::try_from(number).ok()
}

fn indices(cell: &'static str, value: Value) -> Result<Vec<usize>, GenotypeError> {
    let items = match value {
        Value::Sequence(items) => items,
        one @ Value::Number(_) => vec![one],
        other => return Err(GenotypeError::ConcatForm { cell, found: other.shown() }),
    };
    let number = |item: Value| match item {
        Value::Number(number) => index(number),
        _ => None,
    };
    let shown = |item: &Value| GenotypeError::ConcatForm { cell, found: item.shown() };
    items.into_iter().map(|item| number(item.clone()).ok_or_else(|| shown(&item))).collect()
}

#[cfg(test)]
mod tests {
    use super::{super::decode_text, *};

    const TEXT: &str = "Genotype(normal=[('sep_conv_3x3', 0), ('skip_connect', 1)], normal_concat=range(2, 3), \
                        reduce=[('max_pool_3x3', 1), ('dil_conv_5x5', 0)], reduce_concat=[2])\n";

    fn check(text: &str) {
        assert_eq!(Genotype::parse(text), Genotype::parse(TEXT), "{text}");
    }

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
    fn literals_of_python_are_read_however_they_are_written() {
        check(&TEXT.replace("range(2, 3)", "list(range(2, 3))"));
        check(&TEXT.replace("range(2, 3)", "range(2, 3, 1)"));
        check(&TEXT.replace("range(2, 3)", "np.arange(2, 3)"));
        check(&TEXT.replace("range(2, 3)", "{2}"));
        check(&TEXT.replace("range(2, 3)", "(2,)"));
        check(&TEXT.replace("[2]", "tuple([np.int64(2)])"));
        check(&TEXT.replace("[2]", "array([2], dtype=int64)"));
        check(&TEXT.replace("('skip_connect', 1)", "(u'skip_connect', np.int64(1))"));
        check(&TEXT.replace("('skip_connect', 1)", "(b\"skip_connect\", tensor(1, device='cuda:0'))"));
        check(&TEXT.replace("('skip_connect', 1)", "('skip_' 'connect', 1L,)"));
        check(&TEXT.replace("('skip_connect', 1)", "(1, 'skip_connect')"));
        check(&TEXT.replace("reduce=", "\\\n  # the reduction cell\n  reduce="));
        check(&TEXT.replace("Genotype(", "best = cnn.genotypes.Genotype ("));
        check(
            &TEXT
                .replace("normal=", "")
                .replace("normal_concat=", "")
                .replace("reduce=", "")
                .replace("reduce_concat=", ""),
        );
        check(&format!("({})", TEXT.trim()));
    }

    #[test]
    fn genes_may_stand_by_node_or_name_it() {
        let two_nodes = |genes: &str| {
            let text = format!(
                "Genotype(normal={genes}, normal_concat=[2, 3], reduce=[('none', 0), ('none', 1)], reduce_concat=[2])"
            );
            Genotype::parse(&text)
        };
        let plain = two_nodes("[('sep_conv_3x3', 0), ('skip_connect', 1), ('sep_conv_5x5', 2), ('none', 0)]");
        assert!(plain.is_ok(), "{plain:?}");
        for same in [
            "[[('sep_conv_3x3', 0), ('skip_connect', 1)], [('sep_conv_5x5', 2), ('none', 0)]]",
            "((('sep_conv_3x3', 0), ('skip_connect', 1)), (('sep_conv_5x5', 2), ('none', 0)))",
            // The node first, counted behind the inputs or from 0; the input first; not in order.
            "[('sep_conv_3x3', 2, 0), ('skip_connect', 2, 1), ('sep_conv_5x5', 3, 2), ('none', 3, 0)]",
            "[('sep_conv_3x3', 0, 2), ('skip_connect', 1, 2), ('sep_conv_5x5', 2, 3), ('none', 0, 3)]",
            "[('sep_conv_5x5', 3, 2), ('none', 3, 0), ('sep_conv_3x3', 2, 0), ('skip_connect', 2, 1)]",
        ] {
            assert_eq!(two_nodes(same), plain, "{same}");
        }
        let error = |genes: &str| two_nodes(genes).expect_err(genes).to_string();
        assert_eq!(
            error("[[('none', 0), ('none', 1), ('none', 0)], [('none', 0), ('none', 1)]]"),
            "normal cell: node 0 has 3 genes; this family of cells has two for every node"
        );
        assert!(error("[('none', 5, 0), ('none', 7, 1)]").contains("which is the node and which the input"));
        assert!(error("[('none', 0), 7]").ends_with("such as ('sep_conv_3x3', 0), found 7"));
        assert!(error("[('none', -1), ('none', 0)]").ends_with("found a list of 2"));
        assert!(error("weights").ends_with("found `weights`"));
        let deep = "[".repeat(100_000);
        assert!(error(&deep).contains("expected fewer lists within lists"));
    }

    #[test]
    fn a_log_gives_its_last_genotype_and_a_file_of_names_the_one_that_is_asked_for() {
        let other = TEXT.replace("sep_conv_3x3", "sep_conv_5x5");
        let log = format!(
            "10:05:00 genotype = {other}10:05:01 valid_acc 50.0\n10:11:12,345 genotype = {TEXT}done\n"
        );
        let chosen = Genotype::choose(&log, None).expect("two");
        assert_eq!((chosen.of, chosen.line, Ok(chosen.genotype)), (2, 3, Genotype::parse(TEXT)));
        let file = format!(
            "from collections import namedtuple\n\nGenotype = namedtuple('Genotype', 'normal normal_concat reduce')\n\n\
             # OLD = Genotype(normal=[])\nFIRST = {other}\nSECOND: Genotype = genotypes.{TEXT}\nBEST = SECOND  # of May\n"
        );
        for name in ["SECOND", "BEST"] {
            let chosen = Genotype::choose(&file, Some(name)).map(|chosen| chosen.genotype);
            assert_eq!(chosen, Genotype::parse(TEXT), "{name}");
        }
        check_error(
            &file,
            "there are several genotypes; name one behind the file, as in FILE:NAME, of FIRST, SECOND",
        );
        let missing = Genotype::choose(&file, Some("THIRD")).expect_err("no such name").to_string();
        assert_eq!(missing, "there is no genotype called `THIRD`; there are: FIRST, SECOND");
    }

    #[test]
    fn dicts_and_what_holds_a_genotype_are_read() {
        let json = Genotype::parse(TEXT).expect("valid").format(GenotypeFormat::Json);
        check(&format!("{{\"epoch\": 3, \"genotype\": {}}}", json.trim()));
        check(&format!("{{\"genotype\": {}}}", serde_json::to_string(TEXT).expect("text")));
        check(&format!("{{\"epoch\": 3, \"mutation\": {{\"genotype\": {}}}}}", json.trim()));
        check_error(
            &format!("{{\"a\": {}, \"b\": {}}}", json.trim(), json.trim()),
            "`a` is unknown or stands there twice; a genotype has normal, normal_concat, reduce and reduce_concat",
        );
        check(&json.replace('"', "'").replace("['sep_conv_3x3',0]", "('sep_conv_3x3', 0)"));
        check_error(
            &json.replace("reduce_concat", "reduction_concat"),
            "`reduction_concat` is unknown or stands there \
            twice; a genotype has normal, normal_concat, reduce and reduce_concat",
        );
        let yaml = "# found in May\nepoch: 3\ngenotype:\n  normal:\n  - [sep_conv_3x3, 0]\n";
        check_error(
            yaml,
            "line 3: this is YAML, which is not read; in Python, `print(genotype)` writes what is, and so does \
             `json.dump(yaml.safe_load(open(FILE)), sys.stdout)`",
        );
        let tagged = Genotype::parse(
            "!!python/object/new:genotypes.Genotype\n- - !!python/tuple\n    - none\n    - 0\n",
        );
        assert!(tagged.expect_err("tags").to_string().starts_with("line 1: this is YAML"));
        check_error("{\"normal\": [}", "not a genotype in JSON: expected value at line 1 column 13");
        check_error("valid_acc 50.0\n", "line 1, column 1: expected `Genotype(`, found `valid_acc`");
    }

    #[test]
    fn a_reduction_cell_cannot_put_out_its_inputs() {
        check_error(
            &TEXT.replace("reduce_concat=[2]", "reduce_concat=range(1, 3)"),
            "reduce_concat: input 1 cannot be put out by a reduction cell: it has twice the side of the cell's nodes; \
             nodes begin at 2",
        );
        Genotype::parse(&TEXT.replace("normal_concat=range(2, 3)", "normal_concat=range(1, 3)"))
            .expect("equal sides");
    }

    #[test]
    fn texts_of_windows_are_decoded() {
        let utf16: Vec<u8> = format!("\u{feff}{TEXT}").encode_utf16().flat_map(u16::to_le_bytes).collect();
        let big: Vec<u8> = format!("\u{feff}{TEXT}").encode_utf16().flat_map(u16::to_be_bytes).collect();
        for bytes in [&utf16, &big, &format!("\u{feff}{TEXT}").into_bytes()] {
            assert_eq!(decode_text(bytes).as_deref(), Ok(TEXT));
        }
        let error = |bytes: &[u8]| decode_text(bytes).expect_err("refused").to_string();
        assert_eq!(error(&utf16[2..]), "the text is UTF-16 without a byte order mark; save it as UTF-8");
        assert_eq!(error(b"\x80\x02]q"), "the text is neither UTF-8 nor UTF-16; save it as UTF-8");
        assert_eq!(error(&utf16[..7]), "the text is damaged UTF-16; save it as UTF-8");
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
