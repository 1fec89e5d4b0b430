//! The cell of NAS-Bench-201: four nodes, and an edge from every node to every later one.

use super::edge::{EDGES, EdgeOperation, OPERATIONS};
use crate::cost::Part;
use crate::space::{Space, VectorError};

/// The node that each edge reads; the edges of a node stand together.
const SOURCES: [usize; EDGES] = [0, 0, 1, 0, 1, 2];
/// The node that each edge leads to. Node 0 is the cell's input, node 3 its output.
const TARGETS: [usize; EDGES] = [1, 2, 2, 3, 3, 3];

/// Every way from the input to the output, as edges.
const WAYS: [&[usize]; 4] = [&[3], &[0, 4], &[1, 5], &[0, 2, 5]];

/// The nodes that an edge connects: the earlier one and the later one.
///
/// # Panics
/// If there is no such edge.
pub fn ends(edge: usize) -> (usize, usize) {
    (SOURCES[edge], TARGETS[edge])
}

/// The operations of an architecture vector, as one index for each edge.
///
/// # Errors
/// If the vector does not lie in [`Space::NasBench201`].
///
/// # Panics
/// Never: the space has a gene for every edge.
pub fn decode(position: &[f64]) -> Result<[usize; EDGES], VectorError> {
    let indices = Space::NasBench201.decode(position)?;
    Ok(indices.try_into().expect("an index for every edge"))
}

/// What the operations of all cells cost in the network of the paper: five cells at each of 16, 32
/// and 64 channels, where maps are 32, 16 and 8 pixels high and wide; for one image.
///
/// A convolution has its kernel and a batch norm. Stem, reductions and classifier, the same in every
/// architecture, are left out (73,306 parameters on CIFAR-10).
pub fn size(indices: &[usize; EDGES]) -> Part {
    const CELLS: u64 = 5;
    let convolution = |kernel: u64| {
        [(16, 32), (32, 16), (64, 8)].into_iter().map(move |(channels, side): (u64, u64)| {
            let weights = kernel * channels * channels;
            Part {
                parameters: CELLS * (weights + 2 * channels),
                multiply_adds: CELLS * weights * side * side,
            }
        })
    };
    let edge = |&index: &usize| match OPERATIONS[index] {
        EdgeOperation::Conv1x1 => convolution(1).sum(),
        EdgeOperation::Conv3x3 => convolution(9).sum(),
        EdgeOperation::None | EdgeOperation::SkipConnect | EdgeOperation::AvgPool3x3 => Part::default(),
    };
    indices.iter().map(edge).sum()
}

/// The published string of an architecture, such as `|none~0|+|…`.
pub fn architecture(indices: &[usize; EDGES]) -> String {
    let mut text = String::new();
    for (&index, source) in indices.iter().zip(SOURCES) {
        if source == 0 {
            text.push_str(if text.is_empty() { "|" } else { "+|" });
        }
        text.push_str(&format!("{}~{source}|", OPERATIONS[index]));
    }
    text
}

/// Reads an architecture string as [`architecture`] writes it; `None` if the text is none.
pub fn parse_architecture(text: &str) -> Option<[usize; EDGES]> {
    let mut indices = [0; EDGES];
    let mut edges = text.split(['|', '+']).filter(|edge| !edge.is_empty());
    for (index, source) in indices.iter_mut().zip(SOURCES) {
        let (name, from) = edges.next()?.split_once('~')?;
        if from.parse() != Ok(source) {
            return None;
        }
        *index = OPERATIONS.iter().position(|operation| operation.name() == name)?;
    }
    // The separators were not checked, so the result is written again and compared.
    (architecture(&indices) == text).then_some(indices)
}

/// A few sentences: what the edges do, and what lies between input and output.
pub fn describe(indices: &[usize; EDGES]) -> String {
    let operations = indices.map(|index| OPERATIONS[index]);
    let counts: Vec<_> = OPERATIONS
        .into_iter()
        .map(|operation| (operations.iter().filter(|o| **o == operation).count(), operation))
        .filter(|(count, _)| *count > 0)
        .map(|(count, operation)| format!("{count} {operation}"))
        .collect();
    let is_open = |way: &&&[usize]| way.iter().all(|&edge| operations[edge] != EdgeOperation::None);
    let is_convolution =
        |&&edge: &&usize| matches!(operations[edge], EdgeOperation::Conv1x1 | EdgeOperation::Conv3x3);
    let deepest = WAYS.iter().filter(is_open).map(|way| way.iter().filter(is_convolution).count()).max();
    let through = match deepest {
        None => "Nothing reaches the output: every way to it is cut.".to_owned(),
        Some(0) => "No convolution lies between input and output.".to_owned(),
        Some(1) => "One convolution deep.".to_owned(),
        Some(many) => format!("{many} convolutions deep."),
    };
    format!("Six edges: {}. {through}", counts.join(", "))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn edges_are_counted_as_in_the_architecture_string() {
        let text = "|avg_pool_3x3~0|+|nor_conv_1x1~0|skip_connect~1|+|none~0|skip_connect~1|nor_conv_3x3~2|";
        assert_eq!(parse_architecture(text), Some([4, 2, 1, 0, 1, 3]));
        assert_eq!(architecture(&[4, 2, 1, 0, 1, 3]), text);
    }

    #[test]
    fn ways_lead_from_the_input_to_the_output() {
        let node = |name: &str| ["in", "1", "2", "out"].iter().position(|node| *node == name);
        for edge in 0..EDGES {
            let (from, to) = crate::tabular::edge_name(edge).split_once('-').expect("two ends");
            assert_eq!((node(from), node(to)), (Some(ends(edge).0), Some(ends(edge).1)));
        }
        for way in WAYS {
            let reached = way.iter().fold(0, |node, &edge| {
                assert_eq!(ends(edge).0, node, "{way:?}");
                ends(edge).1
            });
            assert_eq!(reached, 3, "{way:?}");
        }
    }

    #[test]
    fn words_tell_what_lies_between_input_and_output() {
        let check = |indices, expected: &str| {
            let words = describe(&indices);
            assert!(words.ends_with(expected), "{words}");
        };
        check([3; 6], "Six edges: 6 nor_conv_3x3. 3 convolutions deep.");
        check([3, 3, 3, 3, 0, 0], "One convolution deep.");
        check([1; 6], "No convolution lies between input and output.");
        check(
            [3, 3, 3, 0, 0, 0],
            "3 none, 3 nor_conv_3x3. Nothing reaches the output: every way to it is cut.",
        );
    }

    #[test]
    fn the_largest_architecture_has_the_published_number_of_parameters() {
        // arXiv 2001.00326's API counts 1.531546 million where every edge is a 3×3 convolution.
        assert_eq!(size(&[3; 6]).parameters + 73_306, 1_531_546);
        assert_eq!(size(&[4, 1, 0, 4, 1, 0]), Part::default());
        assert!(size(&[3, 0, 0, 0, 0, 0]).parameters > size(&[2; 6]).parameters);
    }
}
