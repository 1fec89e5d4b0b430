//! What a forward pass leaves for the backward pass.

use super::{
    norm::Normalisation,
    program::{CellProgram, Program},
    simd::Lanes,
    stage::{Input, Stage},
};

/// The output of a stage for a whole batch, before batch norm, and what normalises it.
#[derive(Debug, Default)]
pub struct StageTape {
    pub output: Vec<Lanes>,
    pub normalisation: Normalisation,
}

/// Everything that a batch has computed, or a thread's share of it.
#[derive(Debug, Default)]
pub struct Tape {
    pub images: usize,
    /// By module and stage.
    pub stages: Vec<Vec<StageTape>>,
    /// The stem after batch norm.
    pub stem: Vec<Lanes>,
    /// By cell: inputs after preprocessing.
    pub inputs: Vec<[Vec<Lanes>; 2]>,
    /// By cell: all nodes of an image, then those of the next.
    pub outputs: Vec<Vec<Lanes>>,
}

impl Tape {
    pub fn new(program: &Program) -> Self {
        let stages = |m: &Vec<Stage>| m.iter().map(|_| StageTape::default()).collect();
        Self {
            images: 0,
            stages: program.modules.iter().map(stages).collect(),
            stem: Vec::new(),
            inputs: program.cells.iter().map(|_| Default::default()).collect(),
            outputs: program.cells.iter().map(|_| Vec::new()).collect(),
        }
    }

    /// Feature 0 is the stem, feature `1 + c` the output of cell `c`.
    pub fn feature(&self, program: &Program, feature: usize, image: usize) -> &[Lanes] {
        let (memory, length) = match feature.checked_sub(1) {
            None => (&self.stem, program.modules[program.stem][0].output.length()),
            Some(cell) => (&self.outputs[cell], program.cells[cell].length()),
        };
        &memory[image * length..][..length]
    }

    /// The image that a gene of a cell reads.
    pub fn gene_input(&self, cell: &CellProgram, index: usize, input: usize, image: usize) -> &[Lanes] {
        match input.checked_sub(2) {
            None => cell.input.image(&self.inputs[index][input], image),
            // The nodes of an image follow each other.
            Some(node) => cell.node.image(&self.outputs[index], image * cell.nodes.len() + node),
        }
    }
}

/// What a module reads.
#[derive(Clone, Copy)]
pub enum Source<'a> {
    /// `[N, H, W, 3]`
    Pictures(&'a [f32]),
    /// As [`Tape::feature`].
    Feature(usize),
    /// What a gene of this cell reads.
    Gene { cell: usize, input: usize },
}

impl<'a> Source<'a> {
    pub fn image(self, tape: &'a Tape, program: &Program, image: usize) -> Input<'a> {
        match self {
            Self::Pictures(pictures) => {
                let length = 3 * program.image_side * program.image_side;
                Input::Picture(&pictures[image * length..][..length])
            }
            Self::Feature(feature) => Input::Planes(tape.feature(program, feature, image)),
            Self::Gene { cell, input } => {
                Input::Planes(tape.gene_input(&program.cells[cell], cell, input, image))
            }
        }
    }
}

/// Features that the two inputs of a cell are preprocessed from.
pub fn sources(cell: usize) -> [usize; 2] {
    [cell.saturating_sub(1), cell]
}
