//! Why a text is not a genotype.

use crate::operation::UnknownOperation;

/// Why a text is not a genotype.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum GenotypeError {
    #[error("{0}")]
    Operation(#[from] UnknownOperation),
    #[error("{cell} cell, gene {gene}: node {node} may read inputs 0 to {last}, not {input}")]
    Input { cell: &'static str, gene: usize, node: usize, last: usize, input: usize },
    #[error("{cell} cell: {genes} genes; every node needs two, so an even number from 2 to 40 is expected")]
    GeneCount { cell: &'static str, genes: usize },
    #[error("{cell}_concat: {index} is no node or input of this cell (0 to {last}), or occurs twice")]
    Concat { cell: &'static str, index: usize, last: usize },
    #[error("{cell}_concat is empty; a cell must concatenate at least one node")]
    NoConcat { cell: &'static str },
    #[error(
        "{cell}_concat: a reduction cell cannot concatenate input {index}, which has twice as many rows and columns \
         as its nodes; nodes begin at 2"
    )]
    Resolution { cell: &'static str, index: usize },
    #[error(
        "{cell} cell: expected for every gene an operation and the input that it reads, such as \
         ('sep_conv_3x3', 0), found {found}"
    )]
    Gene { cell: &'static str, found: String },
    #[error("{cell} cell: node {node} has {genes} genes; this family of cells has two for every node")]
    NodeGenes { cell: &'static str, node: usize, genes: usize },
    #[error(
        "{cell} cell: it is not clear which of the two numbers of a gene is its node and which its input; write \
         ('operation', input), two for every node in order"
    )]
    NodeOrInput { cell: &'static str },
    #[error("{cell}_concat: expected whole numbers such as [2, 3, 4, 5] or range(2, 6), found {found}")]
    ConcatForm { cell: &'static str, found: String },
    #[error("`{field}` is missing; a genotype has normal, normal_concat, reduce and reduce_concat")]
    Missing { field: &'static str },
    #[error(
        "`{field}` is unknown or occurs twice; a genotype has normal, normal_concat, reduce and reduce_concat"
    )]
    Field { field: String },
    #[error("`{entry}` is missing among the entries that NNI exports for a cell")]
    NniEntry { entry: String },
    #[error(
        "{cell} cell: `{entry}` is {found}; only the script that wrote it can tell which operation that is: write its \
         name instead, such as \"sep_conv_3x3\""
    )]
    NniOperation { cell: &'static str, entry: String, found: String },
    #[error(
        "{cell} cell: NNI exported {nodes} nodes; it is known which of them are concatenated only for its DARTS \
         space, which has 4: write the genotype with its normal_concat and reduce_concat"
    )]
    NniConcat { cell: &'static str, nodes: usize },
    #[error(
        "line {line}: this is YAML, which is not read; in Python, `print(genotype)` and \
         `json.dump(yaml.safe_load(open(FILE)), sys.stdout)` write what can be read"
    )]
    Yaml { line: usize },
    #[error("the text is {0}; save it as UTF-8")]
    Encoding(&'static str),
    #[error("there are several genotypes; choose one by its name, as in FILE:NAME: {names}")]
    SeveralNames { names: String },
    #[error("there is no genotype called `{name}`; there are: {names}")]
    NoSuchName { name: String, names: String },
    #[error("a name was given, but the text assigns no genotype to a name")]
    NoNames,
    #[error("line {line}, column {column}: expected {expected}, found {found}")]
    Syntax { line: usize, column: usize, expected: &'static str, found: String },
    #[error("not a genotype in JSON: {0}")]
    Json(String),
    #[error("not a genotype in TOML: {0}")]
    Toml(String),
}
