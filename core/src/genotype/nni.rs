//! Cells as NNI exports them: a flat dict with an entry for every choice that was made.
//!
//! Its DARTS example writes `normal_n2_p0: "sepconv3x3"` for an operation on predecessor 0 of node 2, and
//! `normal_n2_switch` for the predecessors that were kept. Its later model spaces write `normal/op_2_0` and
//! `normal/input_2_0`, the first operation of node 2 and what it reads. Both count nodes from 2, behind the inputs.

use super::{
    Gene,
    error::GenotypeError,
    literal::{Field, Literal},
};
use crate::operation::Operation;

/// The greatest number of nodes in a cell of NNI's spaces, up to which nodes are looked for.
const MOST_NODES: usize = 20;
/// The number of nodes of a cell in NNI's DARTS space. Its spaces with five nodes concatenate all of them, or
/// only those that no node reads; the dict does not say which.
const NODES_OF_DARTS: usize = 4;

/// The two cells of a dict, each as its genes and the nodes that are concatenated, in the order of DARTS's
/// names.
pub(super) type Cells = [(Vec<Gene>, Vec<usize>); 2];

/// How one of the two forms names its entries.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Form {
    /// The entries are called `normal_n2_p0` and `normal_n2_switch`.
    Switches,
    /// The entries are called `normal/op_2_0` and `normal/input_2_0`.
    Inputs,
}

fn form(fields: &[Field], cell: &str) -> Option<Form> {
    let begins = |beginning: &str| fields.iter().any(|field| field.name.starts_with(beginning));
    if begins(&format!("{cell}_n2_")) {
        return Some(Form::Switches);
    }
    begins(&format!("{cell}/op_2_")).then_some(Form::Inputs)
}

/// Reads a dict as NNI exports it; `None` if it is no such dict.
///
/// # Errors
/// If the dict is one of NNI, but a cell lacks an entry or cannot be represented.
pub(super) fn cells(fields: &[Field], names: [&'static str; 2]) -> Option<Result<Cells, GenotypeError>> {
    names.iter().any(|name| form(fields, name).is_some()).then(|| {
        let [normal, reduce] = names;
        Ok([cell(fields, normal)?, cell(fields, reduce)?])
    })
}

fn cell(fields: &[Field], cell: &'static str) -> Result<(Vec<Gene>, Vec<usize>), GenotypeError> {
    let form = form(fields, cell).ok_or(GenotypeError::Missing { field: cell })?;
    let mut genes = Vec::new();
    let mut nodes = 0;
    while nodes < MOST_NODES {
        let of_node = match form {
            Form::Switches => switched(fields, cell, nodes)?,
            Form::Inputs => listed(fields, cell, nodes)?,
        };
        if of_node.is_empty() {
            break;
        }
        if of_node.len() != 2 {
            return Err(GenotypeError::NodeGenes { cell, node: nodes, genes: of_node.len() });
        }
        genes.extend(of_node);
        nodes += 1;
    }
    if form == Form::Inputs && nodes != NODES_OF_DARTS {
        return Err(GenotypeError::NniConcat { cell, nodes });
    }
    Ok((genes, (2..nodes + 2).collect()))
}

fn entry<'a>(fields: &'a [Field], name: &str) -> Option<&'a Literal> {
    fields.iter().find(|field| field.name == name).map(|field| &field.value)
}

/// The genes of a node whose predecessors were switched on or off.
fn switched(fields: &[Field], cell: &'static str, node: usize) -> Result<Vec<Gene>, GenotypeError> {
    let prefix = format!("{cell}_n{}_", node + 2);
    let Some(switch) = entry(fields, &format!("{prefix}switch")) else {
        if fields.iter().any(|field| field.name.starts_with(&prefix)) {
            return Err(GenotypeError::NniEntry { entry: format!("{prefix}switch") });
        }
        return Ok(Vec::new());
    };
    let kept = match switch {
        Literal::Sequence(items) => &items[..],
        one => std::slice::from_ref(one),
    };
    let mut inputs = Vec::new();
    for item in kept {
        let input = match item {
            Literal::Text(name) => {
                name.strip_prefix(&format!("{prefix}p")).and_then(|digits| digits.parse().ok())
            }
            Literal::Number(number) => usize::try_from(*number).ok(),
            _ => None,
        };
        inputs.push(input.ok_or_else(|| GenotypeError::Gene { cell, found: item.shown() })?);
    }
    let gene = |input| {
        let name = format!("{prefix}p{input}");
        Ok(Gene { operation: operation(fields, cell, &name)?, input })
    };
    // A node that keeps no input is distinguished from one that does not exist.
    if inputs.is_empty() {
        return Err(GenotypeError::NodeGenes { cell, node, genes: 0 });
    }
    inputs.into_iter().map(gene).collect()
}

/// The genes of a node whose operations name their inputs.
fn listed(fields: &[Field], cell: &'static str, node: usize) -> Result<Vec<Gene>, GenotypeError> {
    let mut genes = Vec::new();
    loop {
        let place = format!("{}_{}", node + 2, genes.len());
        let name = format!("{cell}/op_{place}");
        if entry(fields, &name).is_none() || genes.len() > MOST_NODES {
            return Ok(genes);
        }
        let input_name = format!("{cell}/input_{place}");
        let found = entry(fields, &input_name)
            .ok_or_else(|| GenotypeError::NniEntry { entry: input_name.clone() })?;
        let number = match found {
            Literal::Sequence(items) if items.len() == 1 => &items[0],
            other => other,
        };
        let input = match number {
            Literal::Number(number) => usize::try_from(*number).ok(),
            _ => None,
        };
        let input = input.ok_or_else(|| GenotypeError::Gene { cell, found: found.shown() })?;
        genes.push(Gene { operation: operation(fields, cell, &name)?, input });
    }
}

fn operation(fields: &[Field], cell: &'static str, name: &str) -> Result<Operation, GenotypeError> {
    let value = entry(fields, name).ok_or_else(|| GenotypeError::NniEntry { entry: name.to_owned() })?;
    let value = match value {
        Literal::Sequence(items) if matches!(items[..], [Literal::Text(_)]) => &items[0],
        other => other,
    };
    match value {
        Literal::Text(word) => {
            let known = Operation::SEARCHED.into_iter().find(|known| known.name().replace('_', "") == *word);
            // NNI's DARTS example leaves the size out of the names of pools.
            match (known, word.as_str()) {
                (Some(known), _) => Ok(known),
                (None, "maxpool") => Ok(Operation::MaxPool3x3),
                (None, "avgpool") => Ok(Operation::AvgPool3x3),
                (None, word) => Ok(word.parse()?),
            }
        }
        // Numbers and masks refer to the operations of a script that is not available here.
        other => Err(GenotypeError::NniOperation { cell, entry: name.to_owned(), found: other.shown() }),
    }
}

#[cfg(test)]
mod tests {
    use super::super::{Genotype, GenotypeFormat};

    const CELLS: &str = "Genotype(normal=[('sep_conv_3x3', 0), ('skip_connect', 1), ('max_pool_3x3', 0), ('dil_conv_5x5', 2)], \
                         normal_concat=range(2, 4), reduce=[('avg_pool_3x3', 0), ('sep_conv_5x5', 1), ('skip_connect', 1), \
                         ('dil_conv_3x3', 2)], reduce_concat=range(2, 4))\n";

    const SWITCHES: &str = r#"{
        "normal_n2_p0": "sepconv3x3", "normal_n2_p1": "skipconnect",
        "normal_n2_switch": ["normal_n2_p0", "normal_n2_p1"],
        "normal_n3_p0": "maxpool", "normal_n3_p1": [], "normal_n3_p2": "dilconv5x5",
        "normal_n3_switch": ["normal_n3_p0", "normal_n3_p2"],
        "reduce_n2_p0": "avgpool", "reduce_n2_p1": "sep_conv_5x5", "reduce_n2_switch": [0, 1],
        "reduce_n3_p0": [], "reduce_n3_p1": "skip_connect", "reduce_n3_p2": ["dilconv3x3"],
        "reduce_n3_switch": [1, 2]}"#;

    fn error(text: &str) -> String {
        Genotype::parse(text).expect_err(text).to_string()
    }

    #[test]
    fn the_export_of_the_darts_example_is_read() {
        let genotype = Genotype::parse(SWITCHES).expect("a dict of NNI");
        assert_eq!(genotype.format(GenotypeFormat::Darts), CELLS);
        // The same dict as Python prints it.
        assert_eq!(Genotype::parse(&SWITCHES.replace('"', "'")), Ok(genotype));
    }

    #[test]
    fn what_an_export_leaves_open_is_refused_with_the_reason() {
        assert_eq!(
            error(&SWITCHES.replace("\"dilconv5x5\"", "6")),
            "normal cell: `normal_n3_p2` is 6; only the script that wrote it can tell which operation that is: write \
             its name instead, such as \"sep_conv_3x3\""
        );
        assert!(
            error(&SWITCHES.replace("\"dilconv5x5\"", "[false, true]"))
                .contains("`normal_n3_p2` is a list of 2")
        );
        assert_eq!(
            error(
                &SWITCHES
                    .replace("[1, 2]}", "[0, 1, 2]}")
                    .replace("\"reduce_n3_p0\": []", "\"reduce_n3_p0\": \"none\"")
            ),
            "reduce cell: node 1 has 3 genes; this family of cells has two for every node"
        );
        assert_eq!(
            error(&SWITCHES.replace("[1, 2]}", "[]}")),
            "reduce cell: node 1 has 0 genes; this family of cells has two for every node"
        );
        assert_eq!(
            error(&SWITCHES.replace("\"normal_n3_switch\"", "\"switch\"")),
            "`normal_n3_switch` is missing among the entries that NNI exports for a cell"
        );
        assert_eq!(
            error(&SWITCHES.replace("dilconv5x5", "dilconv7x7")),
            "`dilconv7x7` is not an operation; did you mean `dil_conv_3x3`?"
        );
        assert_eq!(
            error(&SWITCHES.replace("reduce_", "down_")),
            "`reduce` is missing; a genotype has normal, normal_concat, reduce and reduce_concat"
        );
    }

    fn inputs(nodes: usize) -> String {
        let mut entries = vec!["\"depth\": 20".to_owned()];
        for cell in ["normal", "reduce"] {
            for node in 2..nodes + 2 {
                entries.push(format!(
                    "\"{cell}/op_{node}_0\": \"sep_conv_3x3\", \"{cell}/input_{node}_0\": [0]"
                ));
                entries.push(format!(
                    "\"{cell}/op_{node}_1\": \"skip_connect\", \"{cell}/input_{node}_1\": {}",
                    node - 1
                ));
            }
        }
        format!("{{{}}}", entries.join(", "))
    }

    #[test]
    fn the_export_of_a_model_space_is_read_where_it_says_what_is_put_out() {
        let genotype = Genotype::parse(&inputs(4)).expect("NNI's DARTS space");
        assert_eq!(genotype.normal.short(), "0s3 1id  0s3 2id  0s3 3id  0s3 4id");
        assert_eq!(genotype.reduction.concat, [2, 3, 4, 5]);
        assert_eq!(
            error(&inputs(5)),
            "normal cell: NNI exported 5 nodes; it is known which of them are concatenated only for its DARTS \
             space, which has 4: write the genotype with its normal_concat and reduce_concat"
        );
        assert!(error(&inputs(4).replace("normal/input_3_1", "x")).contains("`normal/input_3_1` is missing"));
    }
}
