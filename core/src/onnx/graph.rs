//! The nodes of an ONNX graph, and the file that holds them.

use std::collections::{BTreeMap, BTreeSet};

use super::{WeightTensor, protobuf::Message};

const IR_VERSION: i64 = 8;
const OPSET: i64 = 17;
/// The numbers of element types and of kinds of attributes in the ONNX format.
const FLOAT: i64 = 1;
const INT64: i64 = 7;
const ATTRIBUTE_FLOAT: i64 = 1;
const ATTRIBUTE_INTEGER: i64 = 2;
const ATTRIBUTE_TEXT: i64 = 3;
const ATTRIBUTE_INTEGERS: i64 = 7;

pub(super) const INPUT: &str = "images";

/// A parameter of an ONNX node.
#[derive(Clone, Debug)]
pub(super) enum Attribute {
    Integer(&'static str, i64),
    Integers(&'static str, Vec<i64>),
    Float(&'static str, f32),
    Text(&'static str, &'static str),
}

/// An output of the graph, under a name of its own; the batch comes before its other dimensions.
pub(super) struct Output {
    pub(super) value: String,
    pub(super) name: &'static str,
    pub(super) sides: Vec<u64>,
}

#[derive(Clone, Debug)]
struct Node {
    operator: &'static str,
    inputs: Vec<String>,
    output: String,
    attributes: Vec<Attribute>,
}

/// A graph that is built node by node. Values are identified by their names.
#[derive(Debug, Default)]
pub(super) struct Graph {
    nodes: Vec<Node>,
    /// Tensors of the network that nodes read, and their shapes.
    weights: BTreeMap<String, Vec<u64>>,
    /// Lists of whole numbers that nodes read.
    integers: BTreeMap<String, Vec<i64>>,
    /// Numbers that nodes read, with their shapes.
    floats: BTreeMap<&'static str, (Vec<u64>, Vec<f32>)>,
}

impl Graph {
    /// Adds a node, and returns the name of its output.
    pub(super) fn node(
        &mut self,
        operator: &'static str,
        inputs: &[&str],
        attributes: Vec<Attribute>,
    ) -> String {
        let output = format!("{}_{}", operator.to_ascii_lowercase(), self.nodes.len());
        let inputs = inputs.iter().map(|&input| input.to_owned()).collect();
        self.nodes.push(Node { operator, inputs, output: output.clone(), attributes });
        output
    }

    /// A tensor of the network, by its name in the state dict.
    pub(super) fn weight(&mut self, name: String, shape: &[usize]) -> String {
        self.weights.insert(name.clone(), shape.iter().map(|&n| n as u64).collect());
        name
    }

    /// Adds a list of whole numbers; returns its name.
    pub(super) fn integers(&mut self, numbers: &[i64]) -> String {
        let written: Vec<_> = numbers.iter().map(ToString::to_string).collect();
        let name = format!("integers_{}", written.join("_"));
        self.integers.insert(name.clone(), numbers.to_vec());
        name
    }

    /// Adds numbers under a unique name; returns the name.
    pub(super) fn floats(&mut self, name: &'static str, shape: &[u64], numbers: Vec<f32>) -> &'static str {
        self.floats.insert(name, (shape.to_vec(), numbers));
        name
    }

    /// Adds the number 0; returns its name.
    pub(super) fn zero(&mut self) -> &'static str {
        self.floats("zero", &[], vec![0.0])
    }

    /// The tensors that the network has, and their shapes.
    pub(super) fn weights(&self) -> impl Iterator<Item = (&str, &Vec<u64>)> {
        self.weights.iter().map(|(name, shape)| (name.as_str(), shape))
    }

    /// The nodes that outputs depend on, in order.
    fn live(&self, outputs: &[Output]) -> Vec<&Node> {
        let mut needed: BTreeSet<_> = outputs.iter().map(|output| output.value.as_str()).collect();
        let mut live = Vec::new();
        for node in self.nodes.iter().rev() {
            if needed.contains(node.output.as_str()) {
                needed.extend(node.inputs.iter().map(String::as_str));
                live.push(node);
            }
        }
        live.reverse();
        live
    }

    /// The file of a graph with these outputs; weights that they do not depend on are left out.
    pub(super) fn file(
        &self,
        outputs: &[Output],
        image: [u64; 3],
        weights: &BTreeMap<String, WeightTensor>,
    ) -> Vec<u8> {
        let nodes = self.live(outputs);
        let mut graph = Message::default();
        for (index, node) in nodes.iter().enumerate() {
            graph.message(1, &node.message(index, outputs));
        }
        graph.text(2, "relativenas");
        let read: BTreeSet<_> =
            nodes.iter().flat_map(|node| node.inputs.iter().map(String::as_str)).collect();
        for name in &read {
            if let Some(tensor) = weights.get(*name).filter(|_| self.weights.contains_key(*name)) {
                let bytes: Vec<_> = tensor.values.iter().flat_map(|value| value.to_le_bytes()).collect();
                graph.message(5, &initializer(name, &tensor.shape, FLOAT, &bytes));
            } else if let Some(numbers) = self.integers.get(*name) {
                let bytes: Vec<_> = numbers.iter().flat_map(|number| number.to_le_bytes()).collect();
                graph.message(5, &initializer(name, &[numbers.len() as u64], INT64, &bytes));
            } else if let Some((shape, numbers)) = self.floats.get(name) {
                let bytes: Vec<_> = numbers.iter().flat_map(|number| number.to_le_bytes()).collect();
                graph.message(5, &initializer(name, shape, FLOAT, &bytes));
            }
        }
        graph.message(11, &described(INPUT, &image));
        for output in outputs {
            graph.message(12, &described(output.name, &output.sides));
        }

        let mut opset = Message::default();
        opset.text(1, "");
        opset.integer(2, OPSET);
        let mut model = Message::default();
        model.integer(1, IR_VERSION);
        model.text(2, "relativenas");
        model.text(3, env!("CARGO_PKG_VERSION"));
        model.message(7, &graph);
        model.message(8, &opset);
        model.0
    }
}

impl Node {
    /// The message of a node. A value that is an output of the graph gets the name of that output.
    fn message(&self, index: usize, outputs: &[Output]) -> Message {
        let mut node = Message::default();
        self.inputs.iter().for_each(|input| node.text(1, input));
        let own = outputs.iter().find(|output| output.value == self.output);
        node.text(2, own.map_or(&self.output, |output| output.name));
        node.text(3, &format!("{}_{index}", self.operator));
        node.text(4, self.operator);
        for attribute in &self.attributes {
            node.message(5, &attribute.message());
        }
        node
    }
}

impl Attribute {
    fn message(&self) -> Message {
        let mut message = Message::default();
        let kind = match self {
            Self::Float(name, number) => {
                message.text(1, name);
                message.float(2, *number);
                ATTRIBUTE_FLOAT
            }
            Self::Integer(name, number) => {
                message.text(1, name);
                message.integer(3, *number);
                ATTRIBUTE_INTEGER
            }
            Self::Text(name, text) => {
                message.text(1, name);
                message.text(4, text);
                ATTRIBUTE_TEXT
            }
            Self::Integers(name, numbers) => {
                message.text(1, name);
                numbers.iter().for_each(|&number| message.integer(8, number));
                ATTRIBUTE_INTEGERS
            }
        };
        message.integer(20, kind);
        message
    }
}

fn initializer(name: &str, shape: &[u64], kind: i64, bytes: &[u8]) -> Message {
    let mut tensor = Message::default();
    shape.iter().for_each(|&side| tensor.integer(1, side as i64));
    tensor.integer(2, kind);
    tensor.text(8, name);
    tensor.bytes(9, bytes);
    tensor
}

/// The description of an `f32` value whose first dimension is free.
fn described(name: &str, rest: &[u64]) -> Message {
    let mut free = Message::default();
    free.text(2, "N");
    let mut shape = Message::default();
    shape.message(1, &free);
    for &side in rest {
        let mut dimension = Message::default();
        dimension.integer(1, side as i64);
        shape.message(1, &dimension);
    }
    let mut tensor = Message::default();
    tensor.integer(1, FLOAT);
    tensor.message(2, &shape);
    let mut kind = Message::default();
    kind.message(1, &tensor);
    let mut value = Message::default();
    value.text(1, name);
    value.message(2, &kind);
    value
}
